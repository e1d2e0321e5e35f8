// A connection on the canvas: colour is the segment, dashes are emulation, width is bandwidth, red is broken.
import { type Edge, type EdgeProps } from "@xyflow/react";
import { memo } from "react";

import { type Line, pathOf, pointAt, textSide } from "../model/geometry";
import { labelLines } from "../model/link";
import { useView } from "../store/view";
import type { Watcher } from "./element-node";
import { type Cable, lineOf } from "./scene";

export type LinkEdge = Edge<{ cable: Cable; watchers: readonly Watcher[] }, "link">;

/** Share of the way between the texts of two lines that join the same elements. */
const APART = 0.16;

/** Width of a letter of a label in pixels, roughly. */
const LETTER = 5.8;
/** Height of its lines. */
const LINE = 12.5;
/** Pixels that an element's tile and its name take from a cable that leaves it sideways. */
const SIDE = 84;
/** Cables that rise more than this pass the tiles' names. */
const STEEP = 120;
/** Pixels from the middle of an element to the name of its interface, and where the element's own name is in between. */
const PORT_AT = 54;
const PORT_BELOW = 96;

/** Pixels between a slanted cable and its label. */
const BESIDE = 7;
const ANCHORS = { [-1]: "end", 0: "middle", 1: "start" } as const;

/** Letters that a label has room for between two elements. */
function roomOf({ a, b }: Line): number {
  return Math.abs(a.y - b.y) > STEEP ? 40 : Math.max(0, Math.abs(a.x - b.x) - SIDE) / LETTER;
}

/** The names of the interfaces, each near its end of the line; none on a line that is too short for them. */
function Ports({ line, names }: { line: Line; names: string[] }) {
  const [dx, dy] = [line.b.x - line.a.x, line.b.y - line.a.y];
  const length = Math.hypot(dx, dy);
  const isSteep = Math.abs(dy) > Math.abs(dx) * 0.6;
  const from = isSteep && dy > 0 ? PORT_BELOW : PORT_AT;
  const to = isSteep && dy < 0 ? PORT_BELOW : PORT_AT;
  if (length < from + to) return null;
  return [from / length, 1 - to / length].map((share, index) => {
    const at = pointAt(line, share);
    return <text key={index} className="cable-port" x={at.x} y={at.y + 3} textAnchor="middle">{names[index]}</text>;
  });
}

export const LinkLine = memo(function LinkLine({ data, selected, sourceX, sourceY, targetX, targetY }: EdgeProps<LinkEdge>) {
  const cable = data!.cable;
  const ports = useView((view) => view.ports);
  const line = lineOf(cable, (id) => (id === cable.from ? { x: sourceX, y: sourceY } : { x: targetX, y: targetY }));
  if (!line) return null;
  const path = pathOf(line);
  // Texts of lines side by side would cover one another.
  const middle = pointAt(line, 0.5 + (cable.index - (cable.count - 1) / 2) * APART);
  const color = cable.broken ? "var(--bad)" : cable.color;
  const dash = cable.unplugged ? "2 7" : cable.dashed ? "9 5" : undefined;
  const watcher = data!.watchers[0];
  const side = textSide(line);
  const lines = labelLines(cable.label, roomOf(line));
  return (
    <g className={`cable${selected ? " cable-selected" : ""}`}>
      {(selected || watcher) && <path d={path} fill="none" stroke={watcher && !selected ? watcher.color : "var(--brand)"} strokeOpacity={0.4} strokeWidth={cable.width + 9} strokeLinecap="round" />}
      <path d={path} fill="none" stroke={color} strokeWidth={cable.width} strokeDasharray={dash} strokeOpacity={cable.unplugged ? 0.6 : 1} />
      <path d={path} fill="none" stroke="transparent" strokeWidth={20} className="cable-hit" />
      {lines.length > 0 && (
        <text className="cable-label" textAnchor={ANCHORS[side]} y={middle.y - (cable.capturing ? 14 : 8) - (lines.length - 1) * LINE}>
          {lines.map((text, index) => <tspan key={index} x={middle.x + side * BESIDE} dy={index === 0 ? 0 : LINE}>{text}</tspan>)}
        </text>
      )}
      {ports && <Ports line={line} names={cable.ports.split(" ")} />}
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
