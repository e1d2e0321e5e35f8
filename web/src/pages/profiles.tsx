// Named bundles of processor, memory and disk; administrators add their own.
import { ActionIcon, Badge, Button, Group, Modal, NumberInput, Stack, Table, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";

import { answer, api } from "../api/client";
import { useSession } from "../api/session";
import { showBytes } from "../model/units";
import { complain } from "../store/send";
import { queries, useProfiles } from "../store/server";
import { Listing } from "./listing";

const MIB = 2 ** 20;
const refresh = () => queries.invalidateQueries({ queryKey: ["profiles"] });

function Create({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const [name, setName] = useState("");
  const [numbers, setNumbers] = useState({ cpu: 500, memory: 256, disk: 1024, pids: 500 });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const body = { name, cpu_milli: numbers.cpu, memory_bytes: numbers.memory * MIB, disk_bytes: numbers.disk * MIB, pids_max: numbers.pids };
    try {
      await answer(api.POST("/api/v1/profiles", { body }));
      await refresh();
      onClose();
    } catch (error) {
      complain(error, "The profile was not added");
    }
  };
  const field = (key: keyof typeof numbers, label: string) => (
    <NumberInput label={label} min={1} value={numbers[key]} required onChange={(value) => setNumbers({ ...numbers, [key]: Number(value) })} />
  );
  return (
    <Modal opened={opened} onClose={onClose} title="New profile">
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap="sm">
          <TextInput label="Name" required value={name} onChange={(event) => setName(event.currentTarget.value)} data-autofocus />
          {field("cpu", "Processor, thousandths of one")}
          {field("memory", "Memory, MiB")}
          {field("disk", "Disk, MiB")}
          {field("pids", "Processes and threads")}
          <Group justify="flex-end"><Button type="submit">Add</Button></Group>
        </Stack>
      </form>
    </Modal>
  );
}

export function Profiles() {
  const profiles = useProfiles();
  const admin = useSession((session) => session.account?.admin ?? false);
  const [creating, setCreating] = useState(false);
  const remove = async (id: string) => {
    try {
      await answer(api.DELETE("/api/v1/profiles/{id}", { params: { path: { id } } }));
      await refresh();
    } catch (error) {
      complain(error, "The profile was not removed");
    }
  };
  return (
    <Listing title="Profiles" query={profiles} right={admin && <Button leftSection={<IconPlus size={18} />} onClick={() => setCreating(true)}>New profile</Button>}>
      <Table verticalSpacing="sm" horizontalSpacing="md">
        <Table.Thead><Table.Tr>{["Profile", "Processors", "Memory", "Disk", "Processes"].map((head) => <Table.Th key={head}>{head}</Table.Th>)}<Table.Th><span className="hidden">Actions</span></Table.Th></Table.Tr></Table.Thead>
        <Table.Tbody>
          {(profiles.data ?? []).map((item) => (
            <Table.Tr key={item.id}>
              <Table.Td><b>{item.label || item.name}</b> {item.builtin && <Badge size="xs" variant="light" color="gray" tt="none">built in</Badge>}</Table.Td>
              <Table.Td>{item.cpu_milli / 1000}</Table.Td>
              <Table.Td>{showBytes(item.memory_bytes)}</Table.Td>
              <Table.Td>{showBytes(item.disk_bytes)}</Table.Td>
              <Table.Td>{item.pids_max}</Table.Td>
              <Table.Td>{admin && !item.builtin && <ActionIcon color="red" aria-label={`Remove ${item.name}`} onClick={() => void remove(item.id)}><IconTrash size={16} /></ActionIcon>}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Create opened={creating} onClose={() => setCreating(false)} />
    </Listing>
  );
}
