// A browser at a running lab, for tests. The lab is named by TOMATO_URL and TOMATO_PASSWORD; a test is a script that calls
// `test` and ends with status 0 only if everything held: no error in the console, no request to another server.
import { mkdirSync } from "node:fs";

import { chromium } from "playwright-core";

export const URL_ = process.env.TOMATO_URL ?? "http://127.0.0.1:8000";
const PASSWORD = process.env.TOMATO_PASSWORD ?? "";
const SHOTS = process.env.TOMATO_SHOTS;
const SECONDS = 1000;

/** The signs of a failure that a page showed. */
const complaints = [];

/** Fails with a message. */
export function must(condition, message) {
  if (!condition) throw new Error(message);
}

/** Waits until `look` answers something true; says for what it waited. */
export async function until(what, look, seconds = 30) {
  const end = Date.now() + seconds * SECONDS;
  for (let last; ; ) {
    last = await look();
    if (last) return last;
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
    await new Promise((wake) => setTimeout(wake, 100));
  }
}

function watch(page, allowed) {
  const complain = (text) => {
    if (!allowed.some((pattern) => pattern.test(text))) complaints.push(text);
  };
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complain(`console: ${message.text()} ${message.location().url ?? ""}`);
  });
  page.on("pageerror", (error) => complain(`page: ${error.stack ?? error}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(URL_) && !/^(data|blob):/.test(url) && !url.startsWith(URL_.replace("http", "ws"))) complaints.push(`request to another server: ${url}`);
  });
}

/** Opens a page of its own browser context, logged in. */
export async function enter(browser, { allowed = [], viewport = { width: 1280, height: 720 }, account = "admin", password = PASSWORD, ...rest } = {}) {
  const context = await browser.newContext({ viewport, baseURL: URL_, acceptDownloads: true, ...rest });
  const page = await context.newPage();
  page.setDefaultTimeout(20 * SECONDS);
  watch(page, allowed);
  await page.goto("/");
  await page.fill("input[name=username]", account);
  await page.fill("input[name=password]", password);
  await page.keyboard.press("Enter");
  await page.waitForSelector("h1:has-text('Topologies')");
  return page;
}

/** Makes an empty topology by hand and opens it. */
export async function create(page, name) {
  await page.getByRole("button", { name: "New topology" }).first().click();
  await page.getByPlaceholder("Name (optional)").fill(name);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".editor");
}

/** The element's tile on the canvas. */
export const tile = (page, name) => page.locator(".react-flow__node").filter({ has: page.locator(".tile-name", { hasText: new RegExp(`^${name}$`) }) });

/** Adds an element from the palette and waits for it. */
export async function add(page, label, name) {
  await page.locator(".palette-item").filter({ hasText: label }).first().click();
  await tile(page, name).waitFor();
}

/** The middle of something, once it rests. */
async function middle(locator) {
  let box = await locator.boundingBox();
  await until("it to rest", async () => {
    const before = box;
    box = await locator.boundingBox();
    return before && box && before.x === box.x && before.y === box.y;
  });
  return [box.x + box.width / 2, box.y + box.height / 2, box];
}

/** Joins two elements by dragging from the plug of one to the other. */
export async function drag(page, from, to) {
  const [x, y, box] = await middle(tile(page, from));
  const [tx, ty] = await middle(tile(page, to));
  await page.mouse.move(x, y);
  await page.mouse.move(box.x + box.width + 1, y, { steps: 3 });
  await page.mouse.down();
  await page.mouse.move((x + tx) / 2, (y + ty) / 2, { steps: 4 });
  await page.mouse.move(tx, ty, { steps: 6 });
  await page.mouse.up();
}

/** Calls the interface with the page's login. */
export async function call(page, method, path, body) {
  const answer = await page.evaluate(
    async ([method_, path_, body_]) => {
      const isText = typeof body_ === "string";
      const headers = body_ === undefined ? {} : { "Content-Type": isText ? "text/plain" : "application/json" };
      const response = await fetch(`/api/v1${path_}`, { method: method_, headers, body: isText || body_ === undefined ? body_ : JSON.stringify(body_) });
      return [response.status, await response.text()];
    },
    [method, path, body],
  );
  must(answer[0] < 300, `${method} ${path} answered ${answer[0]}: ${answer[1]}`);
  return answer[1] === "" ? null : JSON.parse(answer[1]);
}

/** The topology of the page, as the server has it. */
export function graph(page) {
  const id = new URL(page.url()).pathname.split("/").pop();
  return call(page, "GET", `/topologies/${id}`);
}

/** What a terminal shows. */
export const screen = (page) =>
  page.evaluate(() => [...document.querySelectorAll(".dock-pane:not([hidden]) .xterm-rows > div")].map((row) => row.textContent).join("\n"));

/** Types a line into the terminal in front once it shows a prompt. */
export async function type(page, line) {
  const pane = page.locator(".dock-pane:not([hidden]) .console").last();
  await until("a console", async () => (await pane.getAttribute("data-connected").catch(() => null)) === "true");
  await until("a prompt", async () => /[#$] *$/.test((await screen(page)).trimEnd()));
  await pane.locator(".xterm-helper-textarea").focus();
  await page.keyboard.type(line);
  await page.keyboard.press("Enter");
}

/** Two hosts on one line, as a file. */
export const pair = (name) => `
tomato: 1
name: ${name}
elements:
  alice: {kind: container, template: busybox, interfaces: {eth0: {addresses: [10.0.0.1/24]}}, _pos: {x: 0.2, y: 0.3}}
  bob: {kind: container, template: busybox, interfaces: {eth0: {addresses: [10.0.0.2/24]}}, _pos: {x: 0.5, y: 0.3}}
connections:
  wire: {between: ["alice:eth0", "bob:eth0"]}
`;

/** Opens a topology made from a file's text. */
export async function importText(page, text) {
  const { topology } = await call(page, "POST", "/topologies/import", text);
  await page.goto(`/topologies/${topology}`);
  await page.waitForSelector(".editor");
  return topology;
}

/** Runs a test and ends the process. */
export async function test(name, work) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--force-device-scale-factor=1"],
  });
  let status = 0;
  try {
    await work(browser);
    if (complaints.length > 0) throw new Error(`the page complained:\n${complaints.join("\n")}`);
    process.stdout.write(`${name}: all held\n`);
  } catch (error) {
    status = 1;
    process.stderr.write(`${name}: ${error.stack ?? error}\n${complaints.join("\n")}\n`);
    if (SHOTS) {
      mkdirSync(SHOTS, { recursive: true });
      let number = 0;
      for (const context of browser.contexts()) {
        for (const page of context.pages()) await page.screenshot({ path: `${SHOTS}/${name}-${(number += 1)}.png` }).catch(() => null);
      }
    }
  } finally {
    await browser.close();
  }
  process.exit(status);
}
