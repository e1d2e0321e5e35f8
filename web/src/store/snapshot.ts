// Copies of elements and connections as plain data: for the clipboard, and to make again what was removed.
import { kept, type Point } from "../model/place";
import type { Connection, Element, Interface } from "../model/types";
import { nowId, renamed } from "./history";
import { each, postConnection, postElement, postInterface, refetchElement } from "./send";
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

const ATTRIBUTES = ["template", "profile", "gateways", "routes", "forwarding", "files", "ageing_s"] as const;

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
  const { name, emulation, connected, forward, backward, capturing, client } = connection;
  return { name, emulation, connected, forward, backward, capturing, ...client };
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
  const { name, mac, mtu, addresses, dhcp } = item;
  const again = await postInterface(element, { name, mac, mtu, addresses, dhcp, ...item.client });
  renamed(item.id, again.id);
}

async function refresh(ids: string[]): Promise<void> {
  await each([...new Set(ids)], refetchElement);
}

/** Makes a second set of the copied objects, moved by `offset` pixels; answers the new ids. */
export async function paste(copy: Copy, offset: Point, nameFor: (old: string) => string): Promise<string[]> {
  const topology = current().id!;
  const ids = new Map<string, string>();
  const made: string[] = [];
  const names = new Map(copy.elements.map((old) => [old.id, nameFor(old.name)]));
  await each(copy.elements, async (old) => {
    const place = shownPlace(old, 0);
    const _pos = kept({ x: place.x + offset.x, y: place.y + offset.y });
    const element = await postElement({ topology, ...attributes(old), _pos, name: names.get(old.id) });
    made.push(element.id);
    // Cards and addresses are new: two of one address cannot be in one network.
    for (const item of old.interfaces) {
      const again = await postInterface(element.id, { name: item.name, mtu: item.mtu, dhcp: item.dhcp });
      ids.set(item.id, again.id);
    }
  });
  await each(copy.connections, async (old) => {
    const ends = old.interfaces.map((end) => ids.get(end));
    if (ends.some((end) => end === undefined)) return;
    const { name: _own, ...rest } = link(old);
    made.push((await postConnection({ topology, ends, ...rest, capturing: false })).id);
  });
  await refresh(made.filter((id) => current().elements.has(id)));
  return made;
}
