// What was asked for and is not there yet: drawn at once, until the server's word arrives.
import { create } from "zustand";

import type { Point } from "../model/place";

/** An element that is being made. */
export interface NewElement {
  kind: string;
  name: string;
  forwarding: boolean;
  at: Point;
}

/** The elements that are being joined. */
export type NewLine = readonly [from: string, to: string];

interface Arriving {
  elements: readonly NewElement[];
  lines: readonly NewLine[];
}

export const useArriving = create<Arriving>(() => ({ elements: [], lines: [] }));

/** Shows an element until the work that makes it is over. */
export async function showElement<T>(element: NewElement, work: () => Promise<T>): Promise<T> {
  useArriving.setState(({ elements }) => ({ elements: [...elements, element] }));
  try {
    return await work();
  } finally {
    useArriving.setState(({ elements }) => ({ elements: elements.filter((other) => other !== element) }));
  }
}

/** Shows a line until the work that makes it is over. */
export async function showLine<T>(line: NewLine, work: () => Promise<T>): Promise<T> {
  useArriving.setState(({ lines }) => ({ lines: [...lines, line] }));
  try {
    return await work();
  } finally {
    useArriving.setState(({ lines }) => ({ lines: lines.filter((other) => other !== line) }));
  }
}
