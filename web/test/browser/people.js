// Who may do what: shared with roles, looked at by a link, more time; accounts, organizations, settings and the own account.
import { call, enter, graph, importText, must, test, tile, until } from "./lab.js";

const TOPOLOGY = `
tomato: 1
name: shared
elements:
  alice: {kind: container, template: busybox, _pos: {x: 0.2, y: 0.3}}
`;

async function administrate(page) {
  await page.goto("/organizations");
  await page.getByRole("button", { name: "New organization" }).click();
  await page.getByLabel("Name").fill("uni");
  await page.getByLabel("Title").fill("University");
  await page.getByRole("button", { name: "Keep" }).click();
  await page.getByRole("cell", { name: "University" }).waitFor();

  await page.getByRole("link", { name: "Accounts" }).click();
  await page.getByRole("button", { name: "New account" }).click();
  await page.getByRole("textbox", { name: "Name", exact: true }).fill("ada");
  await page.getByLabel("Real name").fill("Ada L.");
  await page.getByLabel("Organization").first().click();
  await page.getByRole("option", { name: "University" }).click();
  await page.locator("input[autocomplete=new-password]").fill("correct horse");
  await page.getByRole("button", { name: "Make the account" }).click();
  await page.getByRole("cell", { name: "ada" }).first().waitFor();
  // Somebody asks for an account, and is let in.
  await call(page, "POST", "/registrations", { name: "bert", password: "correct horse", organization: "uni", email: "b@example.org" });
  await page.reload();
  await page.getByRole("row", { name: /bert/ }).getByRole("button", { name: "Approve" }).click();
  await until("the approval", async () => (await page.getByRole("button", { name: "Approve" }).count()) === 0);
  await page.getByRole("button", { name: "Change bert" }).click();
  await page.getByLabel("May not create topologies").check();
  await page.getByRole("button", { name: "Keep" }).click();
  await page.getByRole("row", { name: /bert.*no_topology_create/ }).waitFor();
  await page.getByRole("button", { name: "Remove bert" }).click();
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await until("bert to be gone", async () => (await page.getByRole("row", { name: /bert/ }).count()) === 0);

  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByRole("switch", { name: /end by themselves/ }).click();
  await until("timeouts", async () => (await call(page, "GET", "/settings")).timeouts.enabled);
  await page.getByRole("link", { name: "Who did what" }).click();
  await page.getByRole("row", { name: /setting modify/ }).first().waitFor();
  for (const name of ["Templates", "Profiles", "Jobs", "Hosts"]) {
    await page.getByRole("link", { name, exact: true }).click();
    await page.getByRole("heading", { name, level: 1 }).waitFor();
  }
}

/** Ada's page: what her role lets her do, and her own account, whose new password ends the session. */
async function ada(browser, url) {
  const page = await enter(browser, { account: "ada", password: "correct horse", allowed: [/status of 401/] });
  must((await page.getByRole("link", { name: "Accounts" }).count()) === 0, "pages of administrators are not offered");
  await page.goto(url);
  await tile(page, "alice").waitFor();
  must(await page.getByRole("button", { name: "Start" }).first().getAttribute("aria-disabled") === "true", "a user may not start");
  await page.goto("/account");
  await page.getByLabel("Real name").fill("Ada Lovelace");
  await page.getByRole("button", { name: "Keep" }).click();
  await until("the name", async () => (await call(page, "GET", "/account")).realname === "Ada Lovelace");
  await page.getByRole("textbox", { name: "What it is for" }).fill("script");
  await page.getByRole("button", { name: "Make a token" }).click();
  await page.getByText("it is shown this once").waitFor();
  await page.getByRole("button", { name: "Remove the token script" }).click();
  await until("no token", async () => (await call(page, "GET", "/tokens")).length === 0);
  await page.locator("input[autocomplete=current-password]").fill("correct horse");
  for (const field of await page.locator("input[autocomplete=new-password]").all()) await field.fill("a better one");
  await page.getByRole("button", { name: "Change it" }).click();
  await page.getByRole("heading", { name: "Log in" }).waitFor();
  await page.context().close();
}

/** Somebody without account opens the link. */
async function lookOn(browser, link) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 } });
  const page = await context.newPage();
  const failed = [];
  page.on("response", (response) => { if (response.status() >= 400) failed.push(`${response.status()} ${response.url()}`); });
  await page.goto(link);
  await tile(page, "alice").click();
  await page.getByText("You are looking on").waitFor();
  must((await page.locator(".palette-item[aria-disabled=false]").count()) === 0, "nothing can be placed");
  must(failed.length === 0, `nothing is asked for that the link may not: ${failed}`);
  await page.goto(`${new URL(link).origin}/`);
  await page.getByRole("heading", { name: "Log in" }).waitFor();
  await context.close();
}

await test("people", async (browser) => {
  const page = await enter(browser, { allowed: [/status of 401/] });
  await administrate(page);
  await importText(page, TOPOLOGY);
  await page.getByRole("button", { name: "3 days" }).click();
  await until("more time", async () => (await graph(page)).topology.timeout.at / 1e6 - Date.now() / 1000 > 2.9 * 86400);

  await page.getByRole("button", { name: "Share…" }).click();
  await page.getByRole("textbox", { name: "Account" }).fill("ada");
  await page.getByRole("button", { name: "Share", exact: true }).click();
  await until("the role", async () => (await graph(page)).topology.roles.ada === "manager");
  await page.getByLabel("Role of ada").first().click();
  await page.getByRole("option", { name: /^user/ }).click();
  await until("the lesser role", async () => (await graph(page)).topology.roles.ada === "user");
  await page.getByRole("button", { name: "Make a link" }).click();
  const link = await page.getByTestId("view-link").textContent();
  await ada(browser, page.url());
  await lookOn(browser, link);
  await page.getByRole("button", { name: "Remove the link" }).click();
  await until("no link", async () => (await page.getByRole("button", { name: "Remove the link" }).count()) === 0);
  const late = await (await browser.newContext()).newPage();
  await late.goto(link);
  await late.getByText("This link does not work any more").waitFor();
});
