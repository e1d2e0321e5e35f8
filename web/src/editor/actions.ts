// What can be done with what is selected, and why not where it cannot: for menus, toolbar and keys.
import { useSession } from "../api/session";
import type { Action, KindInfo } from "../model/types";
import { act, change, freeName, remove, rememberMade, takenNames } from "../store/edits";
import { redo, undo } from "../store/history";
import { complain, saving } from "../store/send";
import { queries } from "../store/server";
import { type Copy, copyOf, paste } from "../store/snapshot";
import { current, runningJob, select } from "../store/topology";
import { openConsole, openPackets, setView } from "../store/view";
import { notifications } from "@mantine/notifications";

/** Something that can be done; `why` says why not now. */
export interface Item {
  key: string;
  label: string;
  why?: string | null;
  danger?: boolean;
  keys?: string;
  run(): void;
}

const kinds = (): KindInfo[] => queries.getQueryData<KindInfo[]>(["kinds"]) ?? [];

/** Why an action cannot be done on these elements now, or null. */
export function whyNot(action: Action, ids: string[]): string | null {
  const { elements, jobs } = current();
  const chosen = ids.map((id) => elements.get(id)).filter((element) => element !== undefined);
  if (chosen.length === 0) return "there is no element";
  const job = runningJob(jobs);
  if (job && (action === "start" || action === "prepare") && chosen.some((element) => job.elements?.[element.id])) {
    return `${job.action} is at work on it`;
  }
  const fits = chosen.some((element) => {
    const info = kinds().find((kind) => kind.kind === element.kind);
    const allowed = info?.actions.find((item) => item.action === action)?.states ?? [];
    const would = { prepare: "prepared", start: "started", stop: "prepared", destroy: "created" }[action];
    return allowed.includes(element.state) && (element.state !== would || element.error);
  });
  if (fits) return null;
  const words = { prepare: "prepared already", start: "running already", stop: "not running", destroy: "not on a host" };
  return chosen.length === 1 ? `it is ${words[action]}` : `all are ${words[action]}`;
}

/** Runs something and says what went wrong. */
export function run(work: () => Promise<unknown>): void {
  void saving(work).catch((error: unknown) => complain(error));
}

/** What a double click does: the console of what runs software, else nothing. */
export function openDefault(id: string): void {
  const element = current().elements.get(id);
  if (!element) return;
  if (consoleWhyNot(id) === null) openConsole(id);
}

/** Why there is no console now, or null. */
export function consoleWhyNot(id: string): string | null {
  const element = current().elements.get(id);
  if (!element) return "there is no element";
  if (!(kinds().find((kind) => kind.kind === element.kind)?.device ?? false)) return "it runs no software";
  if (useSession.getState().isLooking) return "a link to look on gives no console; log in for it";
  return element.state === "started" ? null : "it is not running";
}

let clipboard: Copy | null = null;
let pasted = 0;

/** Keeps a copy of what is selected, with the connections among it. */
export function copySelection(): void {
  const { selection, connections, owners } = current();
  const inside = [...connections.values()].filter((item) => item.interfaces.every((end) => selection.has(owners.get(end) ?? "")));
  const copy = copyOf([...selection].filter((id) => current().elements.has(id)).concat(inside.map((item) => item.id)));
  if (copy.elements.length === 0) return;
  clipboard = copy;
  pasted = 0;
  notifications.show({ message: `${copy.elements.length} elements copied`, autoClose: 1500 });
}

/** Adds what was copied once more, beside it. */
export async function pasteClipboard(): Promise<void> {
  if (!clipboard) return;
  pasted += 1;
  const taken = takenNames();
  const nameFor = (old: string) => {
    const name = freeName(old, taken);
    taken.add(name.toLowerCase());
    return name;
  };
  const ids = await paste(clipboard, { x: 60 * pasted, y: 60 * pasted }, nameFor);
  rememberMade(ids, "paste");
  select(ids.filter((id) => current().elements.has(id)));
}

export const hasClipboard = (): boolean => clipboard !== null;

/** Removes what is selected; asks where something runs. */
export function removeSelected(ids: string[]): void {
  const { elements } = current();
  const running = ids.filter((id) => (elements.get(id)?.state ?? "created") !== "created");
  if (running.length > 0 || ids.filter((id) => elements.has(id)).length > 5) setView({ dialog: { type: "remove", ids } });
  else if (ids.length > 0) run(() => remove(ids));
}

/** Undo or redo, with a word about what. */
export function step(back: boolean): void {
  void saving(async () => {
    const label = await (back ? undo() : redo());
    if (label) notifications.show({ message: `${back ? "Undone" : "Done again"}: ${label}`, autoClose: 1500 });
  }).catch((error: unknown) => complain(error, back ? "Not undone" : "Not done again"));
}

/** Asks for another name of what is selected alone. */
export function renameSelected(): void {
  const ids = [...current().selection];
  if (ids.length === 1 && renameWhyNot(ids[0]!) === null) setView({ dialog: { type: "rename", id: ids[0]! } });
}

/** Why something cannot be renamed now, or null. */
function renameWhyNot(id: string): string | null {
  const element = current().elements.get(id);
  const states = kinds().find((kind) => kind.kind === element?.kind)?.attributes.find((item) => item.name === "name")?.writable;
  return element && states && !(states.includes(element.state) && states.includes(element.wanted)) ? "stop it first" : null;
}

/** The menu of elements, of connections, or of both. */
export function itemsFor(ids: string[], editable: boolean): Item[] {
  const { elements, connections } = current();
  const chosen = ids.filter((id) => elements.has(id));
  const cables = ids.filter((id) => connections.has(id));
  const items: Item[] = [];
  const no = editable ? null : "you may only look";
  if (chosen.length === 1) {
    const id = chosen[0]!;
    items.push({ key: "console", label: "Open console", why: consoleWhyNot(id), keys: "Enter", run: () => openConsole(id) });
    items.push({ key: "connect", label: "Connect to…", why: no, keys: "C", run: () => setView({ dialog: { type: "connect", from: id } }) });
  }
  if (chosen.length > 0) {
    for (const [action, label] of [["start", "Start"], ["stop", "Stop"], ["prepare", "Prepare"], ["destroy", "Destroy"]] as [Action, string][]) {
      items.push({
        key: action, label, why: no ?? whyNot(action, chosen), danger: action === "destroy", run: () => run(() => act(action, chosen)),
      });
    }
    items.push({ key: "copy", label: "Copy", keys: "Ctrl C", run: () => { select(ids); copySelection(); } });
  }
  if (cables.length === 1 && chosen.length === 0) {
    const connection = connections.get(cables[0]!)!;
    const flip = (name: "connected" | "capturing" | "emulation") => () =>
      run(() => change("connection", connection.id, { [name]: !connection[name] }, "switch of the connection"));
    items.push({ key: "frames", label: "Show frames live", why: connection.started ? null : "it passes no frames now", run: () => openPackets(connection.id, false) });
    items.push({ key: "capture", label: connection.capturing ? "Stop recording" : "Record frames", why: no, run: flip("capturing") });
    items.push({ key: "plug", label: connection.connected ? "Unplug the cable" : "Plug the cable in", why: no, run: flip("connected") });
    items.push({ key: "emulation", label: connection.emulation ? "Emulation off (plain wire)" : "Emulation on", why: no, run: flip("emulation") });
  }
  if (ids.length === 1) items.push({ key: "rename", label: "Rename…", why: no ?? renameWhyNot(ids[0]!), keys: "F2", run: () => setView({ dialog: { type: "rename", id: ids[0]! } }) });
  items.push({ key: "remove", label: "Delete", why: no, danger: true, keys: "Del", run: () => removeSelected(ids) });
  return items;
}
