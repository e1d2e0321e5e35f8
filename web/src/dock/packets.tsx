// Packets of a connection in the browser.
export default function Packets({ id }: { id: string }) {
  return <div data-connection={id} />;
}
