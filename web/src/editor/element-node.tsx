// An element on the canvas: a tile with the sign of its kind in the colour of its technology, its state and its name.
import { Loader } from "@mantine/core";
import { IconAlertTriangleFilled } from "@tabler/icons-react";
import { Handle, type Node, type NodeProps, Position } from "@xyflow/react";
import { memo } from "react";

import { lookOf } from "../model/kinds";
import type { Placed } from "./scene";

export type ElementNode = Node<{ placed: Placed; watchers: readonly Watcher[] }, "element">;

/** Somebody else who has this selected. */
export interface Watcher {
  name: string;
  color: string;
}

/** Names with more letters, and addresses with more, may need to be cut. */
const NAME_LONG = 9;
const ADDRESS_LONG = 22;
const clipped = (text: string, long: number): string => (text.length > long ? " tile-clipped" : "");

const STATE_WORDS: Record<string, string> = { created: "stopped", prepared: "prepared", started: "running" };

/** What is said of an element where it cannot be seen. */
export function describe({ element, busy, doing }: Placed): string {
  const work = busy ? `, ${doing ?? "at work"}` : "";
  const error = element.error ? `, error: ${element.error.slice(0, 200)}` : "";
  return `${lookOf(element).label} ${element.name}, ${STATE_WORDS[element.state] ?? element.state}${work}${error}`;
}

export const ElementTile = memo(function ElementTile({ data, selected }: NodeProps<ElementNode>) {
  const { element, busy, doing } = data.placed;
  const look = lookOf(element);
  const watcher = data.watchers[0];
  const addresses = element.interfaces.flatMap((item) => item.addresses ?? []);
  return (
    <div className={`tile tile-${element.state}${selected ? " tile-selected" : ""}${element.error ? " tile-error" : ""}`}>
      <div className="tile-face" style={{ backgroundColor: look.color, ...(watcher ? { boxShadow: `0 0 0 3px ${watcher.color}` } : {}) }}>
        <look.icon size={32} stroke={1.6} color="#fff" aria-hidden />
        {element.error ? (
          <span className="tile-mark tile-mark-error"><IconAlertTriangleFilled size={13} aria-hidden /></span>
        ) : busy ? (
          <span className="tile-mark"><Loader size={13} color="tomato" /></span>
        ) : (
          <span className={`tile-state dot-${element.state}`} />
        )}
      </div>
      {watcher && <div className="tile-watcher" style={{ backgroundColor: watcher.color }}>{watcher.name.slice(0, 20)}</div>}
      <div className="tile-label">
        <div className={`tile-name${clipped(element.name, NAME_LONG)}`} dir="auto">{element.name}</div>
        {busy && doing ? (
          <div className={`tile-doing${clipped(doing, ADDRESS_LONG)}`}>{doing}</div>
        ) : (
          addresses.length > 0 && <div className={`tile-address${clipped(addresses[0]!, ADDRESS_LONG)}`}>{addresses[0]}{addresses.length > 1 ? ` +${addresses.length - 1}` : ""}</div>
        )}
      </div>
      <Handle id="c" type="source" position={Position.Top} className="handle-center" isConnectable={false} />
      <Handle id="catch" type="target" position={Position.Top} className="handle-catch" />
      <Handle id="plug" type="source" position={Position.Right} className="handle-plug" title="Drag to another element to join them" />
    </div>
  );
});
