// Text files that are written into an element before each start: new ones by path or from disk, edited in a large window.
import { ActionIcon, Button, FileButton, Group, Modal, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { IconFileImport, IconPlus, IconTrash } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";

import { complain } from "../store/send";
import type { Shared } from "./value-field";

/** What does not decode as text is refused rather than spoilt. */
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Where a file from disk goes: the path that is typed, its folder, or the home folder. */
export function pathFor(typed: string, name: string): string {
  if (!typed.startsWith("/")) return `/root/${name}`;
  return typed.endsWith("/") ? `${typed}${name}` : typed;
}

export function FilesField({ label, description, value, disabled, set }: Shared & { value: Record<string, string> }) {
  const [open, setOpen] = useState<string | null>(null);
  const [path, setPath] = useState("");
  const trimmed = path.trim();
  const wrong = trimmed === "" ? null : !trimmed.startsWith("/") || trimmed.endsWith("/") ? "Write an absolute path, like /etc/motd" : trimmed in value ? "It is in the list" : null;
  const add = (event: FormEvent) => {
    event.preventDefault();
    if (trimmed === "" || wrong !== null) return;
    set({ ...value, [trimmed]: "" });
    setPath("");
    setOpen(trimmed);
  };
  const load = async (file: File | null) => {
    if (!file) return;
    try {
      const text = decoder.decode(await file.arrayBuffer());
      const name = pathFor(trimmed, file.name);
      set({ ...value, [name]: text });
      setPath("");
      setOpen(name);
    } catch (error) {
      complain(error instanceof TypeError ? new Error(`${file.name.slice(0, 60)} is no text; copy it in while the element runs, or by an archive`) : error, "The file was not taken");
    }
  };
  return (
    <div role="group" aria-label={label}>
      <Text fz="xs" fw={500}>{label}</Text>
      <Text fz="xs" c="dimmed">{description}</Text>
      <Stack gap={4} mt={4}>
        {Object.keys(value).map((name) => (
          <Group key={name} gap={4} wrap="nowrap" justify="space-between">
            <Button size="compact-xs" variant="subtle" className="mono file-path" title={name} onClick={() => setOpen(name)}>{name}</Button>
            <ActionIcon size="sm" color="red" aria-label={`Remove ${name}`} disabled={disabled}
              onClick={() => set(Object.fromEntries(Object.entries(value).filter(([key]) => key !== name)))}><IconTrash size={14} /></ActionIcon>
          </Group>
        ))}
        {!disabled && (
          <form onSubmit={add}>
            <Group gap={4} wrap="nowrap" align="flex-start">
              <TextInput size="xs" flex={1} aria-label="Path of a new file" placeholder="/etc/motd" classNames={{ input: "mono" }} value={path} error={wrong} onChange={(event) => setPath(event.currentTarget.value)} />
              <Button type="submit" size="xs" px={8} variant="default" leftSection={<IconPlus size={13} />} disabled={trimmed === "" || wrong !== null}>File</Button>
              <FileButton onChange={(file) => void load(file)}>
                {(props) => <ActionIcon {...props} size={30} variant="default" aria-label="A file from disk" title="A file from disk"><IconFileImport size={15} /></ActionIcon>}
              </FileButton>
            </Group>
          </form>
        )}
      </Stack>
      {open !== null && <Content key={open} path={open} text={value[open] ?? ""} disabled={disabled} onClose={() => setOpen(null)} onKeep={(text) => set({ ...value, [open]: text })} />}
    </div>
  );
}

interface ContentProps {
  path: string;
  text: string;
  disabled: boolean;
  onClose(): void;
  onKeep(text: string): void;
}

function Content({ path, text, disabled, onClose, onKeep }: ContentProps) {
  const [draft, setDraft] = useState(text);
  const close = () => {
    if (draft !== text) onKeep(draft);
    onClose();
  };
  return (
    <Modal opened onClose={close} title={path} size="xl" transitionProps={{ duration: 0 }}>
      <Textarea
        data-autofocus aria-label={`Content of ${path}`} autosize minRows={14} maxRows={28} value={draft} readOnly={disabled} classNames={{ input: "mono" }} spellCheck={false}
        onChange={(event) => setDraft(event.currentTarget.value)}
      />
      <Group justify="space-between" mt="sm">
        <Text fz="xs" c="dimmed">Written before each start.</Text>
        <Group gap="xs">
          {!disabled && draft !== text && <Button variant="default" onClick={onClose}>Leave it as it was</Button>}
          <Button onClick={close}>{!disabled && draft !== text ? "Keep" : "Close"}</Button>
        </Group>
      </Group>
    </Modal>
  );
}
