// Where new things go.
import { type Point, SNAP, snapped } from "../model/place";
import { newElements } from "../store/arriving";
import { shownPlaces } from "../store/unplaced";

/** The places of all elements, also of those that are being made. */
export function placesNow(): Point[] {
  return [...shownPlaces().values(), ...newElements().map((element) => element.at)];
}

/** Pixels between new elements: a cable between them has room for its rate. */
const ROOM = 180;

/** The free place nearest to `wanted`, going round it. */
export function freePlace(wanted: Point): Point {
  const taken = placesNow();
  const isFree = (point: Point) => taken.every((other) => Math.hypot(other.x - point.x, other.y - point.y) > ROOM);
  const start = snapped(wanted);
  for (let ring = 0; ring < 40; ring += 1) {
    const steps = Math.max(1, ring * 6);
    for (let step = 0; step < steps; step += 1) {
      const angle = (step / steps) * 2 * Math.PI;
      const point = snapped({ x: start.x + Math.cos(angle) * ring * SNAP * 3.5, y: start.y + Math.sin(angle) * ring * SNAP * 2.6 });
      if (isFree(point)) return point;
    }
  }
  return start;
}
