// What the signs of the canvas mean.
import { CloseButton, Text } from "@mantine/core";

import { lookOfKind, PLACEHOLDER, ROUTER } from "../model/kinds";
import { SEGMENT_COLORS } from "../model/segments";
import { useKinds } from "../store/server";
import { setView } from "../store/view";

function Line({ stroke, width = 2.5, dash }: { stroke: string; width?: number; dash?: string }) {
  return <svg width={44} height={14} aria-hidden><line x1={2} x2={42} y1={7} y2={7} stroke={stroke} strokeWidth={width} strokeDasharray={dash} /></svg>;
}

export function Legend() {
  const kinds = (useKinds().data ?? []).filter((info) => info.kind !== PLACEHOLDER);
  return (
    <div className="legend" role="group" aria-label="Legend">
      <div className="legend-head"><Text fw={650} fz="sm">Legend</Text><CloseButton size="sm" aria-label="Close the legend" onClick={() => setView({ legend: false })} /></div>
      <dl>
        {kinds.map((info) => {
          const look = lookOfKind(info.kind);
          return <div key={info.kind}><dt><span className="palette-icon legend-icon" style={{ backgroundColor: look.color }}><look.icon size={13} color="#fff" /></span></dt><dd>{look.label}: {info.doc}</dd></div>;
        })}
        <div><dt><span className="palette-icon legend-icon" style={{ backgroundColor: ROUTER.color }}><ROUTER.icon size={13} color="#fff" /></span></dt><dd>Router: a container that forwards packets</dd></div>
        <div><dt><span className="dot dot-started" /></dt><dd>running</dd></div>
        <div><dt><span className="dot dot-prepared" /></dt><dd>prepared: its disk exists</dd></div>
        <div><dt><span className="dot dot-created" /></dt><dd>stopped, nothing on a host</dd></div>
        <div><dt><Line stroke={SEGMENT_COLORS[0]!} /></dt><dd>a connection; each network (segment) has its colour</dd></div>
        <div><dt><Line stroke={SEGMENT_COLORS[0]!} dash="9 5" /></dt><dd>with link emulation; the narrower, the less bandwidth</dd></div>
        <div><dt><Line stroke={SEGMENT_COLORS[0]!} dash="2 7" /></dt><dd>unplugged</dd></div>
        <div><dt><Line stroke="var(--bad)" /></dt><dd>broken: both ends run, no frames pass</dd></div>
        <div><dt><svg width={24} height={20} viewBox="-10 -10 20 20" className="cable-lens" aria-hidden><circle r={9} /><circle r={3.4} cx={-1} cy={-1} className="cable-lens-glass" /><path d="M 1.6 1.6 L 4.6 4.6" className="cable-lens-glass" /></svg></dt><dd>packets are recorded</dd></div>
        <div><dt><span className="legend-dot" /></dt><dd>traffic; red: dropped on the way</dd></div>
      </dl>
    </div>
  );
}
