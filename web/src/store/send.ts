// Sends edits of one object one after the other; those made while one is under way travel together in the next.
import { notifications } from "@mantine/notifications";

import { answer, api, refusal, words } from "../api/client";
import { patchText } from "../api/exact";
import type { Connection, Element, Interface, Topology } from "../model/types";
import { current, NESTED, overlay, type Patch, put, reload, settle, useTopology } from "./topology";

export type ObjectKind = "element" | "interface" | "connection" | "topology";

/** What the server answers to an edit. */
export type Answered = Element | Connection | Interface | Topology;

interface Line {
  waiting: Patch[];
  done: Promise<Answered> | null;
}

const lines = new Map<string, Line>();

function merged(patches: Patch[]): Patch {
  const all: Patch = {};
  for (const patch of patches) {
    for (const [key, value] of Object.entries(patch)) {
      all[key] = NESTED.has(key) ? { ...(all[key] as object | undefined), ...(value as object) } : value;
    }
  }
  return all;
}

async function patchCall(kind: ObjectKind, id: string, body: Patch): Promise<Answered> {
  const params = { params: { path: { id } } };
  // The description cannot name the keys of clients, so the body is checked by the server alone.
  const options = { ...params, body: body as never };
  if (kind === "element") return answer<Element>(api.PATCH("/api/v1/elements/{id}", options));
  if (kind === "connection") return answer<Connection>(api.PATCH("/api/v1/connections/{id}", options));
  if (kind === "interface") return answer<Interface>(api.PATCH("/api/v1/interfaces/{id}", options));
  const topology = await answer<Topology>(api.PATCH("/api/v1/topologies/{id}", { ...options, bodySerializer: patchText }));
  useTopology.setState({ topology });
  return topology;
}

/** Shows the edit at once and sends it; answers what the server has then. Rejects when the server refuses; then what is shown is the server's again. */
export function send(kind: ObjectKind, id: string, patch: Patch): Promise<Answered> {
  overlay(id, patch);
  useTopology.setState(({ unsaved }) => ({ unsaved: unsaved + 1 }));
  const line = lines.get(id) ?? { waiting: [], done: null };
  lines.set(id, line);
  line.waiting.push(patch);
  line.done ??= drain(kind, id, line).finally(() => {
    line.done = null;
    lines.delete(id);
  });
  return line.done;
}

async function drain(kind: ObjectKind, id: string, line: Line): Promise<Answered> {
  for (;;) {
    const patches = line.waiting.splice(0);
    try {
      const answered = await patchCall(kind, id, merged(patches));
      settle(id, patches);
      if (line.waiting.length === 0) return answered;
    } catch (error) {
      settle(id, [...patches, ...line.waiting.splice(0)]);
      await reload();
      throw error;
    } finally {
      useTopology.setState(({ unsaved }) => ({ unsaved: Math.max(0, unsaved - patches.length) }));
    }
  }
}

/** Shows that something is not kept yet until the work is over. */
export async function saving<T>(work: () => Promise<T>): Promise<T> {
  useTopology.setState(({ unsaved }) => ({ unsaved: unsaved + 1 }));
  try {
    return await work();
  } finally {
    useTopology.setState(({ unsaved }) => ({ unsaved: Math.max(0, unsaved - 1) }));
  }
}

/** Says what went wrong. */
export function complain(error: unknown, title = "That did not work"): void {
  notifications.show({ color: "red", title, message: words(error), autoClose: 9000 });
}

/** Runs work on many with a bound on how many are under way. Every part runs; the first failure is thrown at the end. */
export async function each<T>(items: readonly T[], work: (item: T) => Promise<void>, atOnce = 6): Promise<void> {
  let next = 0;
  let failure: unknown;
  const worker = async () => {
    while (next < items.length) {
      const item = items[next++]!;
      try {
        await work(item);
      } catch (error) {
        failure ??= error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  if (failure !== undefined) throw failure;
}

/** Makes an element. */
export async function postElement(body: Patch): Promise<Element> {
  const element = await answer<Element>(api.POST("/api/v1/elements", { body: body as never }));
  put({ elements: [element] });
  return element;
}

/** Makes an interface. */
export async function postInterface(element: string, body: Patch): Promise<Interface> {
  const params = { path: { id: element } };
  return answer<Interface>(api.POST("/api/v1/elements/{id}/interfaces", { params, body: body as never }));
}

/** Joins two ends. */
export async function postConnection(body: Patch): Promise<Connection> {
  const connection = await answer<Connection>(api.POST("/api/v1/connections", { body: body as never }));
  if (connection.topology === current().id) put({ connections: [connection] });
  return connection;
}

/** Asks for an element again and shows it. */
export async function refetchElement(id: string): Promise<void> {
  const element = await answer<Element>(api.GET("/api/v1/elements/{id}", { params: { path: { id } } }));
  if (element.topology === current().id) put({ elements: [element] });
}

export { refusal };
