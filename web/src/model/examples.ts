// The example topologies that come with the product.
import type { Drawn } from "../pages/picture";

export interface Example extends Drawn {
  file: string;
  name: string;
  description: string;
  text: string;
}

const found = import.meta.glob<Example>("../../../examples/*.yaml", { query: "?example", import: "default", eager: true });

/** The simplest first. */
export const EXAMPLES: Example[] = Object.values(found).sort(
  (a, b) => a.elements.length - b.elements.length || a.name.localeCompare(b.name),
);
