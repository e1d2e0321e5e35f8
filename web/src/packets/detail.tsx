// One frame: its protocols as a tree, and its bytes; what is pointed at in one is marked in the other.
import { useEffect, useState } from "react";

import type { Captured } from "./pcapng";
import { dissected } from "./list";
import { type FromHost, fromHost } from "./told";

const PER_LINE = 16;
/** Fields deeper than this are no further indented. */
const DEPTH_MAX = 12;

interface Range {
  from: number;
  to: number;
}

export function FrameDetail({ connection, frame }: { connection: string; frame: Captured }) {
  const [marked, setMarked] = useState<Range | null>(null);
  const [said, setSaid] = useState<FromHost | null | "asking">("asking");
  useEffect(() => {
    let isShown = true;
    void fromHost(connection, frame).then((it) => isShown && setSaid(it));
    return () => {
      isShown = false;
    };
  }, [connection, frame]);
  const host = said === "asking" ? null : said;
  const { layers } = host ?? dissected(frame);
  const mark = (range: Range) => ({ onMouseEnter: () => setMarked(range), onFocus: () => setMarked(range), onMouseLeave: () => setMarked(null) });
  const cut = frame.length > frame.bytes.length ? `, ${frame.bytes.length} of them captured` : "";
  return (
    <div className="frame-detail" data-by={said === "asking" ? said : host ? "tshark" : "page"}>
      <div className="frame-tree">
        <p className="frame-sum">Frame {frame.number}: {frame.length} bytes{cut}, {new Date(frame.us / 1000).toISOString().replace("T", " ").replace("Z", "")}, <span dir="auto">{frame.way}</span>{host ? `, decoded by tshark${host.cut ? ", in part" : ""}` : ""}</p>
        {layers.map((layer, index) => (
          <details key={`${index}${layer.name}`} open={index > 0 || layers.length < 3}>
            <summary {...mark(layer)}><span dir="auto">{layer.name}</span></summary>
            <ul>
              {layer.fields.map((field, at) => <li key={at} style={field.depth ? { marginLeft: `${Math.min(field.depth, DEPTH_MAX)}em` } : undefined} {...mark(field)}>{field.label && <><span className="frame-label">{field.label}</span>{" "}</>}<span className="name">{field.value}</span></li>)}
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
