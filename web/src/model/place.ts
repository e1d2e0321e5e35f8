// Where things are on the canvas. The topology keeps a place as `_pos` in fractions of a page, as files of the original
// have it; the canvas works in pixels.
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

/** The centre of an element in pixels as the topology keeps it, null when it keeps none. */
export function ownPlace(element: Pick<Element, "client">): Point | null {
  const pos = element.client?.["_pos"] as Partial<Point> | undefined;
  if (pos && Number.isFinite(pos.x) && Number.isFinite(pos.y)) {
    return { x: Number(pos.x) * PAGE.x, y: Number(pos.y) * PAGE.y };
  }
  return null;
}

/** A place on a grid, by number. */
export function gridPlace(index: number): Point {
  return { x: 120 + (index % 8) * 130, y: 120 + Math.floor(index / 8) * 130 };
}

/** The least and the greatest of each coordinate. */
export function bounds(points: readonly Point[]): { x0: number; x1: number; y0: number; y1: number } {
  const xs = points.map((point) => point.x);
  const ys = points.map((point) => point.y);
  return { x0: Math.min(...xs), x1: Math.max(...xs), y0: Math.min(...ys), y1: Math.max(...ys) };
}

/** On the grid. */
export function snapped(point: Point): Point {
  return { x: Math.round(point.x / SNAP) * SNAP, y: Math.round(point.y / SNAP) * SNAP };
}
