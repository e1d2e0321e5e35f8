// Arranging elements: rows and columns of what is selected, and the automatic layout, which runs in a worker of its own.
import type { Point } from "../model/place";
import { PAGE, placeOf, snapped } from "../model/place";
import { move } from "../store/edits";
import { current } from "../store/topology";

/** Wished length of a line in pixels. */
const DISTANCE = 170;
/** More elements than this take too long with the finer way. */
const STRESS_MAX = 400;
const HALF = 45;

/** Asks the layout's worker where elements should be. */
async function ask(ids: string[], links: [string, string][]): Promise<Map<string, Point>> {
  const [{ default: ELK }, { default: workerUrl }] = await Promise.all([
    import("elkjs/lib/elk-api.js"),
    import("elkjs/lib/elk-worker.min.js?url"),
  ]);
  const elk = new ELK({ workerUrl });
  const large = ids.length > STRESS_MAX;
  try {
    const graph = await elk.layout({
      id: "root",
      layoutOptions: large
        ? { "elk.algorithm": "mrtree", "elk.spacing.nodeNode": "60", "elk.spacing.componentComponent": "90" }
        : { "elk.algorithm": "stress", "elk.stress.desiredEdgeLength": String(DISTANCE), "elk.spacing.componentComponent": "90" },
      children: ids.map((id) => ({ id, width: 2 * HALF, height: 2 * HALF })),
      edges: links.map(([a, b], index) => ({ id: `e${index}`, sources: [a], targets: [b] })),
    });
    return new Map((graph.children ?? []).map((child) => [child.id, { x: (child.x ?? 0) + HALF, y: (child.y ?? 0) + HALF }]));
  } finally {
    elk.terminateWorker();
  }
}

/** Places all elements, or the chosen ones, so that lines cross little. */
export async function arrange(chosen?: string[]): Promise<void> {
  const { elements, connections, owners } = current();
  const ids = chosen ?? [...elements.keys()];
  const inside = new Set(ids);
  const links = [...connections.values()]
    .map((item): [string, string] => [owners.get(item.interfaces[0]!) ?? "", owners.get(item.interfaces[1]!) ?? ""])
    .filter(([a, b]) => inside.has(a) && inside.has(b) && a !== b);
  if (ids.length === 0) return;
  const found = await ask(ids, links);
  const centre = middle([...found.values()]);
  const target = chosen ? middle(placesOf(ids)) : { x: Math.max(PAGE.x / 2, centre.x), y: Math.max(PAGE.y / 2, centre.y) };
  const places = new Map([...found].map(([id, p]) => [id, snapped({ x: p.x - centre.x + target.x, y: p.y - centre.y + target.y })]));
  await move(places);
}

function placesOf(ids: string[]): Point[] {
  const order = [...current().elements.keys()];
  return ids.map((id) => placeOf(current().elements.get(id)!, order.indexOf(id)));
}

function middle(points: Point[]): Point {
  const xs = points.map((point) => point.x);
  const ys = points.map((point) => point.y);
  return { x: (Math.min(...xs) + Math.max(...xs)) / 2, y: (Math.min(...ys) + Math.max(...ys)) / 2 };
}

export type Alignment = "row" | "column" | "spread-x" | "spread-y" | "circle";

/** Lines elements up. */
export async function align(ids: string[], how: Alignment): Promise<void> {
  const points = placesOf(ids);
  const centre = middle(points);
  const axis = how === "spread-x" ? "x" : "y";
  const order = points.map((_, index) => index).sort((a, b) => points[a]![axis] - points[b]![axis]);
  const [low, high] = [points[order[0]!]![axis], points[order.at(-1)!]![axis]];
  const radius = Math.max(90, (ids.length * 100) / (2 * Math.PI));
  const places = new Map<string, Point>();
  points.forEach((point, index) => {
    let to: Point;
    if (how === "row") to = { x: point.x, y: centre.y };
    else if (how === "column") to = { x: centre.x, y: point.y };
    else if (how === "circle") {
      const angle = (index / ids.length) * 2 * Math.PI - Math.PI / 2;
      to = { x: centre.x + Math.cos(angle) * radius, y: centre.y + Math.sin(angle) * radius };
    } else {
      const share = order.indexOf(index) / Math.max(1, order.length - 1);
      to = { ...point, [axis]: low + share * (high - low) };
    }
    places.set(ids[index]!, snapped(to));
  });
  await move(places);
}
