// Lines between elements: straight, or bowed when several join the same two.
import type { Point } from "./place";

/** A line from `a` to `b`, bowed towards `c` when there is one. */
export interface Line {
  a: Point;
  b: Point;
  c: Point | null;
}

const BOW = 58;

/** The line number `index` of `count` between two places. Turned the same way whichever end is first. */
export function lineBetween(a: Point, b: Point, index: number, count: number, isTurned: boolean): Line {
  if (count < 2) return { a, b, c: null };
  const offset = (index - (count - 1) / 2) * BOW * 2 * (isTurned ? -1 : 1);
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const length = Math.hypot(dx, dy) || 1;
  const middle = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  return { a, b, c: { x: middle.x - (dy / length) * offset, y: middle.y + (dx / length) * offset } };
}

/** The point at `t` from 0 to 1. */
export function pointAt({ a, b, c }: Line, t: number): Point {
  const s = 1 - t;
  if (!c) return { x: a.x * s + b.x * t, y: a.y * s + b.y * t };
  return {
    x: s * s * a.x + 2 * s * t * c.x + t * t * b.x,
    y: s * s * a.y + 2 * s * t * c.y + t * t * b.y,
  };
}

/** Lines that rise less than this are level to a text beside them. */
const LEVEL = 0.15;

/** Which way a text above a line goes from it so that it does not cross it: to the left, to the right, or both; below it is the other way. */
export function textSide({ a, b }: Line): -1 | 0 | 1 {
  const [dx, dy] = a.x <= b.x ? [b.x - a.x, b.y - a.y] : [a.x - b.x, a.y - b.y];
  if (Math.abs(dy) <= LEVEL * dx) return 0;
  return dy > 0 ? 1 : -1;
}

/** The line as an SVG path. */
export function pathOf({ a, b, c }: Line): string {
  const way = c ? `Q ${c.x} ${c.y} ${b.x} ${b.y}` : `L ${b.x} ${b.y}`;
  return `M ${a.x} ${a.y} ${way}`;
}

/** Distance of a point from a line, in the same unit. */
export function distance(line: Line, point: Point): number {
  const steps = line.c ? 12 : 1;
  let best = Number.POSITIVE_INFINITY;
  let from = line.a;
  for (let step = 1; step <= steps; step += 1) {
    const to = pointAt(line, step / steps);
    best = Math.min(best, fromSegment(from, to, point));
    from = to;
  }
  return best;
}

function fromSegment(a: Point, b: Point, p: Point): number {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const square = dx * dx + dy * dy;
  const t = square === 0 ? 0 : Math.max(0, Math.min(1, ((p.x - a.x) * dx + (p.y - a.y) * dy) / square));
  return Math.hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}
