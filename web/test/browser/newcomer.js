// The newcomer's path: two machines, a connection of 20 ms, start, a console and a ping that shows it.
import { add, create, drag, enter, graph, must, test, tile, until } from "./lab.js";

await test("newcomer", async (browser) => {
  const page = await enter(browser);
  await create(page, "my first network");
  await add(page, "Container", "pc1");
  await add(page, "Container", "pc2");
  await drag(page, "pc1", "pc2");
  // The new connection is chosen: its panel is there.
  const delay = page.getByRole("textbox", { name: "Delay" });
  await delay.fill("20");
  await delay.press("Enter");
  await until("the delay to be kept", async () => (await graph(page)).connections[0]?.forward.delay === "20ms");
  must((await graph(page)).connections[0].backward.delay === "20ms", "both directions are set while locked");
  const addresses = (await graph(page)).elements.map((element) => element.interfaces[0]?.addresses[0]);
  must(addresses.every((address) => /^10\.0\.0\.[12]\/24$/.test(address)), `addresses appear by themselves: ${addresses}`);
  await page.getByRole("button", { name: "Start" }).first().click();
  await until("both to run", async () => (await page.locator(".tile-started").count()) === 2, 90);
  await tile(page, "pc1").click();
  await page.getByRole("textbox", { name: "Command" }).fill("ping -c 3 pc2");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  const said = await until("the round trips", async () => {
    const text = await page.locator(".output").first().textContent().catch(() => "");
    return /round-trip|rtt/.test(text) ? text : null;
  });
  const times = [...said.matchAll(/time=([0-9.]+) ms/g)].map((match) => Number(match[1]));
  must(times.length === 3 && times.every((time) => time >= 40), `three round trips of 40 ms and more: ${times}\n${said}`);
});
