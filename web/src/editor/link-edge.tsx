// A connection on the canvas: colour is the segment, dashes are emulation, width is bandwidth, red is broken.
import { type Edge, type EdgeProps } from "@xyflow/react";
import { memo } from "react";

import { pathOf, pointAt } from "../model/geometry";
import type { Watcher } from "./element-node";
import { type Cable, lineOf } from "./scene";

export type LinkEdge = Edge<{ cable: Cable; watchers: readonly Watcher[] }, "link">;

/** Share of the way between the texts of two lines that join the same elements. */
const APART = 0.16;

export const LinkLine = memo(function LinkLine({ data, selected, sourceX, sourceY, targetX, targetY }: EdgeProps<LinkEdge>) {
  const cable = data!.cable;
  const line = lineOf(cable, (id) => (id === cable.from ? { x: sourceX, y: sourceY } : { x: targetX, y: targetY }));
  if (!line) return null;
  const path = pathOf(line);
  // Texts of lines side by side would cover one another.
  const middle = pointAt(line, 0.5 + (cable.index - (cable.count - 1) / 2) * APART);
  const color = cable.broken ? "var(--bad)" : cable.color;
  const dash = cable.unplugged ? "2 7" : cable.dashed ? "9 5" : undefined;
  const watcher = data!.watchers[0];
  return (
    <g className={`cable${selected ? " cable-selected" : ""}`}>
      {(selected || watcher) && <path d={path} fill="none" stroke={watcher && !selected ? watcher.color : "var(--brand)"} strokeOpacity={0.4} strokeWidth={cable.width + 9} strokeLinecap="round" />}
      <path d={path} fill="none" stroke={color} strokeWidth={cable.width} strokeDasharray={dash} strokeOpacity={cable.unplugged ? 0.6 : 1} />
      <path d={path} fill="none" stroke="transparent" strokeWidth={20} className="cable-hit" />
      {cable.label && (
        <text className="cable-label" x={middle.x} y={middle.y - (cable.capturing ? 14 : 8)} textAnchor="middle">{cable.label}</text>
      )}
      {cable.capturing && (
        <g transform={`translate(${middle.x} ${middle.y})`} className="cable-lens">
          <circle r={9} />
          <circle r={3.4} cx={-1} cy={-1} className="cable-lens-glass" />
          <path d="M 1.6 1.6 L 4.6 4.6" className="cable-lens-glass" />
        </g>
      )}
    </g>
  );
});
