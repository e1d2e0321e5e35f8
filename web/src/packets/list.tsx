// The list of frames: only the rows in sight are made, so that many thousands cost nothing.
import { useEffect, useLayoutEffect, useRef, useState } from "react";

import { dissect } from "./dissect";
import type { Captured } from "./pcapng";
import type { Dissected } from "./reader";

const ROW = 22;
/** Rows made above and below those in sight. */
const SPARE = 6;

const known = new WeakMap<Captured, Dissected>();

/** The frame's protocols, worked out once. */
export function dissected(frame: Captured): Dissected {
  let it = known.get(frame);
  if (!it) known.set(frame, (it = dissect(frame.bytes)));
  return it;
}

const GROUPS: Record<string, string> = { TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPv6: "icmp", ARP: "arp", DNS: "name", DHCP: "name", OSPF: "route", STP: "route", RSTP: "route" };

interface Props {
  frames: readonly Captured[];
  chosen: Captured | null;
  follow: boolean;
  /** What is said while there are no frames. */
  none: string;
  onChoose(frame: Captured): void;
  /** The user scrolled away from the end, or back to it. */
  onFollow(follow: boolean): void;
}

export function FrameList({ frames, chosen, follow, none, onChoose, onFollow }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(200);
  useEffect(() => {
    const observer = new ResizeObserver(() => setHeight(box.current?.clientHeight ?? 200));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [follow, frames.length, frames, height]);
  const first = Math.max(0, Math.floor(top / ROW) - SPARE);
  const shown = frames.slice(first, first + Math.ceil(height / ROW) + 2 * SPARE);
  const begin = frames[0]?.us ?? 0;
  const step = (by: number) => {
    const at = chosen ? frames.indexOf(chosen) : -1;
    const next = frames[Math.max(0, Math.min(frames.length - 1, at + by))];
    if (!next || !box.current) return;
    onChoose(next);
    const y = frames.indexOf(next) * ROW;
    if (y < box.current.scrollTop) box.current.scrollTop = y;
    else if (y + ROW > box.current.scrollTop + box.current.clientHeight) box.current.scrollTop = y + ROW - box.current.clientHeight;
  };
  return (
    <div
      ref={box} className="frames" role="listbox" aria-label="Frames" tabIndex={0} aria-activedescendant={chosen ? `frame-${chosen.number}` : undefined}
      onScroll={(event) => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        setTop(scrollTop);
        if (follow && scrollTop + clientHeight < scrollHeight - 3 * ROW) onFollow(false);
      }}
      onKeyDown={(event) => {
        const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -frames.length, End: frames.length }[event.key];
        if (by === undefined) return;
        event.preventDefault();
        step(by);
      }}
    >
      {frames.length === 0 && <p className="frames-none">{none}</p>}
      <div className="frames-all" style={{ height: frames.length * ROW }}>
        {shown.map((frame, index) => {
          const it = dissected(frame);
          const isChosen = frame === chosen;
          return (
            <div
              key={frame.number} id={`frame-${frame.number}`} role="option" aria-selected={isChosen} className={`frame frame-${GROUPS[it.protocol] ?? "other"}${isChosen ? " frame-chosen" : ""}`}
              style={{ top: (first + index) * ROW }} onClick={() => onChoose(frame)}
            >
              <span>{frame.number}</span>
              <span>{((frame.us - begin) / 1e6).toFixed(6)}</span>
              <span className="clip">{it.source}</span>
              <span className="clip">{it.destination}</span>
              <span className="clip">{it.protocol}</span>
              <span>{frame.length}</span>
              <span className="clip" dir="auto">{it.info}</span>
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** What the columns are. */
export function FrameHead() {
  return (
    <div className="frame frame-head" aria-hidden>
      {["No.", "Time (s)", "Source", "Destination", "Protocol", "Bytes", "What it says"].map((name) => <span key={name}>{name}</span>)}
    </div>
  );
}
