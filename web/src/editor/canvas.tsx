// The drawing: elements and connections, moved, joined and selected with pointer or keys.
import {
  Background, BackgroundVariant, ConnectionLineType, ConnectionMode, type EdgeChange, type NodeChange, Position, ReactFlow, SelectionMode, useReactFlow, useStoreApi,
} from "@xyflow/react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { distance } from "../model/geometry";
import { labelText } from "../model/link";
import { bounds, type Point, SNAP, snapped, TILE } from "../model/place";
import type { Connection } from "../model/types";
import { move } from "../store/edits";
import { usePresence, watchersOf } from "../store/presence";
import { complain } from "../store/send";
import { current, select, useTopology } from "../store/topology";
import { setView, useView } from "../store/view";
import { openDefault } from "./actions";
import { Arriving } from "./arriving";
import { Decorations } from "./decorations";
import { describe, type ElementNode, ElementTile, type Watcher } from "./element-node";
import { join } from "./join";
import { type LinkEdge, LinkLine } from "./link-edge";
import { Minimap } from "./minimap";
import { Overlay } from "./overlay";
import { type Cable, lineOf, type Placed, type Scene } from "./scene";

const nodeTypes = { element: ElementTile };
const edgeTypes = { link: LinkLine };
/** More elements than this in sight are drawn on a canvas. */
const NEAR_MAX = 140;
const NO_ONE: readonly Watcher[] = [];
const HANDLES: NonNullable<ElementNode["handles"]> = [
  { id: "c", type: "source", position: Position.Top, x: TILE / 2, y: TILE / 2, width: 1, height: 1 },
  { id: "catch", type: "target", position: Position.Top, x: 0, y: 0, width: TILE, height: TILE },
  { id: "plug", type: "source", position: Position.Right, x: TILE - 7, y: TILE / 2 - 8, width: 16, height: 16 },
];

const nodes = new WeakMap<Placed, ElementNode>();
const edges = new WeakMap<Cable, LinkEdge>();

function nodeOf(placed: Placed, place: Point, selected: boolean, watchers: readonly Watcher[], editable: boolean): ElementNode {
  const old = nodes.get(placed);
  if (
    old && old.selected === selected && old.position.x === place.x && old.position.y === place.y &&
    old.data.watchers === watchers && old.draggable === editable
  ) return old;
  const node: ElementNode = {
    id: placed.id, type: "element", position: place, data: { placed, watchers }, selected, draggable: editable,
    width: TILE, height: TILE, measured: { width: TILE, height: TILE }, handles: HANDLES,
    ariaLabel: describe(placed), connectable: editable,
  };
  nodes.set(placed, node);
  return node;
}

function edgeOf(cable: Cable, selected: boolean, watchers: readonly Watcher[], name: string): LinkEdge {
  const old = edges.get(cable);
  if (old && old.selected === selected && old.data!.watchers === watchers) return old;
  const edge: LinkEdge = {
    id: cable.id, type: "link", source: cable.from, target: cable.to, sourceHandle: "c", targetHandle: "c",
    data: { cable, watchers }, selected, ariaLabel: name, focusable: true, reconnectable: false, interactionWidth: 0,
  };
  edges.set(cable, edge);
  return edge;
}

/** What is said of a connection where it cannot be seen. */
function spoken(cable: Cable, scene: Scene): string {
  const [a, b] = [cable.from, cable.to].map((id) => scene.placed.get(id)?.element.name ?? "?");
  return `Connection ${a} to ${b}${cable.label.length > 0 ? `, ${labelText(cable.label)}` : ""}${cable.broken ? ", broken" : ""}`;
}

interface Props {
  scene: Scene;
  editable: boolean;
  /** Places are being found: nothing is shown yet. */
  arranging: boolean;
}

export function Canvas({ scene, editable, arranging }: Props) {
  const flow = useReactFlow();
  const store = useStoreApi();
  const selection = useTopology((state) => state.selection);
  const joining = useView((view) => view.joining);
  const presence = usePresence((state) => state.others);
  const [dragged, setDragged] = useState<ReadonlyMap<string, Point> | null>(null);
  const [far, setFar] = useState(false);
  const [connecting, setConnecting] = useState(false);
  const wrapper = useRef<HTMLDivElement>(null);
  const isDragged = useRef(false);

  const at = useCallback(
    (id: string) => dragged?.get(id) ?? scene.placed.get(id)?.place,
    [dragged, scene],
  );
  const latest = useRef({ scene, at });
  latest.current = { scene, at };

  const measure = useCallback(() => {
    const { width, height, transform: [x, y, zoom] } = store.getState();
    const all = latest.current.scene.placed;
    if (all.size <= NEAR_MAX) {
      setFar(false);
      return;
    }
    let seen = 0;
    for (const { place } of all.values()) {
      const [px, py] = [place.x * zoom + x, place.y * zoom + y];
      if (px > -60 && py > -60 && px < width + 60 && py < height + 60) seen += 1;
    }
    setFar((now) => seen > (now ? NEAR_MAX - 30 : NEAR_MAX));
  }, [store]);
  useEffect(measure, [measure, scene]);
  useFirstFit(scene, arranging, measure);

  const shownNodes = useMemo(() => {
    const list: ElementNode[] = [];
    for (const placed of scene.placed.values()) {
      const chosen = selection.has(placed.id);
      if (far && !chosen) continue;
      list.push(nodeOf(placed, dragged?.get(placed.id) ?? placed.place, chosen, watchersOf(presence, placed.id) ?? NO_ONE, editable));
    }
    return far && list.length > NEAR_MAX ? [] : list;
  }, [scene, selection, dragged, far, editable, presence]);
  const shownEdges = useMemo(() => {
    if (far) return [];
    return [...scene.cables.values()].map((cable) =>
      edgeOf(cable, selection.has(cable.id), watchersOf(presence, cable.id) ?? NO_ONE, spoken(cable, scene)),
    );
  }, [scene, selection, far, presence]);

  const onNodesChange = useCallback((changes: NodeChange<ElementNode>[]) => {
    onSelect(changes);
    const moves = changes.filter((item) => item.type === "position" && item.position !== undefined);
    if (moves.length === 0) return;
    const places = moves.map((item): [string, Point] => [(item as { id: string }).id, (item as { position: Point }).position]);
    const dragging = moves.some((item) => item.type === "position" && item.dragging);
    if (dragging) setDragged(new Map(places.map(([id, place]) => [id, snapped(place)])));
    // The last change of a drag is told again when it stops.
    else if (isDragged.current) isDragged.current = false;
    else if (!store.getState().userSelectionActive) keyMove(places, latest.current.at);
    if (dragging) isDragged.current = true;
  }, [store]);
  const onDragStop = useCallback(() => {
    setDragged((places) => {
      if (places) {
        const moved = new Map([...places].filter(([id, place]) => {
          const old = latest.current.scene.placed.get(id)?.place;
          return old && (old.x !== place.x || old.y !== place.y);
        }));
        // Sent after the state is set: the move shows the same places.
        if (moved.size > 0) queueMicrotask(() => void move(moved).catch(complain));
      }
      return null;
    });
  }, []);

  const openMenu = (event: React.MouseEvent | MouseEvent, ids: string[]) => {
    event.preventDefault();
    const place = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY });
    setView({ menu: { x: event.clientX, y: event.clientY, ids, place } });
  };
  const chosenWith = (id: string): string[] => {
    const now = current().selection;
    if (now.has(id)) return [...now];
    select([id]);
    return [id];
  };
  const pick = (event: React.MouseEvent | MouseEvent): string | null => {
    const point = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY });
    return hit(latest.current.scene, latest.current.at, point, store.getState().transform[2]);
  };

  return (
    <div
      ref={wrapper}
      className={`canvas${connecting || joining ? " is-connecting" : ""}${joining ? " is-joining" : ""}${arranging ? " is-arranging" : ""}`}
      data-far={far}
    >
      <ReactFlow<ElementNode, LinkEdge>
        nodes={shownNodes} edges={shownEdges} nodeTypes={nodeTypes} edgeTypes={edgeTypes}
        nodeOrigin={[0.5, 0.5]} minZoom={0.03} maxZoom={3}
        connectionMode={ConnectionMode.Loose} connectionLineType={ConnectionLineType.Straight} connectionRadius={42} connectOnClick={joining} nodesConnectable={editable}
        selectionMode={SelectionMode.Partial} multiSelectionKeyCode={["Meta", "Control", "Shift"]} deleteKeyCode={null}
        onlyRenderVisibleElements={scene.placed.size > NEAR_MAX} elevateNodesOnSelect={false} zoomOnDoubleClick={false}
        onNodesChange={onNodesChange} onEdgesChange={onSelect} onNodeDragStop={onDragStop} onSelectionDragStop={onDragStop}
        onConnectStart={() => setConnecting(true)} onConnectEnd={() => setConnecting(false)}
        onConnect={({ source, target }) => { if (source !== target) void join(source, target); }}
        onMove={measure}
        onPaneClick={(event) => { if (far) { const id = pick(event); select(id ? [id] : []); } }}
        onPaneContextMenu={(event) => { const id = far ? pick(event) : null; openMenu(event, id ? chosenWith(id) : []); }}
        onNodeContextMenu={(event, node) => openMenu(event, chosenWith(node.id))}
        onEdgeContextMenu={(event, edge) => openMenu(event, chosenWith(edge.id))}
        onSelectionContextMenu={(event) => openMenu(event, [...current().selection])}
        onNodeDoubleClick={(_event, node) => openDefault(node.id)}
        attributionPosition="bottom-left" fitView={false}
      >
        <Background variant={BackgroundVariant.Dots} gap={20} size={1.4} className="canvas-grid" />
        <Decorations />
        <Arriving at={at} />
        <Overlay scene={scene} far={far} at={at} />
        {scene.placed.size > 0 && <Minimap scene={scene} />}
      </ReactFlow>
    </div>
  );
}

function onSelect(changes: (NodeChange<ElementNode> | EdgeChange<LinkEdge>)[]): void {
  const next = new Set(current().selection);
  let changed = false;
  for (const item of changes) {
    if (item.type !== "select") continue;
    changed = true;
    if (item.selected) next.add(item.id);
    else next.delete(item.id);
  }
  if (changed) select(next);
}

let keyPlaces = new Map<string, Point>();
let keyTimer: ReturnType<typeof setTimeout> | undefined;

/** Moves with the arrow keys come one by one, each a step of the grid; they are sent when the keys rest. */
function keyMove(places: [string, Point][], at: (id: string) => Point | undefined): void {
  for (const [id, place] of places) {
    const shown = at(id);
    const from = keyPlaces.get(id) ?? shown;
    if (!shown || !from) continue;
    keyPlaces.set(id, snapped({ x: from.x + Math.sign(place.x - shown.x) * SNAP, y: from.y + Math.sign(place.y - shown.y) * SNAP }));
  }
  clearTimeout(keyTimer);
  keyTimer = setTimeout(() => {
    const all = keyPlaces;
    keyPlaces = new Map();
    void move(all).catch(complain);
  }, 60);
}

/** What lies under a point of the scene. */
function hit(scene: Scene, at: (id: string) => Point | undefined, point: Point, zoom: number): string | null {
  const reach = Math.max(28, 8 / zoom);
  for (const { id } of scene.placed.values()) {
    const place = at(id);
    if (place && Math.abs(place.x - point.x) < reach && Math.abs(place.y - point.y) < reach) return id;
  }
  let best: [string, number] | null = null;
  for (const cable of scene.cables.values()) {
    const line = lineOf(cable, at);
    const far = line ? distance(line, point) : Number.POSITIVE_INFINITY;
    if (far < 8 / zoom && (!best || far < best[1])) best = [cable.id, far];
  }
  return best?.[0] ?? null;
}

/** Shows everything once the topology is there. */
function useFirstFit(scene: Scene, arranging: boolean, done: () => void): void {
  const fitted = useRef(false);
  const flow = useReactFlow();
  const store = useStoreApi();
  useEffect(() => {
    if (fitted.current || arranging) return;
    if (scene.placed.size === 0) {
      // What is placed by hand is in sight already.
      fitted.current = true;
      return;
    }
    const run = () => {
      const { width, height } = store.getState();
      if (width === 0) {
        requestAnimationFrame(run);
        return;
      }
      fitted.current = true;
      void flow.setViewport(fitTo([...scene.placed.values()].map((item) => item.place), width, height));
      done();
    };
    run();
  }, [scene, arranging, flow, store, done]);
}

/** The view that shows all places. */
export function fitTo(places: Point[], width: number, height: number): { x: number; y: number; zoom: number } {
  if (places.length === 0) return { x: 0, y: 0, zoom: 1 };
  const all = bounds(places);
  const [x0, x1, y0, y1] = [all.x0 - 90, all.x1 + 90, all.y0 - 70, all.y1 + 100];
  const zoom = Math.max(0.03, Math.min(1.25, width / (x1 - x0), height / (y1 - y0)));
  return { zoom, x: width / 2 - ((x0 + x1) / 2) * zoom, y: height / 2 - ((y0 + y1) / 2) * zoom };
}

export type { Connection };
