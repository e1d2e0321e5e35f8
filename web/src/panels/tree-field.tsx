// A switch's part in the spanning tree: off, or on with its values.
import { NumberInput, SimpleGrid, Switch, Text } from "@mantine/core";
import { useEffect, useState } from "react";

import { readTree, type Tree, TREE_RANGES, treeError, USUAL_TREE, writeTree } from "../model/switching";
import type { Shared } from "./value-field";

const FIELDS: [keyof Tree, string, string][] = [
  ["priority", "Priority", ""],
  ["hello", "Hello", " s"],
  ["forward_delay", "Forward delay", " s"],
  ["max_age", "Greatest age", " s"],
];

export function TreeField({ label, description, value, disabled, set }: Shared & { value: string }) {
  const [draft, setDraft] = useState<Tree | null>(() => readTree(value));
  useEffect(() => setDraft(readTree(value)), [value]);
  const error = draft && treeError(draft);
  const keep = (next: Tree | null) => {
    const text = next && writeTree(next);
    if ((text ?? "") !== value && (next === null || treeError(next) === null)) set(text);
  };
  const turn = (on: boolean) => {
    const next = on ? USUAL_TREE : null;
    setDraft(next);
    keep(next);
  };
  return (
    <div role="group" aria-label={label}>
      <Switch size="sm" label={label} description={disabled ? description : "Loops of switches are cut by themselves (IEEE 802.1D). The lowest priority is the root."} disabled={disabled} checked={draft !== null} onChange={(event) => turn(event.currentTarget.checked)} />
      {draft && (
        <SimpleGrid cols={2} spacing={6} verticalSpacing={4} mt={6}>
          {FIELDS.map(([key, name, unit]) => (
            <NumberInput
              key={key} size="xs" label={name} suffix={unit} min={TREE_RANGES[key][0]} max={TREE_RANGES[key][1]} allowDecimal={false} disabled={disabled} value={draft[key]}
              onChange={(next) => setDraft({ ...draft, [key]: typeof next === "number" ? next : Number.NaN })}
              onBlur={() => keep(draft)} onKeyDown={(event) => { if (event.key === "Enter") keep(draft); }}
            />
          ))}
        </SimpleGrid>
      )}
      {error && <Text fz="xs" c="var(--bad)" mt={4} role="alert">{error}</Text>}
    </div>
  );
}
