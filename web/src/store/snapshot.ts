// Copies of elements and connections as plain data: for the clipboard, and to make again what was removed.
import { kept, type Point } from "../model/place";
import { readdressed } from "../model/readdress";
import type { Connection, Element, Interface, KindInfo } from "../model/types";
import { nowId, renamed } from "./history";
import { each, postConnection, postElement, postInterface, refetchElement, send } from "./send";
import { deviceTest, queries } from "./server";
import { current, type Patch } from "./topology";
import { shownPlace } from "./unplaced";

/** An interface of an element that is not copied itself. */
interface Port {
  element: string;
  item: Interface;
}

/** Elements, the connections among them, and interfaces of others. */
export interface Copy {
  elements: Element[];
  interfaces: Port[];
  connections: Connection[];
}

/** A copy of the objects with these ids. */
export function copyOf(ids: Iterable<string>): Copy {
  const { elements, connections, owners } = current();
  const copy: Copy = { elements: [], interfaces: [], connections: [] };
  const all = new Set(ids);
  for (const id of all) {
    const owner = owners.get(id);
    const item = elements.get(owner ?? "")?.interfaces.find((one) => one.id === id);
    if (owner && item && !all.has(owner)) copy.interfaces.push({ element: owner, item });
    const element = elements.get(id);
    if (element) copy.elements.push(element);
    const connection = connections.get(id);
    if (connection) copy.connections.push(connection);
  }
  return copy;
}

const ATTRIBUTES = ["template", "profile", "gateways", "routes", "forwarding", "files", "ageing_s", "stp"] as const;

function attributes(element: Element): Patch {
  const all: Patch = { kind: element.kind, type_name: element.type_name, ...element.client };
  for (const name of ATTRIBUTES) {
    const value = element[name];
    const isEmpty =
      value === undefined || value === null || value === false || (typeof value === "object" && Object.keys(value).length === 0);
    if (!isEmpty) all[name] = value;
  }
  return all;
}

function link(connection: Connection): Patch {
  const { name, emulation, connected, forward, backward, capturing, recording, client } = connection;
  return { name, emulation, connected, forward, backward, capturing, recording, ...client };
}

/** Makes removed objects again, as they were. */
export async function restore(copy: Copy): Promise<void> {
  const topology = current().id!;
  await each(copy.elements, async (old) => {
    const made = await postElement({ topology, name: old.name, ...attributes(old) });
    renamed(old.id, made.id);
    for (const item of old.interfaces) await restoreInterface(made.id, item);
  });
  await each(copy.interfaces, ({ element, item }) => restoreInterface(nowId(element), item), 1);
  await each(copy.connections, async (old) => {
    const ends = old.interfaces.map((end) => nowId(end));
    const made = await postConnection({ topology, ends, ...link(old) });
    renamed(old.id, made.id);
  });
  await refresh([...copy.elements.map((element) => element.id), ...copy.interfaces.map((port) => port.element)].map(nowId));
}

async function restoreInterface(element: string, item: Interface): Promise<void> {
  const { name, mac, mtu, addresses, dhcp, vlan } = item;
  const again = await postInterface(element, { name, mac, mtu, addresses, dhcp, vlan, ...item.client });
  renamed(item.id, again.id);
}

async function refresh(ids: string[]): Promise<void> {
  await each([...new Set(ids)], refetchElement);
}

/** Makes a second set of the copied objects, moved by `offset` pixels; answers the new ids. */
export async function paste(copy: Copy, offset: Point, nameFor: (old: string) => string): Promise<string[]> {
  const topology = current().id!;
  const ids = new Map<string, string>();
  const copies = new Map<string, string>();
  const made: string[] = [];
  const names = new Map(copy.elements.map((old) => [old.id, nameFor(old.name)]));
  await each(copy.elements, async (old) => {
    const place = shownPlace(old, 0);
    const _pos = kept({ x: place.x + offset.x, y: place.y + offset.y });
    // What it points at is told when the copies have their addresses.
    const { gateways: _gateways, routes: _routes, ...rest } = attributes(old);
    const element = await postElement({ topology, ...rest, _pos, name: names.get(old.id) });
    made.push(element.id);
    copies.set(old.id, element.id);
    // Cards and addresses are new: two of one address cannot be in one network.
    for (const item of old.interfaces) {
      const again = await postInterface(element.id, { name: item.name, mtu: item.mtu, dhcp: item.dhcp, vlan: item.vlan });
      ids.set(item.id, again.id);
    }
  });
  await each(inward(copy), async (old) => {
    const ends = old.interfaces.map((end) => ids.get(end));
    if (ends.some((end) => end === undefined)) return;
    const { name: _own, ...rest } = link(old);
    made.push((await postConnection({ topology, ends, ...rest, capturing: false })).id);
  }, 1);
  await refresh([...copies.values()]);
  await repoint(copy, copies, ids);
  return made;
}

/** Connections among switches first: what is joined to them later gets addresses of one network. */
function inward(copy: Copy): Connection[] {
  const isDevice = deviceTest(queries.getQueryData<KindInfo[]>(["kinds"]));
  const kinds = new Map(copy.elements.flatMap(({ kind, interfaces }) => interfaces.map((item) => [item.id, kind] as const)));
  const devices = ({ interfaces }: Connection) => interfaces.filter((end) => isDevice(kinds.get(end) ?? "")).length;
  return copy.connections.toSorted((a, b) => devices(a) - devices(b));
}

/** Gateways and routes of copies lead to the copies. */
async function repoint(copy: Copy, copies: ReadonlyMap<string, string>, ids: ReadonlyMap<string, string>): Promise<void> {
  const made = new Map([...copies.values()].flatMap((id) => current().elements.get(id)?.interfaces ?? []).map((item) => [item.id, item]));
  const fresh = new Map([...ids].flatMap(([old, id]) => { const item = made.get(id); return item ? [[old, item] as const] : []; }));
  await each([...readdressed(copy.elements, fresh)], async ([old, pointing]) => {
    await send("element", copies.get(old)!, { ...pointing });
  });
}
