// Consoles against the real terminals: several, side by side, sized, mended after a restart of the backend, with a new shell after `exit`.
import { readFileSync } from "node:fs";

import { enter, importText, must, screen, test, tile, type, until } from "./lab.js";

const TOPOLOGY = `
tomato: 1
name: consoles
elements:
  alice: {kind: container, template: busybox, interfaces: {eth0: {addresses: [10.0.0.1/24]}}}
  bob: {kind: container, template: busybox, interfaces: {eth0: {addresses: [10.0.0.2/24]}}}
connections:
  wire: {between: ["alice:eth0", "bob:eth0"]}
`;

const columns = async (page) => Number(/size (\d+) (\d+)/.exec((await screen(page)).replaceAll("\n", " "))?.[2] ?? 0);

/** What the one of two terminals shows whose element has this name. */
const screenOf = (page, name) => page.locator(`[aria-label="Console of ${name}"] .xterm-rows`).evaluate((rows) => [...rows.children].map((row) => row.textContent).join("\n"));

await test("console", async (browser) => {
  // The line breaks while the backend is away; the browser says so by itself.
  const page = await enter(browser, { allowed: [/WebSocket connection to .* failed/, /Failed to load resource/, /ERR_/] });
  await importText(page, TOPOLOGY);
  await page.getByRole("button", { name: "Start" }).first().click();
  await until("both to run", async () => (await page.locator(".tile-started").count()) === 2, 60);
  await tile(page, "alice").dblclick();
  await type(page, "echo size $(stty size)");
  const wide = await until("the size", () => columns(page));

  // Two of them, side by side: each is narrower, and its program is told so.
  await tile(page, "bob").dblclick();
  await until("the second", async () => /[#$] *$/.test((await screenOf(page, "bob")).trimEnd()));
  await page.getByRole("button", { name: "Side by side" }).click();
  await page.locator('[aria-label="Console of alice"] textarea').focus();
  await page.keyboard.type("echo now $(stty size)\n");
  const narrow = await until("the smaller size", async () => Number(/now \d+ (\d+)/.exec(await screenOf(page, "alice"))?.[1] ?? 0));
  must(narrow < wide * 0.7, `half as wide: ${narrow} of ${wide}`);
  await page.locator('[aria-label="Console of bob"] textarea').focus();
  await page.keyboard.type("echo I am $(hostname)\n");
  await until("bob's answer", async () => (await screenOf(page, "bob")).includes("I am bob"));
  must(!(await screenOf(page, "alice")).includes("I am bob"), "what is typed in one is not in the other");

  // A second window of somebody else shows the same terminal, in the size that it has.
  const other = await enter(browser);
  await other.goto(page.url());
  await tile(other, "bob").dblclick();
  await until("the same screen", async () => (await screenOf(other, "bob").catch(() => "")).includes("I am bob"));

  // The backend ends; the page waits, and goes on where it was.
  await page.locator('[aria-label="Console of alice"] textarea').focus();
  await page.keyboard.type("mark=still-here\n");
  const pid = () => JSON.parse(readFileSync(process.env.TOMATO_PID_FILE, "utf8")).pid;
  const old = pid();
  await other.context().close();
  process.kill(old, "SIGKILL");
  await until("another backend", async () => {
    try {
      return pid() !== old;
    } catch {
      return false;
    }
  });
  const alice = page.locator(".console").filter({ has: page.locator('[aria-label="Console of alice"]') });
  await until("the console again", async () => (await alice.getAttribute("data-connected")) === "true");
  await page.locator('[aria-label="Console of alice"] textarea').focus();
  await page.keyboard.type("echo $mark\n");
  await until("the same shell", async () => /^still-here/m.test(await screenOf(page, "alice")));
  await until("the events again", async () => /Saved/.test(await page.locator(".toolbar-status").textContent()));

  // The end of the shell is said; a key starts the next.
  await page.keyboard.type("exit 3\n");
  await until("the end", async () => /ended with code 3/.test((await page.locator(".console-note").first().textContent().catch(() => "")) ?? ""));
  await page.keyboard.press("Enter");
  await until("a new shell", async () => (await page.locator(".console-note").count()) === 0);
  await page.keyboard.type("echo again $((20 + 3))\n");
  await until("its answer", async () => (await screenOf(page, "alice")).includes("again 23"));
});
