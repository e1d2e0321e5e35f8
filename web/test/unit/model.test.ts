import { expect, test } from "vitest";

import { delayCurve } from "../../src/model/distribution";
import { distance, lineBetween, pointAt } from "../../src/model/geometry";
import { inverse, isImpaired, label, width } from "../../src/model/link";
import { hanging } from "../../src/model/hanging";
import { kept, ownPlace, PAGE } from "../../src/model/place";
import { PRESETS } from "../../src/model/presets";
import { segments } from "../../src/model/segments";
import type { Connection, Element } from "../../src/model/types";
import { readBandwidth, readRatio, readSpan } from "../../src/model/units";

function element(id: string, kind: string, ports: string[]): Element {
  return { id, kind, name: id, interfaces: ports.map((port) => ({ id: port })) } as unknown as Element;
}

function cable(id: string, a: string, b: string): Connection {
  return { id, interfaces: [a, b], connected: true, emulation: true, forward: {}, backward: {} } as unknown as Connection;
}

test("connections over a switch are one segment, those of a router are two", () => {
  const elements = [element("pc", "container", ["p0"]), element("sw", "switch", ["s0", "s1"]), element("r", "container", ["r0", "r1"]), element("x", "container", ["x0"])];
  const connections = [cable("a", "p0", "s0"), cable("b", "s1", "r0"), cable("c", "r1", "x0")];
  const owners = new Map(elements.flatMap((one) => one.interfaces.map((item) => [item.id, one.id] as const)));
  const found = segments(new Map(elements.map((one) => [one.id, one])), new Map(connections.map((one) => [one.id, one])), owners, (kind) => kind === "container");
  expect(found.get("a")).toBe(found.get("b"));
  expect(found.get("c")).not.toBe(found.get("a"));
});

test("the inverse of a patch names the values that were there", () => {
  expect(inverse({ delay: "5ms" }, { delay: "9ms", loss: "1%", bandwidth: "1Mbit/s" })).toEqual({ delay: "5ms", loss: "0%", bandwidth: null });
});

test("what a connection does is told in few words", () => {
  const one = { ...cable("a", "p", "q"), forward: { delay: "20ms", bandwidth: "10Mbit/s" }, backward: { delay: "20ms", bandwidth: "10Mbit/s" } } as Connection;
  expect(label(one)).toBe("10 Mbit · 20 ms");
  expect(label({ ...one, connected: false })).toBe("unplugged");
  expect(label({ ...one, emulation: false })).toBe("");
  expect(label({ ...one, backward: {} as never })).toContain("←");
  expect([isImpaired({} as never), isImpaired({ loss: "1%" } as never)]).toEqual([false, true]);
  expect(width(1e5)).toBeLessThan(width(1e8));
});

test("every preset can be read by the interface", () => {
  for (const preset of PRESETS) {
    for (const link of [preset.forward, preset.backward]) {
      if (link.bandwidth) expect(readBandwidth(link.bandwidth)).toBeGreaterThan(0);
      expect(readSpan(link.delay!)).not.toBeNull();
      expect(readRatio(link.loss!)).not.toBeNull();
    }
  }
});

test("places go to the topology and back", () => {
  const pos = kept({ x: 300, y: 150 });
  expect(ownPlace({ client: { _pos: pos } } as never)).toEqual({ x: 300, y: 150 });
  expect(pos.x).toBeCloseTo(300 / PAGE.x, 5);
  expect(ownPlace({ client: { _pos: { x: "<b>" } } } as never)).toBeNull();
});

test("a network hangs from the middle of its longest way", () => {
  const links = [["a", "left"], ["left", "core"], ["right", "core"], ["b", "right"], ["c", "right"], ["d", "right"], ["alone", "other"]] as [string, string][];
  const all = hanging(["a", "b", "c", "d", "left", "right", "core", "alone", "other"], links);
  expect(all.slice(0, 6)).toEqual([["left", "a"], ["core", "left"], ["core", "right"], ["right", "b"], ["right", "c"], ["right", "d"]]);
  expect(all[6]!.toSorted()).toEqual(["alone", "other"]);
});

test("lines between the same two bow apart", () => {
  const [a, b] = [{ x: 0, y: 0 }, { x: 100, y: 0 }];
  const first = lineBetween(a, b, 0, 2, false);
  const turned = lineBetween(b, a, 1, 2, true);
  expect(pointAt(first, 0.5).y).toBeCloseTo(-pointAt(turned, 0.5).y);
  expect(lineBetween(a, b, 0, 1, false).c).toBeNull();
  expect(distance(lineBetween(a, b, 0, 1, false), { x: 50, y: 7 })).toBeCloseTo(7);
});

test("the delay's density lies where frames can be", () => {
  expect(delayCurve("normal", 20, 0)).toEqual([]);
  for (const shape of ["uniform", "normal", "pareto", "paretonormal"]) {
    const curve = delayCurve(shape, 10, 5);
    expect(curve.length).toBeGreaterThan(20);
    expect(Math.max(...curve.map(([, share]) => share))).toBeCloseTo(1);
    expect(curve.every(([ms]) => ms >= 0)).toBe(true);
  }
});
