// The context menu: what can be done now; what cannot is greyed, with the reason.
import { Kbd, Menu, Text } from "@mantine/core";

import type { Point } from "../model/place";
import { useTopology } from "../store/topology";
import { type MenuAt, setView, useView } from "../store/view";
import { hasClipboard, type Item, itemsFor, pasteClipboard, run } from "./actions";
import { addNote, decorationItems } from "./decorations";
import { useFit } from "./fit";
import { place, usePlaceables } from "./palette";

export function ContextMenu({ editable }: { editable: boolean }) {
  const menu = useView((view) => view.menu);
  const close = () => setView({ menu: null });
  return (
    <Menu opened={menu !== null} onClose={close} position="bottom-start" width={240} key={menu ? `${menu.x},${menu.y}` : "none"}
      shadow="lg" trapFocus returnFocus withinPortal transitionProps={{ duration: 0 }}>
      <Menu.Target>
        <button type="button" tabIndex={-1} aria-label="Menu" className="menu-anchor" style={{ left: menu?.x ?? 0, top: menu?.y ?? 0 }} />
      </Menu.Target>
      <Menu.Dropdown data-testid="context-menu">
        {menu && (menu.decoration !== undefined ? decorationItems(menu.decoration, editable).map((item) => <Line key={item.key} item={item} />)
          : menu.ids.length > 0 ? <ObjectItems menu={menu} editable={editable} /> : <CanvasItems at={menu.place} editable={editable} />)}
      </Menu.Dropdown>
    </Menu>
  );
}

function Line({ item }: { item: Item }) {
  const why = item.why ?? null;
  return (
    <Menu.Item
      color={item.danger ? "red" : undefined} aria-disabled={why !== null} data-disabled={why !== null || undefined}
      onClick={() => { if (why === null) item.run(); }} closeMenuOnClick={why === null}
      rightSection={item.keys && why === null ? <Kbd size="xs">{item.keys}</Kbd> : undefined}
    >
      {item.label}
      {why !== null && <Text component="span" fz="xs" c="dimmed" display="block">{why}</Text>}
    </Menu.Item>
  );
}

function ObjectItems({ menu, editable }: { menu: MenuAt; editable: boolean }) {
  const state = useTopology();
  const names = menu.ids.map((id) => state.elements.get(id)?.name ?? state.connections.get(id)?.name ?? "").filter((name) => name !== "");
  return (
    <>
      <Menu.Label className="clip" dir="auto">{names.length === 1 ? names[0]!.slice(0, 80) : `${names.length} objects`}</Menu.Label>
      {itemsFor(menu.ids, editable).map((item) => <Line key={item.key} item={item} />)}
    </>
  );
}

function CanvasItems({ at, editable }: { at: Point; editable: boolean }) {
  const placeables = usePlaceables();
  const { fit, arrangeAll } = useFit();
  const no = editable ? null : "you may only look";
  const items: Item[] = [
    ...placeables.map((item): Item => ({ key: item.key, label: `Add ${item.label.toLowerCase()}`, why: no, run: () => run(() => place(item, at)) })),
    { key: "note", label: "Add note", why: no, run: () => run(() => addNote(at)) },
    { key: "paste", label: "Paste", why: no ?? (hasClipboard() ? null : "nothing was copied"), keys: "Ctrl V", run: () => run(pasteClipboard) },
    { key: "arrange", label: "Arrange all", why: no, run: () => run(arrangeAll) },
    { key: "fit", label: "Show everything", keys: "F", run: fit },
  ];
  return <>{items.map((item) => <Line key={item.key} item={item} />)}</>;
}
