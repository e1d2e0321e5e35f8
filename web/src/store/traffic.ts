// Rates of each connection, many times a second. Kept outside of React: they are drawn, not rendered.
import { answer, api } from "../api/client";
import { follow } from "../api/stream";

/** One direction now. */
export interface Rate {
  bits: number;
  packets: number;
  drops: number;
}

/** Forward and backward of each connection. */
export const rates = new Map<string, [Rate, Rate]>();
/** Counts changes of {@link rates}. */
export const changes = { count: 0, listeners: new Set<() => void>() };

interface WireRate {
  bits_per_second: number;
  packets_per_second: number;
  drops_per_second: number;
}

interface Update {
  connections: Record<string, { forward: WireRate; backward: WireRate }>;
}

const POLL_MS = 1000;

function tell(): void {
  changes.count += 1;
  for (const listener of changes.listeners) listener();
}

function rate(it: WireRate | undefined): Rate {
  return { bits: it?.bits_per_second ?? 0, packets: it?.packets_per_second ?? 0, drops: it?.drops_per_second ?? 0 };
}

/** Takes one update of the stream. */
export function take(update: Update): void {
  for (const id of rates.keys()) if (!(id in update.connections)) rates.delete(id);
  for (const [id, both] of Object.entries(update.connections)) {
    rates.set(id, [rate(both.forward), rate(both.backward)]);
  }
  tell();
}

/** Follows the rates of a topology until the returned function is called. */
export function watchTraffic(topology: string): () => void {
  let stopPolling: (() => void) | null = null;
  const stop = follow(() => `/api/v1/topologies/${topology}/traffic?interval=100`, {
    onMessage: ({ event, data }) => {
      if (event === "traffic") take(JSON.parse(data) as Update);
    },
    onRefused: (refusal) => {
      // A server without the stream is asked for its counters.
      if (refusal.status === 404 || refusal.status === 405) stopPolling = poll(topology);
    },
    onLine: (up) => {
      if (!up) clear();
    },
  });
  return () => {
    stop();
    stopPolling?.();
    clear();
  };
}

function clear(): void {
  rates.clear();
  tell();
}

type Counted = { offered: number; frames: number; bytes: number; drops: Record<string, number> };

function poll(topology: string): () => void {
  let last: { at: number; counters: Record<string, Counted[]> } | null = null;
  const timer = setInterval(() => {
    void answer(api.GET("/api/v1/topologies/{id}/counters", { params: { path: { id: topology } } }))
      .then((counters) => {
        const now = { at: performance.now(), counters: counters.connections as unknown as Record<string, Counted[]> };
        if (last) take(between(last, now));
        last = now;
      })
      .catch(() => clear());
  }, POLL_MS);
  return () => clearInterval(timer);
}

const sum = (drops: Record<string, number>): number => Object.values(drops).reduce((a, b) => a + b, 0);

function between(
  old: { at: number; counters: Record<string, Counted[]> },
  now: { at: number; counters: Record<string, Counted[]> },
): Update {
  const seconds = Math.max(0.1, (now.at - old.at) / 1000);
  const one = (a: Counted | undefined, b: Counted): WireRate => ({
    bits_per_second: a && b.bytes >= a.bytes ? ((b.bytes - a.bytes) * 8) / seconds : 0,
    packets_per_second: a && b.frames >= a.frames ? (b.frames - a.frames) / seconds : 0,
    drops_per_second: a && sum(b.drops) >= sum(a.drops) ? (sum(b.drops) - sum(a.drops)) / seconds : 0,
  });
  const connections = Object.fromEntries(
    Object.entries(now.counters).map(([id, [forward, backward]]) => {
      const before = old.counters[id];
      return [id, { forward: one(before?.[0], forward!), backward: one(before?.[1], backward!) }];
    }),
  );
  return { connections };
}
