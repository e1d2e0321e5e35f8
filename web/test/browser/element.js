// The panel of an element: form, addresses, files, an archive with its results, charts.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { enter, graph, importText, must, pair, test, tile, until } from "./lab.js";

const SCRIPT = `#!/bin/sh
echo counting
for number in 1 2 3; do echo $number; done > result.txt
ping -c 3 -i 0.2 10.0.0.2 | tail -1
`;

const alice = async (page) => (await graph(page)).elements.find((element) => element.name === "alice");

async function form(page) {
  await tile(page, "alice").click();
  await page.getByLabel("Template").first().click();
  await page.getByRole("option", { name: /BusyBox/ }).click();
  const addresses = page.getByLabel("Addresses of eth0").first();
  await addresses.fill("fd00::1/64");
  await addresses.press("Enter");
  await until("the address", async () => (await alice(page)).interfaces[0].addresses.includes("fd00::1/64"));
  await addresses.fill("not an address");
  await addresses.press("Enter");
  await page.locator(".mantine-Notification-root").first().waitFor();
  await until("the refused address to be gone", async () => (await page.locator(".interface").first().textContent()).includes("not an") === false);
  await page.getByLabel("Profile").first().click();
  await page.getByRole("option").nth(1).click();
  await until("the profile", async () => typeof (await alice(page)).profile === "string");
}

async function files(page, folder) {
  const contents = { "hello.txt": "hello from the browser\n", "ünï cödé 'quoted'.bin": "\u0000\u0001\u0002" };
  for (const [name, text] of Object.entries(contents)) writeFileSync(join(folder, name), text);
  const panel = page.locator(".section", { has: page.getByRole("button", { name: "Files", exact: true }) });
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), panel.getByRole("button", { name: "Copy files in" }).click()]);
  await chooser.setFiles(Object.keys(contents).map((name) => join(folder, name)));
  for (const [name, text] of Object.entries(contents)) {
    const [file] = await Promise.all([page.waitForEvent("download"), panel.getByText(name).click()]);
    must(readFileSync(await file.path(), "utf8") === text, `${name} comes back as it was`);
  }
  await panel.getByRole("textbox", { name: "Folder" }).fill("/etc");
  await panel.getByRole("textbox", { name: "Folder" }).press("Enter");
  await panel.getByText("hosts", { exact: true }).waitFor();
  await panel.getByRole("textbox", { name: "Folder" }).fill("/no/such");
  await panel.getByRole("textbox", { name: "Folder" }).press("Enter");
  await until("the reason", async () => /no such file/i.test(await panel.textContent()));
}

async function archive(page, folder) {
  writeFileSync(join(folder, "auto_exec.sh"), SCRIPT, { mode: 0o755 });
  const path = join(folder, "archive.tar.gz");
  execFileSync("tar", ["czf", path, "-C", folder, "auto_exec.sh"]);
  const panel = page.locator(".section", { has: page.getByRole("button", { name: "Executable archive" }) });
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), panel.getByRole("button", { name: "Upload and run" }).click()]);
  await chooser.setFiles(path);
  await until("its end", async () => /done/.test(await panel.textContent()) && /min\/avg\/max/.test(await panel.textContent()));
  const [file] = await Promise.all([page.waitForEvent("download"), panel.getByRole("button", { name: "Results" }).click()]);
  const listed = execFileSync("tar", ["xzOf", await file.path(), "--wildcards", "*result.txt"]).toString();
  must(listed === "1\n2\n3\n", `the results have what the script wrote: ${listed}`);
}

await test("element", async (browser) => {
  const folder = mkdtempSync(join(tmpdir(), "tomato-browser-"));
  try {
    const page = await enter(browser, { allowed: [/status of 400 .*interfaces/] });
    await importText(page, pair("element"));
    await form(page);
    await page.getByRole("button", { name: "Start" }).first().click();
    await until("both to run", async () => (await page.locator(".tile-started").count()) === 2, 60);
    await tile(page, "alice").click();
    await files(page, folder);
    await archive(page, folder);
    await until("the charts", async () => (await page.locator(".chart canvas").count()) === 3);
    const memory = page.locator(".chart", { hasText: "Memory" });
    must(/[0-9] [KMG]iB/.test(await memory.textContent()), "the memory is told in bytes");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
