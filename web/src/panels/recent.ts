// What each direction of a connection did of late, to be shown beside what was set: differences of its counters over a window of
// time that begins anew when the settings change.
import { useEffect, useState } from "react";
import { useQuery } from "@tanstack/react-query";

import { answer, api } from "../api/client";
import type { Connection, DirectionCounters } from "../model/types";

/** Milliseconds between two looks at the counters. */
export const COUNTERS_MS = 1500;
/** Length of the window in milliseconds. */
export const WINDOW_MS = 30_000;
/** Fewer packets than this tell no share. */
const PACKETS_MIN = 10;

/** The counters of the connection's topology. */
export const useCounters = (connection: Connection) =>
  useQuery({
    queryKey: ["counters", connection.topology],
    queryFn: () => answer(api.GET("/api/v1/topologies/{id}/counters", { params: { path: { id: connection.topology } } })),
    refetchInterval: COUNTERS_MS,
    enabled: connection.started,
  }).data;

/** One look at one direction. */
export type Look = Pick<DirectionCounters, "offered" | "frames" | "bytes" | "duplicated" | "corrupted" | "drops" | "lateness_p50_ns" | "lateness_p99_ns">;

/** What one direction did between two looks; shares are in percent, null while too little passed. */
export interface Recent {
  /** Bit/s delivered. */
  rate: number;
  loss: number | null;
  duplicate: number | null;
  corrupt: number | null;
  /** Nanoseconds that half, and 99 of 100, of all packets since the start left after they were due. */
  late: [number, number] | null;
}

/** What lies between two looks that are `ms` milliseconds apart. */
export function between(first: Look, last: Look, ms: number): Recent {
  const offered = last.offered - first.offered;
  const share = (count: number) => (offered < PACKETS_MIN ? null : (100 * count) / offered);
  return {
    rate: ms > 0 ? ((last.bytes - first.bytes) * 8000) / ms : 0,
    loss: share((last.drops["loss"] ?? 0) - (first.drops["loss"] ?? 0)),
    duplicate: share(last.duplicated - first.duplicated),
    corrupt: share(last.corrupted - first.corrupted),
    late: last.frames > 0 ? [last.lateness_p50_ns ?? 0, last.lateness_p99_ns ?? 0] : null,
  };
}

interface Sample {
  at: number;
  both: readonly Look[];
}

/** The samples with a new one: those of the window, and none from before counters began anew. */
export function kept(samples: readonly Sample[], next: Sample): Sample[] {
  const last = samples.at(-1);
  const isAnew = last !== undefined && next.both.some((one, index) => one.offered < last.both[index]!.offered);
  return [...(isAnew ? [] : samples.filter(({ at }) => next.at - at <= WINDOW_MS)), next];
}

/** What both directions did of late; null until there are two looks since the settings changed. */
export function useRecent(connection: Connection): [Recent, Recent] | null {
  const counters = useCounters(connection);
  const both = counters?.connections[connection.id];
  const settings = JSON.stringify([connection.emulation, connection.connected, connection.forward, connection.backward]);
  const [seen, setSeen] = useState<{ settings: string; samples: readonly Sample[] }>({ settings, samples: [] });
  useEffect(() => {
    if (!both) return;
    const next = { at: performance.now(), both };
    setSeen((old) => ({ settings, samples: old.settings === settings ? kept(old.samples, next) : [next] }));
  }, [both, settings]);
  const [first, last] = [seen.samples[0], seen.samples.at(-1)];
  if (!connection.started || seen.settings !== settings || !first || !last || first === last) return null;
  const one = (index: number) => between(first.both[index]!, last.both[index]!, last.at - first.at);
  return [one(0), one(1)];
}
