// Server-sent events by fetch, so that a refusal can be told from a broken line. Goes on by itself after a break, from the
// last event seen.
import { raw, Refusal } from "./client";

/** One message of a stream. */
export interface Message {
  event: string;
  id: string | null;
  data: string;
}

/** What a stream tells. */
export interface Listener {
  onMessage(message: Message): void;
  /** The line is there (true) or broken (false). */
  onLine?(up: boolean): void;
  /** The server refused; the stream is over. */
  onRefused?(refusal: Refusal): void;
}

const RETRY_MS = [300, 600, 1000, 2000, 3000];
/** Longest silence; the server sends a comment at least every 15 s. */
const SILENCE_MS = 40_000;

/** Splits text into messages; keeps what is incomplete. */
export class Parser {
  private rest = "";

  feed(text: string): Message[] {
    this.rest += text;
    const messages: Message[] = [];
    for (;;) {
      const end = /\r?\n\r?\n/.exec(this.rest);
      if (!end) return messages;
      const block = this.rest.slice(0, end.index);
      this.rest = this.rest.slice(end.index + end[0].length);
      const message = read(block);
      if (message) messages.push(message);
    }
  }
}

function read(block: string): Message | null {
  const message: Message = { event: "message", id: null, data: "" };
  const data: string[] = [];
  for (const line of block.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const value = line.slice(colon + 1).replace(/^ /, "");
    const field = line.slice(0, colon);
    if (field === "data") data.push(value);
    else if (field === "event") message.event = value;
    else if (field === "id") message.id = value;
  }
  message.data = data.join("\n");
  return data.length > 0 ? message : null;
}

/** Follows a stream until the returned function is called. `path` gets the id of the last message. */
export function follow(path: (last: string | null) => string, listener: Listener): () => void {
  const stop = new AbortController();
  let last: string | null = null;

  const once = async (): Promise<void> => {
    const line = new AbortController();
    const abort = () => line.abort();
    stop.signal.addEventListener("abort", abort);
    let silence: ReturnType<typeof setTimeout> | undefined;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(abort, SILENCE_MS);
    };
    try {
      heard();
      const response = await raw(path(last), { headers: { Accept: "text/event-stream" }, signal: line.signal });
      listener.onLine?.(true);
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new Parser();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        heard();
        for (const message of parser.feed(value)) {
          if (message.id !== null) last = message.id;
          listener.onMessage(message);
        }
      }
    } finally {
      clearTimeout(silence);
      stop.signal.removeEventListener("abort", abort);
    }
  };

  void (async () => {
    for (let tries = 0; !stop.signal.aborted; tries += 1) {
      const begin = Date.now();
      try {
        await once();
      } catch (error) {
        if (stop.signal.aborted) return;
        if (error instanceof Refusal && error.status >= 400 && error.status < 500 && error.status !== 429) {
          listener.onRefused?.(error);
          return;
        }
      }
      if (stop.signal.aborted) return;
      listener.onLine?.(false);
      if (Date.now() - begin > 5000) tries = 0;
      await new Promise((wake) => setTimeout(wake, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]));
    }
  })();
  return () => stop.abort();
}
