// Which tour is under way, and how far.
import { create } from "zustand";

import { EXAMPLES } from "../model/examples";
import { go } from "../route";
import { createEmpty, importText } from "../store/files";
import type { Tour } from "./format";

interface Touring {
  tour: Tour | null;
  topology: string | null;
  step: number;
}

export const useTour = create<Touring>(() => ({ tour: null, topology: null, step: 0 }));

const KEPT = "tomato-tour";

/** Survives a reload of the page, not its end. */
useTour.subscribe((state) => {
  if (state.tour) sessionStorage.setItem(KEPT, JSON.stringify(state));
  else sessionStorage.removeItem(KEPT);
});

/** Goes on with the tour of a topology after a reload. */
export function resume(topology: string): void {
  if (useTour.getState().tour) return;
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null") as Touring | null;
    if (kept?.topology === topology) useTour.setState(kept);
  } catch {
    sessionStorage.removeItem(KEPT);
  }
}

export const endTour = (): void => useTour.setState({ tour: null, topology: null, step: 0 });

/** Begins a tour in a topology of its own. */
export async function begin(tour: Tour): Promise<void> {
  const example = EXAMPLES.find((item) => item.file === `${tour.example ?? ""}.yaml`);
  const topology = example ? await importText(example.text, tour.title) : await createEmpty(tour.title);
  beginIn(tour, topology);
  go(`/topologies/${topology}`);
}

/** Begins a tour in an open topology. */
export function beginIn(tour: Tour, topology: string): void {
  useTour.setState({ tour, topology, step: 0 });
}
