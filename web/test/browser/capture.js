// Frames of a connection in the browser: live, filtered, in detail, recorded and downloaded.
import { readFileSync } from "node:fs";

import { enter, graph, importText, must, pair, test, type, until } from "./lab.js";

await test("capture", async (browser) => {
  // The refused filter is told by a status, which the browser reports.
  const page = await enter(browser, { allowed: [/status of 400 .*capture\/filter/] });
  await importText(page, pair("frames"));
  await page.getByRole("button", { name: "Start" }).first().click();
  await until("both to run", async () => (await page.locator(".tile-started").count()) === 2, 60);
  await page.locator(".react-flow__node").first().dblclick();
  await type(page, "ping -i 0.3 10.0.0.2 >/dev/null & (while sleep 0.4; do nc 10.0.0.2 80; done) >/dev/null 2>&1 & while sleep 0.4; do nslookup www.example 10.0.0.2; done >/dev/null 2>&1 &");

  await page.locator(".react-flow__edge .cable-hit").dispatchEvent("click");
  await page.getByRole("button", { name: "Show frames live" }).click();
  const rows = page.locator(".frames .frame");
  const said = () => rows.allTextContents();
  // Only what is in sight can be read: it is gathered over time.
  const seen = new Set();
  await until("echoes, a connection refused, and a question of names", async () => {
    for (const text of await said()) seen.add(text);
    return ["Echo request", "Echo reply", "[SYN]", "[RST, ACK]", "Question A www.example"].every((part) => [...seen].some((text) => text.includes(part)));
  });

  // A filter that cannot be is refused in words, one that can be is used.
  const filter = page.getByRole("textbox", { name: "Filter of the frames" });
  await filter.fill("icmp and portt 3");
  await filter.press("Enter");
  await until("the refusal", async () => (await page.locator(".packets-filter .mantine-InputWrapper-error").count()) === 1);
  await filter.fill("icmp");
  await filter.press("Enter");
  await until("only echoes", async () => {
    const texts = await said();
    return texts.length >= 4 && texts.every((text) => text.includes("ICMP"));
  });

  // One frame: its fields, and its bytes marked where one points.
  await page.getByRole("button", { name: "Hold" }).click();
  await rows.first().click();
  await page.locator(".frame-detail:not([data-by=asking])").waitFor();
  must((await page.locator(".frame-detail").getAttribute("data-by")) === "tshark", "tshark took it apart");
  const field = page.locator(".frame-tree li", { hasText: "Time to live" });
  await field.hover();
  must((await field.textContent()).includes("64"), "the time to live is shown");
  must((await page.locator(".byte-marked").allTextContents()).join("").trim().startsWith("40"), "its byte is marked");
  await page.locator(".frames").focus();
  const chosen = () => page.locator(".frame-chosen span").first().textContent();
  const before = Number(await chosen());
  await page.keyboard.press("ArrowDown");
  must(Number(await chosen()) === before + 1, "the arrow keys go through the list");

  // Recorded frames: on, shown on the lens, downloaded as pcapng, shown again.
  await page.getByRole("switch", { name: "Record frames" }).click();
  await until("recording", async () => (await graph(page)).connections[0].capturing);
  await page.locator(".cable-lens").waitFor();
  const download = async () => {
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download" }).click()]);
    return readFileSync(await file.path());
  };
  // In a packet's block of pcapng, 28 bytes stand before the frame.
  const isEcho = (bytes, at) => bytes.readUInt16BE(at + 28 + 12) === 0x0800 && bytes[at + 28 + 23] === 1;
  await until("frames in the file, echoes among them", async () => {
    const bytes = await download();
    must(bytes.readUInt32LE(0) === 0x0a0d0d0a, "it is pcapng");
    const frames = [];
    for (let at = 0; at + 12 <= bytes.length; at += bytes.readUInt32LE(at + 4)) if (bytes.readUInt32LE(at) === 6) frames.push(at);
    return frames.length >= 4 && frames.some((at) => isEcho(bytes, at));
  });
  await page.getByRole("switch", { name: "Recording" }).click();
  await until("the end of the recording", async () => !(await graph(page)).connections[0].capturing);
  await page.getByRole("button", { name: "Show the recorded" }).click();
  const recorded = page.locator(".dock-pane:not([hidden]) .packets");
  const recordedRows = recorded.locator(".frames .frame");
  await until("the recorded", async () => (await recordedRows.count()) >= 4);
  // The recorded are narrowed down after the fact.
  const narrow = async (text) => {
    await recorded.getByRole("textbox", { name: "Filter of the frames" }).fill(text);
    await page.keyboard.press("Enter");
  };
  await narrow("icmp");
  await until("only recorded echoes", async () => {
    const texts = await recordedRows.allTextContents();
    return texts.length >= 1 && texts.every((text) => text.includes("ICMP"));
  });
  await narrow("greater 1500");
  await recorded.getByText("No frame that fits “greater 1500” was recorded.").waitFor();
  const command = await page.locator(".panel code").first().textContent();
  must(command.startsWith("tomato capture live frames/wire"), `the command names the connection: ${command}`);
});
