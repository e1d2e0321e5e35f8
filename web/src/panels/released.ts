// What a panel shows follows the selection, but not while a pointer is held: a panel takes longer to make than a frame lasts.
import { startTransition, useEffect, useState } from "react";

const OVER = ["pointerup", "pointercancel"];

let isHeld = false;
window.addEventListener("pointerdown", (event) => { isHeld = event.target instanceof Element && event.target.closest(".canvas") !== null; }, { capture: true });
for (const over of OVER) window.addEventListener(over, () => { isHeld = false; }, { capture: true });

/** The value as it was when no pointer was held on the canvas last. */
export function useReleased<T>(value: T): T {
  const [shown, setShown] = useState(value);
  useEffect(() => {
    const take = () => startTransition(() => setShown(value));
    if (!isHeld) {
      take();
      return;
    }
    for (const over of OVER) window.addEventListener(over, take);
    return () => { for (const over of OVER) window.removeEventListener(over, take); };
  }, [value]);
  return shown;
}
