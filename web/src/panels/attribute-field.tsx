// One attribute of an element, by the type that the kind table gives it; templates and profiles are chosen from those that are there.
import { Button, Group, Modal, Select, Stack, Text } from "@mantine/core";
import { useState } from "react";

import { templateIcon } from "../model/kinds";
import type { AttributeInfo, Element } from "../model/types";
import { writeBytes } from "../model/units";
import { change } from "../store/edits";
import { complain } from "../store/send";
import { useProfiles, useTemplates } from "../store/server";
import { labelOf, ValueField } from "./value-field";

interface Props {
  info: AttributeInfo;
  element: Element;
  /** Why it cannot be changed now, or null. */
  why: string | null;
}

export function AttributeField({ info, element, why }: Props) {
  const value = (element as Record<string, unknown>)[info.name] ?? info.default;
  const set = (next: unknown) =>
    void change("element", element.id, { [info.name]: next }, labelOf(info.name).toLowerCase()).catch(complain);
  if (info.name === "template") return <TemplateField elements={[element]} why={why} set={set} />;
  if (info.name === "profile") return <ProfileField value={element.profile ?? null} why={why} set={set} />;
  return <ValueField info={info} value={value} why={why} set={set} />;
}

/** What another template does to elements that have a disk; null when none has one. */
function warning(elements: readonly Element[]): string | null {
  const running = elements.filter((element) => element.wanted === "started" || element.state === "started");
  const prepared = elements.filter((element) => element.state !== "created" && !running.includes(element));
  if (running.length + prepared.length === 0) return null;
  const them = (some: readonly Element[]) => (some.length === 1 ? some[0]!.name : `${some.length} elements`);
  const parts: string[] = [];
  if (running.length > 0) parts.push(`${them(running)} will be stopped, made anew from it, and started again; consoles break off.`);
  if (prepared.length > 0) parts.push(`The disk of ${them(prepared)} will be made anew.`);
  return `${parts.join(" ")} What was written inside is lost, undo does not bring it back. All other elements go on as they are.`;
}

interface TemplateProps {
  /** Those that get another one. */
  elements: readonly Element[];
  why: string | null;
  set(next: string): void;
}

/** Another template of elements that have a disk makes them anew: that is asked first. */
export function TemplateField({ elements, why, set }: TemplateProps) {
  const templates = useTemplates().data ?? [];
  const [asked, setAsked] = useState<string | null>(null);
  const names = [...new Set(elements.map((element) => element.template ?? ""))];
  const value = names.length === 1 && names[0] !== "" ? names[0]! : null;
  const chosen = templates.find((item) => item.name === value);
  const known = templates.map((item) => ({ value: item.name, label: item.label || item.name }));
  const data = value && !chosen ? [...known, { value, label: value }] : known;
  const why_ = warning(elements);
  const picture = (name: string, size: number) => {
    const Icon = templateIcon(name);
    return <Icon size={size} stroke={1.6} aria-hidden />;
  };
  const unchosen = names.length > 1 ? "different ones" : "Choose what it starts from";
  const described = chosen?.description ?? (value ? "not known here: it is built or fetched at the start" : "what it starts from");
  return (
    <>
      <Select
        size="xs" label="Template" data={data} value={value} placeholder={unchosen} disabled={why !== null} allowDeselect={false} searchable
        leftSection={value ? picture(value, 16) : undefined} description={why ?? (why_ ? `${described}; another one makes it anew` : described)}
        renderOption={({ option }) => {
          const info = templates.find((item) => item.name === option.value);
          return (
            <Group gap={10} wrap="nowrap">
              <span className="template-picture">{picture(option.value, 20)}</span>
              <span><Text component="span" fz="sm" fw={600} display="block">{option.label}</Text><Text component="span" fz="xs" c="dimmed" display="block">{info?.description}{info && !info.ready ? " (built at the first start)" : ""}</Text></span>
            </Group>
          );
        }}
        onChange={(next) => {
          if (!next || next === value) return;
          if (why_) setAsked(next);
          else set(next);
        }}
      />
      <Modal opened={asked !== null} onClose={() => setAsked(null)} title={`Another template: ${asked ?? ""}`}>
        <Stack>
          <Text className="name">{why_}</Text>
          <Group justify="flex-end">
            <Button variant="default" data-autofocus onClick={() => setAsked(null)}>Leave it</Button>
            <Button color="red" onClick={() => { if (asked) set(asked); setAsked(null); }}>Make anew</Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}

/** A profile is followed while the element runs; `undefined` stands for different ones. */
export function ProfileField({ value, why, set }: { value: string | null | undefined; why: string | null; set(next: string | null): void }) {
  const profiles = useProfiles().data ?? [];
  const chosen = profiles.find((item) => item.name === value);
  const size = chosen ? `${chosen.cpu_milli / 1000} processors, ${writeBytes(chosen.memory_bytes)} memory` : value === undefined ? "each has its own" : "the default profile";
  return (
    <Select
      size="xs" label="Profile" value={value ?? null} placeholder={value === undefined ? "different ones" : "default"} disabled={why !== null} clearable
      data={profiles.map((item) => ({ value: item.name, label: item.label || item.name }))} description={why ?? `${size}; changed as it runs`} onChange={set}
    />
  );
}
