// Undo and redo. An entry knows how to take itself back; objects that are made again have new ids, which are looked up.
import { create } from "zustand";

/** Something that can be taken back and done again. */
export interface Entry {
  /** In words, after "undo". */
  label: string;
  undo(): Promise<void>;
  redo(): Promise<void>;
  /** Edits with the same key shortly after one another are one entry. */
  merge?: string;
  at: number;
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

/** Adds an edit that was done just now. */
export function remember(entry: Omit<Entry, "at">): void {
  const at = Date.now();
  useHistory.setState(({ done }) => {
    const last = done.at(-1);
    if (entry.merge && last?.merge === entry.merge && at - last.at < MERGE_MS) {
      return { done: [...done.slice(0, -1), { ...last, redo: entry.redo, at }], undone: [] };
    }
    return { done: [...done, { ...entry, at }].slice(-ENTRIES_MAX), undone: [] };
  });
}

async function step(from: "done" | "undone"): Promise<string | null> {
  const state = useHistory.getState();
  const entry = state[from].at(-1);
  if (!entry || state.busy) return null;
  const to = from === "done" ? "undone" : "done";
  useHistory.setState({ busy: true });
  try {
    await (from === "done" ? entry.undo() : entry.redo());
    useHistory.setState((now) => ({ [to]: [...now[to], { ...entry, merge: undefined }] }) as Partial<History>);
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
