import { expect, test } from "vitest";

import { type Facts, isReached, tourError } from "../../src/tour/format";
import { EXAMPLES } from "../../src/model/examples";
import { TOURS } from "../../src/tour/tours";

const NOTHING: Facts = {
  elements: 0, connections: 0, running: 0, consoles: [], selected: null, links: [], unplugged: 0, capturing: 0, lists: [], archives: [],
};

test("the tours can be shown, and each waits for something", () => {
  expect(TOURS).toHaveLength(4);
  for (const tour of TOURS) {
    expect(tourError(tour)).toBeNull();
    expect(tour.steps.filter((step) => step.until).length).toBeGreaterThan(2);
    if (tour.example) expect(EXAMPLES.map((item) => item.file)).toContain(`${tour.example}.yaml`);
    for (const { until } of tour.steps) if (until && until.unplugged !== 0) expect(isReached(until, NOTHING)).toBe(false);
  }
});

test("a file that is no tour is told what is wrong", () => {
  expect(tourError(null)).toContain("title");
  expect(tourError({ title: "x", steps: [] })).toContain("steps");
  expect(tourError({ title: "x", steps: [{ text: "y", until: { elephants: 3 } }] })).toContain("steps[0].until.elephants");
  expect(tourError({ title: "x", steps: [{ text: "y", then: "z" }] })).toContain("steps[0].then");
  expect(tourError({ title: "x", steps: [{ text: "y", until: { screen: "(" } }] })).toContain("regular expression");
});

test("steps wait for values, text and counts", () => {
  const links = [{ delay: "120ms", loss: "5%" }, {}];
  expect(isReached({ link: { delay: ">=100ms" } }, { ...NOTHING, links })).toBe(true);
  expect(isReached({ link: { delay: ">=100ms", loss: ">=20%" } }, { ...NOTHING, links })).toBe(false);
  expect(isReached({ link: { bandwidth: "<=1Mbit/s" } }, { ...NOTHING, links })).toBe(false);
  expect(isReached({ link: { delay: "=0ms" } }, { ...NOTHING, links })).toBe(true);
  const consoles = [{ element: "left", screen: "3 received" }, { element: "right", screen: "" }];
  expect(isReached({ screen: "[1-9] received" }, { ...NOTHING, consoles })).toBe(true);
  expect(isReached({ consoles: 2, console: "left" }, { ...NOTHING, consoles })).toBe(true);
  expect(isReached({ console: "right", screen: "[1-9] received" }, { ...NOTHING, consoles })).toBe(false);
  expect(isReached({ elements: 2, running: 2 }, { ...NOTHING, elements: 3, running: 1 })).toBe(false);
  expect(isReached({ frames: 0 }, NOTHING)).toBe(false);
  const lists = [{ count: 0, filter: "arp", isOpened: false }, { count: 9, filter: "", isOpened: true }];
  expect(isReached({ frames: 4, opened: true }, { ...NOTHING, lists })).toBe(true);
  expect(isReached({ filter: "arp", frames: 1 }, { ...NOTHING, lists })).toBe(false);
  const selected = { sort: "element", name: "left" } as const;
  expect(isReached({ selected: "element" }, { ...NOTHING, selected })).toBe(true);
  expect(isReached({ selected: "right" }, { ...NOTHING, selected })).toBe(false);
});
