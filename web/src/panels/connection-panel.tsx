// The panel of a connection: what each direction does, set live, beside what was measured.
import { ActionIcon, Badge, Button, Group, Menu, Select, Stack, Switch, Text, Tooltip } from "@mantine/core";
import { IconArrowRight, IconChevronDown, IconLock, IconLockOpen, IconPlug, IconPlugOff, IconTrash } from "@tabler/icons-react";
import { lazy, Suspense, useState } from "react";

import { full } from "../model/link";
import { type Preset, PRESETS } from "../model/presets";
import type { Connection, Direction, LinkPatch } from "../model/types";
import { readBandwidth, readRatio, readSpan, showRate, writeBandwidth, writeRatio, writeSpan } from "../model/units";
import { change, changeLink } from "../store/edits";
import { complain } from "../store/send";
import { current } from "../store/topology";
import { removeSelected } from "../editor/actions";
import { EditableName } from "../editor/editable-name";
import { CaptureBox } from "./capture-box";
import { Measured } from "./measured";
import { logScale, ParamField, powerScale, type Scale } from "./param-field";
import { type Recent, useRecent } from "./recent";
import { DelayPicture } from "./delay-picture";
import { Section } from "./section";

const Advanced = lazy(() => import("./advanced"));
const ConnectionChart = lazy(() => import("./usage").then(({ ConnectionChart: chosen }) => ({ default: chosen })));

interface Spec {
  name: keyof LinkPatch;
  label: string;
  scale: Scale;
  read(text: string): number | null;
  write(value: number): string;
  empty?: string;
  example: string;
  /** What was measured of it of late, in words; null while there is nothing to tell. */
  measured?(recent: Recent): string | null;
}

const percent = (share: number | null): string | null => (share === null ? null : `measured ${share.toFixed(share < 10 ? 2 : 1)} %`);
const late = (ns: number): string => writeSpan(Number((ns / 1e6).toPrecision(2)));

const SPECS: Spec[] = [
  { name: "bandwidth", label: "Bandwidth", scale: logScale(1e4, 1e10), read: readBandwidth, write: writeBandwidth, empty: "unlimited", example: "10Mbit/s", measured: ({ rate }) => `measured ${showRate(rate)}` },
  { name: "delay", label: "Delay", scale: powerScale(1000), read: readSpan, write: writeSpan, example: "20ms", measured: ({ late: known }) => known && `late by ${late(known[0])}, at most ${late(known[1])} for 99 %` },
  { name: "jitter", label: "Jitter", scale: powerScale(500), read: readSpan, write: writeSpan, example: "2ms" },
];
const MORE: Spec[] = [
  { name: "loss", label: "Loss", scale: powerScale(100), read: readRatio, write: writeRatio, example: "1%", measured: ({ loss }) => percent(loss) },
  { name: "duplicate", label: "Duplication", scale: powerScale(100), read: readRatio, write: writeRatio, example: "0.1%", measured: ({ duplicate }) => percent(duplicate) },
  { name: "corrupt", label: "Corruption", scale: powerScale(100), read: readRatio, write: writeRatio, example: "0.1%", measured: ({ corrupt }) => percent(corrupt) },
];

const SHAPES = [
  { value: "uniform", label: "uniform" },
  { value: "normal", label: "normal" },
  { value: "pareto", label: "Pareto" },
  { value: "paretonormal", label: "Pareto-normal" },
];

/** Letters of a connection's name. */
const NAME_MAX = 160;

const same = (connection: Connection): boolean =>
  JSON.stringify(full(connection.forward)) === JSON.stringify(full(connection.backward));

export function ConnectionPanel({ connection, editable }: { connection: Connection; editable: boolean }) {
  const [locked, setLocked] = useState(() => same(connection));
  const { owners, elements } = current();
  const [a, b] = connection.interfaces.map((end) => elements.get(owners.get(end) ?? ""));
  const names: [string, string] = [a?.name ?? "", b?.name ?? ""];
  const [portA, portB] = [a, b].map((element, index) => element?.interfaces.find((item) => item.id === connection.interfaces[index])?.name);
  const set = (patch: Record<string, unknown>, label: string) => void change("connection", connection.id, patch, label).catch(complain);
  const recent = useRecent(connection);
  /** What was measured; where one field sets both directions, of both. */
  const told = (spec: Spec, direction: Direction): string | null => {
    if (!recent || !spec.measured) return null;
    const [forward, backward] = recent.map((one) => spec.measured!(one));
    if (!locked) return (direction === "forward" ? forward : backward) ?? null;
    return forward === backward ? (forward ?? null) : [forward && `→ ${forward}`, backward && `← ${backward}`].filter(Boolean).join("\n");
  };
  const directions: Direction[] = locked ? ["forward"] : ["forward", "backward"];
  const apply = (direction: Direction, patch: LinkPatch) =>
    void changeLink(connection.id, locked ? ["forward", "backward"] : [direction], patch).catch(complain);
  const lock = () => {
    if (!locked) {
      const { forward, backward } = connection;
      if (!same(connection)) set({ forward: full(forward), backward: full(forward) }, "symmetric link");
      void backward;
    }
    setLocked(!locked);
  };
  const preset = (chosen: Preset) => {
    setLocked(JSON.stringify(chosen.forward) === JSON.stringify(chosen.backward));
    set({ emulation: true, forward: chosen.forward, backward: chosen.backward }, `preset ${chosen.name}`);
  };
  const off = !editable || !connection.emulation;
  const head = (direction: Direction) => {
    const [from, to] = direction === "forward" ? [a, b] : [b, a];
    return (
      <Group gap={4} wrap="nowrap" className="direction-head">
        <span className="clip" dir="auto">{from?.name}</span><IconArrowRight size={13} aria-label="to" /><span className="clip" dir="auto">{to?.name}</span>
      </Group>
    );
  };
  const field = (spec: Spec) => (
    <div className="param-row" key={spec.name}>
      {directions.map((direction) => {
        const raw = full(connection[direction])[spec.name];
        const value = raw === null || raw === undefined ? null : spec.read(String(raw));
        return (
          <ParamField
            key={direction} label={directions.length > 1 ? `${spec.label}${direction === "backward" ? " back" : ""}` : spec.label} value={value} scale={spec.scale} read={spec.read}
            write={spec.write} empty={spec.empty} example={spec.example} disabled={off} measured={told(spec, direction)}
            onChange={(next) => apply(direction, { [spec.name]: next === null ? (spec.empty === undefined ? spec.write(0) : null) : spec.write(next) })}
          />
        );
      })}
    </div>
  );
  return (
    <>
      <div className="panel-head">
        <div className="panel-title">
          <h2><EditableName label="Name of the connection" value={connection.name} max={NAME_MAX} editable={editable} onRename={(name) => set({ name }, "new name")} /></h2>
          <Text fz="xs" c="dimmed" className="clip">
            <span dir="auto">{a?.name}</span>:{portA} ↔ <span dir="auto">{b?.name}</span>:{portB}
          </Text>
        </div>
        <Tooltip label="Delete (Del)">
          <ActionIcon color="red" aria-label="Delete the connection" disabled={!editable} onClick={() => removeSelected([connection.id])}><IconTrash size={18} /></ActionIcon>
        </Tooltip>
      </div>
      <Group gap={6} className="panel-badges">
        {connection.connected
          ? <Badge variant="light" color={connection.started ? "leaf" : "gray"} tt="none">{connection.started ? "passes frames" : "not running"}</Badge>
          : <Badge variant="light" color="orange" tt="none">unplugged</Badge>}
        <Button
          size="compact-xs" variant="default" disabled={!editable} leftSection={connection.connected ? <IconPlugOff size={14} /> : <IconPlug size={14} />}
          onClick={() => set({ connected: !connection.connected }, connection.connected ? "unplugging" : "plugging in")}
        >
          {connection.connected ? "Unplug" : "Plug in"}
        </Button>
      </Group>
      <Section title="Link emulation" id="emulation" tour="emulation">
        <Stack gap={10}>
          <Group justify="space-between" wrap="nowrap">
            <Switch size="sm" label="On" checked={connection.emulation} disabled={!editable} onChange={() => set({ emulation: !connection.emulation }, "emulation")} />
            <Group gap={6} wrap="nowrap">
              <Tooltip label={locked ? "Both directions are the same; unlock to set them apart" : "Each direction on its own; lock to make both like the first"}>
                <Button size="compact-xs" variant={locked ? "light" : "default"} disabled={!editable} leftSection={locked ? <IconLock size={13} /> : <IconLockOpen size={13} />} aria-pressed={locked} onClick={lock}>
                  Symmetric
                </Button>
              </Tooltip>
              <Menu position="bottom-end" width={300} middlewares={{ flip: true, shift: true, size: true }}>
                <Menu.Target><Button size="compact-xs" variant="default" disabled={!editable} rightSection={<IconChevronDown size={13} />}>Preset</Button></Menu.Target>
                <Menu.Dropdown className="scroll">
                  {PRESETS.map((item) => (
                    <Menu.Item key={item.name} onClick={() => preset(item)}>
                      {item.name}<Text component="span" fz="xs" c="dimmed" display="block">{item.hint}</Text>
                    </Menu.Item>
                  ))}
                </Menu.Dropdown>
              </Menu>
            </Group>
          </Group>
          {!locked && <div className="param-row">{head("forward")}{head("backward")}</div>}
          {SPECS.map(field)}
          <div className="param-row">
            {directions.map((direction) => (
              <div key={direction}>
                <Select
                  size="xs" label={direction === "backward" ? "Shape of the jitter back" : "Shape of the jitter"} data={SHAPES} allowDeselect={false} disabled={off}
                  value={String(full(connection[direction]).distribution)} comboboxProps={{ withinPortal: true }}
                  onChange={(value) => { if (value) apply(direction, { distribution: value as never }); }}
                />
                <DelayPicture link={connection[direction]} />
              </div>
            ))}
          </div>
          {MORE.map(field)}
        </Stack>
      </Section>
      <Section title="Advanced" id="advanced" isFolded>
        <Suspense fallback={null}>
          {!locked && <div className="param-row">{head("forward")}{head("backward")}</div>}
          <Advanced links={{ forward: connection.forward, backward: connection.backward }} directions={directions} disabled={off} onChange={apply} />
        </Suspense>
      </Section>
      <Section title="Measured" id="measured" tour="measured">
        <Measured connection={connection} names={names} />
        {connection.started && <Suspense fallback={null}><ConnectionChart connection={connection} names={names} /></Suspense>}
      </Section>
      <Section title="Capture" id="capture" tour="capture"><CaptureBox connection={connection} names={names} editable={editable} /></Section>
    </>
  );
}
