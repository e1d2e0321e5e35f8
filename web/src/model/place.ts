// Where things are on the canvas. The topology keeps a place as `_pos` in fractions of a page, as files of the original
// have it; the canvas works in pixels. An element without a place gets one on a grid.
import type { Element } from "./types";

export interface Point {
  x: number;
  y: number;
}

/** Pixels of one page. */
export const PAGE: Point = { x: 1200, y: 750 };
/** Side of an element's tile in pixels. */
export const TILE = 56;
/** Distance of the grid that places snap to. */
export const SNAP = 20;

/** The place as the topology keeps it. */
export function kept(point: Point): Point {
  const round = (value: number) => Math.round(value * 1e5) / 1e5;
  return { x: round(point.x / PAGE.x), y: round(point.y / PAGE.y) };
}

/** The centre of an element in pixels; `index` chooses a place for one that has none. */
export function placeOf(element: Pick<Element, "client">, index: number): Point {
  const pos = element.client?.["_pos"] as Partial<Point> | undefined;
  if (pos && Number.isFinite(pos.x) && Number.isFinite(pos.y)) {
    return { x: Number(pos.x) * PAGE.x, y: Number(pos.y) * PAGE.y };
  }
  return { x: 120 + (index % 8) * 130, y: 120 + Math.floor(index / 8) * 130 };
}

/** On the grid. */
export function snapped(point: Point): Point {
  return { x: Math.round(point.x / SNAP) * SNAP, y: Math.round(point.y / SNAP) * SNAP };
}
