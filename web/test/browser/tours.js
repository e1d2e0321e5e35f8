// The tours as a newcomer goes them, one after the other and once more: every step waits for the real action. And a topology
// that brings a tour of its own.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { drag, enter, importText, must, test, tile, type, until } from "./lab.js";

const OWN = `
tomato: 1
name: exercise
_tour:
  title: Exercise 1
  description: Find the switch.
  steps:
    - text: Choose the **switch**.
      until: {selected: element}
    - text: Well done.
elements:
  s: {kind: switch}
`;

const at = (page, number) => page.getByText(new RegExp(`· ${number} of `)).waitFor();
const press = (page, name) => page.getByRole("button", { name, exact: true }).click();
const cable = (page) => page.locator(".react-flow__edge .cable-hit").dispatchEvent("click");

/** What a step points at is in sight, under its ring. */
async function pointed(page, name) {
  const target = page.getByRole("button", { name, exact: true });
  await page.locator(".tour-ring").waitFor();
  await until(`${name} in sight`, () => target.evaluate((button) => {
    const { left, right, top, bottom } = button.getBoundingClientRect();
    return document.elementFromPoint((left + right) / 2, (top + bottom) / 2)?.closest("button") === button;
  }));
}

async function starts(page) {
  await at(page, 1);
  await pointed(page, "Start");
  await press(page, "Start");
  await page.getByText("· 2 of").waitFor({ timeout: 90_000 });
}

async function basics(page) {
  await at(page, 1);
  await page.locator(".tour-ring").waitFor();
  const container = page.locator(".palette-item").filter({ hasText: "Container" }).first();
  await container.click();
  await at(page, 2);
  await container.click();
  await at(page, 3);
  // A reload in the middle loses nothing.
  await page.reload();
  await at(page, 3);
  await drag(page, "pc1", "pc2");
  await at(page, 4);
  await press(page, "Start");
  await page.getByText("· 5 of").waitFor({ timeout: 90_000 });
  await tile(page, "pc1").dblclick();
  await at(page, 6);
  await type(page, "ping -c 2 pc2");
  await at(page, 7);
}

async function links(page) {
  await starts(page);
  const [left, right] = [await tile(page, "left").boundingBox(), await tile(page, "right").boundingBox()];
  must(left.x < right.x, "left is on the left");
  await tile(page, "left").dblclick();
  await at(page, 3);
  await type(page, "ping right");
  await press(page, "Next");
  await at(page, 4);
  await cable(page);
  for (const [step, name, value] of [[5, "Delay", "100ms"], [6, "Loss", "20%"]]) {
    await at(page, step);
    const field = page.getByRole("textbox", { name, exact: true });
    await field.fill(value);
    await field.press("Enter");
    await press(page, "Next");
  }
  await at(page, 7);
  await press(page, "Next");
  for (const name of ["Unplug", "Plug in"]) {
    await press(page, name);
    await press(page, "Next");
  }
  await at(page, 10);
}

async function capture(page) {
  await starts(page);
  await cable(page);
  await pointed(page, "Show frames live");
  await press(page, "Show frames live");
  await at(page, 3);
  await tile(page, "left").dblclick();
  await type(page, "ping -c 4 right");
  await at(page, 4);
  const frames = page.getByRole("tab", { name: "cable" });
  await frames.click();
  const rows = page.locator(".frames .frame");
  await rows.first().click();
  await press(page, "Next");
  await at(page, 5);
  const filter = page.getByRole("textbox", { name: "Filter of the frames" });
  await filter.fill("arp");
  await filter.press("Enter");
  await at(page, 6);
  await until("the live list", async () => (await page.locator(".packets").getAttribute("data-live")) === "true");
  await page.getByRole("tab", { name: "left" }).click();
  await type(page, "ip neigh flush dev eth0; ping -c 1 right");
  await press(page, "Next");
  await frames.click();
  must((await rows.allTextContents()).every((text) => text.includes("ARP")), "only address resolution is listed");
  await at(page, 7);
  await cable(page);
  await page.getByRole("switch", { name: "Record frames" }).click();
  await press(page, "Next");
  await at(page, 8);
}

async function archives(page) {
  const folder = mkdtempSync(join(tmpdir(), "tomato-browser-"));
  try {
    const path = join(folder, "test.tar.gz");
    writeFileSync(join(folder, "auto_exec.sh"), "ping -c 3 right | tee result.txt");
    execFileSync("tar", ["czf", path, "-C", folder, "auto_exec.sh"]);
    await starts(page);
    await tile(page, "left").click();
    await at(page, 3);
    await pointed(page, "Upload and run");
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), press(page, "Upload and run")]);
    await chooser.setFiles(path);
    await page.getByText(/It is done\./).waitFor();
    must(/3 packets received/.test(await page.locator("[data-tour=archive]").textContent()), "the last lines are shown");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const TOURS = [["First steps", basics], ["Links that are not perfect", links], ["Look at the packets", capture], ["Experiments that run by themselves", archives]];

/** The steps are gone over without doing them. */
async function skipped(page) {
  for (const last = page.getByRole("button", { name: "Finish" }); (await last.count()) === 0; ) {
    await page.locator(".tour button", { hasText: /^(Skip|Next)$/ }).first().click();
  }
}

await test("tours", async (browser) => {
  // A name that is taken is answered by a status, which the browser reports; the tour's topology gets a number.
  const page = await enter(browser, { viewport: { width: 1366, height: 768 }, allowed: [/status of 409 .*topologies/] });
  for (const round of ["", " 2"]) {
    await page.goto("/tours");
    await page.getByRole("button", { name: /First steps/ }).click();
    for (const [index, [title, go]] of TOURS.entries()) {
      await until(`${title}${round}`, () => page.evaluate((name) => document.querySelector(".editable-name")?.value === name, `${title}${round}`));
      await (round === "" ? go(page) : skipped(page));
      if (TOURS[index + 1]) await page.getByRole("button", { name: /Next tour/ }).click();
      else await press(page, "Finish");
    }
    must((await page.locator(".tour").count()) === 0, "the tour is over");
  }

  await importText(page, OWN);
  await press(page, "Begin");
  await tile(page, "s").click();
  await at(page, 2);
  await press(page, "End the tour");
  await until("its end", async () => (await page.getByText("· 2 of").count()) === 0);
});
