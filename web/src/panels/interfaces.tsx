// The interfaces of an element: what they are joined to, and their attributes as the kind table names them.
import { ActionIcon, Button, Group, Stack, Text, UnstyledButton } from "@mantine/core";
import { IconChevronDown, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";

import { run } from "../editor/actions";
import type { AttributeInfo, Element, Interface } from "../model/types";
import { addInterface, change, removeInterface } from "../store/edits";
import { complain } from "../store/send";
import { select, useTopology } from "../store/topology";
import { lockedWhy } from "./locked";
import { labelOf, ValueField } from "./value-field";

/** Interfaces shown at once; a switch may have hundreds. */
const SHOWN_MAX = 12;
/** Rarely changed: shown when an interface is unfolded. */
const RARE: ReadonlySet<string> = new Set(["name", "mac", "mtu"]);

/** Told apart from those of other interfaces by their labels. */
const OWNED: ReadonlySet<string> = new Set(["name", "addresses"]);

interface Props {
  element: Element;
  /** What interfaces of its kind have. */
  attributes: AttributeInfo[];
  editable: boolean;
}

export function Interfaces({ element, attributes, editable }: Props) {
  const [all, setAll] = useState(false);
  const shown = all ? element.interfaces : element.interfaces.slice(0, SHOWN_MAX);
  return (
    <Stack gap={8}>
      {element.interfaces.length === 0 && <Text fz="sm" c="dimmed">It gets one when it is joined to something.</Text>}
      {shown.map((item) => <One key={item.id} element={element} item={item} attributes={attributes} editable={editable} />)}
      {element.interfaces.length > shown.length && (
        <Button size="compact-xs" variant="default" onClick={() => setAll(true)}>Show all {element.interfaces.length}</Button>
      )}
      {editable && (
        <Button size="compact-xs" variant="default" w="fit-content" leftSection={<IconPlus size={13} />} onClick={() => run(() => addInterface(element.id))}>
          Interface
        </Button>
      )}
    </Stack>
  );
}

function One({ element, item, attributes, editable }: Props & { item: Interface }) {
  const [open, setOpen] = useState(false);
  const connection = useTopology((state) => (item.connection ? state.connections.get(item.connection) : undefined));
  const peer = useTopology((state) => {
    const other = connection?.interfaces.find((end) => end !== item.id);
    const owner = state.elements.get(state.owners.get(other ?? "") ?? "");
    const port = owner?.interfaces.find((one) => one.id === other)?.name;
    return owner ? `${owner.name}:${port ?? ""}` : null;
  });
  const field = (info: AttributeInfo) => (
    <ValueField
      key={info.name} info={info} isTerse value={(item as Record<string, unknown>)[info.name] ?? info.default} why={lockedWhy(info, element, editable)}
      label={OWNED.has(info.name) ? `${labelOf(info.name)} of ${item.name}` : undefined}
      set={(next) => void change("interface", item.id, { [info.name]: next }, `${info.name} at ${item.name}`).catch(complain)}
    />
  );
  return (
    <div className="interface">
      <Group justify="space-between" wrap="nowrap" gap={6}>
        <UnstyledButton className="interface-name mono" aria-expanded={open} title="Name, card and packet size" onClick={() => setOpen(!open)}>
          <IconChevronDown size={13} className={open ? "" : "turned"} aria-hidden />{item.name}
        </UnstyledButton>
        {peer && connection ? (
          <UnstyledButton className="interface-peer clip" onClick={() => select([connection.id])} dir="auto">→ {peer}</UnstyledButton>
        ) : (
          <Text fz="xs" c="dimmed">not joined</Text>
        )}
        {editable && (
          <ActionIcon size="sm" color="red" aria-label={`Remove ${item.name}`} onClick={() => run(() => removeInterface(item.id))}><IconTrash size={14} /></ActionIcon>
        )}
      </Group>
      <Stack gap={6} mt={4}>
        {attributes.filter((info) => !RARE.has(info.name)).map(field)}
        {open && attributes.filter((info) => RARE.has(info.name)).map(field)}
      </Stack>
    </div>
  );
}
