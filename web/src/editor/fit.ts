// Showing everything, and arranging everything so that it is all seen.
import { useReactFlow } from "@xyflow/react";
import { useMemo } from "react";

import { afterUndo } from "../store/history";
import { fitTo } from "./canvas";
import { arrange } from "./layout";
import { placesNow } from "./placing";

/** Milliseconds that the view takes to get there. */
const DURATION_MS = 200;

export interface Fit {
  /** Shows everything. */
  fit(): void;
  /** Arranges everything and shows it; taking that back also brings back the view. */
  arrangeAll(): Promise<void>;
}

export function useFit(): Fit {
  const flow = useReactFlow();
  return useMemo(() => {
    const fit = () => {
      const box = document.querySelector(".react-flow")!.getBoundingClientRect();
      void flow.setViewport(fitTo(placesNow(), box.width, box.height), { duration: DURATION_MS });
    };
    const arrangeAll = async () => {
      const before = flow.getViewport();
      await arrange();
      afterUndo(() => void flow.setViewport(before, { duration: DURATION_MS }));
      fit();
    };
    return { fit, arrangeAll };
  }, [flow]);
}
