// Undo and redo. An entry knows how to take itself back; objects that are made again have new ids, which are looked up.
import { create } from "zustand";

/** Something that can be taken back and done again. */
export interface Entry {
  /** In words, after "undo". */
  label: string;
  /** Takes it back; answers what it leaves, if `stands` can tell. */
  undo(): Promise<unknown>;
  redo(): Promise<unknown>;
  /** Edits with the same key shortly after one another are one entry. */
  merge?: string;
  /** What the edit, or its last undo or redo, left; undefined until that is known. */
  left?: unknown;
  /** Whether that is still there: if not, somebody else has changed it. */
  stands?(left: unknown): boolean;
  /** Run after it was taken back. */
  undone?(): void;
  at: number;
}

/** What was to be taken back or done again was changed by somebody else since. */
export class Overtaken extends Error {
  constructor(label: string) {
    super(`“${label}” was changed by somebody else since. Change it by hand if it shall be as before.`);
  }
}

interface History {
  done: Entry[];
  undone: Entry[];
  busy: boolean;
}

const ENTRIES_MAX = 200;
const MERGE_MS = 1500;

export const useHistory = create<History>(() => ({ done: [], undone: [], busy: false }));

const aliases = new Map<string, string>();

/** The id that an object has now. */
export function nowId(id: string): string {
  let at = id;
  for (let next = aliases.get(at); next !== undefined; next = aliases.get(at)) at = next;
  return at;
}

/** An object was made again under a new id. */
export function renamed(old: string, id: string): void {
  if (old !== id) aliases.set(old, id);
}

/** Adds an edit that was done just now; answers its entry, to be told what it `left`. */
export function remember(edit: Omit<Entry, "at">): Entry {
  const at = Date.now();
  const { done } = useHistory.getState();
  const last = done.at(-1);
  if (edit.merge && last?.merge === edit.merge && at - last.at < MERGE_MS) {
    const entry = { ...last, redo: edit.redo, left: undefined, at };
    useHistory.setState({ done: [...done.slice(0, -1), entry], undone: [] });
    return entry;
  }
  const entry = { ...edit, at };
  useHistory.setState({ done: [...done, entry].slice(-ENTRIES_MAX), undone: [] });
  return entry;
}

/** What else is to be done once the last edit was taken back. */
export function afterUndo(undone: () => void): void {
  useHistory.setState(({ done }) => ({ done: done.map((entry, index) => (index === done.length - 1 ? { ...entry, undone } : entry)) }));
}

async function step(from: "done" | "undone"): Promise<string | null> {
  const state = useHistory.getState();
  const entry = state[from].at(-1);
  if (!entry || state.busy) return null;
  const to = from === "done" ? "undone" : "done";
  useHistory.setState({ busy: true });
  try {
    if (entry.left !== undefined && entry.stands?.(entry.left) === false) throw new Overtaken(entry.label);
    const left = await (from === "done" ? entry.undo() : entry.redo());
    useHistory.setState((now) => ({ [to]: [...now[to], { ...entry, left, merge: undefined }] }) as Partial<History>);
    if (from === "done") entry.undone?.();
    return entry.label;
  } finally {
    // An edit that cannot be taken back would block those before it.
    useHistory.setState(
      (now) => ({ busy: false, [from]: now[from].filter((other) => other !== entry) }) as Partial<History>,
    );
  }
}

/** Takes the last edit back; answers what it was. */
export const undo = (): Promise<string | null> => step("done");

/** Does the last edit taken back again; answers what it is. */
export const redo = (): Promise<string | null> => step("undone");

/** Forgets everything. */
export function clearHistory(): void {
  aliases.clear();
  useHistory.setState({ done: [], undone: [], busy: false });
}
