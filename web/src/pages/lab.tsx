// The lab's settings and its record of who did what, for administrators.
import { Badge, Button, Group, NumberInput, Stack, Switch, Table, Text, TextInput } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { answer, api } from "../api/client";
import type { AuditEntry, Settings } from "../model/types";
import { complain } from "../store/send";
import { queries } from "../store/server";
import { Listing } from "./listing";

const HOUR = 3600;
type Times = NonNullable<Settings["timeouts"]>;

const TIMES: [keyof Times, string, string][] = [
  ["initial_s", "A new topology", "has this many hours"],
  ["default_s", "Renewing", "gives this many hours if nothing else is asked for"],
  ["maximum_s", "At the most", "this many hours can be asked for"],
  ["warning_s", "The managers are warned", "this many hours before the end"],
  ["destroy_s", "A stopped topology is destroyed", "after this many hours"],
  ["remove_s", "A destroyed topology is removed", "after this many hours"],
];

export const useSettings = (enabled = true) =>
  useQuery({ queryKey: ["settings"], queryFn: () => answer<Settings>(api.GET("/api/v1/settings")), enabled });

async function set(body: Record<string, unknown>): Promise<void> {
  try {
    await answer(api.PATCH("/api/v1/settings", { body: body as never }));
  } catch (error) {
    complain(error, "The settings were not changed");
  }
  await queries.invalidateQueries({ queryKey: ["settings"] });
}

export function SettingsPage() {
  const query = useSettings();
  const settings = query.data;
  const timeouts: Times = settings?.timeouts ?? {};
  return (
    <Listing title="Settings" query={query}>
      {settings && (
        <Stack p="lg" gap="md">
          <Switch label="People may ask for accounts, which an administrator approves" checked={settings.registration} onChange={(event) => void set({ registration: event.currentTarget.checked })} />
          <Switch label="Topologies end by themselves unless somebody renews them" checked={timeouts.enabled ?? false} onChange={(event) => void set({ timeouts: { enabled: event.currentTarget.checked } })} />
          <Group gap="md" align="flex-start">
            {TIMES.map(([key, label, hint]) => (
              <Hours key={key} label={label} hint={hint} seconds={Number(timeouts[key] ?? 0)} disabled={!timeouts.enabled} onSet={(seconds) => void set({ timeouts: { [key]: seconds } })} />
            ))}
          </Group>
        </Stack>
      )}
    </Listing>
  );
}

function Hours({ label, hint, seconds, disabled, onSet }: { label: string; hint: string; seconds: number; disabled: boolean; onSet: (seconds: number) => void }) {
  const [hours, setHours] = useState<number | string>(seconds / HOUR);
  const done = () => { if (typeof hours === "number" && hours > 0 && hours * HOUR !== seconds) onSet(Math.round(hours * HOUR)); };
  return <NumberInput w={250} label={label} description={hint} min={0} value={hours} disabled={disabled} onChange={setHours} onBlur={done} />;
}

const PAGE = 100;

export function Audit() {
  const [account, setAccount] = useState("");
  const pages = useInfiniteQuery({
    queryKey: ["audit", account],
    queryFn: ({ pageParam }) => answer<AuditEntry[]>(api.GET("/api/v1/audit", {
      params: { query: { limit: PAGE, ...(account ? { account } : {}), ...(pageParam ? { before: pageParam } : {}) } as never },
    })),
    initialPageParam: 0,
    getNextPageParam: (last) => (last.length === PAGE ? last.at(-1)!.seq : undefined),
  });
  const entries = pages.data?.pages.flat() ?? [];
  return (
    <Listing title="Who did what" query={pages} right={<TextInput aria-label="Account" placeholder="Account" value={account} onChange={(event) => setAccount(event.currentTarget.value.trim())} />}>
      <Table verticalSpacing={5} horizontalSpacing="md" fz="sm">
        <Table.Thead><Table.Tr>{["When", "Who", "What", "On", "Outcome", "From"].map((head) => <Table.Th key={head}>{head}</Table.Th>)}</Table.Tr></Table.Thead>
        <Table.Tbody>
          {entries.map((entry) => (
            <Table.Tr key={entry.seq}>
              <Table.Td>{new Date(entry.at / 1000).toLocaleString()}</Table.Td>
              <Table.Td className="name">{entry.account || "nobody"}</Table.Td>
              <Table.Td>{entry.operation.replaceAll("_", " ")}</Table.Td>
              <Table.Td className="name mono">{entry.object}</Table.Td>
              <Table.Td><Badge size="sm" variant="light" tt="none" color={entry.outcome === "ok" ? "leaf" : "red"}>{entry.outcome.replaceAll("_", " ")}</Badge></Table.Td>
              <Table.Td>{entry.address}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {entries.length === 0 && <Text p="md" c="dimmed">Nothing fits.</Text>}
      {pages.hasNextPage && <Group p="sm"><Button size="compact-sm" variant="default" loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>Earlier ones</Button></Group>}
    </Listing>
  );
}
