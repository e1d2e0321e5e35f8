// With whom a topology is shared: accounts with roles, and links for those who only look on.
import { ActionIcon, Alert, Button, Code, CopyButton, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconCopy, IconLinkPlus, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { answer, api } from "../api/client";
import { useSession, viewLink } from "../api/session";
import type { Role, Token, Topology } from "../model/types";
import { ago } from "../model/units";
import { queries } from "../store/server";
import { useTopology } from "../store/topology";
import { run } from "./actions";
import { useRole } from "./editable";

const ROLES: { value: Role; label: string }[] = [
  { value: "user", label: "user: may look, use consoles" },
  { value: "manager", label: "manager: may change and start" },
  { value: "owner", label: "owner: may also share and delete" },
];

export function Share() {
  const topology = useTopology((state) => state.topology);
  const role = useRole();
  const isLooking = useSession((session) => session.isLooking);
  if (!topology) return null;
  if (isLooking) return <Text fz="sm">You look at it by a link: log in to share it.</Text>;
  return (
    <Stack gap="lg">
      <Accounts topology={topology} isOwner={role === "owner"} />
      <Links topology={topology} />
    </Stack>
  );
}

function Accounts({ topology, isOwner }: { topology: Topology; isOwner: boolean }) {
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<Role>("manager");
  const set = (account: string, next: Role | null) =>
    run(async () => {
      const params = { path: { id: topology.id, account } };
      const changed = await answer<Topology>(api.PUT("/api/v1/topologies/{id}/permissions/{account}", { params, body: { role: next } }));
      useTopology.setState({ topology: changed });
    });
  return (
    <Stack gap="sm">
      {Object.entries(topology.roles).map(([account, has]) => (
        <Group key={account} wrap="nowrap" justify="space-between">
          <Text className="clip" dir="auto" flex={1}>{account}</Text>
          <Select size="xs" w={230} aria-label={`Role of ${account}`} data={ROLES} value={has} allowDeselect={false} disabled={!isOwner} onChange={(next) => { if (next) set(account, next as Role); }} />
          <ActionIcon color="red" aria-label={`Stop sharing with ${account}`} disabled={!isOwner} onClick={() => set(account, null)}><IconTrash size={16} /></ActionIcon>
        </Group>
      ))}
      {isOwner && (
        <form onSubmit={(event) => { event.preventDefault(); if (name.trim()) { set(name.trim(), chosen); setName(""); } }}>
          <Group wrap="nowrap" align="flex-end">
            <TextInput size="xs" flex={1} label="Account" value={name} onChange={(event) => setName(event.currentTarget.value)} />
            <Select size="xs" w={230} label="Role" data={ROLES} value={chosen} allowDeselect={false} onChange={(next) => { if (next) setChosen(next as Role); }} />
            <Button type="submit" size="xs">Share</Button>
          </Group>
        </form>
      )}
      <CopyButton value={window.location.origin + window.location.pathname}>
        {({ copied, copy }) => <Button variant="default" size="xs" w="fit-content" leftSection={<IconCopy size={14} />} onClick={copy}>{copied ? "Copied" : "Copy the address"}</Button>}
      </CopyButton>
      <Text fz="xs" c="dimmed">The address works for those it is shared with, each with their role.</Text>
    </Stack>
  );
}

const LASTS = [{ value: "1", label: "for a day" }, { value: "7", label: "for a week" }, { value: "90", label: "for 90 days" }, { value: "0", label: "until removed" }];

/** A link is a token that only looks, and at this topology only. */
const isLinkTo = (id: string) => (token: Token) => {
  const scope = token.scope as { access?: string; topologies?: string[] } | undefined;
  return scope?.access === "read" && scope.topologies?.length === 1 && scope.topologies[0] === id;
};

function Links({ topology }: { topology: Topology }) {
  const tokens = useQuery({ queryKey: ["tokens"], queryFn: () => answer<Token[]>(api.GET("/api/v1/tokens")) });
  const [days, setDays] = useState("7");
  const [made, setMade] = useState<string | null>(null);
  const links = (tokens.data ?? []).filter(isLinkTo(topology.id));
  const refresh = () => queries.invalidateQueries({ queryKey: ["tokens"] });
  const make = () =>
    run(async () => {
      const body = { label: `link to ${topology.name.slice(0, 60)}`, days: Number(days) || null, scope: { access: "read" as const, topologies: [topology.id] } };
      const { secret } = await answer(api.POST("/api/v1/tokens", { body }));
      setMade(viewLink(topology.id, secret));
      await refresh();
    });
  const remove = (id: string) =>
    run(async () => {
      await answer(api.DELETE("/api/v1/tokens/{id}", { params: { path: { id } } }));
      await refresh();
    });
  return (
    <Stack gap="sm">
      <div>
        <Text fw={600} fz="sm">Links for looking on</Text>
        <Text fz="xs" c="dimmed">Whoever has such a link sees this topology and its traffic without an account, and can change nothing.</Text>
      </div>
      <Group gap="sm">
        <Select size="xs" w={150} aria-label="How long the link works" data={LASTS} value={days} allowDeselect={false} onChange={(next) => setDays(next ?? days)} />
        <Button size="xs" leftSection={<IconLinkPlus size={14} />} onClick={make}>Make a link</Button>
      </Group>
      {made && (
        <Alert color="leaf" title="Copy it now: it is shown this once" withCloseButton onClose={() => setMade(null)}>
          <Stack gap={6}>
            <Code className="name" data-testid="view-link">{made}</Code>
            <CopyButton value={made}>{({ copied, copy }) => <Button size="compact-sm" w="fit-content" onClick={copy}>{copied ? "Copied" : "Copy"}</Button>}</CopyButton>
          </Stack>
        </Alert>
      )}
      {links.map((link) => (
        <Group key={link.id} justify="space-between" wrap="nowrap">
          <Text fz="sm">Made {ago(link.created_at, Date.now())}, works {link.expires_at ? `until ${new Date(link.expires_at / 1000).toLocaleDateString()}` : "until removed"}</Text>
          <ActionIcon color="red" aria-label="Remove the link" onClick={() => remove(link.id)}><IconTrash size={16} /></ActionIcon>
        </Group>
      ))}
    </Stack>
  );
}
