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
  /** The console of the element of this name is open. */
  console?: string;
  /** Some console, or the one that `console` names, shows text that fits this regular expression. */
  screen?: string;
  /** Something of this sort, `element` or `connection`, or of this name is chosen. */
  selected?: string;
  /** Some direction of a connection has such values: `>=100ms`, `<=1Mbit/s`, `=0%`. */
  link?: Record<string, string>;
  /** Exactly so many connections are unplugged. */
  unplugged?: number;
  /** At least so many connections are recorded. */
  capturing?: number;
  /** A list of frames is open and shows at least so many. */
  frames?: number;
  /** That list has this filter. */
  filter?: string;
  /** That list shows the fields of a frame. */
  opened?: boolean;
  /** An archive was begun, or is done. */
  archive?: "begun" | "done";
}

export interface TourStep {
  text: string;
  /** The part of the page to point at: an element with this `data-tour`. */
  point?: string;
  /** Without it there is a button to go on. */
  until?: Until;
  /** Shown once `until` holds, with a button to go on: what there is to see now. */
  then?: string;
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
  /** The open consoles: whose they are, and what they show. */
  consoles: { element: string; screen: string }[];
  selected: { sort: "element" | "connection"; name: string } | null;
  links: Record<string, unknown>[];
  unplugged: number;
  capturing: number;
  /** The open lists of frames. */
  lists: { count: number; filter: string; isOpened: boolean }[];
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

const showsConsole = (until: Until, { element, screen }: Facts["consoles"][number]): boolean =>
  (until.console === undefined || element === until.console) && (until.screen === undefined || expression(until.screen).test(screen));

const showsList = (until: Until, list: Facts["lists"][number]): boolean =>
  list.count >= (until.frames ?? 0) && (until.filter === undefined || list.filter === until.filter) && (until.opened === undefined || list.isOpened === until.opened);

/** Whether what a step waits for is so. */
export function isReached(until: Until, facts: Facts): boolean {
  const least = (["elements", "connections", "running", "capturing"] as const).every((key) => until[key] === undefined || facts[key] >= until[key]);
  const { selected } = facts;
  return (
    least &&
    (until.unplugged === undefined || facts.unplugged === until.unplugged) &&
    (until.consoles === undefined || facts.consoles.length >= until.consoles) &&
    (until.selected === undefined || selected?.sort === until.selected || selected?.name === until.selected) &&
    ((until.screen === undefined && until.console === undefined) || facts.consoles.some((item) => showsConsole(until, item))) &&
    (until.link === undefined || facts.links.some((link) => Object.entries(until.link!).every(([name, wish]) => fits(name, link[name], wish)))) &&
    ((until.frames === undefined && until.filter === undefined && until.opened === undefined) || facts.lists.some((list) => showsList(until, list))) &&
    (until.archive === undefined || facts.archives.some((archive) => archive[until.archive!]))
  );
}

const KEYS: ReadonlySet<string> = new Set(["elements", "connections", "running", "consoles", "console", "screen", "selected", "link", "unplugged", "capturing", "frames", "filter", "opened", "archive"]);
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
    if (step.then !== undefined && (typeof step.then !== "string" || step.then.length > TEXT_MAX)) return `${at}.then: a text of at most ${TEXT_MAX} letters is needed`;
    if (step.then !== undefined && !step.until) return `${at}.then: it follows what “until” waits for; add that, or move the words to “text”`;
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
