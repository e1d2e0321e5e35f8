// A canvas that gets smaller, by the dock or the window, still shows everything if it did before.
import { useReactFlow, useStoreApi } from "@xyflow/react";
import { useEffect } from "react";

import type { Point } from "../model/place";
import { fitTo } from "./canvas";
import { placesNow } from "./placing";

/** Pixels that an element takes around its centre, with its label. */
const AROUND = { x: 40, above: 32, below: 72 };

interface Seen {
  width: number;
  height: number;
  transform: [number, number, number];
}

function isInView(places: readonly Point[], { width, height, transform: [x, y, zoom] }: Seen): boolean {
  return places.every(
    (place) =>
      (place.x - AROUND.x) * zoom + x >= 0 && (place.x + AROUND.x) * zoom + x <= width &&
      (place.y - AROUND.above) * zoom + y >= 0 && (place.y + AROUND.below) * zoom + y <= height,
  );
}

/** Shows everything again when the canvas has become too small for it. */
export function useKeepInView(): void {
  const flow = useReactFlow();
  const store = useStoreApi();
  useEffect(
    () =>
      store.subscribe((now, before) => {
        if ((now.width === before.width && now.height === before.height) || before.width === 0 || now.width === 0) return;
        const places = placesNow();
        if (isInView(places, before) && !isInView(places, now)) void flow.setViewport(fitTo(places, now.width, now.height));
      }),
    [flow, store],
  );
}
