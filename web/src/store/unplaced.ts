// Places of elements that keep none of their own, as those of a file written by hand: found by the layout, shown in this page
// alone, and kept by the topology only when somebody moves something.
import { create } from "zustand";

import { gridPlace, ownPlace, type Point } from "../model/place";
import type { Element } from "../model/types";
import { current } from "./topology";

interface Unplaced {
  places: ReadonlyMap<string, Point>;
  /** The layout is at work. */
  busy: boolean;
}

const NONE: Unplaced = { places: new Map(), busy: false };

export const useUnplaced = create<Unplaced>(() => NONE);

/** Forgets all places. */
export const clearUnplaced = (): void => useUnplaced.setState(NONE);

/** Whether nobody has found a place for an element yet. */
export const isLost = (element: Element, { places }: Unplaced): boolean => ownPlace(element) === null && !places.has(element.id);

/** Where an element is shown; `index` is for one without any place. */
export const shownPlace = (element: Element, index: number): Point =>
  ownPlace(element) ?? useUnplaced.getState().places.get(element.id) ?? gridPlace(index);

/** Where all elements of the open topology are shown. */
export function shownPlaces(): Map<string, Point> {
  let index = 0;
  return new Map([...current().elements.values()].map((element) => [element.id, shownPlace(element, index++)]));
}
