import { expect, test } from "vitest";

import { delayCurve } from "../../src/model/distribution";
import { distance, lineBetween, pointAt, textSide } from "../../src/model/geometry";
import { inverse, isImpaired, labelLines, labelParts, labelText, width } from "../../src/model/link";
import { hanging } from "../../src/model/hanging";
import { kept, ownPlace, PAGE } from "../../src/model/place";
import { networkOf, readdressed } from "../../src/model/readdress";
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

test("a segment keeps its number when others come and go", () => {
  const elements = new Map(["p", "q", "r", "s", "t", "u"].map((id) => [id, element(id, "container", [`${id}0`])]));
  const owners = new Map([...elements.keys()].map((id) => [`${id}0`, id]));
  const all = new Map([cable("a", "p0", "q0"), cable("b", "r0", "s0"), cable("c", "t0", "u0")].map((one) => [one.id, one]));
  const of = (ids: string[], before?: ReadonlyMap<string, number>) => segments(elements, new Map(ids.map((id) => [id, all.get(id)!])), owners, () => true, before);
  const first = of(["a", "b"]);
  const left = of(["b"], first);
  expect(left.get("b")).toBe(first.get("b"));
  const more = of(["c", "b"], left);
  expect([more.get("b"), more.get("c")]).toEqual([first.get("b"), first.get("a")]);
});

test("the inverse of a patch names the values that were there", () => {
  expect(inverse({ delay: "5ms" }, { delay: "9ms", loss: "1%", bandwidth: "1Mbit/s" })).toEqual({ delay: "5ms", loss: "0%", bandwidth: null });
});

test("what a connection does is told in few words", () => {
  const one = { ...cable("a", "p", "q"), forward: { delay: "20ms", bandwidth: "10Mbit/s" }, backward: { delay: "20ms", bandwidth: "10Mbit/s" } } as Connection;
  expect(labelText(labelParts(one))).toBe("10 Mbit · 20 ms");
  expect(labelText(labelParts({ ...one, connected: false }))).toBe("unplugged");
  expect(labelParts({ ...one, emulation: false })).toEqual([]);
  const apart = labelParts({ ...one, backward: {} as never });
  expect(labelLines(apart, 60)).toEqual(["→ 10 Mbit · 20 ms   ← plain"]);
  expect(labelLines(apart, 20)).toEqual(["→ 10 Mbit · 20 ms", "← plain"]);
  expect(labelLines(apart, 5)).toEqual(["→ 10 Mbit", "20 ms", "← plain"]);
  expect([isImpaired({} as never), isImpaired({ loss: "1%" } as never)]).toEqual([false, true]);
  expect(width(1e5)).toBeLessThan(width(1e8));
});

test("what pointed into a copied set points into the copy", () => {
  const port = (id: string, addresses: string[]) => ({ id, addresses });
  const one = (id: string, ports: unknown[], more: object) => ({ id, interfaces: ports, ...more }) as unknown as Element;
  const copied = [
    one("pc", [port("p0", ["10.0.1.10/24"])], { gateways: ["10.0.1.1", "10.9.9.9"], routes: [{ to: "10.0.2.0/24", via: "10.0.1.1" }, { to: "0.0.0.0/0", via: "10.0.7.7" }] }),
    one("r", [port("r0", ["10.0.1.1/24"]), port("r1", ["10.0.2.1/24"])], {}),
  ];
  const fresh = new Map([["p0", port("x", ["10.0.5.1/24"])], ["r0", port("y", ["10.0.5.2/24"])], ["r1", port("z", ["10.0.6.1/24"])]]);
  expect([...readdressed(copied, fresh)]).toEqual([["pc", { gateways: ["10.0.5.2"], routes: [{ to: "10.0.6.0/24", via: "10.0.5.2" }] }]]);
  expect(["10.1.2.200/26", "10.1.2.3/8", "fd00::1/64", "10.1.2.3"].map(networkOf)).toEqual(["10.1.2.192/26", "10.0.0.0/8", "fd00::1/64", "10.1.2.3"]);
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

test("a text beside a line goes where the line does not", () => {
  const side = (x: number, y: number) => textSide(lineBetween({ x: 0, y: 0 }, { x, y }, 0, 1, false));
  expect([side(100, 5), side(100, 60), side(100, -60), side(-100, -60), side(-100, 60), side(0, 80)]).toEqual([0, 1, -1, 1, -1, 1]);
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
