import { expect, test } from "vitest";

import { readTar, writeTar } from "../../src/model/tar";

test("what is written is read again, with long names and any bytes", async () => {
  const every = Uint8Array.from({ length: 700 }, (_, index) => index % 256);
  const long = `${"ä".repeat(60)}.txt`;
  const bytes = new Uint8Array(await writeTar([{ name: "a", bytes: new Uint8Array(0) }, { name: long, bytes: every }]).arrayBuffer());
  expect(readTar(bytes).map((entry) => [entry.name, [...entry.bytes], entry.isFolder])).toEqual([["a", [], false], [long, [...every], false]]);
  for (let end = 0; end < bytes.length; end += 37) readTar(bytes.subarray(0, end));
});
