import { expect, test } from "vitest";

import {
  ago, clock, readBandwidth, readBytes, readRatio, readSpan, showBytes, showRate, timeLeft, writeBandwidth, writeBytes, writeRatio, writeSpan,
} from "../../src/model/units";

test.each([
  ["10Mbit/s", 1e7], ["10", 1e7], ["1.5G", 1.5e9], ["64k", 64e3], ["300 kbps", 3e5], ["8Mbit", 8e6], ["0,5M", 5e5],
  ["fast", null], ["-1M", null], ["1e3", null], ["", null],
])("bandwidth %s", (text, bits) => expect(readBandwidth(text)).toBe(bits));

test.each([["20", 20], ["20ms", 20], ["1.5 s", 1500], ["250us", 0.25], ["2min", 120_000], ["20 furlongs", null]])(
  "span %s", (text, ms) => expect(readSpan(text)).toBe(ms));

test.each([["1%", 1], ["0.25", 0.25], ["100%", 100], ["101%", null], ["x", null]])(
  "ratio %s", (text, percent) => expect(readRatio(text)).toBe(percent));

test("what is written reads back as the same", () => {
  for (const bits of [1, 999, 64_000, 1_500_000, 1e9, 1e10, 12_345_678]) expect(readBandwidth(writeBandwidth(bits))).toBe(bits);
  for (const ms of [0, 0.1, 0.25, 20, 1500, 12.345]) expect(readSpan(writeSpan(ms))).toBeCloseTo(ms, 6);
  for (const bytes of [1, 1000, 65_536, 1_500_000]) expect(readBytes(writeBytes(bytes))).toBe(bytes);
  for (const percent of [0, 0.001, 1, 33.3, 100]) expect(readRatio(writeRatio(percent))).toBe(percent);
});

test("the interface's own words are written", () => {
  expect([writeBandwidth(1e7), writeSpan(20), writeSpan(0.1), writeRatio(1), writeBytes(65_536)]).toEqual(["10Mbit/s", "20ms", "100us", "1%", "64KiB"]);
});

test("people read rounded values", () => {
  expect([showRate(9_876_543), showRate(12), showBytes(1536), ago(1e6, 61_000)]).toEqual(["9.88 Mbit/s", "12 bit/s", "1.5 KiB", "1 min ago"]);
});

test("a time to come is told in whole hours or days", () => {
  expect([10, 7200, 90_000, 200_000].map(timeLeft)).toEqual(["1 h", "2 h", "1 day", "2 days"]);
});

test("times of day have 24 hours, and seconds where they are needed", () => {
  const at = (hours: number, minutes: number, seconds: number) => new Date(2026, 0, 2, hours, minutes, seconds).getTime() / 1000;
  expect([clock(at(0, 5, 9), false), clock(at(21, 4, 7), true)]).toEqual(["00:05", "21:04:07"]);
});
