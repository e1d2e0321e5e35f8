// VLANs of a switch's interface and the spanning tree of a switch, as the interface writes them (docs/wire.md, "Switches").

/** How an interface of a switch treats tags. */
export type VlanMode = "access" | "trunk" | "tunnel";

/** The VLANs of an interface; numbers as text, the way they are typed. */
export interface Vlan {
  mode: VlanMode;
  /** Of `access` and `tunnel`. */
  id: string;
  /** Of `trunk`: `10,20-30`; empty is all. */
  allowed: string;
  /** Of `trunk`: the VLAN of frames without a tag; empty drops them. */
  native: string;
}

export const NO_VLAN: Vlan = { mode: "access", id: "", allowed: "", native: "" };
const VLAN_MAX = 4094;
const RANGES_MAX = 64;

const isVlan = (text: string): boolean => /^\d{1,4}$/.test(text) && Number(text) >= 1 && Number(text) <= VLAN_MAX;

function isRange(part: string): boolean {
  const [from, to = from, ...rest] = part.split("-");
  return rest.length === 0 && isVlan(from!) && isVlan(to!) && Number(from) <= Number(to);
}

/** The VLANs that a text means; null when it names none. */
export function readVlan(text: string | null | undefined): Vlan | null {
  const words = (text ?? "").split(" ").filter((word) => word !== "");
  const [first, second] = words;
  if (first === undefined) return null;
  if (first === "tunnel") return { ...NO_VLAN, mode: "tunnel", id: second ?? "" };
  if (first !== "trunk") return { ...NO_VLAN, id: first === "access" ? (second ?? "") : first };
  const native = words.indexOf("native");
  return { mode: "trunk", id: "", allowed: second === undefined || second === "native" ? "" : second, native: native < 0 ? "" : (words[native + 1] ?? "") };
}

/** The text of VLANs. */
export function writeVlan({ mode, id, allowed, native }: Vlan): string {
  if (mode === "access") return id;
  if (mode === "tunnel") return `tunnel ${id}`;
  const list = allowed.replaceAll(" ", "");
  return ["trunk", ...(list === "" ? [] : [list]), ...(native === "" ? [] : ["native", native])].join(" ");
}

/** What is wrong with VLANs, by field. */
export function vlanErrors({ mode, id, allowed, native }: Vlan): Partial<Record<keyof Vlan, string>> {
  const errors: Partial<Record<keyof Vlan, string>> = {};
  if (mode !== "trunk") return isVlan(id) ? errors : { id: `a number from 1 to ${VLAN_MAX}` };
  const ranges = allowed.replaceAll(" ", "").split(",");
  if (allowed.trim() !== "" && !(ranges.length <= RANGES_MAX && ranges.every(isRange))) errors.allowed = "like 10,20-30";
  if (native !== "" && !isVlan(native)) errors.native = `a number from 1 to ${VLAN_MAX}, or nothing`;
  return errors;
}

/** A switch's part in the spanning tree: its priority, and times in seconds. */
export interface Tree {
  priority: number;
  hello: number;
  forward_delay: number;
  max_age: number;
}

/** The standard's values (IEEE 802.1D-1998, table 8-3). */
export const USUAL_TREE: Tree = { priority: 32_768, hello: 2, forward_delay: 15, max_age: 20 };

/** What each value may be (IEEE 802.1D-1998, tables 8-3 and 8-4). */
export const TREE_RANGES: Record<keyof Tree, [number, number]> = { priority: [0, 65_535], hello: [1, 10], forward_delay: [2, 30], max_age: [4, 40] };

const TREE_KEYS = Object.keys(USUAL_TREE) as (keyof Tree)[];

/** The tree that a text means; null when the switch takes no part. */
export function readTree(text: string | null | undefined): Tree | null {
  const [on, ...words] = (text ?? "").split(" ");
  if (on !== "on" && on !== "true") return null;
  const tree = { ...USUAL_TREE };
  for (const word of words) {
    const [, key, value] = /^(\w+)=(\d+)s?$/.exec(word) ?? [];
    if (key !== undefined && key in tree) tree[key as keyof Tree] = Number(value);
  }
  return tree;
}

/** The text of a tree. */
export function writeTree(tree: Tree): string {
  const named = TREE_KEYS.filter((key) => tree[key] !== USUAL_TREE[key]);
  return ["on", ...named.map((key) => `${key}=${tree[key]}${key === "priority" ? "" : "s"}`)].join(" ");
}

/** What is wrong with a tree; null when it can be used. */
export function treeError(tree: Tree): string | null {
  for (const key of TREE_KEYS) {
    const [low, high] = TREE_RANGES[key];
    if (!Number.isInteger(tree[key]) || tree[key] < low || tree[key] > high) return `${key.replaceAll("_", " ")}: a whole number from ${low} to ${high}`;
  }
  const [least, most] = [2 * (tree.hello + 1), 2 * (tree.forward_delay - 1)];
  return tree.max_age >= least && tree.max_age <= most ? null : `max age: from ${least} s, twice a hello and one more second, to ${most} s, twice the forward delay less one`;
}
