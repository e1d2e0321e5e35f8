// The terminal of an element. Bytes go both ways in binary frames, sizes and ends in text frames.
import "@xterm/xterm/css/xterm.css";

import { Button, useComputedColorScheme } from "@mantine/core";
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import { useEffect, useRef, useState } from "react";

import { useTopology } from "../store/topology";
import { screens } from "./screens";

/** A text frame of the lab. */
type Told =
  | { type: "size"; columns: number; rows: number }
  | { type: "exit"; code: number }
  | { type: "error"; message: string };

const DARK = { background: "#14171b", foreground: "#e6e9ed", cursor: "#f3b8ad", selectionBackground: "#4a5563" };
const LIGHT = { background: "#ffffff", foreground: "#1b2026", cursor: "#b93520", selectionBackground: "#c8d6ea", black: "#1b2026", white: "#5c6570", brightWhite: "#3a4048", yellow: "#7a5c00", green: "#1d7037", cyan: "#0f6a7a" };
/** A break of the line is mended by itself after these times; a restart of the backend takes some seconds. */
const RETRY_MS = [300, 700, 1500, 3000, 3000, 5000];

interface Line {
  up: boolean;
  note: string | null;
}
const NO_LINE: Line = { up: false, note: null };

export default function Console({ id, active }: { id: string; active: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const term = useRef<{ terminal: Terminal; fit: FitAddon } | null>(null);
  const [line, setLine] = useState<Line>(NO_LINE);
  const [round, setRound] = useState(0);
  const scheme = useComputedColorScheme("light");
  const state = useTopology((topology) => topology.elements.get(id)?.state);
  const name = useTopology((topology) => topology.elements.get(id)?.name ?? "");
  const running = state === "started";

  useEffect(() => {
    const terminal = new Terminal({
      fontFamily: "ui-monospace, 'DejaVu Sans Mono', Menlo, monospace", fontSize: 13, cursorBlink: true, scrollback: 5000, screenReaderMode: true,
    });
    const fit = new FitAddon();
    terminal.loadAddon(fit);
    terminal.open(box.current!);
    term.current = { terminal, fit };
    screens.set(id, () => textOf(terminal));
    const observer = new ResizeObserver(() => {
      if (box.current && box.current.clientWidth > 40 && box.current.clientHeight > 20) fit.fit();
    });
    observer.observe(box.current!);
    // Somebody else may have sized the terminal since: who types in it sees it in the own size.
    const refit = () => fit.fit();
    terminal.textarea?.addEventListener("focus", refit);
    return () => {
      observer.disconnect();
      screens.delete(id);
      terminal.dispose();
      term.current = null;
    };
  }, [id]);

  useEffect(() => {
    if (term.current) term.current.terminal.options.theme = scheme === "dark" ? DARK : LIGHT;
  }, [scheme]);

  useEffect(() => {
    if (active) term.current?.terminal.focus();
  }, [active]);

  useEffect(() => {
    if (!running || !term.current) return;
    // Each message tells it; only what is new is shown.
    return attach(id, term.current.terminal, (next) => setLine((now) => (now.up === next.up && now.note === next.note ? now : next)));
  }, [id, running, round]);

  const note = running ? line.note : "It is not running. The console comes back when it runs.";
  return (
    <div className="console" data-connected={line.up}>
      <div ref={box} className="console-box" role="group" aria-label={`Console of ${name}`} />
      {note && (
        <div className="console-note" role="status">
          <span className="name">{note}</span>
          {running && !line.up && <Button size="compact-xs" variant="default" onClick={() => setRound(round + 1)}>Connect again</Button>}
        </div>
      )}
    </div>
  );
}

/** The rows that a terminal shows. */
function textOf(terminal: Terminal): string {
  const { active } = terminal.buffer;
  return Array.from({ length: terminal.rows }, (_, row) => active.getLine(active.viewportY + row)?.translateToString(true) ?? "").join("\n");
}

/** Joins a terminal to an element's console until the returned function is called; goes on after a break. */
function attach(id: string, terminal: Terminal, tell: (line: Line) => void): () => void {
  let over = false;
  let socket: WebSocket | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let tries = 0;
  const encoder = new TextEncoder();
  /** The size is the lab's word, which need not be told to it. */
  let isTold = false;
  const send = (data: string | Uint8Array<ArrayBuffer>) => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(data);
  };
  const size = () => {
    if (!isTold) send(JSON.stringify({ type: "resize", columns: terminal.cols, rows: terminal.rows }));
  };
  const hear = (told: Told) => {
    if (told.type === "size") {
      isTold = true;
      terminal.resize(told.columns, told.rows);
      isTold = false;
    } else if (told.type === "exit") {
      tell({ up: true, note: `The shell ended with code ${told.code}. Press a key for a new one.` });
    }
  };
  const open = () => {
    const url = new URL(`/api/v1/elements/${id}/console`, window.location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const line = new WebSocket(url);
    socket = line;
    line.binaryType = "arraybuffer";
    let why: string | null = null;
    line.onopen = () => {
      // What the lab shows now is the whole screen.
      terminal.reset();
      size();
    };
    line.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
      if (typeof data !== "string") {
        tries = 0;
        tell({ up: true, note: null });
        terminal.write(new Uint8Array(data));
        return;
      }
      const told = JSON.parse(data) as Told;
      if (told.type === "error") why = told.message;
      else hear(told);
    };
    line.onclose = () => {
      if (over) return;
      const wait = RETRY_MS[tries];
      tries += 1;
      if (wait === undefined) {
        tell({ up: false, note: why ?? "There is no console here now." });
        return;
      }
      tell({ up: false, note: "The line broke; trying again…" });
      timer = setTimeout(open, wait);
    };
  };
  open();
  const data = terminal.onData((text) => send(encoder.encode(text)));
  const binary = terminal.onBinary((text) => send(Uint8Array.from(text, (letter) => letter.charCodeAt(0) & 255)));
  const resized = terminal.onResize(size);
  return () => {
    over = true;
    clearTimeout(timer);
    for (const one of [data, binary, resized]) one.dispose();
    socket?.close();
    tell(NO_LINE);
  };
}
