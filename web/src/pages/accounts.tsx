// The accounts, for administrators: made, approved, changed, removed.
import { ActionIcon, Badge, Button, Checkbox, Group, Modal, PasswordInput, ScrollArea, Select, Stack, Table, Text, TextInput } from "@mantine/core";
import { IconCheck, IconEdit, IconPlus, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { answer, api } from "../api/client";
import type { Account, FlagInfo, Organization } from "../model/types";
import { ago } from "../model/units";
import { complain } from "../store/send";
import { queries } from "../store/server";
import { Listing } from "./listing";

const refresh = () => queries.invalidateQueries({ queryKey: ["accounts"] });
/** Flag of one who registered and waits. */
const WAITING = "new_account";

export const useOrganizations = () => useQuery({ queryKey: ["organizations"], queryFn: () => answer<Organization[]>(api.GET("/api/v1/organizations")) });

/** Does something and shows the list anew, or says why not. */
async function run(work: () => Promise<unknown>, title: string): Promise<boolean> {
  try {
    await work();
    await refresh();
    return true;
  } catch (error) {
    complain(error, title);
    return false;
  }
}

const patch = (account: string, body: Record<string, unknown>) =>
  answer(api.PATCH("/api/v1/accounts/{account}", { params: { path: { account } }, body: body as never }));

const CATEGORIES: Record<string, string> = {
  manager_user_global: "Accounts and topologies of everybody", manager_user_orga: "Accounts and topologies of the own organization",
  manager_host_global: "Hosts of everybody", manager_host_orga: "Hosts of the own organization", error_management: "Errors", user: "The account itself",
};

function Flags({ chosen, onChange }: { chosen: ReadonlySet<string>; onChange: (next: ReadonlySet<string>) => void }) {
  const flags = useQuery({ queryKey: ["flags"], queryFn: () => answer<FlagInfo[]>(api.GET("/api/v1/flags")) }).data ?? [];
  const toggle = (name: string) => {
    const next = new Set(chosen);
    if (!next.delete(name)) next.add(name);
    onChange(next);
  };
  return (
    <ScrollArea.Autosize mah={260} type="auto" offsetScrollbars>
      <Stack gap={10}>
        {Object.entries(CATEGORIES).map(([category, title]) => (
          <div key={category} role="group" aria-label={title}>
            <Text fz="xs" fw={650} mb={4}>{title}</Text>
            <Stack gap={5}>
              {flags.filter((flag) => flag.category === category).map((flag) => (
                <Checkbox key={flag.name} size="xs" label={flag.doc} description={flag.name} checked={chosen.has(flag.name)} onChange={() => toggle(flag.name)} />
              ))}
            </Stack>
          </div>
        ))}
      </Stack>
    </ScrollArea.Autosize>
  );
}

/** A new account, or changes to one. */
function Form({ account, onDone }: { account: Account | null; onDone: () => void }) {
  const [values, setValues] = useState({ name: "", realname: account?.realname ?? "", email: account?.email ?? "", organization: account?.organization ?? "others", password: "" });
  const [flags, setFlags] = useState<ReadonlySet<string>>(new Set(account?.flags ?? []));
  const organizations = useOrganizations().data ?? [];
  const field = (key: "name" | "realname" | "email", label: string, required = false) => (
    <TextInput label={label} required={required} value={values[key]} dir="auto" onChange={(event) => setValues({ ...values, [key]: event.currentTarget.value })} />
  );
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const { name, password, ...rest } = values;
    const had = new Set<string>(account?.flags ?? []);
    const changed = [...new Set([...had, ...flags])].filter((flag) => had.has(flag) !== flags.has(flag));
    const body = { ...rest, ...(password ? { password } : {}), flags: Object.fromEntries(changed.map((flag) => [flag, flags.has(flag)])) };
    const done = await run(
      () => (account ? patch(account.name, body) : answer(api.POST("/api/v1/accounts", { body: { ...body, name, password } as never }))),
      account ? "The account was not changed" : "The account was not made",
    );
    if (done) onDone();
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack gap="sm">
        {!account && field("name", "Name", true)}
        <Group grow align="flex-start">{field("realname", "Real name")}{field("email", "E-mail")}</Group>
        <Group grow align="flex-start">
          <Select label="Organization" data={organizations.map((item) => ({ value: item.name, label: item.label || item.name }))} value={values.organization} allowDeselect={false}
            onChange={(next) => setValues({ ...values, organization: next ?? values.organization })} />
          <PasswordInput label={account ? "New password" : "Password"} required={!account} autoComplete="new-password" placeholder={account ? "as it is" : "8 characters or more"} value={values.password}
            onChange={(event) => setValues({ ...values, password: event.currentTarget.value })} />
        </Group>
        <Text fz="sm" fw={500}>Rights and limits</Text>
        <Flags chosen={flags} onChange={setFlags} />
        <Group justify="flex-end"><Button type="submit">{account ? "Keep" : "Make the account"}</Button></Group>
      </Stack>
    </form>
  );
}

function Row({ account, onEdit, onRemove }: { account: Account; onEdit: () => void; onRemove: () => void }) {
  const flags: string[] = account.flags ?? [];
  return (
    <Table.Tr>
      <Table.Td><b dir="auto" className="name">{account.name}</b>{account.realname && <Text fz="xs" c="dimmed" dir="auto" className="name">{account.realname}</Text>}</Table.Td>
      <Table.Td className="name">{account.organization}</Table.Td>
      <Table.Td className="name">{account.email}</Table.Td>
      <Table.Td>{account.last_login ? ago(account.last_login, Date.now()) : "never"}</Table.Td>
      <Table.Td>
        <Group gap={4}>
          {flags.slice(0, 4).map((flag) => <Badge key={flag} size="sm" variant="light" tt="none" color={flag === WAITING || flag === "disabled" ? "orange" : "gray"}>{flag}</Badge>)}
          {flags.length > 4 && <Badge size="sm" variant="light" tt="none" color="gray">+{flags.length - 4}</Badge>}
        </Group>
      </Table.Td>
      <Table.Td>
        <Group gap={4} wrap="nowrap" justify="flex-end">
          {flags.includes(WAITING) && (
            <Button size="compact-xs" leftSection={<IconCheck size={13} />} onClick={() => void run(() => patch(account.name, { flags: { [WAITING]: false } }), "It was not approved")}>Approve</Button>
          )}
          <ActionIcon aria-label={`Change ${account.name}`} onClick={onEdit}><IconEdit size={16} /></ActionIcon>
          <ActionIcon color="red" aria-label={`Remove ${account.name}`} onClick={onRemove}><IconTrash size={16} /></ActionIcon>
        </Group>
      </Table.Td>
    </Table.Tr>
  );
}

export function Accounts() {
  const accounts = useQuery({ queryKey: ["accounts"], queryFn: () => answer<Account[]>(api.GET("/api/v1/accounts")) });
  const [search, setSearch] = useState("");
  const [edited, setEdited] = useState<Account | "new" | null>(null);
  const [removed, setRemoved] = useState<Account | null>(null);
  const wanted = search.trim().toLowerCase();
  const shown = (accounts.data ?? []).filter((item) => [item.name, item.realname ?? "", item.email ?? "", item.organization ?? "", ...(item.flags ?? [])].some((part) => part.toLowerCase().includes(wanted)));
  const right = (
    <Group gap="sm">
      <TextInput aria-label="Search accounts" placeholder="Search" value={search} onChange={(event) => setSearch(event.currentTarget.value)} />
      <Button leftSection={<IconPlus size={18} />} onClick={() => setEdited("new")}>New account</Button>
    </Group>
  );
  return (
    <Listing title="Accounts" query={accounts} right={right}>
      <Table verticalSpacing="xs" horizontalSpacing="md">
        <Table.Thead><Table.Tr>{["Account", "Organization", "E-mail", "Seen", "Flags"].map((head) => <Table.Th key={head}>{head}</Table.Th>)}<Table.Th><span className="hidden">Actions</span></Table.Th></Table.Tr></Table.Thead>
        <Table.Tbody>{shown.map((item) => <Row key={item.name} account={item} onEdit={() => setEdited(item)} onRemove={() => setRemoved(item)} />)}</Table.Tbody>
      </Table>
      <Modal opened={edited !== null} onClose={() => setEdited(null)} size="lg" title={edited === "new" ? "New account" : `Account ${edited?.name ?? ""}`}>
        {edited && <Form account={edited === "new" ? null : edited} onDone={() => setEdited(null)} />}
      </Modal>
      <Modal opened={removed !== null} onClose={() => setRemoved(null)} title="Remove this account?">
        <Stack>
          <Text className="name"><b dir="auto">{removed?.name}</b> is gone with its sessions, tokens and roles.</Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={() => setRemoved(null)}>Keep it</Button>
            <Button color="red" onClick={() => {
              const account = removed!.name;
              setRemoved(null);
              void run(() => answer(api.DELETE("/api/v1/accounts/{account}", { params: { path: { account } } })), "The account was not removed");
            }}>Remove</Button>
          </Group>
        </Stack>
      </Modal>
    </Listing>
  );
}
