// Draws what was asked for and is not there yet.
import { ViewportPortal } from "@xyflow/react";

import { lineBetween, pathOf } from "../model/geometry";
import { lookOf } from "../model/kinds";
import type { Point } from "../model/place";
import { newElements, newLines, useArriving } from "../store/arriving";

export function Arriving({ at }: { at: (id: string) => Point | undefined }) {
  const { all } = useArriving();
  if (all.length === 0) return null;
  return (
    <ViewportPortal>
      {newLines().map(({ from, to }) => {
        const [a, b] = [at(from), at(to)];
        return a && b && (
          <svg key={`${from} ${to}`} className="arriving-line" aria-hidden><path d={pathOf(lineBetween(a, b, 0, 1, false))} /></svg>
        );
      })}
      {newElements().map((element) => {
        const look = lookOf(element);
        return (
          <div key={element.name} className="tile tile-arriving" style={{ left: element.at.x, top: element.at.y }}>
            <div className="tile-face" style={{ backgroundColor: look.color }}><look.icon size={32} stroke={1.6} color="#fff" aria-hidden /></div>
            <div className="tile-label"><div className="tile-name" dir="auto">{element.name}</div></div>
          </div>
        );
      })}
    </ViewportPortal>
  );
}
