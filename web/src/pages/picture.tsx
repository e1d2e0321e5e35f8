// A small picture of a topology.
import { memo } from "react";

import { lookOf } from "../model/kinds";

export interface Drawn {
  elements: { id: string; kind: string; forwarding: boolean; pos: { x: number; y: number } | null }[];
  links: [string, string][];
}

const WIDTH = 280;
const HEIGHT = 132;
const MARGIN = 24;

/** Places on a circle for a topology without any. */
function places(drawn: Drawn): Map<string, { x: number; y: number }> {
  const found = new Map<string, { x: number; y: number }>();
  const count = drawn.elements.length;
  drawn.elements.forEach((element, index) => {
    const angle = (index / Math.max(count, 1)) * 2 * Math.PI + Math.PI;
    found.set(element.id, element.pos ?? { x: Math.cos(angle), y: Math.sin(angle) });
  });
  const all = [...found.values()];
  const [x0, x1] = [Math.min(...all.map((p) => p.x)), Math.max(...all.map((p) => p.x))];
  const [y0, y1] = [Math.min(...all.map((p) => p.y)), Math.max(...all.map((p) => p.y))];
  const fit = (value: number, low: number, high: number, size: number) =>
    high - low < 1e-9 ? size / 2 : MARGIN + ((value - low) / (high - low)) * (size - 2 * MARGIN);
  for (const [id, place] of found) {
    found.set(id, { x: fit(place.x, x0, x1, WIDTH), y: fit(place.y, y0, y1, HEIGHT) });
  }
  return found;
}

export const Picture = memo(function Picture({ drawn }: { drawn: Drawn }) {
  const at = places(drawn);
  const small = drawn.elements.length > 60;
  const size = small ? 5 : drawn.elements.length > 16 ? 9 : 15;
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden className="picture">
      {drawn.links.slice(0, 2000).map(([a, b], index) => {
        const [from, to] = [at.get(a), at.get(b)];
        return from && to ? (
          <line key={index} x1={from.x} y1={from.y} x2={to.x} y2={to.y} stroke="var(--ink-2)" strokeOpacity={0.55} strokeWidth={small ? 0.6 : 1.5} />
        ) : null;
      })}
      {drawn.elements.slice(0, 2000).map((element) => {
        const place = at.get(element.id)!;
        const look = lookOf({ kind: element.kind, forwarding: element.forwarding } as never);
        return (
          <rect
            key={element.id} x={place.x - size / 2} y={place.y - size / 2} width={size} height={size}
            rx={size / 3.5} fill={look.color}
          />
        );
      })}
    </svg>
  );
});
