import { expect, test } from "vitest";

import { readTree, readVlan, treeError, USUAL_TREE, vlanErrors, writeTree, writeVlan } from "../../src/model/switching";

test("VLANs are read and written as the interface writes them", () => {
  for (const text of ["10", "trunk", "trunk 10,20-30", "trunk 10 native 1", "trunk native 5", "tunnel 100"]) {
    expect(writeVlan(readVlan(text)!)).toBe(text);
    expect(vlanErrors(readVlan(text)!)).toEqual({});
  }
  expect(writeVlan(readVlan("access 7")!)).toBe("7");
  expect([readVlan(null), readVlan("")]).toEqual([null, null]);
  expect(writeVlan({ mode: "trunk", id: "", allowed: "10, 20-30", native: "" })).toBe("trunk 10,20-30");
});

test("VLANs that cannot be are told by their field", () => {
  for (const id of ["", "0", "4095", "ten", "1.5"]) expect(vlanErrors({ mode: "access", id, allowed: "", native: "" })).toHaveProperty("id");
  for (const allowed of ["30-20", "1-2-3", "0", "1,,2"]) expect(vlanErrors({ mode: "trunk", id: "", allowed, native: "" })).toHaveProperty("allowed");
  expect(vlanErrors({ mode: "trunk", id: "", allowed: "", native: "x" })).toHaveProperty("native");
});

test("a spanning tree is read and written, and keeps the standard's bounds", () => {
  for (const text of ["on", "on priority=4096", "on priority=0 hello=1s forward_delay=4s max_age=6s"]) {
    const tree = readTree(text)!;
    expect(writeTree(tree)).toBe(text);
    expect(treeError(tree)).toBeNull();
  }
  expect([readTree(null), readTree("off")]).toEqual([null, null]);
  expect(treeError({ ...USUAL_TREE, forward_delay: 4 })).toContain("max age");
  expect(treeError({ ...USUAL_TREE, priority: 70_000 })).toContain("priority");
  expect(treeError({ ...USUAL_TREE, hello: Number.NaN })).toContain("hello");
});
