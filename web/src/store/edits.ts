// Everything a user can change, each with its way back.
import { answer, api, Refusal } from "../api/client";
import { inverse } from "../model/link";
import { kept, ownPlace, type Point } from "../model/place";
import type { Connection, Direction, Element, Interface, Job, LinkPatch } from "../model/types";
import { newElements, showing } from "./arriving";
import { nowId, remember } from "./history";
import { each, type ObjectKind, postConnection, postElement, refetchElement, send } from "./send";
import { copyOf, restore } from "./snapshot";
import { current, drop, overlayMany, type Patch, put, reload, select, settle } from "./topology";
import { shownPlaces } from "./unplaced";

interface Object_ {
  client?: Record<string, unknown>;
}

function lookup(kind: ObjectKind, id: string): Object_ | undefined {
  const state = current();
  if (kind === "element") return state.elements.get(id);
  if (kind === "connection") return state.connections.get(id);
  if (kind === "topology") return state.topology?.id === id ? state.topology : undefined;
  return state.elements.get(state.owners.get(id) ?? "")?.interfaces.find((item) => item.id === id);
}

/** The patch that brings back what `patch` replaces. */
function before(object: Object_, patch: Patch): Patch {
  const back: Patch = {};
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith("_")) back[key] = object.client?.[key] ?? null;
    else if (key === "forward" || key === "backward") {
      back[key] = inverse((object as Connection)[key], value as LinkPatch);
    } else if (key === "recording") {
      const now = (object as Connection).recording as Record<string, unknown>;
      back[key] = Object.fromEntries(Object.keys(value as object).map((part) => [part, now[part]]));
    } else back[key] = (object as Record<string, unknown>)[key] ?? null;
  }
  return back;
}

/** What an edit left: as the server answered it, and as it was sent, for what is shown is one of both. */
type Left = readonly Patch[];

/** Whether an object still is as an edit left it. */
function holds(object: Object_ | undefined, left: Left): boolean {
  return object !== undefined && left.some((values) => JSON.stringify(before(object, values)) === JSON.stringify(values));
}

/** Changes an object; edits with the same `merge` key are one step of undo. */
export async function change(kind: ObjectKind, id: string, patch: Patch, label: string, merge?: string): Promise<void> {
  const object = lookup(kind, id);
  if (!object) return;
  const back = before(object, patch);
  const step = async (values: Patch): Promise<Left> => [before(await send(kind, nowId(id), values), values), values];
  const entry = remember({
    label, merge, undo: () => step(back), redo: () => step(patch),
    stands: (left) => holds(lookup(kind, nowId(id)), left as Left),
  });
  entry.left = await step(patch);
}

/** Changes the parameters of one direction, or of both. */
export function changeLink(id: string, directions: Direction[], patch: LinkPatch): Promise<void> {
  const body = Object.fromEntries(directions.map((direction) => [direction, patch]));
  const key = `${id}:${directions.join()}:${Object.keys(patch).join()}`;
  return change("connection", id, body, "change of the link", key);
}

/** Where elements are shown that keep no place. */
function unkept(): [string, Point][] {
  const { elements } = current();
  return [...shownPlaces()].filter(([id]) => ownPlace(elements.get(id)!) === null);
}

/** Moves elements to places in pixels. With the first move all others keep the places that they are shown at. */
export async function move(moved: ReadonlyMap<string, Point>): Promise<void> {
  const state = current();
  const places = new Map([...unkept(), ...moved]);
  const back = new Map<string, Point | null>();
  for (const id of places.keys()) back.set(id, (state.elements.get(id)?.client?.["_pos"] as Point | undefined) ?? null);
  const to = new Map([...places].map(([id, point]) => [id, kept(point)]));
  const run = (all: ReadonlyMap<string, Point | null>) => async () => {
    await arrangeNow(new Map([...all].map(([id, pos]) => [nowId(id), pos])));
    return all;
  };
  const entry = remember({
    label: moved.size === 1 ? "move" : `move of ${moved.size} elements`, undo: run(back), redo: run(to),
    stands: (left) => [...(left as typeof back)].every(([id, pos]) => holds(current().elements.get(nowId(id)), [{ _pos: pos }])),
  });
  entry.left = await run(to)();
}

/** Moves elements to places as the topology keeps them, in one call; shown at once. */
async function arrangeNow(places: ReadonlyMap<string, Point | null>): Promise<void> {
  const patches = new Map([...places].map(([id, pos]) => [id, { _pos: pos }]));
  overlayMany(patches);
  try {
    const params = { path: { id: current().id! } };
    await answer(api.PUT("/api/v1/topologies/{id}/places", { params, body: { places: Object.fromEntries(places) } }));
    for (const [id, patch] of patches) settle(id, [patch]);
  } catch (error) {
    for (const [id, patch] of patches) settle(id, [patch]);
    await reload();
    throw error;
  }
}

/** A name that no element has: `base`, else `base` with a number. */
export function freeName(base: string, taken: ReadonlySet<string>): string {
  const stem = base.replace(/-?[0-9]+$/, "") || base;
  for (let number = 1; ; number += 1) {
    const name = `${stem}${/[0-9]$/.test(stem) ? "-" : ""}${number}`;
    if (!taken.has(name.toLowerCase())) return name;
  }
}

/** Names of the elements, in lower case; those that are being made have theirs already. */
export function takenNames(): Set<string> {
  const all = [...current().elements.values(), ...newElements()];
  return new Set(all.map((element) => element.name.toLowerCase()));
}

/** Adds an element at a place. */
export async function addElement(kind: string, point: Point, attributes: Patch): Promise<Element> {
  const topology = current().id!;
  const base = String(attributes["name"] ?? kind);
  const names = takenNames();
  const name = freeName(base, names);
  const shown = { kind, name, forwarding: attributes["forwarding"] === true, at: point };
  const element = await showing(shown, () => postElement({ topology, kind, _pos: kept(point), ...attributes, name }));
  rememberMade([element.id], `adding ${element.name}`);
  select([element.id]);
  return element;
}

/** Objects that were just made: undo takes them away, redo makes them again. */
export function rememberMade(ids: string[], label: string): void {
  let copy = copyOf(ids);
  remember({
    label,
    undo: async () => {
      copy = copyOf(ids.map(nowId));
      await removeNow(ids.map(nowId));
    },
    redo: () => restore(copy),
  });
}

/** Joins two ends (ids of elements or interfaces). Interfaces and addresses appear by themselves. */
export async function connect(a: string, b: string): Promise<Connection> {
  const before = current().owners;
  const [from, to] = ownersOfEnds([a, b]);
  const connection = await showing({ from: from ?? a, to: to ?? b }, () => postConnection({ topology: current().id, ends: [a, b] }));
  // At once: what is edited while the ends are read comes after it.
  rememberMade([...connection.interfaces.filter((end) => !before.has(end)), connection.id], "connection");
  await Promise.all(ownersOfEnds([a, b]).map(refetchElement));
  return connection;
}

function ownersOfEnds(ends: string[]): string[] {
  const { elements, owners } = current();
  return ends.map((end) => (elements.has(end) ? end : (owners.get(end) ?? ""))).filter((id) => id !== "");
}

/** Connections that go away with these objects. */
export function connectionsOf(ids: Iterable<string>): Connection[] {
  const chosen = new Set(ids);
  const { connections, owners } = current();
  return [...connections.values()].filter(
    (item) => chosen.has(item.id) || item.interfaces.some((end) => chosen.has(owners.get(end) ?? "")),
  );
}

/** Removes elements and connections; elements that are on a host must be destroyed first. */
export async function remove(ids: string[]): Promise<void> {
  const all = [...ids, ...connectionsOf(ids).map((item) => item.id)];
  const copy = copyOf([...new Set(all)]);
  const label = ids.length === 1 ? "removal" : `removal of ${ids.length} objects`;
  remember({ label, undo: () => restore(copy), redo: () => removeNow(ids.map(nowId)) });
  await removeNow(ids);
}

async function removeNow(ids: string[]): Promise<void> {
  const state = current();
  const elements = ids.filter((id) => state.elements.has(id));
  const interfaces = ids.filter((id) => state.owners.has(id));
  const connections = ids.filter((id) => state.connections.has(id));
  const onHost = elements.filter((id) => state.elements.get(id)!.state !== "created");
  await each(onHost, async (id) => {
    const params = { path: { id, action: "destroy" } };
    await untilOver(await answer<Job>(api.POST("/api/v1/elements/{id}/actions/{action}", { params })));
  });
  // What is gone already need not be removed.
  const known = (error: unknown) => {
    if (!(error instanceof Refusal && error.status === 404)) throw error;
  };
  await each(connections, async (id) => {
    await answer(api.DELETE("/api/v1/connections/{id}", { params: { path: { id } } })).catch(known);
    drop([id]);
  });
  // One after the other: each is a change of the same element.
  await each(interfaces, async (id) => {
    await answer(api.DELETE("/api/v1/interfaces/{id}", { params: { path: { id } } })).catch(known);
  }, 1);
  await each([...new Set(ownersOfEnds(interfaces))], (id) => refetchElement(id).catch(known));
  await each(elements, async (id) => {
    await answer(api.DELETE("/api/v1/elements/{id}", { params: { path: { id } } })).catch(known);
    drop([id, ...connectionsOf([id]).map((item) => item.id)]);
  });
}

const POLL_MS = 400;

/** The job when it is over. */
export async function untilOver(job: Job): Promise<Job> {
  let now = job;
  while (now.state === "running") {
    await new Promise((wake) => setTimeout(wake, POLL_MS));
    now = await answer<Job>(api.GET("/api/v1/jobs/{id}", { params: { path: { id: now.id } } }));
  }
  return now;
}

/** Prepares, starts, stops or destroys the whole topology or some elements. */
export async function act(action: string, ids?: string[]): Promise<void> {
  const id = current().id!;
  if (!ids) {
    const params = { path: { id, action } };
    put({ jobs: [await answer<Job>(api.POST("/api/v1/topologies/{id}/actions/{action}", { params }))] });
    return;
  }
  await each(ids, async (element) => {
    const params = { path: { id: element, action } };
    put({ jobs: [await answer<Job>(api.POST("/api/v1/elements/{id}/actions/{action}", { params }))] });
  });
}

/** Adds an interface to an element. */
export async function addInterface(element: string): Promise<Interface> {
  const params = { path: { id: element } };
  const made = await answer<Interface>(
    api.POST("/api/v1/elements/{id}/interfaces", { params, body: {} as never }),
  );
  await refetchElement(element);
  rememberMade([made.id], "interface");
  return made;
}

/** Removes an interface with its connection. */
export async function removeInterface(id: string): Promise<void> {
  const connections = [...current().connections.values()].filter((item) => item.interfaces.includes(id));
  const ids = [id, ...connections.map((item) => item.id)];
  const copy = copyOf(ids);
  remember({ label: "removal of an interface", undo: () => restore(copy), redo: () => removeNow(ids.map(nowId)) });
  await removeNow(ids);
}
