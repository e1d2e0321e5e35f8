// Arranging elements: rows and columns of what is selected, and the automatic layout, which runs in a worker of its own.
import { useEffect } from "react";

import { hanging } from "../model/hanging";
import { bounds, gridPlace, PAGE, type Point, snapped } from "../model/place";
import { move } from "../store/edits";
import { current, useTopology } from "../store/topology";
import { isLost, shownPlaces, useUnplaced } from "../store/unplaced";

/** Wished length of a line in pixels. */
const DISTANCE = 170;
/** More elements than this take too long with the finer ways. */
const FINE_MAX = 400;
const HALF = 45;

/** Free space below what has its place already. */
const BELOW = 150;

/** How elements are placed: by springs, as a tree, or in layers. */
const WAYS = {
  springs: { "elk.algorithm": "stress", "elk.stress.desiredEdgeLength": String(DISTANCE), "elk.spacing.componentComponent": "90" },
  tree: { "elk.algorithm": "mrtree", "elk.spacing.nodeNode": "60", "elk.spacing.componentComponent": "90" },
  layers: {
    "elk.algorithm": "layered", "elk.direction": "RIGHT", "elk.spacing.nodeNode": "35", "elk.layered.spacing.nodeNodeBetweenLayers": "110",
    "elk.spacing.componentComponent": "90", "elk.aspectRatio": "1.6", "elk.layered.nodePlacement.bk.fixedAlignment": "BALANCED",
  },
};

/** Asks the layout's worker where elements should be. */
async function ask(ids: string[], links: [string, string][], way: keyof typeof WAYS): Promise<Map<string, Point>> {
  const [{ default: ELK }, { default: workerUrl }] = await Promise.all([
    import("elkjs/lib/elk-api.js"),
    import("elkjs/lib/elk-worker.min.js?url"),
  ]);
  const elk = new ELK({ workerUrl });
  try {
    const graph = await elk.layout({
      id: "root",
      layoutOptions: WAYS[ids.length > FINE_MAX ? "tree" : way],
      children: ids.map((id) => ({ id, width: 2 * HALF, height: 2 * HALF })),
      edges: links.map(([a, b], index) => ({ id: `e${index}`, sources: [a], targets: [b] })),
    });
    return new Map((graph.children ?? []).map((child) => [child.id, { x: (child.x ?? 0) + HALF, y: (child.y ?? 0) + HALF }]));
  } finally {
    elk.terminateWorker();
  }
}

/** Which of some elements are joined to which. */
function linksAmong(ids: string[]): [string, string][] {
  const { connections, owners } = current();
  const inside = new Set(ids);
  return [...connections.values()]
    .map((item): [string, string] => [owners.get(item.interfaces[0]!) ?? "", owners.get(item.interfaces[1]!) ?? ""])
    .filter(([a, b]) => inside.has(a) && inside.has(b) && a !== b);
}

/** Places all elements, or the chosen ones, so that lines cross little. */
export async function arrange(chosen?: string[]): Promise<void> {
  const ids = chosen ?? [...current().elements.keys()];
  if (ids.length === 0) return;
  const found = await ask(ids, linksAmong(ids), "springs");
  const centre = middle([...found.values()]);
  const target = chosen ? middle(placesOf(ids)) : { x: Math.max(PAGE.x / 2, centre.x), y: Math.max(PAGE.y / 2, centre.y) };
  const places = new Map([...found].map(([id, p]) => [id, snapped({ x: p.x - centre.x + target.x, y: p.y - centre.y + target.y })]));
  await move(places);
}

/** Places for elements that have none: in layers, below what has a place. */
async function placesFor(ids: string[]): Promise<Map<string, Point>> {
  const found = await ask(ids, hanging(ids, linksAmong(ids)), "layers").catch(() => new Map(ids.map((id, index) => [id, gridPlace(index)])));
  const lost = new Set(ids);
  const others = [...shownPlaces()].filter(([id]) => !lost.has(id)).map(([, place]) => place);
  const from = bounds([...found.values()]);
  const to = others.length > 0 ? { x: bounds(others).x0, y: bounds(others).y1 + BELOW } : { x: 120, y: 120 };
  return new Map([...found].map(([id, place]) => [id, snapped({ x: place.x - from.x0 + to.x, y: place.y - from.y0 + to.y })]));
}

/** Finds places for elements that keep none, for this page alone; true until all have one. */
export function useUnplacedLayout(): boolean {
  const elements = useTopology((state) => state.elements);
  const unplaced = useUnplaced();
  const isAnyLost = [...elements.values()].some((element) => isLost(element, unplaced));
  useEffect(() => {
    const { id } = current();
    const lost = [...elements.values()].filter((element) => isLost(element, unplaced)).map((element) => element.id);
    if (lost.length === 0 || unplaced.busy) return;
    useUnplaced.setState({ busy: true });
    void placesFor(lost).then((found) => {
      if (current().id === id) useUnplaced.setState(({ places }) => ({ places: new Map([...places, ...found]), busy: false }));
    });
  }, [elements, unplaced]);
  return isAnyLost;
}

function placesOf(ids: string[]): Point[] {
  const shown = shownPlaces();
  return ids.map((id) => shown.get(id)!);
}

function middle(points: Point[]): Point {
  const { x0, x1, y0, y1 } = bounds(points);
  return { x: (x0 + x1) / 2, y: (y0 + y1) / 2 };
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
