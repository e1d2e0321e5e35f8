// What a guided tour is: steps of text, each of which waits until something is so. Data, not code; the files are in web/tours,
// and a topology can carry one of its own as `_tour`.
import { readBandwidth, readRatio, readSpan } from "../model/units";

/** What must be so. All that is named must hold. */
export interface Until {
  /** At least so many elements. */
  elements?: number;
  /** At least so many connections. */
  connections?: number;
  /** At least so many elements run. */
  running?: number;
  /** At least so many consoles are open. */
  consoles?: number;
  /** Some console shows text that fits this regular expression. */
  screen?: string;
  /** Something of this sort is chosen. */
  selected?: "element" | "connection";
  /** Some direction of a connection has such values: `>=100ms`, `<=1Mbit/s`, `=0%`. */
  link?: Record<string, string>;
  /** Exactly so many connections are unplugged. */
  unplugged?: number;
  /** At least so many connections are recorded. */
  capturing?: number;
  /** A list of frames is open and shows at least so many. */
  frames?: number;
  /** The list of frames has this filter. */
  filter?: string;
  /** An archive was begun, or is done. */
  archive?: "begun" | "done";
}

export interface TourStep {
  text: string;
  /** The part of the page to point at: an element with this `data-tour`. */
  point?: string;
  /** Without it there is a button to go on. */
  until?: Until;
}

export interface Tour {
  title: string;
  description: string;
  /** The example topology that it begins with, by its file's name; an empty one otherwise. */
  example?: string;
  steps: TourStep[];
}

/** What the page knows. */
export interface Facts {
  elements: number;
  connections: number;
  running: number;
  consoles: number;
  screens: string[];
  selected: "element" | "connection" | null;
  links: Record<string, unknown>[];
  unplugged: number;
  capturing: number;
  /** Frames of the fullest list, null when none is open. */
  frames: number | null;
  filters: string[];
  archives: { begun: boolean; done: boolean }[];
}

const READERS: Record<string, (text: string) => number | null> = { bandwidth: readBandwidth, delay: readSpan, jitter: readSpan, loss: readRatio, duplicate: readRatio, corrupt: readRatio };

/** Whether a value fits a wish such as `>=20ms`. */
function fits(name: string, value: unknown, wish: string): boolean {
  const read = READERS[name];
  const [, sign, text] = /^\s*(>=|<=|=)?\s*(.+)$/.exec(wish) ?? [];
  const limit = read?.(text ?? "") ?? null;
  const has = typeof value === "string" ? (read?.(value) ?? null) : name === "bandwidth" ? Number.POSITIVE_INFINITY : 0;
  if (limit === null || has === null) return false;
  if (sign === ">=") return has >= limit;
  return sign === "<=" ? has <= limit : has === limit;
}

const expressions = new Map<string, RegExp>();

function expression(text: string): RegExp {
  let made = expressions.get(text);
  if (!made) expressions.set(text, (made = new RegExp(text)));
  return made;
}

/** Whether what a step waits for is so. */
export function isReached(until: Until, facts: Facts): boolean {
  const least = (["elements", "connections", "running", "consoles", "capturing"] as const).every((key) => until[key] === undefined || facts[key] >= until[key]);
  return (
    least &&
    (until.unplugged === undefined || facts.unplugged === until.unplugged) &&
    (until.selected === undefined || facts.selected === until.selected) &&
    (until.screen === undefined || facts.screens.some((text) => expression(until.screen!).test(text))) &&
    (until.link === undefined || facts.links.some((link) => Object.entries(until.link!).every(([name, wish]) => fits(name, link[name], wish)))) &&
    (until.frames === undefined || (facts.frames !== null && facts.frames >= until.frames)) &&
    (until.filter === undefined || facts.filters.includes(until.filter)) &&
    (until.archive === undefined || facts.archives.some((archive) => archive[until.archive!]))
  );
}

const KEYS: ReadonlySet<string> = new Set(["elements", "connections", "running", "consoles", "screen", "selected", "link", "unplugged", "capturing", "frames", "filter", "archive"]);
const STEPS_MAX = 60;
const TEXT_MAX = 1200;

/** Why something is no tour, in words; null when it is one. */
export function tourError(it: unknown): string | null {
  const tour = it as Partial<Tour> | null;
  if (typeof tour?.title !== "string") return "title: a text is needed";
  if (!Array.isArray(tour.steps) || tour.steps.length === 0 || tour.steps.length > STEPS_MAX) return `steps: a list of 1 to ${STEPS_MAX} is needed`;
  for (const [index, step] of tour.steps.entries()) {
    const at = `steps[${index}]`;
    if (typeof step?.text !== "string" || step.text.length > TEXT_MAX) return `${at}.text: a text of at most ${TEXT_MAX} letters is needed`;
    const unknown = Object.keys(step.until ?? {}).find((key) => !KEYS.has(key));
    if (unknown !== undefined) return `${at}.until.${unknown}: there is no such condition; known are ${[...KEYS].join(", ")}`;
    try {
      if (step.until?.screen !== undefined) expression(step.until.screen);
    } catch {
      return `${at}.until.screen: this is no regular expression`;
    }
  }
  return null;
}
