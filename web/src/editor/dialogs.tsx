// What the editor asks: where to go, whom to connect, what to remove, with whom to share.
import { Button, Group, Kbd, Modal, Stack, Table, Text, TextInput, UnstyledButton } from "@mantine/core";
import { IconLine, type Icon } from "@tabler/icons-react";
import { useReactFlow } from "@xyflow/react";
import { type FormEvent, useMemo, useState } from "react";

import { lookOf } from "../model/kinds";
import { bounds } from "../model/place";
import type { Element } from "../model/types";
import { change, remove } from "../store/edits";
import { select, useTopology } from "../store/topology";
import { shownPlaces } from "../store/unplaced";
import { setView, useView } from "../store/view";
import { run } from "./actions";
import { join } from "./join";
import { Share } from "./share";

const FOUND_MAX = 30;
const close = () => setView({ dialog: null });

/** Something that can be found. */
interface Found {
  id: string;
  name: string;
  /** What else it is found by. */
  words: string[];
  /** Said beside it. */
  hint: string;
  icon: Icon;
  color: string;
}

function foundElement(element: Element): Found {
  const look = lookOf(element);
  const addresses = element.interfaces.flatMap((item) => item.addresses ?? []);
  return { id: element.id, name: element.name, words: [element.kind, element.template ?? "", ...addresses], hint: addresses[0] ?? "", icon: look.icon, color: look.color };
}

/** What can be gone to, or be joined to the element `from`. */
function useFindable(from: string | null): Found[] {
  const { elements, connections, owners } = useTopology();
  return useMemo(() => {
    const all = [...elements.values()].filter((element) => element.id !== from).map(foundElement);
    if (from !== null) return all;
    const cables = [...connections.values()].map((connection): Found => {
      const ends = connection.interfaces.map((end) => elements.get(owners.get(end) ?? "")?.name ?? "?");
      return { id: connection.id, name: connection.name, words: [...ends, "connection"], hint: ends.join(" ↔ "), icon: IconLine, color: "#52606d" };
    });
    return [...all, ...cables];
  }, [elements, connections, owners, from]);
}

function Chooser({ from, onChoose }: { from: string | null; onChoose: (id: string) => void }) {
  const all = useFindable(from);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const found = useMemo(() => {
    const wanted = text.trim().toLowerCase();
    return all.filter((one) => [one.name, ...one.words].some((part) => part.toLowerCase().includes(wanted))).slice(0, FOUND_MAX);
  }, [all, text]);
  return (
    <Stack gap="xs">
      <TextInput
        data-autofocus aria-label="Name, kind or address" placeholder="Name, kind or address" value={text} role="combobox" aria-expanded aria-controls="found" aria-activedescendant={found[at] ? `found-${at}` : undefined}
        onChange={(event) => { setText(event.currentTarget.value); setAt(0); }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown") { event.preventDefault(); setAt(Math.min(at + 1, found.length - 1)); }
          if (event.key === "ArrowUp") { event.preventDefault(); setAt(Math.max(at - 1, 0)); }
          if (event.key === "Enter" && found[at]) { event.preventDefault(); onChoose(found[at].id); }
        }}
      />
      <div role="listbox" id="found" aria-label={from === null ? "Elements and connections" : "Elements"} className="found">
        {found.map((one, index) => (
          <UnstyledButton key={one.id} id={`found-${index}`} role="option" aria-selected={index === at} tabIndex={-1} className={`found-item${index === at ? " found-at" : ""}`} onClick={() => onChoose(one.id)}>
            <span className="palette-icon" style={{ backgroundColor: one.color, width: 24, height: 24 }}><one.icon size={15} color="#fff" aria-hidden /></span>
            <span className="clip" dir="auto">{one.name}</span>
            <Text component="span" fz="xs" c="dimmed" className="clip" dir="auto">{one.hint}</Text>
          </UnstyledButton>
        ))}
        {found.length === 0 && <Text fz="sm" c="dimmed" p="xs">Nothing fits.</Text>}
      </div>
    </Stack>
  );
}

function Search() {
  const flow = useReactFlow();
  const go = (id: string) => {
    const { connections, owners } = useTopology.getState();
    const ends = connections.get(id)?.interfaces.map((end) => owners.get(end) ?? "") ?? [id];
    const shown = shownPlaces();
    const all = bounds(ends.flatMap((end) => shown.get(end) ?? []));
    const place = { x: (all.x0 + all.x1) / 2, y: (all.y0 + all.y1) / 2 };
    close();
    select([id]);
    void flow.setCenter(place.x, place.y, { zoom: Math.max(1, flow.getZoom()), duration: 250 });
  };
  return <Chooser from={null} onChoose={go} />;
}

function Remove({ ids }: { ids: string[] }) {
  const { elements } = useTopology.getState();
  const running = ids.filter((id) => (elements.get(id)?.state ?? "created") !== "created");
  return (
    <Stack>
      <Text>
        {ids.length === 1 ? <><b dir="auto" className="name">{elements.get(ids[0]!)?.name}</b> is deleted.</> : `${ids.length} objects are deleted.`}{" "}
        {running.length > 0 && "What runs is stopped and its disk is lost; undo brings it back with an empty disk."}
      </Text>
      <Group justify="flex-end">
        <Button variant="default" onClick={close}>Keep</Button>
        <Button color="red" data-autofocus onClick={() => { close(); run(() => remove(ids)); }}>Delete</Button>
      </Group>
    </Stack>
  );
}

function Rename({ id }: { id: string }) {
  const { elements, connections } = useTopology.getState();
  const kind = elements.has(id) ? "element" : "connection";
  const old = (elements.get(id) ?? connections.get(id))?.name ?? "";
  const [name, setName] = useState(old);
  const keep = (event: FormEvent) => {
    event.preventDefault();
    close();
    if (name.trim() !== "" && name.trim() !== old) run(() => change(kind, id, { name: name.trim() }, "new name"));
  };
  return (
    <form onSubmit={keep}>
      <Stack>
        <TextInput data-autofocus aria-label="New name" dir="auto" maxLength={160} value={name} onChange={(event) => setName(event.currentTarget.value)} onFocus={(event) => event.currentTarget.select()} />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>Leave it</Button>
          <Button type="submit">Rename</Button>
        </Group>
      </Stack>
    </form>
  );
}

const KEYS: [string, string][] = [
  ["/", "search an element or a connection"], ["F2", "rename what is chosen"], ["F", "show everything"], ["C", "connect the chosen element to another one"], ["L", "connect by dragging, on and off"],
  ["Enter", "open the console of the chosen element"], ["Del", "delete what is chosen"], ["Ctrl Z, Ctrl Y", "undo, redo"], ["Ctrl C, Ctrl V, Ctrl D", "copy, paste, duplicate"],
  ["Ctrl A", "choose everything"], ["Esc", "choose nothing, close"], ["Arrow keys", "move what is chosen"], ["Tab", "go to the next element or connection; Enter or Space chooses it"], ["Shift and drag", "choose an area"], ["?", "this list"],
];

function Keys() {
  return (
    <Table fz="sm" verticalSpacing={4}>
      <Table.Tbody>{KEYS.map(([keys, what]) => <Table.Tr key={keys}><Table.Td w={190}><Kbd size="xs">{keys}</Kbd></Table.Td><Table.Td>{what}</Table.Td></Table.Tr>)}</Table.Tbody>
    </Table>
  );
}

const TITLES = { search: "Go to", rename: "Rename", connect: "Connect to", remove: "Delete?", share: "Share this topology", keys: "Keyboard" };

export function Dialogs() {
  const dialog = useView((view) => view.dialog);
  return (
    <Modal opened={dialog !== null} onClose={close} title={dialog ? TITLES[dialog.type] : ""} size={dialog?.type === "share" || dialog?.type === "keys" ? "lg" : "md"} transitionProps={{ duration: 80 }}>
      {dialog?.type === "search" && <Search />}
      {dialog?.type === "connect" && <Chooser from={dialog.from} onChoose={(id) => { close(); void join(dialog.from, id); }} />}
      {dialog?.type === "remove" && <Remove ids={dialog.ids} />}
      {dialog?.type === "rename" && <Rename id={dialog.id} />}
      {dialog?.type === "share" && <Share />}
      {dialog?.type === "keys" && <Keys />}
    </Modal>
  );
}
