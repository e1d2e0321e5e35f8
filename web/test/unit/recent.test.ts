import { expect, test } from "vitest";

import { between, kept, WINDOW_MS } from "../../src/panels/recent";

const look = (offered: number, lost = 0) => ({
  offered, frames: offered - lost, bytes: (offered - lost) * 125, duplicated: 0, corrupted: offered / 50, drops: { loss: lost, queue: 3 }, lateness_p50_ns: 8000, lateness_p99_ns: 90_000,
});

test("what was measured is what lies between two looks", () => {
  const found = between(look(100, 50), look(1100, 60), 1000);
  expect(found).toEqual({ rate: 990_000, loss: 1, duplicate: 0, corrupt: 2, late: [8000, 90_000] });
  expect(between(look(100), look(105), 1000).loss).toBeNull();
});

test("looks go out of the window, and counters that began anew begin it anew", () => {
  const sample = (at: number, offered: number) => ({ at, both: [look(offered), look(0)] });
  const two = kept([sample(0, 5)], sample(WINDOW_MS, 50));
  expect(two.map(({ at }) => at)).toEqual([0, WINDOW_MS]);
  expect(kept(two, sample(WINDOW_MS + 1, 60)).map(({ at }) => at)).toEqual([WINDOW_MS, WINDOW_MS + 1]);
  expect(kept(two, sample(WINDOW_MS + 1, 2)).map(({ at }) => at)).toEqual([WINDOW_MS + 1]);
});
