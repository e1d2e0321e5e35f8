// The interfaces of an element: addresses, and what they are joined to.
import { ActionIcon, Button, Group, Stack, Switch, TagsInput, Text, UnstyledButton } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";

import { run } from "../editor/actions";
import type { Element, Interface } from "../model/types";
import { addInterface, change, removeInterface } from "../store/edits";
import { complain } from "../store/send";
import { select, useTopology } from "../store/topology";

/** Interfaces shown at once; a switch may have hundreds. */
const SHOWN_MAX = 12;

export function Interfaces({ element, device, editable }: { element: Element; device: boolean; editable: boolean }) {
  const [all, setAll] = useState(false);
  const shown = all ? element.interfaces : element.interfaces.slice(0, SHOWN_MAX);
  return (
    <Stack gap={8}>
      {element.interfaces.length === 0 && <Text fz="sm" c="dimmed">It gets one when it is joined to something.</Text>}
      {shown.map((item) => <One key={item.id} item={item} device={device} editable={editable} />)}
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

function One({ item, device, editable }: { item: Interface; device: boolean; editable: boolean }) {
  const connection = useTopology((state) => (item.connection ? state.connections.get(item.connection) : undefined));
  const peer = useTopology((state) => {
    const other = connection?.interfaces.find((end) => end !== item.id);
    const owner = state.elements.get(state.owners.get(other ?? "") ?? "");
    const port = owner?.interfaces.find((one) => one.id === other)?.name;
    return owner ? `${owner.name}:${port ?? ""}` : null;
  });
  const set = (patch: Record<string, unknown>, label: string) => void change("interface", item.id, patch, label).catch(complain);
  return (
    <div className="interface">
      <Group justify="space-between" wrap="nowrap" gap={6}>
        <Text fz="sm" fw={600} className="mono">{item.name}</Text>
        {peer && connection ? (
          <UnstyledButton className="interface-peer clip" onClick={() => select([connection.id])} dir="auto">→ {peer}</UnstyledButton>
        ) : (
          <Text fz="xs" c="dimmed">not joined</Text>
        )}
        {editable && (
          <ActionIcon size="sm" color="red" aria-label={`Remove ${item.name}`} onClick={() => run(() => removeInterface(item.id))}><IconTrash size={14} /></ActionIcon>
        )}
      </Group>
      {device && (
        <>
          <TagsInput
            size="xs" mt={4} aria-label={`Addresses of ${item.name}`} value={item.addresses ?? []} disabled={!editable} splitChars={[",", " "]}
            placeholder={(item.addresses ?? []).length > 0 ? "" : item.dhcp ? "by DHCP" : "10.0.0.1/24"} onChange={(addresses) => set({ addresses }, "addresses")}
          />
          <Group justify="space-between" mt={4} gap={6}>
            <Switch size="xs" label="DHCP" checked={item.dhcp ?? false} disabled={!editable} onChange={(event) => set({ dhcp: event.currentTarget.checked }, "DHCP")} />
            <Text fz={11} c="dimmed" className="mono">{item.mac} · MTU {item.mtu}</Text>
          </Group>
        </>
      )}
    </div>
  );
}
