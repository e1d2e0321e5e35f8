// The frames that a tab shows: followed live, or read from what was recorded.
import { raw, Refusal, words } from "../api/client";
import { type Captured, PcapReader } from "./pcapng";

/** Frames that are kept; the oldest go. */
export const KEPT_MAX = 20_000;
const RETRY_MS = 1500;

/** What a tab shows. */
export class Frames {
  all: Captured[] = [];
  /** Frames that passed while this reader was too slow. */
  missed = 0;
  /** Frames seen since the beginning, kept or not. */
  count = 0;
  /** What it is narrowed to. */
  filter = "";
  /** Whether the fields of one are shown. */
  isOpened = false;

  add(frames: Captured[]): void {
    for (const frame of frames) {
      this.count += 1;
      this.missed += frame.missed;
      this.all.push({ ...frame, number: this.count });
    }
    if (this.all.length > KEPT_MAX) this.all = this.all.slice(-KEPT_MAX);
  }

  /** Forgets all that was seen. */
  clear(): void {
    this.all = [];
    this.count = 0;
    this.missed = 0;
  }
}

/** The lists that are open, by tab: tours wait for what they show. */
export const shownFrames = new Map<string, Frames>();

/** How it goes: `on` while frames may come. */
export interface Going {
  on: boolean;
  note: string | null;
}

async function read(path: string, stop: AbortSignal, frames: Frames, tell: (going: Going) => void): Promise<void> {
  const response = await raw(path, { signal: stop });
  tell({ on: true, note: null });
  const reader = response.body!.getReader();
  const pcap = new PcapReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    frames.add(pcap.feed(value));
  }
}

/** Follows a connection until the returned function is called; goes on after a break. */
export function followFrames(connection: string, filter: string, frames: Frames, tell: (going: Going) => void): () => void {
  const stop = new AbortController();
  const path = `/api/v1/connections/${connection}/capture/live?filter=${encodeURIComponent(filter)}`;
  void (async () => {
    while (!stop.signal.aborted) {
      try {
        await read(path, stop.signal, frames, tell);
        tell({ on: false, note: "The stream ended; it is opened again…" });
      } catch (error) {
        if (stop.signal.aborted) return;
        tell({ on: false, note: words(error) });
        if (error instanceof Refusal && error.status >= 400 && error.status < 500 && error.status !== 409) return;
      }
      await new Promise((wake) => setTimeout(wake, RETRY_MS));
    }
  })();
  return () => stop.abort();
}

/** Reads what was recorded, or what of it a filter means, once. */
export function readRecorded(connection: string, filter: string, frames: Frames, tell: (going: Going) => void): () => void {
  const stop = new AbortController();
  void read(`/api/v1/connections/${connection}/capture?filter=${encodeURIComponent(filter)}`, stop.signal, frames, tell)
    .then(() => tell({ on: false, note: frames.count === 0 && filter === "" ? "Nothing was recorded." : null }))
    .catch((error: unknown) => { if (!stop.signal.aborted) tell({ on: false, note: words(error) }); });
  return () => stop.abort();
}
