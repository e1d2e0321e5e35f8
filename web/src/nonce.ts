// The page's Content-Security-Policy lets only style elements with the page's nonce apply. Libraries make their own style
// elements, so each element of that name gets the nonce when it is made. Must be imported before any of them.
const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";

const create = document.createElement.bind(document);
document.createElement = ((name: string, options?: ElementCreationOptions) => {
  const element = create(name, options);
  if (name.toLowerCase() === "style") element.nonce = nonce;
  return element;
}) as typeof document.createElement;

export { nonce };
