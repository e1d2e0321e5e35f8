import { expect, test } from "vitest";

import { pathFor } from "../../src/panels/files-field";

test("a file from disk goes where the typed path says", () => {
  expect(pathFor("", "motd")).toBe("/root/motd");
  expect(pathFor("/etc/", "motd")).toBe("/etc/motd");
  expect(pathFor("/etc/issue", "motd")).toBe("/etc/issue");
  expect(pathFor("etc", "motd")).toBe("/root/motd");
});
