// The panel of an element: its form is made from the kind table, so that new kinds need no new code here.
import { ActionIcon, Alert, Badge, Button, Group, Stack, Text, TextInput, Tooltip } from "@mantine/core";
import { IconPlayerPlayFilled, IconPlayerStopFilled, IconTerminal2, IconTrash } from "@tabler/icons-react";
import { lazy, Suspense, useEffect, useState } from "react";

import { consoleWhyNot, removeSelected, run, whyNot } from "../editor/actions";
import { lookOf } from "../model/kinds";
import type { AttributeInfo, Element, KindInfo } from "../model/types";
import { act, change } from "../store/edits";
import { complain } from "../store/send";
import { useKinds } from "../store/server";
import { runningJob, useTopology } from "../store/topology";
import { openConsole } from "../store/view";
import { AttributeField } from "./attribute-field";
import { Interfaces } from "./interfaces";
import { lockedWhy } from "./locked";
import { Section } from "./section";

const Inside = lazy(() => import("./inside"));

const STATE_COLORS: Record<string, string> = { started: "leaf", prepared: "yellow", created: "gray" };
const STATE_WORDS: Record<string, string> = { created: "stopped", prepared: "prepared", started: "running" };
/** Shown by themselves, above the rest. */
const OWN = ["name"];
/** Shown last: rarely touched, or long. */
const LATE = ["routes", "files", "gateways"];

function Name({ element, info, editable }: { element: Element; info?: AttributeInfo; editable: boolean }) {
  const [value, setValue] = useState(element.name);
  useEffect(() => setValue(element.name), [element.name]);
  const why = info ? lockedWhy(info, element, editable) : editable ? null : "you may only look";
  const done = () => {
    const name = value.trim();
    if (name === "" || name === element.name) setValue(element.name);
    else void change("element", element.id, { name }, "new name").catch((error: unknown) => { setValue(element.name); complain(error); });
  };
  return (
    <TextInput
      size="sm" label="Name" value={value} disabled={why !== null} description={why ?? undefined} dir="auto" maxLength={63}
      onChange={(event) => setValue(event.currentTarget.value)} onBlur={done}
      onKeyDown={(event) => { if (event.key === "Enter") event.currentTarget.blur(); if (event.key === "Escape") setValue(element.name); }}
    />
  );
}

function Head({ element, editable }: { element: Element; editable: boolean }) {
  const jobs = useTopology((state) => state.jobs);
  const look = lookOf(element);
  const part = runningJob(jobs)?.elements?.[element.id];
  const start = editable ? whyNot("start", [element.id]) : "you may only look";
  const stop = editable ? whyNot("stop", [element.id]) : "you may only look";
  const shell = consoleWhyNot(element.id);
  return (
    <>
      <div className="panel-head">
        <span className="panel-icon" style={{ backgroundColor: look.color }}><look.icon size={22} stroke={1.6} color="#fff" aria-hidden /></span>
        <div className="panel-title">
          <Text component="h2" className="clip" dir="auto">{element.name}</Text>
          <Text fz="xs" c="dimmed">{look.label}</Text>
        </div>
        <Badge variant="light" color={STATE_COLORS[element.state]} tt="none">{STATE_WORDS[element.state] ?? element.state}</Badge>
        <Tooltip label="Delete (Del)">
          <ActionIcon color="red" aria-label="Delete the element" disabled={!editable} onClick={() => removeSelected([element.id])}><IconTrash size={18} /></ActionIcon>
        </Tooltip>
      </div>
      <Group gap={6} className="panel-badges">
        {stop === null ? (
          <Button size="compact-sm" variant="default" leftSection={<IconPlayerStopFilled size={13} />} onClick={() => run(() => act("stop", [element.id]))}>Stop</Button>
        ) : (
          <Tooltip label={start ? `Cannot start: ${start}` : "Start this element alone"}>
            <Button
              size="compact-sm" color="leaf.7" leftSection={<IconPlayerPlayFilled size={13} />} aria-disabled={start !== null} data-disabled={start !== null || undefined}
              onClick={() => { if (start === null) run(() => act("start", [element.id])); }}
            >
              Start
            </Button>
          </Tooltip>
        )}
        {shell !== "it runs no software" && (
          <Tooltip label={shell ? `No console: ${shell}` : "Open a console (double click)"}>
            <Button
              size="compact-sm" variant="default" leftSection={<IconTerminal2 size={15} />} aria-disabled={shell !== null} data-disabled={shell !== null || undefined}
              onClick={() => { if (shell === null) openConsole(element.id); }} data-tour="console"
            >
              Console
            </Button>
          </Tooltip>
        )}
        {part?.doing && <Text fz="xs" c="dimmed">{part.doing}</Text>}
      </Group>
      {element.notice && <Alert color="yellow" m={12} mt={0} p="xs" className="name">{element.notice}</Alert>}
      {element.error && <Alert color="red" m={12} mt={0} p="xs" title="It failed" className="name">{element.error}</Alert>}
    </>
  );
}

export function ElementPanel({ element, editable }: { element: Element; editable: boolean }) {
  const info: KindInfo | undefined = useKinds().data?.find((kind) => kind.kind === element.kind);
  const attributes = (info?.attributes ?? []).filter((item) => !OWN.includes(item.name));
  const early = attributes.filter((item) => !LATE.includes(item.name));
  const late = attributes.filter((item) => LATE.includes(item.name));
  const field = (item: AttributeInfo) => (
    <AttributeField key={item.name} info={item} element={element} why={lockedWhy(item, element, editable)} />
  );
  return (
    <>
      <Head element={element} editable={editable} />
      <Section title="Settings" id="settings">
        <Stack gap={10}>
          <Name element={element} info={info?.attributes.find((item) => item.name === "name")} editable={editable} />
          {early.map(field)}
        </Stack>
      </Section>
      {(info?.children ?? []).includes("interface") && (
        <Section title={`Interfaces (${element.interfaces.length})`} id="interfaces">
          <Interfaces element={element} attributes={info?.interface_attributes ?? []} editable={editable} />
        </Section>
      )}
      {late.length > 0 && <Section title="Routing and files" id="late"><Stack gap={10}>{late.map(field)}</Stack></Section>}
      {(info?.device ?? false) && (
        <Suspense fallback={null}><Inside element={element} /></Suspense>
      )}
    </>
  );
}
