// What the canvas shows, worked out from the topology: places, lines, colours. Made again only where something changed.
import { useMemo, useRef } from "react";

import { bandwidthOf, isImpaired, labelParts, width } from "../model/link";
import { type Line, lineBetween } from "../model/geometry";
import type { Point } from "../model/place";
import { segmentColor, segments } from "../model/segments";
import type { Connection, Element, Job } from "../model/types";
import { runningJob, useTopology } from "../store/topology";
import { shownPlace, useUnplaced } from "../store/unplaced";

/** A connection as drawn. */
export interface Cable {
  id: string;
  connection: Connection;
  from: string;
  to: string;
  index: number;
  count: number;
  isTurned: boolean;
  color: string;
  width: number;
  dashed: boolean;
  broken: boolean;
  unplugged: boolean;
  capturing: boolean;
  /** What it does, in parts that belong together: all, or those of each direction. */
  label: readonly string[][];
  /** The names of the interfaces at both ends. */
  ports: string;
}

/** An element as drawn. */
export interface Placed {
  id: string;
  element: Element;
  place: Point;
  doing: string | null;
  /** Works on it now. */
  busy: boolean;
}

export interface Scene {
  placed: ReadonlyMap<string, Placed>;
  cables: ReadonlyMap<string, Cable>;
  segmentCount: number;
}

const cables = new WeakMap<Connection, Cable>();
const placed = new WeakMap<Element, Placed>();

function sameCable(a: Cable, b: Cable): boolean {
  return (Object.keys(a) as (keyof Cable)[]).every((key) => key === "label" || a[key] === b[key]);
}

const portOf = (element: Element | undefined, id: string): string => element?.interfaces.find((item) => item.id === id)?.name ?? "?";

function cableOf(
  connection: Connection, owners: ReadonlyMap<string, string>, elements: ReadonlyMap<string, Element>,
  segment: number | undefined, pairs: Map<string, number>, seen: Map<string, number>,
): Cable | null {
  const from = owners.get(connection.interfaces[0]!);
  const to = owners.get(connection.interfaces[1]!);
  if (!from || !to) return null;
  const key = pairKey(from, to);
  const index = seen.get(key) ?? 0;
  seen.set(key, index + 1);
  const bothRun = elements.get(from)?.state === "started" && elements.get(to)?.state === "started";
  const next: Cable = {
    id: connection.id,
    connection,
    from,
    to,
    index,
    count: pairs.get(key) ?? 1,
    isTurned: from > to,
    color: segmentColor(segment),
    width: width(bandwidthOf(connection)),
    dashed: connection.emulation && (isImpaired(connection.forward) || isImpaired(connection.backward)),
    broken: bothRun && connection.connected && !connection.started,
    unplugged: !connection.connected,
    capturing: connection.capturing,
    label: labelParts(connection),
    ports: connection.interfaces.map((id, end) => portOf(elements.get(end === 0 ? from : to), id)).join(" "),
  };
  const old = cables.get(connection);
  if (old && sameCable(old, next)) return old;
  cables.set(connection, next);
  return next;
}

function pairKey(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

function placedOf(element: Element, index: number, job: Job | null): Placed {
  const part = job?.elements?.[element.id];
  const busy = part !== undefined && part.state !== part.target && !part.error;
  const next: Placed = { id: element.id, element, place: shownPlace(element, index), doing: part?.doing ?? null, busy };
  const old = placed.get(element);
  if (old && old.busy === busy && old.doing === next.doing && old.place.x === next.place.x && old.place.y === next.place.y) return old;
  placed.set(element, next);
  return next;
}

/** The scene of the open topology. */
export function useScene(isDevice: (kind: string) => boolean): Scene {
  const elements = useTopology((state) => state.elements);
  const connections = useTopology((state) => state.connections);
  const owners = useTopology((state) => state.owners);
  const jobs = useTopology((state) => state.jobs);
  const found = useUnplaced((state) => state.places);
  const job = useMemo(() => runningJob(jobs), [jobs]);
  const before = useRef<ReadonlyMap<string, number>>(new Map());
  const shownElements = useMemo(() => {
    let index = 0;
    return new Map([...elements.values()].map((element) => [element.id, placedOf(element, index++, job)]));
  }, [elements, job, found]);
  return useMemo(() => {
    const numbers = segments(elements, connections, owners, isDevice, before.current);
    before.current = numbers;
    const pairs = new Map<string, number>();
    for (const { interfaces } of connections.values()) {
      const key = pairKey(owners.get(interfaces[0]!) ?? "", owners.get(interfaces[1]!) ?? "");
      pairs.set(key, (pairs.get(key) ?? 0) + 1);
    }
    const seen = new Map<string, number>();
    const all = new Map<string, Cable>();
    for (const connection of connections.values()) {
      const cable = cableOf(connection, owners, elements, numbers.get(connection.id), pairs, seen);
      if (cable) all.set(cable.id, cable);
    }
    return { placed: shownElements, cables: all, segmentCount: new Set(numbers.values()).size };
  }, [shownElements, elements, connections, owners, isDevice]);
}

/** The line of a cable; `at` tells where an element is now. */
export function lineOf(cable: Cable, at: (id: string) => Point | undefined): Line | null {
  const a = at(cable.from);
  const b = at(cable.to);
  return a && b ? lineBetween(a, b, cable.index, cable.count, cable.isTurned) : null;
}
