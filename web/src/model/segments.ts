// Broadcast domains: connections joined by connectors (switches, hubs, ...) are one segment and share a colour.
import type { Connection, Element } from "./types";

/** Colours of segments: told apart by most eyes, readable on light and dark. */
export const SEGMENT_COLORS = [
  "#2f74c0", "#c2571a", "#2b8a57", "#8e5bc0", "#a87500", "#c23f7c", "#11899a", "#6c6f2d", "#7a5c3e", "#5664d2",
];

/** The numbers of groups of connections: those that one of its connections had before, as far as no other group has it, else the lowest free one. */
function numbered(groups: readonly (readonly string[])[], before: ReadonlyMap<string, number>): Map<string, number> {
  const taken = new Set<number>();
  const kept = groups.map((group) => {
    const old = group.map((id) => before.get(id)).find((number) => number !== undefined && !taken.has(number));
    if (old !== undefined) taken.add(old);
    return old;
  });
  const result = new Map<string, number>();
  let free = 0;
  groups.forEach((group, index) => {
    let number = kept[index];
    if (number === undefined) {
      while (taken.has(free)) free += 1;
      taken.add(free);
      number = free;
    }
    for (const id of group) result.set(id, number);
  });
  return result;
}

/** The segment's number of each connection; what had a number `before` keeps it where it can. */
export function segments(
  elements: ReadonlyMap<string, Element>,
  connections: ReadonlyMap<string, Connection>,
  owners: ReadonlyMap<string, string>,
  isDevice: (kind: string) => boolean,
  before: ReadonlyMap<string, number> = new Map(),
): Map<string, number> {
  const parent = new Map<string, string>();
  const root = (key: string): string => {
    let at = key;
    for (let up = parent.get(at); up !== undefined && up !== at; up = parent.get(at)) {
      parent.set(at, parent.get(up) ?? up);
      at = up;
    }
    return at;
  };
  const end = (interfaceId: string): string => {
    const owner = owners.get(interfaceId);
    const element = owner === undefined ? undefined : elements.get(owner);
    return element && !isDevice(element.kind) ? element.id : interfaceId;
  };
  for (const connection of connections.values()) {
    const a = root(end(connection.interfaces[0]!));
    const b = root(end(connection.interfaces[1]!));
    if (a !== b) parent.set(b, a);
    if (!parent.has(a)) parent.set(a, a);
  }
  const groups = new Map<string, string[]>();
  for (const connection of connections.values()) {
    const key = root(end(connection.interfaces[0]!));
    groups.set(key, [...(groups.get(key) ?? []), connection.id]);
  }
  return numbered([...groups.values()], before);
}

/** The colour of a segment. */
export function segmentColor(number: number | undefined): string {
  return SEGMENT_COLORS[(number ?? 0) % SEGMENT_COLORS.length]!;
}
