// What is recorded of a connection, and its past: the last seconds, kept in memory and saved when something happened.
import { Button, Checkbox, Group, NumberInput, SimpleGrid, Stack, Switch, Text, TextInput } from "@mantine/core";
import { IconDownload, IconHistory } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { answer, api, raw } from "../api/client";
import type { CapturePoint, Connection, RecordingPatch } from "../model/types";
import { readBytes, readSpan, showBytes, writeBytes, writeSpan } from "../model/units";
import { change } from "../store/edits";
import { fileName, save } from "../store/files";
import { complain } from "../store/send";

/** Milliseconds between two looks at what was saved by itself. */
const REFRESH_MS = 10_000;

interface TextProps {
  label: string;
  description: string;
  value: string;
  disabled: boolean;
  example: string;
  /** The value as the interface takes it, null when it cannot be read. */
  tidy(text: string): string | null;
  onChange(value: string): void;
}

function Quantity({ label, description, value, disabled, example, tidy, onChange }: TextProps) {
  const [text, setText] = useState(value);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => setText(value), [value]);
  const done = () => {
    const next = tidy(text);
    setError(next === null ? `Write it like ${example}` : null);
    if (next !== null && next !== tidy(value)) onChange(next);
  };
  return (
    <TextInput
      size="xs" label={label} description={description} value={text} error={error} disabled={disabled}
      onChange={(event) => setText(event.currentTarget.value)} onBlur={done} onKeyDown={(event) => { if (event.key === "Enter") done(); }}
    />
  );
}

/** A span as the interface takes it; nothing is none. */
const span = (text: string): string | null => {
  const ms = text.trim() === "" ? 0 : readSpan(/[a-z]/i.test(text) ? text : `${text}s`);
  return ms === null ? null : writeSpan(ms);
};
const bytes = (text: string): string | null => {
  const read = readBytes(text);
  return read === null ? null : writeBytes(read);
};
/** How the interface writes that there is none. */
const NO_SPAN = "0ns";
const isNone = (text: string): boolean => readSpan(text) === 0;

export function Recording({ connection, names, editable }: { connection: Connection; names: [string, string]; editable: boolean }) {
  const it = connection.recording ?? {};
  const set = (patch: RecordingPatch) => void change("connection", connection.id, { recording: patch }, "recording settings").catch(complain);
  const points = new Set(it.points ?? []);
  const [a, b] = names.map((name) => name.slice(0, 24));
  const spots: [CapturePoint, string][] = [
    ["forward-in", `sent by ${a}`], ["forward-out", `received by ${b}`], ["backward-in", `sent by ${b}`], ["backward-out", `received by ${a}`],
  ];
  const flip = (point: CapturePoint) => set({ points: points.has(point) ? [...points].filter((other) => other !== point) : [...points, point] });
  const shared = { disabled: !editable };
  return (
    <Stack gap={8}>
      <div role="group" aria-label="Where">
        <Text fz="xs" fw={500} mb={4}>Where</Text>
        <SimpleGrid cols={2} spacing={6} verticalSpacing={6}>
          {spots.map(([point, label]) => (
            <Checkbox key={point} size="xs" label={<span className="name" dir="auto">{label}</span>} checked={points.has(point)} onChange={() => flip(point)}
              disabled={!editable || (points.size === 1 && points.has(point) && !it.lost)} />
          ))}
        </SimpleGrid>
      </div>
      <Switch size="xs" label="What is lost on the way, with the cause" checked={it.lost ?? false} disabled={!editable || (points.size === 0 && (it.lost ?? false))} onChange={(event) => set({ lost: event.currentTarget.checked })} />
      <SimpleGrid cols={2} spacing={8} verticalSpacing={8}>
        <Count label="Bytes of each frame" value={it.snaplen ?? 65_535} min={14} max={65_550} {...shared} onChange={(snaplen) => set({ snaplen })} />
        <Count label="Files" value={it.files ?? 5} min={1} max={512} {...shared} onChange={(files) => set({ files })} />
        <Quantity label="Size of a file" description="then the next one" value={it.file_size ?? ""} example="10MB" tidy={bytes} {...shared} onChange={(file_size) => set({ file_size })} />
        <Quantity label="Age" description="empty: any" value={isNone(it.age ?? NO_SPAN) ? "" : it.age!} example="10min" tidy={span} {...shared} onChange={(age) => set({ age })} />
      </SimpleGrid>
      <SimpleGrid cols={2} spacing={8} verticalSpacing={8}>
        <Quantity label="Past kept" description="such as 30s; empty: none" value={isNone(it.past ?? NO_SPAN) ? "" : it.past!} example="30s" tidy={span} {...shared} onChange={(past) => set({ past })} />
        <Quantity label="Memory for it" description="4 to 256 MiB" value={it.past_size ?? ""} example="16MB" tidy={bytes} {...shared} onChange={(past_size) => set({ past_size })} />
      </SimpleGrid>
      <Past connection={connection} isKept={!isNone(it.past ?? NO_SPAN)} />
    </Stack>
  );
}

interface CountProps {
  label: string;
  value: number;
  min: number;
  max: number;
  disabled: boolean;
  onChange(value: number): void;
}

function Count({ label, value, min, max, disabled, onChange }: CountProps) {
  const [number, setNumber] = useState<number | string>(value);
  useEffect(() => setNumber(value), [value]);
  const done = () => { if (typeof number === "number" && number !== value && number >= min && number <= max) onChange(number); };
  return (
    <NumberInput
      size="xs" label={label} description={`${min} to ${max}`} value={number} min={min} max={max} allowDecimal={false} disabled={disabled} clampBehavior="blur"
      onChange={setNumber} onBlur={done} onKeyDown={(event) => { if (event.key === "Enter") done(); }}
    />
  );
}

const CAUSES: Record<string, string> = { degraded: "it was degraded", "element-ended": "an element at its end ended" };

/** The past now, and what was saved of it by itself. */
function Past({ connection, isKept }: { connection: Connection; isKept: boolean }) {
  const path = `/api/v1/connections/${connection.id}/capture`;
  const params = { path: { id: connection.id } };
  const saved = useQuery({
    queryKey: ["saved-captures", connection.id], queryFn: () => answer(api.GET("/api/v1/connections/{id}/capture/saved", { params })), refetchInterval: REFRESH_MS,
  });
  const download = async (from: string, name: string) => {
    try {
      save(await (await raw(`${path}/${from}`)).blob(), `${name}.pcapng`);
    } catch (error) {
      complain(error, "Nothing was saved");
    }
  };
  const name = fileName(connection.name);
  const why = !isKept ? "say first how much of it is kept" : connection.started ? null : "nothing passes now";
  return (
    <Stack gap={4}>
      <Group gap={8} wrap="nowrap">
        <Button size="compact-sm" variant="default" leftSection={<IconHistory size={15} />} disabled={why !== null} onClick={() => void download("past", `${name}-past`)}>Save the past</Button>
        {why && <Text fz="xs" c="dimmed">{why}</Text>}
      </Group>
      {(saved.data ?? []).map((one) => (
        <Group key={one.name} gap={6} wrap="nowrap" justify="space-between">
          <Text fz="xs" c="dimmed">{new Date(one.time).toLocaleString([], { dateStyle: "short", timeStyle: "medium", hourCycle: "h23" })}: {CAUSES[one.cause] ?? one.cause}</Text>
          <Button size="compact-xs" variant="default" leftSection={<IconDownload size={13} />} onClick={() => void download(`saved/${encodeURIComponent(one.name)}`, `${name}-${one.cause}`)}>{showBytes(one.bytes)}</Button>
        </Group>
      ))}
    </Stack>
  );
}
