import { beforeEach, expect, test } from "vitest";

import { exactSeeds, patchText } from "../../src/api/exact";
import { Parser } from "../../src/api/stream";
import { clear, rates, take } from "../../src/store/traffic";
import { afterUndo, clearHistory, nowId, redo, remember, renamed, undo, useHistory } from "../../src/store/history";

beforeEach(clearHistory);

test("a stream's messages are found however it is cut", () => {
  const text = ': beat\n\nid: 7\nevent: traffic\ndata: {"a":1}\n\ndata: one\ndata: two\n\n';
  for (let cut = 0; cut <= text.length; cut += 1) {
    const parser = new Parser();
    const messages = [...parser.feed(text.slice(0, cut)), ...parser.feed(text.slice(cut))];
    expect(messages).toEqual([
      { event: "traffic", id: "7", data: '{"a":1}' },
      { event: "message", id: null, data: "one\ntwo" },
    ]);
  }
});

test("undo and redo go back and forth", async () => {
  const log: string[] = [];
  const entry = (label: string) => remember({ label, undo: async () => void log.push(`-${label}`), redo: async () => void log.push(`+${label}`) });
  entry("a");
  entry("b");
  expect(await undo()).toBe("b");
  expect(await undo()).toBe("a");
  expect(await undo()).toBeNull();
  expect(await redo()).toBe("a");
  entry("c");
  expect(await redo()).toBeNull();
  expect(log).toEqual(["-b", "-a", "+a"]);
});

test("steps of one drag are one entry, whose undo is the first's", async () => {
  let value = 3;
  for (const next of [4, 5, 6]) {
    const before = value;
    value = next;
    remember({ label: "drag", merge: "k", undo: async () => void (value = before), redo: async () => void (value = next) });
  }
  expect(useHistory.getState().done).toHaveLength(1);
  await undo();
  expect(value).toBe(3);
  await redo();
  expect(value).toBe(6);
});

test("an entry that cannot be taken back does not block those before it", async () => {
  remember({ label: "good", undo: async () => undefined, redo: async () => undefined });
  remember({ label: "bad", undo: () => Promise.reject(new Error("no")), redo: async () => undefined });
  await expect(undo()).rejects.toThrow("no");
  expect(await undo()).toBe("good");
});

test("what somebody else changed since is not taken back", async () => {
  let value = "mine";
  const log: string[] = [];
  const edit = (next: string, back: string) => ({
    label: next, undo: async () => (value = back), redo: async () => (value = next), stands: (left: unknown) => value === left,
  });
  remember({ label: "before", undo: async () => void log.push("before"), redo: async () => undefined });
  remember(edit("mine", "old")).left = "mine";
  value = "theirs";
  await expect(undo()).rejects.toThrow("somebody else");
  expect(value).toBe("theirs");
  expect(await undo()).toBe("before");
  remember(edit("theirs", "older")).left = "theirs";
  await undo();
  await redo();
  expect(value).toBe("theirs");
  await undo();
  value = "again theirs";
  await expect(redo()).rejects.toThrow("somebody else");
});

test("what goes with an edit is done once it was taken back", async () => {
  const log: string[] = [];
  remember({ label: "arranging", undo: async () => void log.push("undone"), redo: async () => void log.push("redone") });
  afterUndo(() => log.push("view"));
  await undo();
  await redo();
  await undo();
  expect(log).toEqual(["undone", "view", "redone", "undone", "view"]);
});

test("objects made again are found by their old ids", () => {
  renamed("a", "b");
  renamed("b", "c");
  expect([nowId("a"), nowId("c"), nowId("z")]).toEqual(["c", "c", "z"]);
});

test("rates are evened out, kept while nothing new is told, and gone when nothing passes", () => {
  const one = (bits: number) => ({ bits_per_second: bits, packets_per_second: bits / 1000, drops_per_second: 0 });
  clear();
  take({ connections: { a: { forward: one(8000), backward: one(0) } } });
  const first = rates.get("a")![0].bits;
  expect(first).toBeGreaterThan(500);
  expect(first).toBeLessThan(8000);
  for (let message = 0; message < 40; message += 1) take({ connections: {} });
  expect(rates.get("a")![0].bits).toBeCloseTo(8000, -1);
  take({ connections: { a: { forward: one(0), backward: one(0) } } });
  expect(rates.get("a")![0].bits).toBeGreaterThan(0);
  for (let message = 0; message < 60; message += 1) take({ connections: {} });
  expect(rates.has("a")).toBe(false);
});

test("a seed of 64 bits comes and goes without loss", () => {
  const told = '{"topology":{"name":"\\"seed\\":18446744073709551615,","seed":18446744073709551615,"client":{}},"n":{"seed":7}}';
  const read = JSON.parse(exactSeeds(told)) as { topology: { name: string; seed: string }; n: { seed: number } };
  expect(read.topology).toMatchObject({ name: '"seed":18446744073709551615,', seed: "18446744073709551615" });
  expect(read.n.seed).toBe(7);
  expect(patchText({ seed: "18446744073709551615" })).toBe('{"seed":18446744073709551615}');
  expect(patchText({ name: "a", seed: "7" })).toBe('{"seed":7,"name":"a"}');
  expect(patchText({ name: "a" })).toBe('{"name":"a"}');
  expect(patchText({ seed: "7}" })).toBe('{"seed":"7}"}');
});
