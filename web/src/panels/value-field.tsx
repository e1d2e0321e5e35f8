// One value by the type that the kind table gives it: of an element, or of an interface.
import { NumberInput, Switch, TagsInput, TextInput } from "@mantine/core";
import { useEffect, useState } from "react";

import type { AttributeInfo } from "../model/types";
import { FilesField } from "./files-field";
import { type Route, RoutesField } from "./routes-field";
import { TreeField } from "./tree-field";
import { VlanField } from "./vlan-field";

/** How a field looks. */
interface Look {
  label: string;
  /** What it means, or why it cannot be changed now. */
  description?: string;
  size: "xs";
  disabled: boolean;
}

/** What fields of all types are given. */
export interface Shared extends Look {
  set(next: unknown): void;
}

const LABELS: Record<string, string> = {
  ageing_s: "Ageing time", forwarding: "Forward packets (router)", gateways: "Gateways", stp: "Spanning tree", mac: "Card address (MAC)", mtu: "Largest packet (MTU)",
  dhcp: "DHCP", vlan: "VLAN",
};

/** The name of an attribute for people. */
export function labelOf(name: string): string {
  const words = name.replaceAll("_", " ");
  return LABELS[name] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

interface Props {
  info: AttributeInfo;
  value: unknown;
  /** Why it cannot be changed now, or null. */
  why: string | null;
  /** Instead of the attribute's own name. */
  label?: string;
  /** Without its description. */
  isTerse?: boolean;
  set(next: unknown): void;
}

const listOf = (value: unknown): string[] => (Array.isArray(value) ? (value as string[]) : []);
const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

export function ValueField({ info, value, why, label = labelOf(info.name), isTerse = false, set }: Props) {
  const look: Look = { label, description: why ?? (isTerse ? undefined : info.doc), size: "xs", disabled: why !== null };
  const shared: Shared = { ...look, set };
  switch (info.type) {
    case "boolean":
      return <Switch {...look} size="sm" checked={value === true} onChange={(event) => set(event.currentTarget.checked)} />;
    case "integer":
      return (
        <NumberField {...shared} value={typeof value === "number" ? value : null} min={info.min ?? undefined} max={info.max ?? undefined}
          suffix={info.unit ? ` ${info.unit}` : ""} />
      );
    case "address_list":
      return <TagsInput {...look} value={listOf(value)} placeholder="Add an address" splitChars={[",", " "]} onChange={set} />;
    case "network_list":
      return <TagsInput {...look} value={listOf(value)} placeholder={listOf(value).length > 0 ? "" : "10.0.0.1/24"} splitChars={[",", " "]} onChange={set} />;
    case "route_list":
      return <RoutesField {...shared} value={(Array.isArray(value) ? value : []) as Route[]} />;
    case "file_map":
      return <FilesField {...shared} value={(value ?? {}) as Record<string, string>} />;
    case "vlan":
      return <VlanField {...shared} value={textOf(value)} />;
    case "spanning_tree":
      return <TreeField {...shared} value={textOf(value)} />;
    default:
      return <TextField {...shared} value={textOf(value)} />;
  }
}

function TextField({ value, set, ...rest }: Shared & { value: string }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const done = () => { if (text !== value) set(text.trim()); };
  return (
    <TextInput
      {...rest} value={text} onChange={(event) => setText(event.currentTarget.value)} onBlur={done}
      onKeyDown={(event) => { if (event.key === "Enter") done(); if (event.key === "Escape") setText(value); }}
    />
  );
}

function NumberField({ value, set, ...rest }: Shared & { value: number | null; min?: number; max?: number; suffix: string }) {
  const [number, setNumber] = useState<number | string>(value ?? "");
  useEffect(() => setNumber(value ?? ""), [value]);
  const done = () => { if (typeof number === "number" && number !== value) set(number); };
  return (
    <NumberInput
      {...rest} value={number} onChange={setNumber} onBlur={done} onKeyDown={(event) => { if (event.key === "Enter") done(); }}
      allowDecimal={false} thousandSeparator=" " clampBehavior="blur"
    />
  );
}
