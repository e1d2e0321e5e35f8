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

/** Two elements that are being joined. */
export interface NewLine {
  from: string;
  to: string;
}

export const useArriving = create<{ all: readonly (NewElement | NewLine)[] }>(() => ({ all: [] }));

const isElement = (one: NewElement | NewLine): one is NewElement => "at" in one;

/** The elements that are being made. */
export const newElements = (): NewElement[] => useArriving.getState().all.filter(isElement);

/** The lines that are being drawn. */
export const newLines = (): NewLine[] => useArriving.getState().all.filter((one): one is NewLine => !isElement(one));

/** Shows something until the work that makes it is over. */
export async function showing<T>(one: NewElement | NewLine, work: () => Promise<T>): Promise<T> {
  useArriving.setState(({ all }) => ({ all: [...all, one] }));
  try {
    return await work();
  } finally {
    useArriving.setState(({ all }) => ({ all: all.filter((other) => other !== one) }));
  }
}
