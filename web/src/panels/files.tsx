// Files of an element: looked through while it runs, copied in and out whenever its disk is there.
import { ActionIcon, Button, FileButton, Group, Stack, Text, TextInput, UnstyledButton } from "@mantine/core";
import { IconCornerLeftUp, IconDownload, IconFile, IconFolder, IconFolderDown, IconUpload } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { answer, api, raw, words } from "../api/client";
import { readTar, writeTar } from "../model/tar";
import type { Element } from "../model/types";
import { fileName, save } from "../store/files";
import { complain } from "../store/send";
import { queries } from "../store/server";

const SHOWN_MAX = 300;

const within = (folder: string, name: string): string => `${folder === "/" ? "" : folder}/${name}`;
const above = (folder: string): string => folder.slice(0, folder.lastIndexOf("/")) || "/";

/** The names in a folder of a running element, folders with a slash at their end. */
async function list(element: string, folder: string): Promise<string[]> {
  const said = await answer(api.POST("/api/v1/elements/{id}/exec", {
    params: { path: { id: element } }, body: { argv: ["/bin/sh", "-c", 'cd -- "$0" && ls -1Ap', folder], timeout_ms: 10_000 },
  }));
  if (said.exit_code !== 0) throw new Error(said.stderr.trim().split(": ").at(-1) || "the folder cannot be read");
  return said.stdout.split("\n").filter((name) => name !== "");
}

/** Gives what is at a path to the browser: a file as it is, a folder as tar. */
async function download(element: string, path: string): Promise<void> {
  const response = await raw(`/api/v1/elements/${element}/files?path=${encodeURIComponent(path)}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const name = fileName(path.split("/").at(-1) || "files");
  const [only, ...others] = readTar(bytes);
  if (only && !only.isFolder && others.length === 0) save(new Blob([only.bytes as Uint8Array<ArrayBuffer>]), name);
  else save(new Blob([bytes]), `${name}.tar`);
}

async function upload(element: string, folder: string, files: File[]): Promise<void> {
  const contents = await Promise.all(files.map(async (file) => ({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) })));
  await raw(`/api/v1/elements/${element}/files?path=${encodeURIComponent(folder)}`, {
    method: "PUT", headers: { "Content-Type": "application/octet-stream" }, body: writeTar(contents),
  });
}

export function Files({ element }: { element: Element }) {
  const [folder, setFolder] = useState("/root");
  const [text, setText] = useState("/root");
  const [busy, setBusy] = useState(false);
  const runs = element.state === "started";
  const key = ["files", element.id, folder];
  const found = useQuery({ queryKey: key, queryFn: () => list(element.id, folder), enabled: runs, retry: false });
  const goTo = (path: string) => {
    const tidy = `/${path.split("/").filter((part) => part !== "").join("/")}`;
    setFolder(tidy);
    setText(tidy);
  };
  const run = async (work: () => Promise<void>, title: string) => {
    setBusy(true);
    try {
      await work();
    } catch (error) {
      complain(error, title);
    } finally {
      setBusy(false);
    }
  };
  const put = (files: File[]) =>
    run(async () => {
      await upload(element.id, folder, files);
      await queries.invalidateQueries({ queryKey: key });
    }, "The files were not copied");
  const get = (path: string) => void run(() => download(element.id, path), "Nothing was copied");
  const names = found.data ?? [];
  return (
    <Stack gap={6}>
      <form onSubmit={(event) => { event.preventDefault(); goTo(text); }}>
        <Group gap={4} wrap="nowrap">
          <ActionIcon aria-label="The folder above" disabled={folder === "/"} onClick={() => goTo(above(folder))}><IconCornerLeftUp size={16} /></ActionIcon>
          <TextInput size="xs" flex={1} aria-label="Folder" classNames={{ input: "mono" }} value={text} onChange={(event) => setText(event.currentTarget.value)} onBlur={() => goTo(text)} />
        </Group>
      </form>
      {runs && (
        <div
          className="files" role="group" aria-label={`Files in ${folder}`}
          onDragOver={(event) => event.preventDefault()}
          onDrop={(event) => { event.preventDefault(); if (event.dataTransfer.files.length > 0) void put([...event.dataTransfer.files]); }}
        >
          {found.error && <Text fz="xs" c="var(--bad)" className="name">{words(found.error)}</Text>}
          {found.data && names.length === 0 && <Text fz="xs" c="dimmed">Nothing is in it. Drop files here.</Text>}
          {names.slice(0, SHOWN_MAX).map((name) => <Row key={name} name={name} onOpen={() => goTo(within(folder, name))} onGet={() => get(within(folder, name.replace(/\/$/, "")))} />)}
          {names.length > SHOWN_MAX && <Text fz="xs" c="dimmed">{names.length - SHOWN_MAX} more</Text>}
        </div>
      )}
      <Group gap={6}>
        <FileButton multiple onChange={(files) => { if (files.length > 0) void put(files); }}>
          {(props) => <Button {...props} size="compact-sm" variant="default" loading={busy} leftSection={<IconUpload size={14} />}>Copy files in</Button>}
        </FileButton>
        <Button size="compact-sm" variant="default" disabled={busy} leftSection={<IconFolderDown size={14} />} onClick={() => get(folder)}>{runs ? "Copy the folder out" : "Copy it out"}</Button>
      </Group>
      {!runs && <Text fz="xs" c="dimmed">Its folders can be looked through while it runs.</Text>}
    </Stack>
  );
}

function Row({ name, onOpen, onGet }: { name: string; onOpen: () => void; onGet: () => void }) {
  const isFolder = name.endsWith("/");
  const Icon = isFolder ? IconFolder : IconFile;
  const plain = name.replace(/\/$/, "");
  return (
    <div className="file">
      <UnstyledButton className="file-name" onClick={isFolder ? onOpen : onGet} title={isFolder ? "Open" : "Copy it out"}>
        <Icon size={14} aria-hidden /><span className="clip" dir="auto">{plain}</span>
      </UnstyledButton>
      <ActionIcon size="xs" aria-label={`Copy ${plain.slice(0, 60)} out`} onClick={onGet}><IconDownload size={12} /></ActionIcon>
    </div>
  );
}
