// The organizations, for administrators.
import { ActionIcon, Button, Group, Modal, Stack, Table, Text, Textarea, TextInput } from "@mantine/core";
import { IconEdit, IconPlus, IconTrash } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";

import { answer, api } from "../api/client";
import type { Organization } from "../model/types";
import { complain } from "../store/send";
import { queries } from "../store/server";
import { useOrganizations } from "./accounts";
import { Listing } from "./listing";

const refresh = () => queries.invalidateQueries({ queryKey: ["organizations"] });

function Form({ old, onDone }: { old: Organization | null; onDone: () => void }) {
  const [values, setValues] = useState({ name: "", label: old?.label ?? "", description: old?.description ?? "", homepage_url: old?.homepage_url ?? "" });
  const set = (key: keyof typeof values) => (event: { currentTarget: { value: string } }) => setValues({ ...values, [key]: event.currentTarget.value });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const { name, ...rest } = values;
    try {
      if (old) await answer(api.PATCH("/api/v1/organizations/{organization}", { params: { path: { organization: old.name } }, body: rest }));
      else await answer(api.POST("/api/v1/organizations", { body: { name, ...rest } }));
      await refresh();
      onDone();
    } catch (error) {
      complain(error, "The organization was not kept");
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack gap="sm">
        {!old && <TextInput label="Name" required description="Letters, digits, -, _ and ." value={values.name} onChange={set("name")} data-autofocus />}
        <TextInput label="Title" value={values.label} onChange={set("label")} dir="auto" />
        <Textarea label="What it is" autosize minRows={2} value={values.description} onChange={set("description")} dir="auto" />
        <TextInput label="Its page" type="url" placeholder="https://" value={values.homepage_url} onChange={set("homepage_url")} />
        <Group justify="flex-end"><Button type="submit">Keep</Button></Group>
      </Stack>
    </form>
  );
}

export function Organizations() {
  const organizations = useOrganizations();
  const [edited, setEdited] = useState<Organization | "new" | null>(null);
  const remove = async (organization: string) => {
    try {
      await answer(api.DELETE("/api/v1/organizations/{organization}", { params: { path: { organization } } }));
      await refresh();
    } catch (error) {
      complain(error, "The organization was not removed");
    }
  };
  return (
    <Listing title="Organizations" query={organizations} right={<Button leftSection={<IconPlus size={18} />} onClick={() => setEdited("new")}>New organization</Button>}>
      <Table verticalSpacing="sm" horizontalSpacing="md">
        <Table.Thead><Table.Tr><Table.Th>Organization</Table.Th><Table.Th>What it is</Table.Th><Table.Th><span className="hidden">Actions</span></Table.Th></Table.Tr></Table.Thead>
        <Table.Tbody>
          {(organizations.data ?? []).map((item) => (
            <Table.Tr key={item.name}>
              <Table.Td><b dir="auto" className="name">{item.label || item.name}</b><Text fz="xs" c="dimmed" className="mono">{item.name}</Text></Table.Td>
              <Table.Td className="name" dir="auto">{item.description}</Table.Td>
              <Table.Td>
                <Group gap={4} wrap="nowrap" justify="flex-end">
                  <ActionIcon aria-label={`Change ${item.name}`} onClick={() => setEdited(item)}><IconEdit size={16} /></ActionIcon>
                  <ActionIcon color="red" aria-label={`Remove ${item.name}`} onClick={() => void remove(item.name)}><IconTrash size={16} /></ActionIcon>
                </Group>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Modal opened={edited !== null} onClose={() => setEdited(null)} title={edited === "new" ? "New organization" : "Organization"}>
        {edited && <Form old={edited === "new" ? null : edited} onDone={() => setEdited(null)} />}
      </Modal>
    </Listing>
  );
}
