// Static routes, one in each row.
import { ActionIcon, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useEffect, useState } from "react";

import type { Shared } from "./value-field";

export interface Route {
  to: string;
  via: string;
}

export function RoutesField({ label, description, value, disabled, set }: Shared & { value: Route[] }) {
  const [rows, setRows] = useState(value);
  useEffect(() => setRows(value), [value]);
  const keep = (next: Route[]) => {
    setRows(next);
    const full = next.filter((row) => row.to.trim() !== "" && row.via.trim() !== "");
    if (JSON.stringify(full) !== JSON.stringify(value)) set(full);
  };
  const edit = (index: number, patch: Partial<Route>) => setRows(rows.map((row, at) => (at === index ? { ...row, ...patch } : row)));
  return (
    <div role="group" aria-label={label}>
      <Text fz="xs" fw={500}>{label}</Text>
      <Text fz="xs" c="dimmed">{description}</Text>
      <Stack gap={4} mt={4}>
        {rows.map((row, index) => (
          <Group key={index} gap={4} wrap="nowrap">
            <TextInput size="xs" flex={1} aria-label="Destination" placeholder="10.1.0.0/16" value={row.to} disabled={disabled}
              onChange={(event) => edit(index, { to: event.currentTarget.value })} onBlur={() => keep(rows)} />
            <Text fz="xs" c="dimmed">via</Text>
            <TextInput size="xs" flex={1} aria-label="Next hop" placeholder="10.0.0.1" value={row.via} disabled={disabled}
              onChange={(event) => edit(index, { via: event.currentTarget.value })} onBlur={() => keep(rows)} />
            <ActionIcon size="sm" color="red" aria-label="Remove the route" disabled={disabled} onClick={() => keep(rows.filter((_, at) => at !== index))}><IconTrash size={14} /></ActionIcon>
          </Group>
        ))}
        {!disabled && (
          <Button size="compact-xs" variant="default" leftSection={<IconPlus size={13} />} onClick={() => setRows([...rows, { to: "", via: "" }])} w="fit-content">Route</Button>
        )}
      </Stack>
    </div>
  );
}
