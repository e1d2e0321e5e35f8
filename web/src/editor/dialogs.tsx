// What the editor asks: where to go, whom to connect, what to remove, with whom to share.
import { Button, Group, Kbd, Modal, Stack, Table, Text, TextInput, UnstyledButton } from "@mantine/core";
import { useReactFlow } from "@xyflow/react";
import { useMemo, useState } from "react";

import { lookOf } from "../model/kinds";
import type { Element } from "../model/types";
import { remove } from "../store/edits";
import { select, useTopology } from "../store/topology";
import { shownPlaces } from "../store/unplaced";
import { setView, useView } from "../store/view";
import { run } from "./actions";
import { join } from "./join";
import { Share } from "./share";

const FOUND_MAX = 30;
const close = () => setView({ dialog: null });

function Chooser({ from, onChoose }: { from: string | null; onChoose: (element: Element) => void }) {
  const elements = useTopology((state) => state.elements);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const found = useMemo(() => {
    const wanted = text.trim().toLowerCase();
    return [...elements.values()]
      .filter((element) => element.id !== from)
      .filter((element) => [element.name, element.kind, element.template ?? "", ...element.interfaces.flatMap((item) => item.addresses ?? [])].some((part) => part.toLowerCase().includes(wanted)))
      .slice(0, FOUND_MAX);
  }, [elements, text, from]);
  return (
    <Stack gap="xs">
      <TextInput
        data-autofocus aria-label="Name, kind or address" placeholder="Name, kind or address" value={text} role="combobox" aria-expanded aria-controls="found" aria-activedescendant={found[at] ? `found-${at}` : undefined}
        onChange={(event) => { setText(event.currentTarget.value); setAt(0); }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown") { event.preventDefault(); setAt(Math.min(at + 1, found.length - 1)); }
          if (event.key === "ArrowUp") { event.preventDefault(); setAt(Math.max(at - 1, 0)); }
          if (event.key === "Enter" && found[at]) { event.preventDefault(); onChoose(found[at]); }
        }}
      />
      <div role="listbox" id="found" aria-label="Elements" className="found">
        {found.map((element, index) => {
          const look = lookOf(element);
          return (
            <UnstyledButton key={element.id} id={`found-${index}`} role="option" aria-selected={index === at} tabIndex={-1} className={`found-item${index === at ? " found-at" : ""}`} onClick={() => onChoose(element)}>
              <span className="palette-icon" style={{ backgroundColor: look.color, width: 24, height: 24 }}><look.icon size={15} color="#fff" aria-hidden /></span>
              <span className="clip" dir="auto">{element.name}</span>
              <Text component="span" fz="xs" c="dimmed">{element.interfaces.flatMap((item) => item.addresses ?? [])[0]}</Text>
            </UnstyledButton>
          );
        })}
        {found.length === 0 && <Text fz="sm" c="dimmed" p="xs">Nothing fits.</Text>}
      </div>
    </Stack>
  );
}

function Search() {
  const flow = useReactFlow();
  const go = (element: Element) => {
    const place = shownPlaces().get(element.id)!;
    close();
    select([element.id]);
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

const KEYS: [string, string][] = [
  ["/", "search an element"], ["F", "show everything"], ["C", "connect the chosen element to another one"], ["L", "connect by dragging, on and off"],
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

const TITLES = { search: "Go to an element", connect: "Connect to", remove: "Delete?", share: "Share this topology", keys: "Keyboard" };

export function Dialogs() {
  const dialog = useView((view) => view.dialog);
  return (
    <Modal opened={dialog !== null} onClose={close} title={dialog ? TITLES[dialog.type] : ""} size={dialog?.type === "share" || dialog?.type === "keys" ? "lg" : "md"} transitionProps={{ duration: 80 }}>
      {dialog?.type === "search" && <Search />}
      {dialog?.type === "connect" && <Chooser from={dialog.from} onChoose={(element) => { close(); void join(dialog.from, element.id); }} />}
      {dialog?.type === "remove" && <Remove ids={dialog.ids} />}
      {dialog?.type === "share" && <Share />}
      {dialog?.type === "keys" && <Keys />}
    </Modal>
  );
}
