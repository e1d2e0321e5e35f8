// The whole topology in a corner while a part of it is out of sight; click or drag to go there.
import { useStore, useReactFlow, type ReactFlowState } from "@xyflow/react";
import { useEffect, useMemo, useRef } from "react";

import { lookOf } from "../model/kinds";
import { setView, useView } from "../store/view";
import type { Scene } from "./scene";

const WIDTH = 176;
const HEIGHT = 112;

const view = ({ transform: [x, y, zoom], width, height }: ReactFlowState) => `${x},${y},${zoom},${width},${height}`;

export function Minimap({ scene }: { scene: Scene }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const flow = useReactFlow();
  const wanted = useView((state) => state.minimap);
  const [x, y, zoom, width, height] = useStore(view).split(",").map(Number) as [number, number, number, number, number];
  const edges = useMemo(() => {
    const places = [...scene.placed.values()].map((item) => item.place);
    const xs = places.map((place) => place.x);
    const ys = places.map((place) => place.y);
    return [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)] as const;
  }, [scene]);
  const isAllSeen = edges[0] * zoom + x > 0 && edges[1] * zoom + x < width && edges[2] * zoom + y > 0 && edges[3] * zoom + y < height;
  const box = useMemo(() => {
    const [x0, x1, y0, y1] = [edges[0] - 80, edges[1] + 80, edges[2] - 80, edges[3] + 80];
    const scale = Math.min(WIDTH / (x1 - x0), HEIGHT / (y1 - y0), 0.16);
    return { scale, dx: WIDTH / 2 - ((x0 + x1) / 2) * scale, dy: HEIGHT / 2 - ((y0 + y1) / 2) * scale };
  }, [edges]);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    canvas.current!.width = WIDTH * ratio;
    canvas.current!.height = HEIGHT * ratio;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const size = Math.max(2, 44 * box.scale);
    for (const { element, place } of scene.placed.values()) {
      context.fillStyle = lookOf(element).color;
      context.fillRect(place.x * box.scale + box.dx - size / 2, place.y * box.scale + box.dy - size / 2, size, size);
    }
  }, [scene, box, isAllSeen, wanted]);
  const jump = (event: React.PointerEvent) => {
    const rect = event.currentTarget.getBoundingClientRect();
    const px = (event.clientX - rect.left - box.dx) / box.scale;
    const py = (event.clientY - rect.top - box.dy) / box.scale;
    void flow.setViewport({ zoom, x: width / 2 - px * zoom, y: height / 2 - py * zoom });
  };
  useEffect(() => setView({ partly: !isAllSeen }), [isAllSeen]);
  if (!(wanted ?? !isAllSeen)) return null;
  return (
    <div
      className="minimap" aria-hidden
      onPointerDown={(event) => { event.currentTarget.setPointerCapture(event.pointerId); jump(event); }}
      onPointerMove={(event) => { if (event.buttons > 0) jump(event); }}
    >
      <canvas ref={canvas} style={{ width: WIDTH, height: HEIGHT }} />
      <span
        className="minimap-view"
        style={{
          left: (-x / zoom) * box.scale + box.dx, top: (-y / zoom) * box.scale + box.dy,
          width: (width / zoom) * box.scale, height: (height / zoom) * box.scale,
        }}
      />
    </div>
  );
}
