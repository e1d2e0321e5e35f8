// Beside the canvas: what is selected, else the topology.
import { ActionIcon, Button, Group, Stack, Text, TextInput, Tooltip } from "@mantine/core";
import {
  IconArrowsHorizontal, IconArrowsVertical, IconCircleDashed, IconCopy, IconFrame, IconLayoutAlignCenter, IconLayoutAlignMiddle, IconPlayerPlayFilled, IconPlayerStopFilled,
  IconSitemap, IconTrash,
} from "@tabler/icons-react";
import { useEffect, useLayoutEffect, useRef, useState } from "react";

import { copySelection, removeSelected, run, whyNot } from "../editor/actions";
import { addGroup } from "../editor/decorations";
import { useEditable } from "../editor/editable";
import { align, type Alignment, arrange } from "../editor/layout";
import { PRESETS } from "../model/presets";
import type { Element, Topology } from "../model/types";
import { count } from "../model/units";
import { act, change } from "../store/edits";
import { useKinds } from "../store/server";
import { useTopology } from "../store/topology";
import { setView } from "../store/view";
import { ProfileField, TemplateField } from "./attribute-field";
import { ConnectionPanel } from "./connection-panel";
import { ElementPanel } from "./element-panel";
import { useReleased } from "./released";
import { Renew } from "./renew";
import { Section } from "./section";

export function Panel() {
  const editable = useEditable();
  const newest = useTopology((state) => state.selection);
  const selection = useReleased(newest);
  const only = selection.size === 1 ? [...selection][0]! : "";
  const element = useTopology((state) => state.elements.get(only));
  const connection = useTopology((state) => state.connections.get(only));
  const box = useRef<HTMLElement>(null);
  // What is chosen next is read from its beginning.
  useLayoutEffect(() => { box.current?.scrollTo(0, 0); }, [only]);
  return (
    <aside ref={box} className="panel" aria-label="Properties">
      <div role="group" aria-label="What is selected" aria-disabled={selection !== newest || undefined} inert={selection !== newest}>
        {element ? <ElementPanel key={element.id} element={element} editable={editable} />
          : connection ? <ConnectionPanel key={connection.id} connection={connection} editable={editable} />
          : selection.size > 1 ? <ManyPanel ids={[...selection]} editable={editable} />
          : <TopologyPanel editable={editable} />}
      </div>
    </aside>
  );
}

const ALIGNMENTS: [Alignment, string, typeof IconFrame][] = [
  ["row", "In one row", IconLayoutAlignMiddle],
  ["column", "In one column", IconLayoutAlignCenter],
  ["spread-x", "Spread from left to right", IconArrowsHorizontal],
  ["spread-y", "Spread from top to bottom", IconArrowsVertical],
  ["circle", "In a circle", IconCircleDashed],
];

function ManyPanel({ ids, editable }: { ids: string[]; editable: boolean }) {
  const state = useTopology();
  const elements = ids.filter((id) => state.elements.has(id));
  const connections = ids.filter((id) => state.connections.has(id));
  const start = whyNot("start", elements);
  const stop = whyNot("stop", elements);
  return (
    <>
      <div className="panel-head"><div className="panel-title">
        <Text component="h2">{ids.length} selected</Text>
        <Text fz="xs" c="dimmed">{count(elements.length, "element")}, {count(connections.length, "connection")}</Text>
      </div></div>
      <Group gap={6} className="panel-badges">
        <Button size="compact-sm" color="leaf.7" disabled={!editable || start !== null} leftSection={<IconPlayerPlayFilled size={13} />} onClick={() => run(() => act("start", elements))}>Start</Button>
        <Button size="compact-sm" variant="default" disabled={!editable || stop !== null} leftSection={<IconPlayerStopFilled size={13} />} onClick={() => run(() => act("stop", elements))}>Stop</Button>
        <Button size="compact-sm" variant="default" disabled={elements.length === 0} leftSection={<IconCopy size={14} />} onClick={copySelection}>Copy</Button>
        <Button size="compact-sm" variant="default" c="var(--bad)" disabled={!editable} leftSection={<IconTrash size={14} />} onClick={() => removeSelected(ids)}>Delete</Button>
      </Group>
      {elements.length > 1 && (
        <Section title="Arrange" id="arrange">
          <Group gap={4}>
            {ALIGNMENTS.map(([how, label, Icon]) => (
              <Tooltip key={how} label={label}>
                <ActionIcon size="lg" variant="default" aria-label={label} disabled={!editable} onClick={() => run(() => align(elements, how))}><Icon size={18} /></ActionIcon>
              </Tooltip>
            ))}
            <Tooltip label="By their connections">
              <ActionIcon size="lg" variant="default" aria-label="By their connections" disabled={!editable} onClick={() => run(() => arrange(elements))}><IconSitemap size={18} /></ActionIcon>
            </Tooltip>
            <Tooltip label="Put a frame round them">
              <ActionIcon size="lg" variant="default" aria-label="Put a frame round them" disabled={!editable} onClick={() => run(() => addGroup(elements))}><IconFrame size={18} /></ActionIcon>
            </Tooltip>
          </Group>
        </Section>
      )}
      {elements.length > 1 && <ManyElements elements={elements.map((id) => state.elements.get(id)!)} editable={editable} />}
      {connections.length > 0 && (
        <Section title="All these connections" id="many-links">
          <Group gap={6}>
            {PRESETS.map((preset) => (
              <Button key={preset.name} size="compact-xs" variant="default" disabled={!editable} title={preset.hint}
                onClick={() => run(() => Promise.all(connections.map((id) => change("connection", id, { emulation: true, forward: preset.forward, backward: preset.backward }, `preset ${preset.name}`))))}>
                {preset.name}
              </Button>
            ))}
          </Group>
        </Section>
      )}
    </>
  );
}

/** Template and profile of several at once, as far as their kinds have them. */
function ManyElements({ elements, editable }: { elements: Element[]; editable: boolean }) {
  const kinds = useKinds().data ?? [];
  const having = (name: string) => elements.filter((element) => kinds.find((info) => info.kind === element.kind)?.attributes.some((item) => item.name === name));
  const [templated, profiled] = [having("template"), having("profile")];
  if (templated.length + profiled.length === 0) return null;
  const set = (some: Element[], patch: Record<string, unknown>, what: string) => run(() => Promise.all(some.map((element) => change("element", element.id, patch, `${what} of ${element.name}`))));
  const profiles = new Set(profiled.map((element) => element.profile ?? null));
  const why = editable ? null : "you may only look";
  return (
    <Section title={`All these elements (${Math.max(templated.length, profiled.length)})`} id="many-elements">
      <Stack gap={10}>
        {templated.length > 0 && <TemplateField elements={templated} why={why} set={(template) => set(templated, { template }, "template")} />}
        {profiled.length > 0 && <ProfileField value={profiles.size === 1 ? [...profiles][0] : undefined} why={why} set={(profile) => set(profiled, { profile }, "profile")} />}
      </Stack>
    </Section>
  );
}

function TopologyPanel({ editable }: { editable: boolean }) {
  const { topology, elements, connections } = useTopology();
  if (!topology) return null;
  const running = [...elements.values()].filter((element) => element.state === "started").length;
  const failing = [...elements.values()].filter((element) => element.error);
  return (
    <>
      <div className="panel-head"><div className="panel-title">
        <Text component="h2" className="clip" dir="auto">{topology.name}</Text>
        <Text fz="xs" c="dimmed">{count(elements.size, "element")} ({running} running), {count(connections.size, "connection")}</Text>
      </div></div>
      {elements.size === 0 && (
        <div className="panel-hint">
          <Text fw={600} fz="sm" mb={4}>Begin</Text>
          <ol>
            <li>Add two containers from the palette.</li>
            <li>Drag from the round plug of one to the other.</li>
            <li>Press Start, then double click one for its console.</li>
          </ol>
        </div>
      )}
      {failing.length > 0 && (
        <Section title={`Failed (${failing.length})`} id="failed">
          <Stack gap={6}>
            {failing.slice(0, 20).map((element) => (
              <Text key={element.id} fz="xs" className="name"><b dir="auto">{element.name}</b>: {element.error}</Text>
            ))}
          </Stack>
        </Section>
      )}
      {topology.timeout && <Section title="Time left" id="renew"><Renew topology={topology} editable={editable} /></Section>}
      <Section title="Shared with" id="roles" right={<Button size="compact-xs" variant="default" onClick={() => setView({ dialog: { type: "share" } })}>Share…</Button>}>
        <Stack gap={4}>
          {Object.entries(topology.roles).map(([name, role]) => (
            <Group key={name} justify="space-between" wrap="nowrap"><Text fz="sm" className="clip" dir="auto">{name}</Text><Text fz="xs" c="dimmed">{role}</Text></Group>
          ))}
        </Stack>
      </Section>
      <Section title="Randomness" id="seed">
        <Seed topology={topology} editable={editable} />
      </Section>
    </>
  );
}

const SEED_MAX = 2n ** 64n - 1n;

/** The seed as text: it may be larger than a number of a page can tell. */
function Seed({ topology, editable }: { topology: Topology; editable: boolean }) {
  const shown = String(topology.seed);
  const [text, setText] = useState(shown);
  useEffect(() => setText(shown), [shown]);
  const wrong = /^\d{1,20}$/.test(text) && BigInt(text) <= SEED_MAX ? null : `Write a whole number up to ${SEED_MAX}`;
  const done = () => {
    if (wrong === null && text !== shown) run(() => change("topology", topology.id, { seed: text }, "seed"));
  };
  return (
    <TextInput
      size="xs" label="Seed" description="The same seed gives the same losses and jitter again" inputMode="numeric" value={text} disabled={!editable} error={wrong}
      onChange={(event) => setText(event.currentTarget.value.trim())} onBlur={done} onKeyDown={(event) => { if (event.key === "Enter") done(); }}
    />
  );
}
