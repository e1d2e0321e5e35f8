// The newcomer's path: two machines, a connection of 20 ms, start, a console and a ping that shows it.
import { add, create, drag, enter, graph, must, screen, test, tile, type, until } from "./lab.js";

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
  await tile(page, "pc1").dblclick();
  await type(page, "ping -c 3 pc2");
  const said = await until("the round trips", async () => {
    const text = await screen(page);
    return /round-trip|rtt/.test(text) ? text : null;
  });
  const times = [...said.matchAll(/time=([0-9.]+) ms/g)].map((match) => Number(match[1]));
  must(times.length === 3 && times.every((time) => time >= 40), `three round trips of 40 ms and more: ${times}\n${said}`);
  // What passes is told by numbers, and the counters know why a frame was lost.
  await type(page, "ping -i 0.2 pc2 >/dev/null &");
  await page.locator(".react-flow__edge .cable-hit").dispatchEvent("click");
  const measured = page.locator(".measured");
  await until("the rate", async () => /bit\/s/.test(await measured.textContent()) && !/^Rate0 bit\/s/m.test(await measured.locator("tbody tr").first().textContent()));
  const { connections: [connection] } = await graph(page);
  const updates = await page.evaluate(async (id) => {
    const stop = AbortSignal.timeout(15000);
    const response = await fetch(`/api/v1/topologies/${id}/traffic?interval=100`, { signal: stop });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (let at = 0; at < 400 && !/(event: traffic[^]*?){12}/.test(text); at += 1) text += (await reader.read()).value ?? "";
    await reader.cancel();
    return [...text.matchAll(/"time":"([^"]+)"/g)].map((match) => Date.parse(match[1]));
  }, connection.topology);
  must(updates.length >= 12 && updates.at(-1) - updates[0] < 5000, `the rates come several times a second: ${updates}`);
  // The same command by the panel's own way.
  await tile(page, "pc1").click();
  await page.getByRole("textbox", { name: "Command" }).fill("hostname");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await until("the answer", async () => (await page.locator(".output").first().textContent())?.trim() === "pc1");
});
