// The own account: person, password, tokens for programs.
import { ActionIcon, Alert, Button, Code, CopyButton, Group, NumberInput, Stack, Table, Text, TextInput, Title } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { answer, api } from "../api/client";
import { useSession } from "../api/session";
import type { Token } from "../model/types";
import { ago } from "../model/units";
import { complain } from "../store/send";
import { queries } from "../store/server";
import { ProfileForm } from "./profile-form";

const refresh = () => queries.invalidateQueries({ queryKey: ["tokens"] });

export function AccountPage() {
  const account = useSession((session) => session.account);
  const tokens = useQuery({ queryKey: ["tokens"], queryFn: () => answer<Token[]>(api.GET("/api/v1/tokens")) });
  const [label, setLabel] = useState("");
  const [days, setDays] = useState<number | string>(90);
  const [secret, setSecret] = useState<string | null>(null);
  const create = async (event: FormEvent) => {
    event.preventDefault();
    try {
      const made = await answer(api.POST("/api/v1/tokens", { body: { label: label.trim(), days: typeof days === "number" ? days : null } }));
      setSecret(made.secret);
      setLabel("");
      await refresh();
    } catch (error) {
      complain(error, "No token was made");
    }
  };
  const remove = async (id: string) => {
    try {
      await answer(api.DELETE("/api/v1/tokens/{id}", { params: { path: { id } } }));
      await refresh();
    } catch (error) {
      complain(error);
    }
  };
  return (
    <Stack>
      <Title order={1} fz="h2">{account?.name}</Title>
      <Text c="dimmed">{account?.admin ? "An administrator: may do everything." : "An account of this lab."}</Text>
      <ProfileForm />
      <Title order={2} fz="h4" mt="md">Tokens</Title>
      <Text fz="sm" c="dimmed">A token lets a program call the interface in your name, without your password.</Text>
      <form onSubmit={(event) => void create(event)}>
        <Group align="flex-end">
          <TextInput label="What it is for" required value={label} onChange={(event) => setLabel(event.currentTarget.value)} />
          <NumberInput label="Days (empty: for ever)" w={170} min={1} value={days} onChange={setDays} />
          <Button type="submit">Make a token</Button>
        </Group>
      </form>
      {secret && (
        <Alert color="leaf" title="Copy it now: it is shown this once" withCloseButton onClose={() => setSecret(null)}>
          <Group><Code className="name">{secret}</Code><CopyButton value={secret}>{({ copied, copy }) => <Button size="compact-sm" onClick={copy}>{copied ? "Copied" : "Copy"}</Button>}</CopyButton></Group>
        </Alert>
      )}
      <div className="table-wrap">
        <Table verticalSpacing="sm" horizontalSpacing="md">
          <Table.Thead><Table.Tr><Table.Th>For</Table.Th><Table.Th>Made</Table.Th><Table.Th>Ends</Table.Th><Table.Th><span className="hidden">Actions</span></Table.Th></Table.Tr></Table.Thead>
          <Table.Tbody>
            {(tokens.data ?? []).map((token) => (
              <Table.Tr key={token.id}>
                <Table.Td className="name" dir="auto">{token.label}</Table.Td>
                <Table.Td>{ago(token.created_at, Date.now())}</Table.Td>
                <Table.Td>{token.expires_at ? new Date(token.expires_at / 1000).toLocaleDateString() : "never"}</Table.Td>
                <Table.Td><ActionIcon color="red" aria-label={`Remove the token ${token.label.slice(0, 60)}`} onClick={() => void remove(token.id)}><IconTrash size={16} /></ActionIcon></Table.Td>
              </Table.Tr>
            ))}
            {tokens.data?.length === 0 && <Table.Tr><Table.Td colSpan={4}>There are none.</Table.Td></Table.Tr>}
          </Table.Tbody>
        </Table>
      </div>
    </Stack>
  );
}
