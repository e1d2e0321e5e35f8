// A ring round the part of the page that a step points at, which is brought into sight.
import { useEffect, useState } from "react";

/** Milliseconds between two looks at where it is. */
const LOOK_MS = 300;
/** Pixels between the part and the ring. */
const ROOM = 4;
/** What a user does who looks for it: the page scrolls no more by itself. */
const ACTS = ["wheel", "pointerdown", "keydown"];

interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** The part's box with some room, as far as the page and what it scrolls in show it. */
function boxOf(part: Element): Box | null {
  const own = part.getBoundingClientRect();
  const port = part.closest(".panel, .palette")?.getBoundingClientRect() ?? { left: 0, top: 0, right: window.innerWidth, bottom: window.innerHeight };
  const [left, top] = [Math.max(own.left - ROOM, port.left), Math.max(own.top - ROOM, port.top)];
  const [width, height] = [Math.min(own.right + ROOM, port.right) - left, Math.min(own.bottom + ROOM, port.bottom) - top];
  return own.width > 0 && width > 0 && height > 0 ? { left, top, width, height } : null;
}

export function Ring({ target }: { target: string }) {
  const [box, setBox] = useState<Box | null>(null);
  useEffect(() => {
    let part: Element | null = null;
    let isLooking = false;
    const look = () => {
      const found = document.querySelector(`[data-tour="${CSS.escape(target)}"]`);
      if (found !== part) isLooking = true;
      part = found;
      if (isLooking) part?.scrollIntoView({ block: "nearest" });
      const next = part && boxOf(part);
      setBox((old) => (JSON.stringify(old) === JSON.stringify(next) ? old : next));
    };
    const stop = () => { isLooking = false; };
    look();
    const timer = setInterval(look, LOOK_MS);
    for (const act of ACTS) window.addEventListener(act, stop, true);
    return () => {
      clearInterval(timer);
      for (const act of ACTS) window.removeEventListener(act, stop, true);
    };
  }, [target]);
  return box && <div className="tour-ring" style={box} aria-hidden />;
}
