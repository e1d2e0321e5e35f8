// The tours that come with the product.
import type { Tour } from "./format";

const found = import.meta.glob<Tour>("../../tours/*.yaml", { query: "?tour", import: "default", eager: true });

/** In the order of their files' names. */
export const TOURS: Tour[] = Object.entries(found).sort(([a], [b]) => a.localeCompare(b)).map(([, tour]) => tour);
