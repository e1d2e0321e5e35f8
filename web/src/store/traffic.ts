// Rates of each connection and use of each element, many times a second. Kept outside of React: they are drawn, not rendered.
import { follow } from "../api/stream";

/** One direction now. */
export interface Rate {
  bits: number;
  packets: number;
  drops: number;
}

/** What an element uses, as the host measured it last. */
export interface Used {
  time: string;
  cpu_milli: number;
  memory_bytes: number;
  disk_bytes: number;
  sent_bits_per_second: number;
  received_bits_per_second: number;
}

/** Forward and backward of each connection, evened out over {@link SMOOTH_MS}. */
export const rates = new Map<string, [Rate, Rate]>();
/** Counts changes of {@link rates} and {@link used}. */
export const changes = { count: 0, listeners: new Set<() => void>() };
/** The newest point of each element. */
export const used = new Map<string, Used>();

interface WireRate {
  bits_per_second: number;
  packets_per_second: number;
  drops_per_second: number;
}

/** One message: connections that are not in it are as they were. */
export interface Update {
  connections: Record<string, { forward: WireRate; backward: WireRate }>;
}

/** Milliseconds between two messages. */
const PERIOD_MS = 100;
/** A change of the rate is shown to two thirds after this time: single frames would flicker otherwise. */
const SMOOTH_MS = 400;
/** What is below this share of a frame per second is nothing. */
const NOTHING = 0.02;

/** What was told last. */
const told = new Map<string, [Rate, Rate]>();

function tell(): void {
  changes.count += 1;
  for (const listener of changes.listeners) listener();
}

function rate(it: WireRate): Rate {
  return { bits: it.bits_per_second, packets: it.packets_per_second, drops: it.drops_per_second };
}

const isNothing = (it: Rate): boolean => it.packets < NOTHING && it.drops < NOTHING;
const between = (old: number, now: number): number => old + (now - old) * (1 - Math.exp(-PERIOD_MS / SMOOTH_MS));

function nearer(old: Rate | undefined, now: Rate): Rate {
  const next = {
    bits: between(old?.bits ?? 0, now.bits), packets: between(old?.packets ?? 0, now.packets), drops: between(old?.drops ?? 0, now.drops),
  };
  return isNothing(next) && isNothing(now) ? now : next;
}

/** Takes one message about connections. */
export function take(update: Update): void {
  for (const [id, both] of Object.entries(update.connections)) told.set(id, [rate(both.forward), rate(both.backward)]);
  for (const [id, now] of told) {
    const old = rates.get(id);
    const next: [Rate, Rate] = [nearer(old?.[0], now[0]), nearer(old?.[1], now[1])];
    if (next.every(isNothing)) {
      rates.delete(id);
      if (now.every(isNothing)) told.delete(id);
    } else rates.set(id, next);
  }
  tell();
}

/** Takes one message about elements. */
export function takeUsed(points: Record<string, Used>): void {
  for (const [id, point] of Object.entries(points)) used.set(id, point);
  tell();
}

/** Follows the rates of a topology until the returned function is called. */
export function watchTraffic(topology: string): () => void {
  const stop = follow(() => `/api/v1/topologies/${topology}/traffic?interval=${PERIOD_MS}`, {
    onMessage: ({ event, data }) => {
      if (event === "traffic") take(JSON.parse(data) as Update);
      else if (event === "usage") takeUsed(JSON.parse(data) as Record<string, Used>);
    },
    onLine: (up) => {
      if (!up) clear();
    },
  });
  return () => {
    stop();
    clear();
  };
}

/** Forgets all rates. */
export function clear(): void {
  rates.clear();
  told.clear();
  used.clear();
  tell();
}
