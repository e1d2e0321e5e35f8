// Which way lines hang when a network is drawn in layers: away from the middle of its longest way.

type Around = ReadonlyMap<string, readonly string[]>;

/** What can be reached from an element, the nearest first, each with the one it is reached from. */
function walk(from: string, around: Around): Map<string, string | null> {
  const reached = new Map<string, string | null>([[from, null]]);
  // A map goes on over what is added meanwhile.
  for (const at of reached.keys()) {
    for (const next of around.get(at) ?? []) if (!reached.has(next)) reached.set(next, at);
  }
  return reached;
}

/** The middle of the way between two elements of a network that are far apart. */
function middleOf(start: string, around: Around): string {
  const reached = walk([...walk(start, around).keys()].at(-1)!, around);
  const way: string[] = [];
  for (let at: string | null = [...reached.keys()].at(-1)!; at !== null; at = reached.get(at) ?? null) way.push(at);
  return way[Math.floor(way.length / 2)]!;
}

/** The links, each from the end nearer to its network's middle to the other one. */
export function hanging(ids: readonly string[], links: readonly (readonly [string, string])[]): [string, string][] {
  const around = new Map<string, string[]>(ids.map((id) => [id, []]));
  for (const [a, b] of links) {
    around.get(a)?.push(b);
    around.get(b)?.push(a);
  }
  const order = new Map<string, number>();
  for (const id of ids) {
    if (order.has(id)) continue;
    for (const each of walk(middleOf(id, around), around).keys()) order.set(each, order.size);
  }
  return links.map(([a, b]) => ((order.get(a) ?? 0) <= (order.get(b) ?? 0) ? [a, b] : [b, a]));
}
