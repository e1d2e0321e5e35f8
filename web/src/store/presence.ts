// What other people who have the same topology open have selected.
import { create } from "zustand";

import { raw } from "../api/client";
import { useSession } from "../api/session";
import type { Watcher } from "../editor/element-node";
import { current, useTopology } from "./topology";

interface Other extends Watcher {
  client: string;
  selection: string[];
  at: number;
}

export const usePresence = create<{ others: ReadonlyMap<string, Other> }>(() => ({ others: new Map() }));

const COLORS = ["#7a4bb0", "#0f7c8c", "#b0561a", "#8f3f71", "#2f6fb3", "#4d7a1f"];
const BEAT_MS = 10_000;
const GONE_MS = 25_000;
const client = Math.random().toString(36).slice(2, 12);

const marks = new WeakMap<ReadonlyMap<string, Other>, Map<string, Watcher[]>>();

/** Who else has an object selected. */
export function watchersOf(others: ReadonlyMap<string, Other>, id: string): readonly Watcher[] | undefined {
  let byObject = marks.get(others);
  if (!byObject) {
    byObject = new Map();
    for (const other of others.values()) {
      for (const chosen of other.selection) byObject.set(chosen, [...(byObject.get(chosen) ?? []), other]);
    }
    marks.set(others, byObject);
  }
  return byObject.get(id);
}

/** Takes what the event stream tells of somebody. */
export function onPresence(data: string): void {
  const told = JSON.parse(data) as { topology: string; client: string; account: string; selection: string[] | null };
  if (told.client === client || told.topology !== current().id) return;
  const others = new Map(usePresence.getState().others);
  if (told.selection === null) others.delete(told.client);
  else {
    const hash = [...told.client].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
    others.set(told.client, {
      client: told.client, name: told.account, color: COLORS[hash % COLORS.length]!, selection: told.selection, at: Date.now(),
    });
  }
  usePresence.setState({ others });
}

/** Tells the others what is selected here, until the returned function is called. */
export function sharePresence(topology: string): () => void {
  if (useSession.getState().isLooking) return () => usePresence.setState({ others: new Map() });
  let off = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tell = (selection: string[] | null) => {
    void raw(`/api/v1/topologies/${topology}/presence`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ client, selection }),
      keepalive: true,
    }).catch(() => null);
  };
  const now = () => tell([...current().selection].slice(0, 200));
  const stop = useTopology.subscribe((state, before) => {
    if (state.selection === before.selection || off) return;
    clearTimeout(timer);
    timer = setTimeout(now, 120);
  });
  const beat = setInterval(() => {
    now();
    const others = usePresence.getState().others;
    const left = [...others].filter(([, other]) => Date.now() - other.at < GONE_MS);
    if (left.length !== others.size) usePresence.setState({ others: new Map(left) });
  }, BEAT_MS);
  now();
  return () => {
    off = true;
    stop();
    clearInterval(beat);
    clearTimeout(timer);
    tell(null);
    usePresence.setState({ others: new Map() });
  };
}
