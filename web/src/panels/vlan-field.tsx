// The VLANs of a switch's interface: what sort, and which.
import { Group, Select, Text, TextInput } from "@mantine/core";
import { useEffect, useState } from "react";

import { NO_VLAN, readVlan, type Vlan, vlanErrors, type VlanMode, writeVlan } from "../model/switching";
import type { Shared } from "./value-field";

const NONE = "none";
const MODES: { value: VlanMode | typeof NONE; label: string }[] = [
  { value: NONE, label: "no VLANs" },
  { value: "access", label: "access: one VLAN, no tags" },
  { value: "trunk", label: "trunk: with tags" },
  { value: "tunnel", label: "tunnel: tags inside tags" },
];

export function VlanField({ label, description, value, disabled, set }: Shared & { value: string }) {
  const [draft, setDraft] = useState<Vlan | null>(() => readVlan(value));
  useEffect(() => setDraft(readVlan(value)), [value]);
  const keep = (next: Vlan | null) => {
    const text = next && writeVlan(next);
    if ((text ?? "") !== value && (next === null || Object.keys(vlanErrors(next)).length === 0)) set(text);
  };
  const choose = (mode: string | null) => {
    const next = mode === null || mode === NONE ? null : { ...(draft ?? NO_VLAN), mode: mode as VlanMode };
    setDraft(next);
    keep(next);
  };
  const errors = draft ? vlanErrors(draft) : {};
  const part = (key: "id" | "allowed" | "native", name: string, placeholder: string) => (
    <TextInput
      size="xs" flex={1} label={name} placeholder={placeholder} disabled={disabled} value={draft?.[key] ?? ""} error={draft?.[key] === "" ? undefined : errors[key]}
      onChange={(event) => { if (draft) setDraft({ ...draft, [key]: event.currentTarget.value.trimStart() }); }}
      onBlur={() => keep(draft)} onKeyDown={(event) => { if (event.key === "Enter") keep(draft); }}
    />
  );
  return (
    <div role="group" aria-label={label}>
      <Select size="xs" label={label} description={description} data={MODES} value={draft?.mode ?? NONE} allowDeselect={false} disabled={disabled} onChange={choose} />
      {draft && (
        <Group gap={6} mt={4} wrap="nowrap" align="flex-start">
          {draft.mode === "trunk" ? <>{part("allowed", "Tagged", "all, or 10,20-30")}{part("native", "Without a tag", "dropped")}</> : part("id", "VLAN number", "1 to 4094")}
        </Group>
      )}
      {draft && draft.mode !== "trunk" && draft.id === "" && <Text fz={11} c="dimmed" mt={2}>It applies once a number is there.</Text>}
    </div>
  );
}
