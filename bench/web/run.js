// Measures the editor in headless Chromium at a running lab: TOMATO_URL and TOMATO_PASSWORD. See README.md.
import { existsSync, readFileSync } from "node:fs";
import { createServer, request } from "node:http";

const LAB = new URL(process.env.TOMATO_LAB ?? "http://127.0.0.1:8000");
/** Where pages come from instead of the lab, if it is set: a `dist` of the web's build. */
const PAGES = process.env.TOMATO_WEB;
const GESTURE_MS = 4000;
const TRAFFIC_MS = 100;
const EDITS = 5;

/** Elements on a grid, joined to their neighbours; then chords until there are enough connections. */
function grid(name, elements, connections) {
  const width = Math.ceil(Math.sqrt(elements));
  const lines = ["tomato: 1", `name: ${name}`, "elements:"];
  for (let at = 0; at < elements; at += 1) {
    const place = `_pos: {x: ${((at % width) * 0.12).toFixed(3)}, y: ${(Math.floor(at / width) * 0.19).toFixed(3)}}`;
    lines.push(`  n${at}: {kind: ${at % 4 === 0 ? "switch" : "container, template: busybox"}, ${place}}`);
  }
  lines.push("connections:");
  const pairs = new Set();
  const join = (a, b) => {
    if (b < elements && pairs.size < connections && !pairs.has(`${a} ${b}`)) pairs.add(`${a} ${b}`);
  };
  for (let at = 0; at < elements; at += 1) if ((at + 1) % width !== 0) join(at, at + 1);
  for (let at = 0; at < elements; at += 1) join(at, at + width);
  for (const [index, pair] of [...pairs].entries()) lines.push(`  c${index}: {between: [n${pair.split(" ").join(", n")}], both: {delay: 5ms, bandwidth: 10Mbit/s}}`);
  must(pairs.size === connections, `${pairs.size} of ${connections} connections fit`);
  return lines.join("\n");
}

/** Answers with a page of {@link PAGES}; false if the lab has to. */
function givePage(path, answer) {
  if (!PAGES || path.startsWith("/api/")) return false;
  const packed = `${PAGES}${path}.br`;
  const type = { css: "text/css", svg: "image/svg+xml" }[path.split(".").at(-1)] ?? "text/javascript";
  if (existsSync(packed)) answer.writeHead(200, { "content-type": type, "content-encoding": "br", "cache-control": "max-age=3600" }).end(readFileSync(packed));
  else answer.writeHead(200, { "content-type": "text/html" }).end(readFileSync(`${PAGES}/index.html`));
  return true;
}

/** Stands between the browser and the lab: says that everything runs, and invents what passes, ten times a second. */
function proxy() {
  const server = createServer((asked, answer) => {
    const traffic = /^\/api\/v1\/topologies\/(\w+)\/traffic/.exec(asked.url);
    if (traffic) return invent(traffic[1], asked, answer);
    if (givePage(asked.url, answer)) return undefined;
    const headers = { ...asked.headers, host: LAB.host, "accept-encoding": asked.headers["accept-encoding"] ?? "br" };
    if (headers.origin) headers.origin = LAB.origin;
    const isGraph = asked.method === "GET" && /^\/api\/v1\/topologies\/\w{24}$/.test(asked.url);
    const passed = request({ host: LAB.hostname, port: LAB.port, path: asked.url, method: asked.method, headers: isGraph ? { ...headers, "accept-encoding": "identity" } : headers }, (got) => {
      if (!isGraph) {
        answer.writeHead(got.statusCode, got.headers);
        // A stream begins with its headers, not with its first message.
        answer.flushHeaders();
        got.pipe(answer);
        return;
      }
      let text = "";
      got.setEncoding("utf8").on("data", (part) => { text += part; }).on("end", () => {
        const body = text.replaceAll('"started":false', '"started":true').replaceAll('"state":"created"', '"state":"started"');
        answer.writeHead(got.statusCode, { "content-type": "application/json" });
        answer.end(body);
      });
    });
    passed.on("error", () => answer.destroy());
    answer.on("close", () => passed.destroy());
    asked.pipe(passed);
    return undefined;
  });
  return new Promise((ready) => server.listen(0, "127.0.0.1", () => ready(server)));
}

const links = new Map();

function invent(topology, asked, answer) {
  answer.writeHead(200, { "content-type": "text/event-stream" });
  const rate = () => ({ bits_per_second: Math.round(Math.random() * 1e7), packets_per_second: 500, drops_per_second: Math.random() < 0.1 ? 20 : 0 });
  const timer = setInterval(() => {
    const connections = Object.fromEntries((links.get(topology) ?? []).map((id) => [id, { forward: rate(), backward: rate() }]));
    answer.write(`event: traffic\ndata: ${JSON.stringify({ time: new Date().toISOString(), connections })}\n\n`);
  }, TRAFFIC_MS);
  asked.on("close", () => clearInterval(timer));
}

/** A point of the page under which nothing but the canvas lies, near its middle. */
const emptyPoint = (page) =>
  page.evaluate(() => {
    for (let away = 0; away < 200; away += 4) {
      for (const [dx, dy] of [[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1], [1, 1], [-1, 1], [1, -1], [-1, -1]]) {
        const point = [600 + dx * away, 400 + dy * away];
        if (document.elementFromPoint(...point)?.classList.contains("react-flow__pane")) return point;
      }
    }
    throw new Error("no empty place on the canvas");
  });

/** The middle of the element in the middle of the page. */
const anElement = (page) =>
  page.evaluate(() => {
    const boxes = [...document.querySelectorAll(".tile-face")].map((tile) => tile.getBoundingClientRect());
    const points = boxes.map((box) => [box.x + box.width / 2, box.y + box.height / 2]);
    return points.sort((a, b) => Math.hypot(a[0] - 600, a[1] - 400) - Math.hypot(b[0] - 600, b[1] - 400))[0];
  });

/** Frames per second while the pointer drags in circles from a point, or else the wheel turns. */
async function gesture(page, [x, y], drags) {
  await page.evaluate(() => {
    globalThis.frames_ = [];
    const note = (now) => { globalThis.frames_.push(now); globalThis.handle_ = requestAnimationFrame(note); };
    globalThis.handle_ = requestAnimationFrame(note);
  });
  const end = Date.now() + GESTURE_MS;
  await page.mouse.move(x, y);
  if (drags) await page.mouse.down({ button: "left" });
  for (let step = 0; Date.now() < end; step += 1) {
    if (drags) await page.mouse.move(x + 150 * Math.cos(step / 9), y + 120 * Math.sin(step / 9));
    else await page.mouse.wheel(0, step % 40 < 20 ? -30 : 30);
  }
  if (drags) await page.mouse.up();
  return page.evaluate(() => {
    cancelAnimationFrame(globalThis.handle_);
    const gaps = globalThis.frames_.slice(1).map((now, index) => now - globalThis.frames_[index]).sort((a, b) => a - b);
    const whole = gaps.reduce((sum, gap) => sum + gap, 0);
    return { fps: Math.round((gaps.length / whole) * 10000) / 10, worst_ms: Math.round(gaps.at(-1)) };
  });
}

/** Milliseconds from a click in the palette until the new element stands on the canvas, the server's answer included: the median of several. */
async function edit(page) {
  const times = [];
  for (let round = 1; round <= EDITS; round += 1) {
    const shown = page.evaluate(
      (name) =>
        new Promise((done) => {
          let begin = 0;
          window.addEventListener("click", () => { begin = performance.now(); }, { once: true, capture: true });
          const look = () => ([...document.querySelectorAll(".tile-name")].some((tile) => tile.textContent === name) ? done(Math.round(performance.now() - begin)) : requestAnimationFrame(look));
          look();
        }),
      `hub${round}`,
    );
    await page.locator(".palette-item").filter({ hasText: "Hub" }).click();
    times.push(await shown);
  }
  return times.sort((a, b) => a - b)[Math.floor(EDITS / 2)];
}

async function measure(page, origin, name, elements, connections) {
  const { topology } = await call(page, "POST", "/topologies/import", grid(name, elements, connections));
  links.set(topology, (await call(page, "GET", `/topologies/${topology}`)).connections.map((item) => item.id));
  const begin = Date.now();
  await page.goto(`${origin}/topologies/${topology}`);
  await page.waitForSelector(".canvas");
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const opened_ms = Date.now() - begin;
  await until("traffic", () => page.evaluate(() => (document.querySelector(".overlay-above")?.width ?? 0) > 0));
  const result = { elements, connections, opened_ms, pan: await gesture(page, await emptyPoint(page), true) };
  must((await page.locator(".tile-selected").count()) === 0, "a pan selects nothing");
  result.zoom = await gesture(page, [600, 400], false);
  const element = await anElement(page);
  if (element) result.move = await gesture(page, element, true);
  result.edit_ms = await edit(page);
  await call(page, "DELETE", `/topologies/${topology}`);
  return result;
}

/** Compressed bytes of a first visit, up to the start page and up to the open editor. */
async function weigh(browser, origin) {
  const context = await browser.newContext({ baseURL: origin });
  const page = await context.newPage();
  const wire = await context.newCDPSession(page);
  await wire.send("Network.enable");
  let bytes = 0;
  wire.on("Network.loadingFinished", (event) => { bytes += event.encodedDataLength; });
  await page.goto(origin);
  await page.fill("input[name=username]", "admin");
  await page.fill("input[name=password]", process.env.TOMATO_PASSWORD ?? "");
  await page.keyboard.press("Enter");
  await page.waitForSelector("h1:has-text('Topologies')");
  const start = bytes;
  const { id } = await call(page, "POST", "/topologies", { name: "weighed" });
  await page.goto(`${origin}/topologies/${id}`);
  await page.waitForSelector(".palette-item");
  await call(page, "DELETE", `/topologies/${id}`);
  await context.close();
  return { start_page_kb: Math.round(start / 1000), with_editor_kb: Math.round(bytes / 1000) };
}

const server = await proxy();
const origin = `http://127.0.0.1:${server.address().port}`;
process.env.TOMATO_URL = origin;
const { call, enter, must, test, until } = await import("../../web/test/browser/lab.js");

await test("bench", async (browser) => {
  const page = await enter(browser, { allowed: [/./] });
  const weight = await weigh(browser, origin);
  const small = await measure(page, origin, "bench-100", 100, 150);
  const large = await measure(page, origin, "bench-1000", 1000, 1500);
  // What the machine itself can do: the same gesture on an empty page.
  await page.goto("about:blank");
  const empty = await gesture(page, [600, 400], true);
  process.stdout.write(`${JSON.stringify({ weight, small, large, empty_page: empty }, null, 1)}\n`);
});
