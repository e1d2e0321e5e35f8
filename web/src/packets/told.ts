// Frames as the tshark of the host understands them, if it has one; the page's own dissector goes for it otherwise.
import { answer, api } from "../api/client";
import type { components } from "../api/schema";
import { useSession } from "../api/session";
import type { Captured } from "./pcapng";
import type { Layer } from "./reader";

type Told = components["schemas"]["DissectedFrame"];

/** What tshark said of a frame. */
export interface FromHost {
  layers: Layer[];
  cut: boolean;
}

/** Longest frame that the host takes apart. */
const BYTES_MAX = 65536;
/** How much of a frame is turned to text in one call. */
const PIECE = 8192;

/** Answers and questions under way, by frame; null where the host does not say. */
const told = new WeakMap<Captured, Promise<FromHost | null>>();
let isMissing = false;

/** What the connection's host says of a frame, asked once; null if it has no dissector or cannot tell. */
export function fromHost(connection: string, frame: Captured): Promise<FromHost | null> {
  let it = told.get(frame);
  if (!it) told.set(frame, (it = ask(connection, frame.bytes)));
  return it;
}

async function ask(id: string, bytes: Uint8Array): Promise<FromHost | null> {
  // A link to look on has no right to ask.
  if (isMissing || useSession.getState().isLooking || bytes.length === 0 || bytes.length > BYTES_MAX) return null;
  try {
    const call = api.POST("/api/v1/connections/{id}/capture/dissect", { params: { path: { id } }, body: { frames: [base64(bytes)] } });
    const { dissector, frames } = await answer(call);
    isMissing = dissector === null;
    const [first] = frames;
    return first && first.fields.length > 0 ? { layers: layersOf(first), cut: first.cut } : null;
  } catch {
    return null;
  }
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += PIECE) text += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  return btoa(text);
}

/** The protocols with their fields, as the page shows its own. */
export function layersOf(frame: Told): Layer[] {
  const layers: Layer[] = [];
  for (const { depth, text, at, length } of frame.fields) {
    const range = { from: at, to: at + length };
    const layer = layers.at(-1);
    if (depth === 0 || !layer) layers.push({ name: text, ...range, fields: [] });
    else layer.fields.push({ label: "", value: text, depth: depth - 1, ...range });
  }
  return layers;
}
