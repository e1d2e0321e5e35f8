// Takes the pictures of the documentation from a running lab: TOMATO_URL, TOMATO_PASSWORD, and PICTURES for the folder.
import { readFileSync } from "node:fs";

import { call, enter, importText, test, tile, until } from "./lab.js";

const folder = process.env.PICTURES ?? "docs/img";
const examples = new URL("../../../examples/", import.meta.url);
const read = (name) => readFileSync(new URL(name, examples), "utf8");

await test("screenshots", async (browser) => {
  const page = await enter(browser, { viewport: { width: 1440, height: 860 } });
  const shot = (name) => page.screenshot({ path: `${folder}/${name}.png` });
  await call(page, "POST", "/topologies/import", read("two-hosts.yaml"));
  const id = await importText(page, read("campus.yaml"));
  await tile(page, "r1").waitFor();
  await call(page, "POST", `/topologies/${id}/actions/start`);
  await until("all to run", async () => (await page.locator(".tile-started").count()) === 10, 200);
  await call(page, "GET", `/topologies/${id}`).then(({ elements }) =>
    call(page, "POST", `/elements/${elements.find((element) => element.name === "alice").id}/exec`, { argv: ["/bin/sh", "-c", "ping -i 0.2 10.0.2.10 >/dev/null 2>&1 &"] }),
  );
  await page.locator(".react-flow__edge[aria-label^='Connection r1 to r2'] .cable-hit").first().dispatchEvent("click");
  await page.waitForTimeout(5000);
  await shot("editor");
  await page.getByLabel("Use dark colours").click();
  await page.mouse.move(500, 500);
  await page.waitForTimeout(1500);
  await shot("editor-dark");
  await page.getByLabel("Use light colours").click();
  await page.goto("/");
  await page.mouse.move(700, 800);
  await page.waitForTimeout(1500);
  await shot("topologies");
});
