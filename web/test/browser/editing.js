// Every edit by hand, taken back and done again: what the server has tells whether it held.
import { add, create, drag, enter, graph, importText, must, test, tile, until } from "./lab.js";

/** What undo must bring back: everything but revisions, ids and times. */
async function shape(page) {
  const { topology, elements, connections } = await graph(page);
  const names = new Map(elements.flatMap((element) => element.interfaces.map((item) => [item.id, `${element.name}:${item.name}`])));
  return JSON.stringify({
    name: topology.name, seed: topology.seed, client: topology.client,
    elements: elements.map(({ name, kind, template, profile, client, forwarding, stp, interfaces }) => ({
      name, kind, template, profile, client, forwarding, stp, interfaces: interfaces.map(({ name: port, addresses, dhcp, mtu, vlan }) => ({ port, addresses, dhcp, mtu, vlan })),
    })).sort((a, b) => a.name.localeCompare(b.name)),
    connections: connections.map(({ name, interfaces, emulation, connected, forward, backward, recording }) => ({
      name, ends: interfaces.map((end) => names.get(end)), emulation, connected, forward, backward, recording,
    })).sort((a, b) => a.name.localeCompare(b.name)),
  });
}

const saved = (page) => until("all to be kept", async () => (await page.locator(".toolbar-status").first().textContent()) === "Saved");

/** Does an edit, takes it back, does it again: the server follows each time. */
async function backAndForth(page, what, edit) {
  const before = await shape(page);
  await edit();
  const after = await until(`${what} to be done`, async () => {
    await saved(page);
    const now = await shape(page);
    return now === before ? null : now;
  });
  await page.locator(".canvas").hover({ position: { x: 12, y: 12 } });
  await page.getByRole("button", { name: /^Undo/ }).click();
  await until(`${what} to be undone`, async () => (await shape(page)) === before).catch(async (error) => {
    throw new Error(`${error.message}\nwas ${before}\nis  ${await shape(page)}`);
  });
  await page.getByRole("button", { name: /^Redo/ }).click();
  await until(`${what} to be done again`, async () => (await shape(page)) === after).catch(async (error) => {
    throw new Error(`${error.message}\nwas ${after}\nis  ${await shape(page)}`);
  });
}

async function selectAll(page) {
  await page.locator(".react-flow__pane").click({ position: { x: 12, y: 12 } });
  await page.keyboard.press("Control+a");
}

/** A line of the context menu on something. */
async function menu(page, target, label, options) {
  await target.click({ button: "right", ...options });
  return page.getByTestId("context-menu").getByRole("menuitem", { name: label });
}

async function elements(page) {
  await backAndForth(page, "the name", async () => {
    await tile(page, "pc1").click();
    await page.getByRole("textbox", { name: "Name", exact: true }).fill("client");
    await page.keyboard.press("Enter");
  });
  await backAndForth(page, "the address", async () => {
    await tile(page, "client").click();
    const addresses = page.getByLabel("Addresses of eth0").first();
    await addresses.fill("10.9.9.9/24");
    await addresses.press("Enter");
  });
  await backAndForth(page, "an interface", async () => {
    await tile(page, "client").click();
    await page.getByRole("button", { name: "Interface", exact: true }).click();
  });
  await backAndForth(page, "the removal of an interface", () => page.getByRole("button", { name: "Remove eth1" }).click());
  await backAndForth(page, "the move", async () => {
    const box = await tile(page, "client").boundingBox();
    await page.mouse.move(box.x + 20, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + 90, box.y + 120, { steps: 5 });
    await page.mouse.up();
  });
}

async function fields(page) {
  const unfold = async (name, port) => {
    await tile(page, name).click();
    const head = page.locator(".interface-name", { hasText: port });
    if ((await head.getAttribute("aria-expanded")) === "false") await head.click();
  };
  const fill = async (label, text) => {
    await page.getByRole("textbox", { name: label }).fill(text);
    await page.keyboard.press("Enter");
  };
  await backAndForth(page, "an interface's name", async () => {
    await unfold("client", "eth0");
    await fill("Name of eth0", "lan0");
  });
  await backAndForth(page, "the largest packet", async () => {
    await unfold("client", "lan0");
    await fill("Largest packet (MTU)", "1400");
  });
  await backAndForth(page, "VLANs", async () => {
    await tile(page, "switch1").click();
    await page.getByRole("combobox", { name: "VLAN" }).first().click();
    await page.getByRole("option", { name: /^access/ }).click();
    await fill("VLAN number", "10");
  });
  await backAndForth(page, "the spanning tree", () => page.getByRole("switch", { name: "Spanning tree" }).click());
  await fill("Priority", "4096");
  await until("the priority", async () => (await graph(page)).elements.some((element) => element.stp === "on priority=4096"));
  await backAndForth(page, "the connection's name", async () => {
    await page.locator(".react-flow__edge .cable-hit").first().dispatchEvent("click");
    await fill("Name of the connection", "uplink");
  });
  await backAndForth(page, "what is recorded", async () => {
    await page.getByRole("button", { name: "What is recorded, and the past" }).click();
    await page.getByRole("switch", { name: /What is lost/ }).click();
  });
  await fill("Past kept", "30");
  await until("the past to be kept", async () => (await graph(page)).connections.some(({ recording }) => recording.past === "30s"));
}

async function connections(page) {
  await backAndForth(page, "the delay", async () => {
    await page.locator(".react-flow__edge .cable-hit").first().dispatchEvent("click");
    const delay = page.getByRole("textbox", { name: "Delay" });
    await delay.fill("30ms");
    await delay.press("Enter");
  });
  await backAndForth(page, "the preset", async () => {
    await page.getByRole("button", { name: "Preset" }).click();
    await page.getByRole("menuitem", { name: /DSL/ }).click();
  });
  await backAndForth(page, "one direction", async () => {
    const loss = page.getByRole("textbox", { name: "Loss back" });
    await loss.fill("5%");
    await loss.press("Enter");
  });
  await backAndForth(page, "unplugging", () => page.getByRole("button", { name: "Unplug" }).click());
  await backAndForth(page, "the removal of a connection", async () => {
    await page.locator(".react-flow__pane").click({ position: { x: 12, y: 12 } });
    await page.locator(".react-flow__edge .cable-hit").first().dispatchEvent("click");
    await page.keyboard.press("Delete");
  });
}

async function many(page) {
  await backAndForth(page, "pasting", async () => {
    await selectAll(page);
    await page.keyboard.press("Control+c");
    await page.keyboard.press("Control+v");
  });
  must((await graph(page)).elements.length === 6, "all were copied");
  await selectAll(page);
  for (const name of ["In one row", "In a circle", "Spread from left to right", "By their connections"]) {
    await backAndForth(page, name, async () => {
      await selectAll(page);
      await page.getByRole("button", { name }).click();
    });
  }
  await backAndForth(page, "a frame", async () => {
    await selectAll(page);
    await page.getByRole("button", { name: "Put a frame round them" }).click();
  });
  await backAndForth(page, "a note", async () => (await menu(page, page.locator(".react-flow__pane"), "Add note", { position: { x: 30, y: 30 } })).click());
  await backAndForth(page, "its text", async () => {
    await page.getByRole("textbox", { name: "Note" }).fill("read me first");
    await page.locator(".react-flow__pane").click({ position: { x: 12, y: 12 } });
  });
  await backAndForth(page, "a note's colour", async () => {
    await page.getByRole("textbox", { name: "Note" }).click({ button: "right" });
    await page.getByTestId("context-menu").getByRole("menuitem", { name: "Make it green" }).click();
  });
  await backAndForth(page, "arranging all", async () => {
    await page.getByRole("button", { name: "Arrange everything" }).click();
  });
  await backAndForth(page, "the removal of all", async () => {
    await selectAll(page);
    await page.keyboard.press("Delete");
    await page.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
  });
  await page.keyboard.press("Control+z");
  await until("all again", async () => (await graph(page)).elements.length === 6);
}

async function menus(page) {
  const item = await menu(page, tile(page, "client"), /Open console/);
  must((await item.textContent()).includes("it is not running"), "what cannot be done says why");
  must((await item.getAttribute("data-disabled")) === "true", "and is greyed");
  await page.keyboard.press("Escape");
  await (await menu(page, tile(page, "pc2"), /Connect to/)).click();
  await page.getByRole("combobox", { name: "Name, kind or address" }).fill("switch1");
  await page.keyboard.press("Enter");
  // The second cable between the same two: one is asked first.
  await page.getByText("has a cable to").waitFor();
  await page.getByRole("button", { name: "Leave it" }).click();
  await page.keyboard.press("Escape");
  await page.locator(".react-flow__pane").click({ position: { x: 12, y: 12 } });
  await page.keyboard.press("/");
  await page.getByRole("combobox", { name: "Name, kind or address" }).fill("pc2");
  await page.keyboard.press("Enter");
  await until("the found one", async () => (await page.locator(".panel h2").first().textContent()) === "pc2");
  await page.keyboard.press("/");
  await page.getByRole("combobox", { name: "Name, kind or address" }).fill("pc2--");
  await page.keyboard.press("Enter");
  await until("the found connection", async () => (await page.getByRole("textbox", { name: "Name of the connection" }).inputValue()) === "pc2--switch1");
  await page.keyboard.press("F2");
  await page.getByRole("textbox", { name: "New name" }).fill("wan");
  await page.keyboard.press("Enter");
  await until("the new name", async () => (await graph(page)).connections.some(({ name }) => name === "wan"));
  await page.keyboard.press("/");
  await page.getByRole("combobox", { name: "Name, kind or address" }).fill("pc2");
  await page.keyboard.press("Enter");
  const box = await tile(page, "pc2").boundingBox();
  must(box.x > 172 && box.x < 940 && box.y > 52 && box.y < 720, "it is in sight");
}

const UNPLACED = `
tomato: 1
name: by hand
seed: 18446744073709551615
elements:
  core: {kind: switch}
  floor1: {kind: switch}
  floor2: {kind: switch}
${[1, 2, 3, 4, 5].map((number) => `  pc${number}: {kind: container, template: busybox}`).join("\n")}
connections:
  a: {between: [floor1, core]}
  b: {between: [core, floor2]}
${[1, 2, 3, 4, 5].map((number) => `  c${number}: {between: [pc${number}, floor${1 + (number % 2)}]}`).join("\n")}
`;

const kept = async (page) => (await graph(page)).elements.filter((element) => element.client?._pos).length;

/** A file without places is shown in layers; the places are kept with the first move. A seed of 64 bits stays as it is. */
async function unplaced(page) {
  await importText(page, UNPLACED);
  await page.locator(".canvas:not(.is-arranging)").waitFor();
  const x = async (name) => Math.round((await tile(page, name).boundingBox()).x);
  const [core, floor, other, pc] = [await x("core"), await x("floor1"), await x("floor2"), await x("pc1")];
  must(core < floor && floor === other && floor < pc, `the core comes before the floors, those before the hosts: ${[core, floor, other, pc]}`);
  must((await kept(page)) === 0, "looking keeps nothing");
  must(await page.getByRole("button", { name: "Nothing to undo" }).isDisabled(), "nor can it be undone");
  const seed = page.getByRole("textbox", { name: "Seed" });
  must((await seed.inputValue()) === "18446744073709551615", "the seed is shown as it is");
  await seed.fill("18446744073709551614");
  await seed.press("Enter");
  const file = () => page.evaluate(async () => (await fetch(`/api/v1${location.pathname}/export?format=yaml`)).text());
  await until("the seed to be kept as it is", async () => (await file()).includes("18446744073709551614"));
  await tile(page, "pc1").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowRight");
  await until("all places to be kept", async () => (await kept(page)) === 8);
  must((await x("core")) === core, "what was not moved stays");
  await page.getByRole("button", { name: /^Undo/ }).click();
  await until("no place to be kept", async () => (await kept(page)) === 0);
  must((await x("pc1")) === pc && (await x("core")) === core, "they are shown as before");
}

await test("editing", async (browser) => {
  const page = await enter(browser);
  await create(page, "edits");
  await backAndForth(page, "an element", () => add(page, "Container", "pc1"));
  await add(page, "Container", "pc2");
  await add(page, "Switch", "switch1");
  await page.getByRole("button", { name: "Show everything (F)" }).click();
  await backAndForth(page, "a connection", () => drag(page, "pc1", "switch1"));
  await drag(page, "pc2", "switch1");
  await until("two connections", async () => (await graph(page)).connections.length === 2);
  await backAndForth(page, "the topology's name", async () => {
    await page.getByRole("textbox", { name: "Name of the topology" }).fill("edited");
    await page.keyboard.press("Enter");
  });
  await elements(page);
  await fields(page);
  await connections(page);
  await many(page);
  await menus(page);
  await unplaced(page);
});
