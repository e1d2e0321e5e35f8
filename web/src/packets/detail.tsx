// One frame: its protocols as a tree, and its bytes; what is pointed at in one is marked in the other.
import { useState } from "react";

import type { Captured } from "./pcapng";
import { dissected } from "./list";

const PER_LINE = 16;

interface Range {
  from: number;
  to: number;
}

export function FrameDetail({ frame }: { frame: Captured }) {
  const [marked, setMarked] = useState<Range | null>(null);
  const it = dissected(frame);
  const mark = (range: Range) => ({ onMouseEnter: () => setMarked(range), onFocus: () => setMarked(range), onMouseLeave: () => setMarked(null) });
  const cut = frame.length > frame.bytes.length ? `, ${frame.bytes.length} of them captured` : "";
  return (
    <div className="frame-detail">
      <div className="frame-tree">
        <p className="frame-sum">Frame {frame.number}: {frame.length} bytes{cut}, {new Date(frame.us / 1000).toISOString().replace("T", " ").replace("Z", "")}, <span dir="auto">{frame.way}</span></p>
        {it.layers.map((layer, index) => (
          <details key={`${index}${layer.name}`} open={index > 0 || it.layers.length < 3}>
            <summary {...mark(layer)}>{layer.name}</summary>
            <ul>
              {layer.fields.map((field, at) => <li key={at} {...mark(field)}><span className="frame-label">{field.label}</span> <span className="name">{field.value}</span></li>)}
            </ul>
          </details>
        ))}
      </div>
      <Bytes bytes={frame.bytes} marked={marked} />
    </div>
  );
}

function Bytes({ bytes, marked }: { bytes: Uint8Array; marked: Range | null }) {
  const lines = Array.from({ length: Math.ceil(bytes.length / PER_LINE) }, (_, index) => index * PER_LINE);
  const look = (at: number) => (marked && at >= marked.from && at < marked.to ? "byte-marked" : undefined);
  const letter = (byte: number) => (byte < 32 || byte > 126 ? "·" : String.fromCharCode(byte));
  return (
    <pre className="frame-bytes" aria-label="Bytes" tabIndex={0}>
      {lines.map((start) => {
        const part = [...bytes.subarray(start, start + PER_LINE)];
        return (
          <div key={start}>
            <span className="byte-place">{start.toString(16).padStart(4, "0")}</span>{" "}
            {part.map((byte, index) => <span key={index} className={look(start + index)}>{byte.toString(16).padStart(2, "0")} </span>)}
            {"   ".repeat(PER_LINE - part.length)}
            {part.map((byte, index) => <span key={`t${index}`} className={look(start + index)}>{letter(byte)}</span>)}
          </div>
        );
      })}
    </pre>
  );
}
