// How the editor is arranged: open tabs, what is shown, what is being asked.
import { create } from "zustand";

/** A tab of the dock. */
export type Tab =
  | { key: string; type: "console"; element: string }
  | { key: string; type: "packets"; connection: string; recorded: boolean }
  | { key: string; type: "job" };

/** Where a context menu is open, and on what. */
export interface MenuAt {
  x: number;
  y: number;
  /** Elements and connections; none is the canvas. */
  ids: string[];
  /** A note or a group. */
  decoration?: string;
  /** The place on the canvas, in its pixels. */
  place: { x: number; y: number };
}

interface View {
  tabs: Tab[];
  active: string | null;
  tiled: boolean;
  dockHeight: number;
  traffic: boolean;
  legend: boolean;
  /** Null: while a part of the topology is out of sight. */
  minimap: boolean | null;
  /** A part of the topology is out of sight. */
  partly: boolean;
  /** The names of interfaces are shown at the ends of cables, and asked for when joining. */
  ports: boolean;
  panel: boolean;
  /** Dragging from an element joins instead of moving. */
  joining: boolean;
  menu: MenuAt | null;
  /** What the search or connect dialog is for. */
  dialog: null | { type: "search" } | { type: "connect"; from: string } | { type: "keys" } | { type: "share" } | { type: "remove"; ids: string[] } | { type: "rename"; id: string };
}

export const useView = create<View>(() => ({
  tabs: [],
  active: null,
  tiled: false,
  dockHeight: 260,
  traffic: true,
  legend: false,
  minimap: null,
  partly: false,
  ports: false,
  panel: true,
  joining: false,
  menu: null,
  dialog: null,
}));

export const setView = useView.setState;

/** Opens a tab, or brings it to the front. */
export function openTab(tab: Tab): void {
  setView(({ tabs }) => ({
    tabs: tabs.some((other) => other.key === tab.key) ? tabs : [...tabs, tab],
    active: tab.key,
  }));
}

/** Closes a tab. */
export function closeTab(key: string): void {
  setView(({ tabs, active }) => {
    const left = tabs.filter((tab) => tab.key !== key);
    return { tabs: left, active: active === key ? (left.at(-1)?.key ?? null) : active };
  });
}

/** Opens the console of an element. */
export const openConsole = (element: string): void => openTab({ key: `console:${element}`, type: "console", element });

/** Opens the frames of a connection. */
export const openPackets = (connection: string, recorded: boolean): void =>
  openTab({ key: `${recorded ? "recorded" : "packets"}:${connection}`, type: "packets", connection, recorded });

/** Forgets what belonged to a topology. */
export function resetView(): void {
  setView({ tabs: [], active: null, menu: null, dialog: null, joining: false });
}
