// The first tour as a newcomer goes it: every step waits for the real action. And a topology that brings a tour of its own.
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

await test("tours", async (browser) => {
  const page = await enter(browser, { allowed: [/409 \(Conflict\)/] });
  await page.getByRole("link", { name: "Tours" }).click();
  await page.getByRole("button", { name: /First steps/ }).click();
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
  await page.getByRole("button", { name: "Start" }).first().click();
  await page.getByText("· 5 of").waitFor({ timeout: 90_000 });
  await tile(page, "pc1").dblclick();
  await at(page, 6);
  await type(page, "ping -c 2 pc2");
  await at(page, 7);
  await page.getByRole("button", { name: "Finish" }).click();
  must((await page.locator(".tour").count()) === 0, "the tour is over");

  // It can be taken again: its topology gets the next free name.
  await page.goto("/tours");
  await page.getByRole("button", { name: /First steps/ }).click();
  await at(page, 1);
  await until("a number for the second one", async () => /^First steps \d+ /.test(await page.title()));
  await page.getByRole("button", { name: "End the tour" }).click();

  await importText(page, OWN);
  await page.getByRole("button", { name: "Begin" }).click();
  await tile(page, "s").click();
  await at(page, 2);
  await page.getByRole("button", { name: "End the tour" }).click();
  await until("its end", async () => (await page.getByText("· 2 of").count()) === 0);
});
