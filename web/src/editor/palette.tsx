// What can be placed: click, or drag it onto the canvas.
import { Text, Tooltip, UnstyledButton } from "@mantine/core";
import { useReactFlow } from "@xyflow/react";
import { useMemo, useRef, useState } from "react";

import { type Placeable, placeables, templateIcon } from "../model/kinds";
import { type Point, snapped } from "../model/place";
import { addElement } from "../store/edits";
import { useKinds, useTemplates } from "../store/server";
import { run } from "./actions";
import { freePlace } from "./placing";

/** Pixels a press moves before it is a drag. */
const DRAG_MIN = 6;

/** What the palette offers. */
export function usePlaceables(): Placeable[] {
  const kinds = useKinds().data;
  const templates = useTemplates().data;
  return useMemo(() => placeables(kinds ?? [], templates ?? []), [kinds, templates]);
}

/** Adds an element at a place; answers its id. */
export async function place(item: Placeable, at: Point): Promise<string> {
  return (await addElement(item.kind, snapped(at), item.attributes)).id;
}

/** Pictures that the page is given to draw a new element. */
const FRAMES_MAX = 30;

/** The keys go on at a new element once it is drawn. */
function focusOn(id: string, left = FRAMES_MAX): void {
  const tile = document.querySelector<HTMLElement>(`.react-flow__node[data-id="${id}"]`);
  if (tile) tile.focus();
  else if (left > 0) requestAnimationFrame(() => focusOn(id, left - 1));
}

export function Palette({ editable }: { editable: boolean }) {
  const items = usePlaceables();
  const templates = useTemplates().data ?? [];
  const more = useMemo(() => {
    const container = items.find((item) => item.key === "container");
    if (!container) return [];
    return templates
      .filter((template) => template.name !== container.attributes["template"])
      .map((template): Placeable => ({
        ...container, key: `template:${template.name}`, label: template.label || template.name, hint: template.description,
        look: { ...container.look, icon: templateIcon(template.name) }, attributes: { name: "pc", template: template.name, ...(template.name.includes("frr") ? { forwarding: true, name: "router" } : {}) },
      }));
  }, [items, templates]);
  return (
    <aside className="palette" aria-label="Palette" data-tour="palette">
      <Text component="h2" className="palette-title">Add</Text>
      {items.map((item) => <PaletteItem key={item.key} item={item} editable={editable} />)}
      {more.length > 0 && <Text component="h2" className="palette-title">Templates</Text>}
      {more.map((item) => <PaletteItem key={item.key} item={item} editable={editable} small />)}
      <Text className="palette-help" fz="xs" c="dimmed">
        Click or drag to place. Drag the <span className="palette-plug" aria-hidden /> of an element to another one to join them.
      </Text>
    </aside>
  );
}

function PaletteItem({ item, editable, small }: { item: Placeable; editable: boolean; small?: boolean }) {
  const flow = useReactFlow();
  const start = useRef<{ x: number; y: number } | null>(null);
  const dragged = useRef(false);
  const [ghost, setGhost] = useState<{ x: number; y: number } | null>(null);
  const atCentre = () => {
    const box = document.querySelector(".react-flow")!.getBoundingClientRect();
    return freePlace(flow.screenToFlowPosition({ x: box.left + box.width / 2, y: box.top + box.height / 2 }));
  };
  return (
    <>
      <Tooltip label={editable ? item.hint : "You may only look at this topology"} position="right" multiline maw={240}>
        <UnstyledButton
          className={`palette-item${small ? " palette-item-small" : ""}`} aria-disabled={!editable}
          onPointerDown={(event) => {
            if (!editable || event.button !== 0) return;
            start.current = { x: event.clientX, y: event.clientY };
            dragged.current = false;
            event.currentTarget.setPointerCapture(event.pointerId);
          }}
          onPointerMove={(event) => {
            const from = start.current;
            if (!from) return;
            if (Math.hypot(event.clientX - from.x, event.clientY - from.y) > DRAG_MIN) dragged.current = true;
            if (dragged.current) setGhost({ x: event.clientX, y: event.clientY });
          }}
          onPointerUp={(event) => {
            start.current = null;
            setGhost(null);
            if (!dragged.current) return;
            const under = document.elementFromPoint(event.clientX, event.clientY);
            if (under?.closest(".react-flow")) run(() => place(item, flow.screenToFlowPosition({ x: event.clientX, y: event.clientY })));
          }}
          onPointerCancel={() => { start.current = null; setGhost(null); }}
          onClick={(event) => {
            if (!editable || dragged.current) return;
            const byKey = event.detail === 0;
            run(async () => {
              const id = await place(item, atCentre());
              if (byKey) focusOn(id);
            });
          }}
        >
          <span className="palette-icon" style={{ backgroundColor: item.look.color }}><item.look.icon size={small ? 16 : 22} stroke={1.6} color="#fff" aria-hidden /></span>
          <span className="palette-label">{item.label}</span>
        </UnstyledButton>
      </Tooltip>
      {ghost && (
        <div className="palette-ghost" style={{ left: ghost.x, top: ghost.y, backgroundColor: item.look.color }} aria-hidden>
          <item.look.icon size={32} stroke={1.6} color="#fff" />
        </div>
      )}
    </>
  );
}
