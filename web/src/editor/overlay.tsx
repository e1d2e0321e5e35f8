// The two canvases of the editor: the far view below the document's elements, moving traffic above.
import { useComputedColorScheme } from "@mantine/core";
import { useStoreApi } from "@xyflow/react";
import { useEffect, useRef } from "react";

import type { Point } from "../model/place";
import { useTopology } from "../store/topology";
import { rates } from "../store/traffic";
import { useView } from "../store/view";
import { begin, type Colors, colorsOf, type Frame, paintFar, paintTraffic } from "./paint";
import type { Scene } from "./scene";

interface Props {
  scene: Scene;
  far: boolean;
  at: (id: string) => Point | undefined;
}

function fit(canvas: HTMLCanvasElement, width: number, height: number, ratio: number): void {
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
}

/** Frames per second of moving traffic at the most. */
const TRAFFIC_FPS = 40;

export function Overlay(props: Props) {
  const below = useRef<HTMLCanvasElement>(null);
  const above = useRef<HTMLCanvasElement>(null);
  const latest = useRef(props);
  const dirty = useRef(true);
  const store = useStoreApi();
  const scheme = useComputedColorScheme("light");
  const selection = useTopology((state) => state.selection);
  const chosen = useRef(selection);
  chosen.current = selection;
  latest.current = props;
  dirty.current = true;

  useEffect(() => {
    const [low, high] = [below.current!, above.current!];
    const [lowContext, highContext] = [low.getContext("2d")!, high.getContext("2d")!];
    const colors: Colors = colorsOf(low.parentElement!);
    let wasTraffic = false;
    let lastView = "";
    let lastTraffic = 0;
    let handle = 0;
    const draw = (now: number) => {
      handle = requestAnimationFrame(draw);
      const { width, height, transform } = store.getState();
      const { scene, far, at } = latest.current;
      const frame: Frame = { width, height, ratio: Math.min(window.devicePixelRatio || 1, 2), x: transform[0], y: transform[1], zoom: transform[2] };
      const view = `${transform.join()},${width},${height}`;
      const moved = view !== lastView;
      if (far && (moved || dirty.current)) {
        fit(low, width, height, frame.ratio);
        begin(lowContext, frame);
        paintFar(lowContext, frame, scene, at, chosen.current, colors);
      } else if (!far && low.width > 0) low.width = 0;
      const traffic = useView.getState().traffic && rates.size > 0;
      if (traffic && (moved || now - lastTraffic >= 1000 / TRAFFIC_FPS - 2)) {
        lastTraffic = now;
        fit(high, width, height, frame.ratio);
        begin(highContext, frame);
        paintTraffic(highContext, frame, scene, at, now, colors);
      } else if (!traffic && wasTraffic) high.width = 0;
      wasTraffic = traffic;
      lastView = view;
      dirty.current = false;
    };
    dirty.current = true;
    handle = requestAnimationFrame(draw);
    return () => cancelAnimationFrame(handle);
  }, [store, scheme]);

  return (
    <>
      <canvas ref={below} className="overlay overlay-below" aria-hidden />
      <canvas ref={above} className="overlay overlay-above" aria-hidden />
    </>
  );
}
