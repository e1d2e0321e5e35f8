// What else the wire can do to a direction: made from the interface's own description, so that what the wire learns appears here by itself.
import { Autocomplete, NumberInput, Select, Stack, Switch, Text, Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { raw } from "../api/client";
import type { Direction, LinkPatch } from "../model/types";

/** A part of the description (JSON Schema). */
interface Schema {
  $ref?: string;
  type?: string | string[];
  anyOf?: Schema[];
  oneOf?: { const?: string }[];
  enum?: string[];
  description?: string;
  examples?: string[];
  properties?: Record<string, Schema>;
}

interface Description {
  components: { schemas: Record<string, Schema> };
}

/** How a parameter is entered. */
type Entry = { kind: "text" | "json" | "number" | "switch" } | { kind: "choice"; values: string[] } | { kind: "examples"; values: string[] };

/** Parameters that the panel shows by itself. */
const SHOWN: ReadonlySet<string> = new Set(["bandwidth", "delay", "jitter", "distribution", "loss", "duplicate", "corrupt"]);

function resolved(schema: Schema, all: Description): Schema {
  const inner = schema.anyOf?.find((part) => part.type !== "null") ?? schema;
  const name = inner.$ref?.split("/").at(-1);
  return name === undefined ? inner : { ...all.components.schemas[name], ...(schema.description ? { description: schema.description } : {}) };
}

function entryOf(schema: Schema): Entry {
  const choices = schema.enum ?? schema.oneOf?.flatMap((one) => (typeof one.const === "string" ? [one.const] : [])) ?? [];
  const types = [schema.type ?? "object"].flat();
  if (choices.length > 0) return { kind: "choice", values: choices };
  if (types.includes("boolean")) return { kind: "switch" };
  if (types.includes("integer") || types.includes("number")) return { kind: "number" };
  if (!types.includes("string")) return { kind: "json" };
  return (schema.examples ?? []).length > 1 ? { kind: "examples", values: schema.examples! } : { kind: "text" };
}

const labelOf = (name: string): string => {
  const words = name.replaceAll("_", " ");
  return name === "ecn" || name === "mtu" ? name.toUpperCase() : words.charAt(0).toUpperCase() + words.slice(1);
};

interface Props {
  links: Record<Direction, LinkPatch>;
  directions: Direction[];
  disabled: boolean;
  onChange(direction: Direction, patch: LinkPatch): void;
}

export default function Advanced({ links, directions, disabled, onChange }: Props) {
  const description = useQuery({
    queryKey: ["openapi"], staleTime: Number.POSITIVE_INFINITY,
    queryFn: async () => (await (await raw("/api/v1/openapi.json")).json()) as Description,
  }).data;
  if (!description) return null;
  const parameters = Object.entries(description.components.schemas["LinkParams"]?.properties ?? {}).filter(([name]) => !SHOWN.has(name));
  return (
    <Stack gap={10}>
      {parameters.map(([name, schema]) => {
        const known = resolved(schema, description);
        return (
          <div key={name} role="group" aria-label={labelOf(name)}>
            <Text fz="xs" fw={500}>{labelOf(name)}</Text>
            <Text fz={11} c="dimmed" className="name" mb={3}>{known.description}</Text>
            <div className="param-row">
              {directions.map((direction) => (
                <Value
                  key={direction} entry={entryOf(known)} label={direction === "backward" ? `${labelOf(name)} back` : labelOf(name)} example={known.examples?.[0] ?? ""} disabled={disabled}
                  value={(links[direction] as Record<string, unknown>)[name] ?? null} onChange={(value) => onChange(direction, { [name]: value } as LinkPatch)}
                />
              ))}
            </div>
          </div>
        );
      })}
    </Stack>
  );
}

interface ValueProps {
  entry: Entry;
  label: string;
  example: string;
  value: unknown;
  disabled: boolean;
  onChange(value: unknown): void;
}

const NOT_SET = "not set";

function Value({ entry, label, example, value, disabled, onChange }: ValueProps) {
  const shown = value === null ? "" : entry.kind === "json" ? JSON.stringify(value, null, 1) : String(value);
  const [text, setText] = useState(shown);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => setText(shown), [shown]);
  const done = (next = text) => {
    setError(null);
    if (next.trim() === shown.trim()) return;
    try {
      if (next.trim() === "") onChange(null);
      else onChange(entry.kind === "json" ? JSON.parse(next) : entry.kind === "number" ? Number(next) : next.trim());
    } catch {
      setError("Write it as JSON");
    }
  };
  const shared = { size: "xs" as const, "aria-label": label, disabled, error };
  const onEnter = (event: React.KeyboardEvent) => { if (event.key === "Enter") done(); };
  switch (entry.kind) {
    case "switch":
      return <Switch size="sm" aria-label={label} disabled={disabled} checked={value === true} onChange={(event) => onChange(event.currentTarget.checked)} />;
    case "choice":
      return <Select {...shared} data={entry.values} value={value === null ? null : String(value)} placeholder={NOT_SET} clearable onChange={onChange} />;
    case "number":
      return <NumberInput {...shared} value={text} placeholder={NOT_SET} min={0} allowDecimal={false} onChange={(next) => setText(String(next))} onBlur={() => done()} onKeyDown={onEnter} />;
    case "examples":
      return (
        <Autocomplete {...shared} data={entry.values} value={text} placeholder={NOT_SET} onChange={setText} onBlur={() => done()} onKeyDown={onEnter}
          filter={({ options }) => options} onOptionSubmit={(next) => { setText(next); done(next); }} />
      );
    case "json":
      return <Textarea {...shared} autosize minRows={1} maxRows={10} value={text} placeholder={NOT_SET} classNames={{ input: "mono" }} onChange={(event) => setText(event.currentTarget.value)} onBlur={() => done()} />;
    default:
      return <TextInput {...shared} value={text} placeholder={example === "" ? NOT_SET : `${NOT_SET}, for example ${example}`} onChange={(event) => setText(event.currentTarget.value)} onBlur={() => done()} onKeyDown={onEnter} />;
  }
}
