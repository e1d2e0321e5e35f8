// One attribute of an element, by the type that the kind table gives it.
import { ActionIcon, Button, Group, NumberInput, Select, Stack, Switch, TagsInput, Text, Textarea, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useEffect, useState } from "react";

import { templateIcon } from "../model/kinds";
import type { AttributeInfo, Element } from "../model/types";
import { showBytes } from "../model/units";
import { change } from "../store/edits";
import { complain } from "../store/send";
import { useProfiles, useTemplates } from "../store/server";

interface Props {
  info: AttributeInfo;
  element: Element;
  /** Why it cannot be changed now, or null. */
  why: string | null;
}

const LABELS: Record<string, string> = { ageing_s: "Ageing time", forwarding: "Forward packets (router)", gateways: "Gateways" };

function labelOf(name: string): string {
  const words = name.replaceAll("_", " ");
  return LABELS[name] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

export function AttributeField(props: Props) {
  const { info, element } = props;
  const value = (element as Record<string, unknown>)[info.name] ?? info.default;
  const set = (next: unknown) =>
    void change("element", element.id, { [info.name]: next }, labelOf(info.name).toLowerCase()).catch(complain);
  const shared = { label: labelOf(info.name), description: props.why ?? info.doc, size: "xs" as const };
  if (info.name === "template") return <TemplateField {...props} set={set} />;
  if (info.name === "profile") return <ProfileField {...props} set={set} />;
  switch (info.type) {
    case "boolean":
      return <Switch {...shared} size="sm" checked={value === true} disabled={props.why !== null} onChange={(event) => set(event.currentTarget.checked)} />;
    case "integer":
      return (
        <NumberField {...shared} value={typeof value === "number" ? value : null} min={info.min ?? undefined} max={info.max ?? undefined}
          suffix={info.unit ? ` ${info.unit}` : ""} disabled={props.why !== null} set={set} />
      );
    case "address_list":
      return (
        <TagsInput {...shared} value={Array.isArray(value) ? (value as string[]) : []} disabled={props.why !== null}
          placeholder="Add an address" splitChars={[",", " "]} onChange={set} />
      );
    case "route_list":
      return <Routes {...shared} value={Array.isArray(value) ? (value as Route[]) : []} disabled={props.why !== null} set={set} />;
    case "file_map":
      return <Files {...shared} value={(value ?? {}) as Record<string, string>} disabled={props.why !== null} set={set} />;
    default:
      return <TextField {...shared} value={typeof value === "string" ? value : ""} disabled={props.why !== null} set={set} />;
  }
}

interface Shared {
  label: string;
  description: string;
  size: "xs";
  disabled: boolean;
  set(next: unknown): void;
}

function TextField({ value, set, ...rest }: Shared & { value: string }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  return <TextInput {...rest} value={text} onChange={(event) => setText(event.currentTarget.value)} onBlur={() => { if (text !== value) set(text); }} />;
}

function NumberField({ value, set, ...rest }: Shared & { value: number | null; min?: number; max?: number; suffix: string }) {
  const [number, setNumber] = useState<number | string>(value ?? "");
  useEffect(() => setNumber(value ?? ""), [value]);
  const done = () => { if (typeof number === "number" && number !== value) set(number); };
  return <NumberInput {...rest} value={number} onChange={setNumber} onBlur={done} allowDecimal={false} thousandSeparator=" " clampBehavior="blur" />;
}

function TemplateField({ element, why, set }: Props & { set(next: unknown): void }) {
  const templates = useTemplates().data ?? [];
  const chosen = templates.find((item) => item.name === element.template);
  const known = templates.map((item) => ({ value: item.name, label: item.label || item.name }));
  const data = element.template && !chosen ? [...known, { value: element.template, label: element.template }] : known;
  const picture = (name: string, size: number) => {
    const Icon = templateIcon(name);
    return <Icon size={size} stroke={1.6} aria-hidden />;
  };
  return (
    <Select
      size="xs" label="Template" data={data} value={element.template ?? null} placeholder="Choose what it starts from" disabled={why !== null} allowDeselect={false} searchable
      leftSection={element.template ? picture(element.template, 16) : undefined}
      description={why ?? chosen?.description ?? (element.template ? "not known here: it is built or fetched at the start" : "what it starts from")}
      renderOption={({ option }) => {
        const info = templates.find((item) => item.name === option.value);
        return (
          <Group gap={10} wrap="nowrap">
            <span className="template-picture">{picture(option.value, 20)}</span>
            <span><Text component="span" fz="sm" fw={600} display="block">{option.label}</Text><Text component="span" fz="xs" c="dimmed" display="block">{info?.description}{info && !info.ready ? " (built at the first start)" : ""}</Text></span>
          </Group>
        );
      }}
      onChange={(next) => { if (next) set(next); }}
    />
  );
}

function ProfileField({ element, why, set }: Props & { set(next: unknown): void }) {
  const profiles = useProfiles().data ?? [];
  const chosen = profiles.find((item) => item.name === element.profile);
  const describe = chosen ? `${chosen.cpu_milli / 1000} processors, ${showBytes(chosen.memory_bytes)} memory` : "the default profile";
  return (
    <Select
      size="xs" label="Profile" value={element.profile ?? null} placeholder="default" disabled={why !== null} clearable
      data={profiles.map((item) => ({ value: item.name, label: item.label || item.name }))} description={why ?? describe} onChange={set}
    />
  );
}

interface Route {
  to: string;
  via: string;
}

function Routes({ label, description, value, disabled, set }: Shared & { value: Route[] }) {
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

function Files({ label, description, value, disabled, set }: Shared & { value: Record<string, string> }) {
  const [open, setOpen] = useState<string | null>(null);
  const [path, setPath] = useState("");
  const [text, setText] = useState("");
  const show = (name: string) => {
    setOpen(name);
    setText(value[name] ?? "");
  };
  return (
    <div role="group" aria-label={label}>
      <Text fz="xs" fw={500}>{label}</Text>
      <Text fz="xs" c="dimmed">{description}</Text>
      <Stack gap={4} mt={4}>
        {Object.keys(value).map((name) => (
          <Group key={name} gap={4} wrap="nowrap" justify="space-between">
            <Button size="compact-xs" variant="subtle" className="mono" onClick={() => (open === name ? setOpen(null) : show(name))}>{name.slice(0, 60)}</Button>
            <ActionIcon size="sm" color="red" aria-label={`Remove ${name}`} disabled={disabled}
              onClick={() => set(Object.fromEntries(Object.entries(value).filter(([key]) => key !== name)))}><IconTrash size={14} /></ActionIcon>
          </Group>
        ))}
        {open !== null && (
          <Textarea size="xs" aria-label={`Content of ${open}`} autosize minRows={4} maxRows={14} value={text} readOnly={disabled} classNames={{ input: "mono" }}
            onChange={(event) => setText(event.currentTarget.value)} onBlur={() => { if (text !== value[open]) set({ ...value, [open]: text }); }} />
        )}
        {!disabled && (
          <Group gap={4} wrap="nowrap">
            <TextInput size="xs" flex={1} aria-label="Path of a new file" placeholder="/etc/motd" value={path} onChange={(event) => setPath(event.currentTarget.value)} />
            <Button size="compact-xs" variant="default" leftSection={<IconPlus size={13} />} disabled={!path.startsWith("/") || path in value}
              onClick={() => { set({ ...value, [path]: "" }); setOpen(path); setText(""); setPath(""); }}>File</Button>
          </Group>
        )}
      </Stack>
    </div>
  );
}
