// The open topology, kept as the server has it by the event stream; what was edited here shows at once and is replaced by
// the server's word when that arrives.
import { create } from "zustand";

import { answer, api, words } from "../api/client";
import { exactSeeds } from "../api/exact";
import { follow } from "../api/stream";
import { patched } from "../model/link";
import type { ChangeEvent, Connection, Element, Graph, Interface, Job, LinkPatch, Recording, RecordingPatch, Topology } from "../model/types";

/** Attributes by name, as a patch takes them. */
export type Patch = Record<string, unknown>;

export interface OpenTopology {
  id: string | null;
  topology: Topology | null;
  elements: ReadonlyMap<string, Element>;
  connections: ReadonlyMap<string, Connection>;
  /** The element of each interface. */
  owners: ReadonlyMap<string, string>;
  jobs: ReadonlyMap<string, Job>;
  selection: ReadonlySet<string>;
  /** Whether events arrive. */
  line: "loading" | "up" | "down";
  /** Why the topology cannot be shown. */
  failure: string | null;
  /** It was removed while open. */
  gone: boolean;
  /** Edits sent and not answered yet. */
  unsaved: number;
}

const EMPTY: OpenTopology = {
  id: null,
  topology: null,
  elements: new Map(),
  connections: new Map(),
  owners: new Map(),
  jobs: new Map(),
  selection: new Set(),
  line: "loading",
  failure: null,
  gone: false,
  unsaved: 0,
};

/** Attributes of connections whose parts are patched one by one. */
export const NESTED: ReadonlySet<string> = new Set(["forward", "backward", "recording"]);

export const useTopology = create<OpenTopology>(() => EMPTY);

/** Edits under way by object; the server's word is shown with them on top. */
const pending = new Map<string, Patch[]>();

export const current = (): OpenTopology => useTopology.getState();

/** `element` with a patch applied, as the server will. */
export function patchElement(element: Element, patch: Patch): Element {
  return withClient(element, patch) as Element;
}

/** `connection` with a patch applied. */
export function patchConnection(connection: Connection, patch: Patch): Connection {
  const { forward, backward, recording, ...rest } = patch as { forward?: LinkPatch; backward?: LinkPatch; recording?: RecordingPatch };
  const next = withClient(connection, rest) as Connection;
  return {
    ...next,
    forward: patched(connection.forward, forward),
    backward: patched(connection.backward, backward),
    recording: { ...connection.recording, ...recording } as Recording,
  };
}

function withClient(object: { client?: Record<string, unknown> }, patch: Patch): unknown {
  const own = Object.entries(patch).filter(([key]) => key.startsWith("_"));
  const rest = Object.fromEntries(Object.entries(patch).filter(([key]) => !key.startsWith("_")));
  if (own.length === 0) return { ...object, ...rest };
  const client: Record<string, unknown> = { ...object.client };
  for (const [key, value] of own) {
    if (value === null) delete client[key];
    else client[key] = value;
  }
  return { ...object, ...rest, client };
}

function ownersOf(elements: ReadonlyMap<string, Element>): Map<string, string> {
  const owners = new Map<string, string>();
  for (const element of elements.values()) {
    for (const item of element.interfaces) owners.set(item.id, element.id);
  }
  return owners;
}

function withPending<T>(id: string, value: T, apply: (value: T, patch: Patch) => T): T {
  return (pending.get(id) ?? []).reduce(apply, value);
}

function shownElement(element: Element): Element {
  const own = withPending(element.id, element, patchElement);
  if (!own.interfaces.some((item) => pending.has(item.id))) return own;
  const interfaces = own.interfaces.map((item) => withPending(item.id, item, patchInterface));
  return { ...own, interfaces };
}

const patchInterface = (item: Interface, patch: Patch): Interface => withClient(item, patch) as Interface;

/** Shows an edit of an object at once, until `settle` is called with it. */
export function overlay(id: string, patch: Patch): void {
  pending.set(id, [...(pending.get(id) ?? []), patch]);
  const state = current();
  const element = state.elements.get(id);
  if (element) put({ elements: [patchElement(element, patch)] });
  const connection = state.connections.get(id);
  if (connection) put({ connections: [patchConnection(connection, patch)] });
  const owner = state.elements.get(state.owners.get(id) ?? "");
  if (owner) {
    const interfaces = owner.interfaces.map((item) => (item.id === id ? patchInterface(item, patch) : item));
    put({ elements: [{ ...owner, interfaces }] });
  }
  if (state.topology?.id === id) {
    useTopology.setState({ topology: withClient(state.topology, patch) as Topology });
  }
}

/** Shows edits of many elements at once. */
export function overlayMany(patches: ReadonlyMap<string, Patch>): void {
  const { elements } = current();
  const next = [];
  for (const [id, patch] of patches) {
    pending.set(id, [...(pending.get(id) ?? []), patch]);
    const element = elements.get(id);
    if (element) next.push(patchElement(element, patch));
  }
  put({ elements: next });
}

/** The edits were answered. */
export function settle(id: string, patches: Patch[]): void {
  const left = (pending.get(id) ?? []).filter((patch) => !patches.includes(patch));
  if (left.length > 0) pending.set(id, left);
  else pending.delete(id);
}

/** Replaces or adds objects, as the server answered them. */
export function put(objects: { elements?: Element[]; connections?: Connection[]; jobs?: Job[] }): void {
  const state = current();
  const next: Partial<OpenTopology> = {};
  if (objects.elements?.length) {
    const elements = new Map(state.elements);
    for (const element of objects.elements) elements.set(element.id, element);
    next.elements = elements;
    next.owners = ownersOf(elements);
  }
  if (objects.connections?.length) {
    const connections = new Map(state.connections);
    for (const connection of objects.connections) connections.set(connection.id, connection);
    next.connections = connections;
  }
  if (objects.jobs?.length) {
    const jobs = new Map(state.jobs);
    for (const job of objects.jobs) {
      if (isNewer(jobs.get(job.id), job)) jobs.set(job.id, job);
    }
    next.jobs = jobs;
  }
  useTopology.setState(next);
}

/** A job that is over never changes again. */
function isNewer(old: Job | undefined, job: Job): boolean {
  return !old || old.state === "running" || job.state !== "running";
}

/** Takes objects away. */
export function drop(ids: string[]): void {
  const state = current();
  const elements = new Map(state.elements);
  const connections = new Map(state.connections);
  const selection = new Set(state.selection);
  for (const id of ids) {
    elements.delete(id);
    connections.delete(id);
    selection.delete(id);
  }
  useTopology.setState({ elements, connections, selection, owners: ownersOf(elements) });
}

/** Selects exactly these elements and connections. */
export function select(ids: Iterable<string>): void {
  const next = new Set(ids);
  const now = current().selection;
  if (next.size === now.size && [...next].every((id) => now.has(id))) return;
  useTopology.setState({ selection: next });
}

let queue: ChangeEvent[] = [];
let scheduled = false;

function receive(event: ChangeEvent): void {
  queue.push(event);
  if (scheduled) return;
  scheduled = true;
  const run = () => {
    scheduled = false;
    const events = queue;
    queue = [];
    apply(events);
  };
  if (document.hidden) setTimeout(run, 100);
  else requestAnimationFrame(run);
}

function apply(events: ChangeEvent[]): void {
  const state = current();
  const elements = new Map(state.elements);
  const connections = new Map(state.connections);
  const jobs = new Map(state.jobs);
  let { topology, gone, selection } = state;
  for (const event of events) {
    if (event.topology !== state.id) continue;
    const removed = event.change === "remove";
    if (removed) selection = without(selection, event.id);
    if (event.object === "element") {
      if (removed) elements.delete(event.id);
      else elements.set(event.id, shownElement(event.value as Element));
    } else if (event.object === "connection") {
      if (removed) connections.delete(event.id);
      else connections.set(event.id, withPending(event.id, event.value as Connection, patchConnection));
    } else if (event.object === "job") {
      const job = event.value as Job | null;
      if (job && isNewer(jobs.get(event.id), job)) jobs.set(event.id, job);
    } else if (event.object === "topology") {
      if (removed) gone = true;
      else topology = withPending(event.id, event.value as Topology, (t, p) => withClient(t, p) as Topology);
    }
  }
  useTopology.setState({ elements, connections, jobs, topology, gone, selection, owners: ownersOf(elements) });
}

function without(set: ReadonlySet<string>, id: string): ReadonlySet<string> {
  if (!set.has(id)) return set;
  const next = new Set(set);
  next.delete(id);
  return next;
}

/** Asks for the whole topology again. */
export async function reload(): Promise<void> {
  const id = current().id;
  if (!id) return;
  try {
    const [graph, jobs] = await Promise.all([
      answer(api.GET("/api/v1/topologies/{id}", { params: { path: { id } } })) as Promise<Graph>,
      answer(api.GET("/api/v1/jobs")) as Promise<Job[]>,
    ]);
    if (current().id !== id) return;
    const elements = new Map(graph.elements.map((element) => [element.id, shownElement(element)]));
    useTopology.setState({
      topology: graph.topology,
      elements,
      owners: ownersOf(elements),
      connections: new Map(
        graph.connections.map((item) => [item.id, withPending(item.id, item, patchConnection)]),
      ),
      jobs: new Map(jobs.filter((job) => job.topology === id).map((job) => [job.id, job])),
      failure: null,
    });
  } catch (error) {
    if (current().id === id && !current().topology) useTopology.setState({ failure: words(error) });
  }
}

/** Opens a topology and follows it until the returned function is called. */
export function open(id: string, onPresence?: (data: string) => void): () => void {
  pending.clear();
  queue = [];
  useTopology.setState({ ...EMPTY, id });
  let seen = false;
  const stop = follow((last) => `/api/v1/events?presence=true${last === null ? "" : `&after=${last}`}`, {
    onMessage: ({ event, data }) => {
      if (event === "presence") {
        onPresence?.(data);
        return;
      }
      if (event === "reload") {
        void reload();
        return;
      }
      if (event !== "message") return;
      const change = JSON.parse(exactSeeds(data)) as ChangeEvent;
      seen = true;
      if (change.topology === id) receive(change);
    },
    onLine: (up) => {
      useTopology.setState({ line: up ? "up" : "down" });
      // Without an event there is no place in the stream to go on from.
      if (up && (!seen || !current().topology)) void reload();
    },
  });
  return () => {
    stop();
    useTopology.setState(EMPTY);
  };
}

/** Whether work goes on, and what. */
export function runningJob(jobs: ReadonlyMap<string, Job>): Job | null {
  for (const job of jobs.values()) if (job.state === "running") return job;
  return null;
}
