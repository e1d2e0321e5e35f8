// Two people at once, hostile names, original files, keys alone, accessibility, small screens.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { add, call, create, enter, graph, importText, must, test, tile, until } from "./lab.js";

const axe = readFileSync(createRequire(new URL("../../package.json", import.meta.url)).resolve("axe-core/axe.min.js"), "utf8");

const HOSTILE = ['<img src=x onerror="document.title=1">', "‮evil‬ \u202egnp.exe", "x".repeat(200), "'; DROP TABLE topologies; --", "{{constructor}} ${7*7} \u0000".replace("\u0000", "")];

/** What axe found, page by page. */
const faults = [];

/** Nothing that axe calls serious or worse. The page's policy lets no inline script run, so that it is evaluated by the browser. */
async function accessible(page, where) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"], resultTypes: ["violations"] }));
  const grave = found.violations.map((item) => `${item.id} (${item.impact}): ${item.nodes.slice(0, 4).map((node) => `${node.target} ${node.any[0]?.message ?? node.html.slice(0, 120)}`).join(" | ")}`);
  faults.push(...grave.map((text) => `${where}: ${text}`));
}

/** Both see what the other does and chooses, within a second. */
async function twoAtOnce(browser, page) {
  await create(page, "together");
  await add(page, "Container", "pc1");
  const other = await enter(browser);
  await other.goto(page.url());
  await tile(other, "pc1").waitFor();
  await tile(other, "pc1").click();
  await page.locator(".tile-watcher").waitFor({ timeout: 3000 });
  const before = Date.now();
  await other.locator(".palette-item").filter({ hasText: "Switch" }).first().click();
  await tile(page, "switch1").waitFor({ timeout: 5000 });
  const took = Date.now() - before;
  must(took < 2500, `a change shows at once: ${took} ms`);
  // Both change the same element: nobody's change is lost.
  for (const each of [page, other]) await tile(each, "pc1").click();
  await Promise.all([
    page.getByRole("textbox", { name: "Name", exact: true }).fill("ours").then(() => page.keyboard.press("Enter")),
    other.getByLabel("Profile").first().click().then(() => other.getByRole("option").nth(1).click()),
  ]);
  await until("both changes", async () => {
    const element = (await graph(page)).elements.find((one) => one.kind === "container");
    return element.name === "ours" && typeof element.profile === "string";
  });
  await tile(other, "ours").waitFor();
  // What the other changed since is not taken back by who changed it before.
  await other.getByRole("textbox", { name: "Name", exact: true }).fill("theirs");
  await other.keyboard.press("Enter");
  await tile(page, "theirs").waitFor();
  await page.locator(".canvas").hover({ position: { x: 12, y: 12 } });
  await page.getByRole("button", { name: "Undo new name (Ctrl Z)" }).click();
  await page.getByText("was changed by somebody else since").waitFor();
  must((await graph(page)).elements.some((element) => element.name === "theirs"), "the other's name stays");
  await other.context().close();
  await until("the other's mark to go", async () => (await page.locator(".tile-watcher").count()) === 0, 40);
}

/** Names are text, wherever they are shown. */
async function hostile(page) {
  for (const name of HOSTILE) await call(page, "POST", "/topologies", { name: name.slice(0, 128) }).catch((error) => must(/400|422/.test(error.message), error.message));
  const refused = await page.evaluate(async () => (await fetch("/api/v1/topologies", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ name: "y".repeat(10_000) }) })).status);
  must(refused === 400, `10 000 letters are refused: ${refused}`);
  await page.goto("/");
  await page.locator(".card").nth(2).waitFor();
  must(await page.evaluate(() => document.querySelectorAll("img[src=x]").length) === 0, "no name became markup");
  must(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), "no name widens the page");
  await page.locator(".card-link", { hasText: "onerror" }).click();
  await page.locator(".editor").waitFor();
  must((await page.title()).includes("<img"), "the name is the title, as text");
  const id = (await graph(page)).topology.id;
  await call(page, "PATCH", `/topologies/${id}`, { _decorations: [{ id: "a", type: "note", x: 100, y: 100, width: 200, height: 90, text: "<script>alert(1)</script>".repeat(10), color: "javascript:alert(1)" }] });
  await page.getByRole("textbox", { name: "Note" }).waitFor();
  must((await page.getByRole("textbox", { name: "Note" }).inputValue()).startsWith("<script>"), "a note is text");
}

/** A file of the original comes in; one that is wrong says where. */
async function files(page) {
  await page.goto("/");
  const original = { file_information: { version: 4 }, topology: { attrs: { name: "old lab" }, elements: [{ id: 1, type: "openvz", attrs: { name: "a", template: "debian-8_x86_64" }, parent: null }, { id: 2, type: "openvz_interface", attrs: { name: "eth0", ip4address: "10.0.0.1/24" }, parent: 1 }, { id: 3, type: "openvz", attrs: { name: "b", nonsense: 7 }, parent: null }, { id: 4, type: "openvz_interface", attrs: { name: "eth0", ip4address: "10.0.0.2/24" }, parent: 3 }], connections: [{ id: 5, type: "bridge", elements: [2, 4], attrs: { emulation: true, delay_to: 10 } }] } };
  const pick = (name, text) => page.locator("input[type=file]").first().setInputFiles({ name, mimeType: "text/plain", buffer: Buffer.from(text) });
  await pick("old.tomato4", JSON.stringify(original));
  await page.getByText("not taken over").waitFor();
  await page.getByRole("cell", { name: "nonsense", exact: true }).waitFor();
  await page.getByRole("button", { name: "Open the topology" }).click();
  await page.locator(".react-flow__node").nth(1).waitFor();
  await page.goto("/");
  await pick("wrong.yaml", "tomato: 1\nname: w\nelements:\n  a: {kind: elephant}\n  b: {kind: container, profil: x}\n");
  await page.getByText("The file was not imported").waitFor();
  const table = await page.getByRole("dialog").textContent();
  must(/elephant/.test(table) && /profil/.test(table), `each attribute is named: ${table}`);
  await page.keyboard.press("Escape");
}

/** From the start page to two joined machines without a pointer. */
async function keys(page) {
  await page.goto("/");
  await page.getByRole("button", { name: "New topology" }).first().focus();
  await page.keyboard.press("Enter");
  await page.getByPlaceholder("Name (optional)").waitFor();
  await page.keyboard.type("by keys");
  await page.keyboard.press("Enter");
  await page.locator(".editor").waitFor();
  const container = page.locator(".palette-item").filter({ hasText: "Container" }).first();
  await container.focus();
  await page.keyboard.press("Enter");
  /** The keys go on at what was added. */
  const isReached = (name) => until(`the keys to be at ${name}`, () => page.evaluate((text) => document.activeElement?.querySelector(".tile-name")?.textContent === text, name));
  await isReached("pc1");
  await container.focus();
  await page.keyboard.press("Space");
  await isReached("pc2");
  await page.keyboard.press("c");
  await page.getByRole("combobox", { name: "Name, kind or address" }).waitFor();
  await page.keyboard.type("pc1");
  await page.keyboard.press("Enter");
  await until("the connection", async () => (await graph(page)).connections.length === 1);
  await tile(page, "pc1").focus();
  await page.keyboard.press("Enter");
  const places = async () => JSON.stringify((await graph(page)).elements.map((element) => element.client._pos));
  const before = await places();
  await page.keyboard.press("ArrowRight");
  await until("the move", async () => (await places()) !== before);
  await page.keyboard.press("Control+z");
}

/** Nothing is cut off, and everything can be reached. */
async function sizes(page) {
  for (const [width, height] of [[1280, 720], [1024, 768], [820, 1180]]) {
    await page.setViewportSize({ width, height });
    must(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), `nothing is wider than ${width}`);
    for (const name of ["Start", "Undo", "Search (/)"]) {
      const box = await page.getByRole("button", { name: new RegExp(`^(${name.replace(/[()]/g, "\\$&")}|Nothing to undo)`) }).first().boundingBox();
      must(box && box.x >= 0 && box.x + box.width <= width, `${name} is in sight at ${width}: ${JSON.stringify(box)}`);
    }
  }
  await page.setViewportSize({ width: 1280, height: 720 });
}

await test("robust", async (browser) => {
  const page = await enter(browser, { allowed: [/status of 400/] });
  await twoAtOnce(browser, page);
  await accessible(page, "the editor");
  await page.getByLabel("Use dark colours").click();
  await accessible(page, "the dark editor");
  await page.getByLabel("Use light colours").click();
  await hostile(page);
  await keys(page);
  await page.locator(".react-flow__edge .cable-hit").first().dispatchEvent("click");
  await page.getByRole("textbox", { name: "Delay" }).waitFor();
  await accessible(page, "the panel of a connection");
  await sizes(page);
  await files(page);
  for (const path of ["/", "/tours", "/templates", "/profiles", "/jobs", "/hosts", "/accounts", "/settings", "/audit", "/account"]) {
    await page.goto(path);
    await page.getByRole("heading", { level: 1 }).first().waitFor();
    await accessible(page, path);
  }
  must(faults.length === 0, `everything is accessible:\n${faults.join("\n")}`);
});
