// The commands that show frames in Wireshark.

/** A word of a shell. */
const quoted = (text: string): string => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/** Follows a connection. */
export function liveCommand(topology: string, connection: string, filter: string): string {
  return `tomato capture live ${quoted(`${topology}/${connection}`)}${filter === "" ? "" : ` --filter ${quoted(filter)}`} | wireshark -k -i -`;
}

/** Opens what was recorded. */
export function recordedCommand(topology: string, connection: string): string {
  return `tomato capture download ${quoted(`${topology}/${connection}`)} -o - | wireshark -k -i -`;
}
