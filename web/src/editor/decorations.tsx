// Notes and groups: what people write on a drawing. They live in the topology's data of clients.
import { ActionIcon, ColorSwatch, Group } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useStore, ViewportPortal } from "@xyflow/react";
import { useRef, useState } from "react";

import { bounds, type Point } from "../model/place";
import { change, move } from "../store/edits";
import { complain } from "../store/send";
import { current, useTopology } from "../store/topology";
import { shownPlaces } from "../store/unplaced";
import { setView } from "../store/view";
import type { Item } from "./actions";
import { useEditable } from "./editable";

/** Text on the drawing, or a frame with a title round elements. Pixels. */
export interface Decoration {
  id: string;
  type: "note" | "group";
  x: number;
  y: number;
  width: number;
  height: number;
  text: string;
  color: string;
}

export const DECORATION_COLORS = ["#c9a227", "#2f74c0", "#2b8a57", "#c2571a", "#8e5bc0", "#7a8591"];
const COUNT_MAX = 100;
const TEXT_MAX = 400;

function isDecoration(it: unknown): it is Decoration {
  const one = it as Decoration;
  return typeof one?.id === "string" && [one.x, one.y, one.width, one.height].every(Number.isFinite) && typeof one.text === "string";
}

/** The notes and groups of the open topology. */
export function useDecorations(): Decoration[] {
  const raw = useTopology((state) => state.topology?.client?.["_decorations"]);
  return Array.isArray(raw) ? raw.filter(isDecoration).slice(0, COUNT_MAX) : [];
}

function now(): Decoration[] {
  const raw = current().topology?.client?.["_decorations"];
  return Array.isArray(raw) ? raw.filter(isDecoration) : [];
}

const keep = (all: Decoration[], label: string): Promise<void> =>
  change("topology", current().id!, { _decorations: all.length > 0 ? all : null }, label);

const fresh = (): string => Math.random().toString(36).slice(2, 10);

/** Adds a note at a place. */
export function addNote(at: Point): Promise<void> {
  const note: Decoration = { id: fresh(), type: "note", x: at.x, y: at.y, width: 180, height: 90, text: "Note", color: DECORATION_COLORS[0]! };
  return keep([...now(), note], "note");
}

/** Puts a frame round elements. */
export function addGroup(ids: string[]): Promise<void> {
  const shown = shownPlaces();
  const { x0, x1, y0, y1 } = bounds(ids.flatMap((id) => shown.get(id) ?? []));
  const [x, y] = [x0 - 70, y0 - 75];
  const [width, height] = [x1 + 70 - x, y1 + 85 - y];
  const group: Decoration = { id: fresh(), type: "group", x, y, width, height, text: "Group", color: DECORATION_COLORS[1]! };
  return keep([...now(), group], "group");
}

function replaceIn(id: string, patch: Partial<Decoration>, label: string): void {
  void keep(now().map((other) => (other.id === id ? { ...other, ...patch } : other)), label).catch(complain);
}

function removeOne(id: string): void {
  void keep(now().filter((other) => other.id !== id), "removal").catch(complain);
}

const COLOR_NAMES = ["yellow", "blue", "green", "orange", "violet", "grey"];

/** The menu of a note or a group. */
export function decorationItems(id: string, editable: boolean): Item[] {
  const item = now().find((other) => other.id === id);
  const why = editable ? null : "you may only look";
  const edit = () => requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-decoration="${CSS.escape(id)}"] textarea`)?.focus());
  return [
    { key: "edit", label: item?.type === "group" ? "Change the title" : "Change the text", why, run: edit },
    ...DECORATION_COLORS.map((color, index): Item => ({
      key: color, label: `Make it ${COLOR_NAMES[index]}`, why: why ?? (item?.color === color ? "it is already" : null), run: () => replaceIn(id, { color }, "colour"),
    })),
    { key: "remove", label: "Delete", why, danger: true, run: () => removeOne(id) },
  ];
}

export function Decorations() {
  const all = useDecorations();
  const editable = useEditable();
  return (
    <ViewportPortal>
      {all.map((item) => <Shape key={item.id} item={item} editable={editable} />)}
    </ViewportPortal>
  );
}

/** Elements whose middle lies in a frame. */
function inside(item: Decoration): Map<string, Point> {
  const isInside = ({ x, y }: Point) => x > item.x && x < item.x + item.width && y > item.y && y < item.y + item.height;
  return new Map([...shownPlaces()].filter(([, place]) => isInside(place)));
}

function Shape({ item, editable }: { item: Decoration; editable: boolean }) {
  const zoom = useStore((state) => state.transform[2]);
  const [moved, setMoved] = useState<{ dx: number; dy: number; dw: number; dh: number } | null>(null);
  const [chosen, setChosen] = useState(false);
  const from = useRef<{ x: number; y: number; resize: boolean } | null>(null);
  const replace = (patch: Partial<Decoration>, label: string) => replaceIn(item.id, patch, label);
  const box = {
    left: item.x + (moved?.dx ?? 0), top: item.y + (moved?.dy ?? 0),
    width: Math.max(60, item.width + (moved?.dw ?? 0)), height: Math.max(40, item.height + (moved?.dh ?? 0)),
  };
  const down = (resize: boolean) => (event: React.PointerEvent) => {
    if (!editable || event.button !== 0) return;
    event.stopPropagation();
    event.currentTarget.setPointerCapture(event.pointerId);
    from.current = { x: event.clientX, y: event.clientY, resize };
  };
  const drag = (event: React.PointerEvent) => {
    if (!from.current) return;
    const dx = Math.round((event.clientX - from.current.x) / zoom / 10) * 10;
    const dy = Math.round((event.clientY - from.current.y) / zoom / 10) * 10;
    setMoved(from.current.resize ? { dx: 0, dy: 0, dw: dx, dh: dy } : { dx, dy, dw: 0, dh: 0 });
  };
  const up = () => {
    const was = from.current;
    from.current = null;
    if (!was || !moved) return;
    setMoved(null);
    const members = item.type === "group" && !was.resize ? inside(item) : new Map<string, Point>();
    replace({ x: box.left, y: box.top, width: box.width, height: box.height }, was.resize ? "size of a frame" : "move of a frame");
    if (members.size > 0) {
      void move(new Map([...members].map(([id, p]) => [id, { x: p.x + moved.dx, y: p.y + moved.dy }]))).catch(complain);
    }
  };
  return (
    <div
      data-decoration={item.id} className={`decoration decoration-${item.type} nopan`} style={{ ...box, borderColor: item.color, ["--tint" as string]: item.color }}
      onFocus={() => setChosen(true)}
      onContextMenu={(event) => {
        event.preventDefault();
        event.stopPropagation();
        setView({ menu: { x: event.clientX, y: event.clientY, ids: [], decoration: item.id, place: { x: item.x, y: item.y } } });
      }}
      onBlur={(event) => { if (!event.currentTarget.contains(event.relatedTarget)) setChosen(false); }}
    >
      <div className="decoration-bar" onPointerDown={down(false)} onPointerMove={drag} onPointerUp={up} style={{ backgroundColor: item.color }} />
      <textarea
        className="decoration-text nodrag nowheel" aria-label={item.type === "note" ? "Note" : "Title of the group"} dir="auto"
        defaultValue={item.text} key={item.text} readOnly={!editable} maxLength={TEXT_MAX} rows={item.type === "note" ? 4 : 1}
        onBlur={(event) => { if (event.currentTarget.value !== item.text) replace({ text: event.currentTarget.value }, "text"); }}
      />
      {editable && chosen && (
        <Group className="decoration-tools" gap={4} wrap="nowrap">
          {DECORATION_COLORS.map((color) => (
            <ColorSwatch key={color} component="button" size={16} color={color} aria-label={`Colour ${color}`} onClick={() => replace({ color }, "colour")} />
          ))}
          <ActionIcon size="sm" color="red" aria-label="Delete" onClick={() => removeOne(item.id)}>
            <IconTrash size={14} />
          </ActionIcon>
        </Group>
      )}
      {editable && <div className="decoration-corner" onPointerDown={down(true)} onPointerMove={drag} onPointerUp={up} />}
    </div>
  );
}
