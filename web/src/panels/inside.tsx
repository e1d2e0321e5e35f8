// What goes on inside an element: a command, files, its archive, what it uses.
import { Badge, Button, Code, FileButton, Group, Stack, Text, TextInput } from "@mantine/core";
import { IconDownload, IconPlayerPlay, IconUpload } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, lazy, Suspense, useState } from "react";

import { answer, api, raw, words } from "../api/client";
import { useSession } from "../api/session";
import type { Element } from "../model/types";
import { fileName, save } from "../store/files";
import { complain } from "../store/send";
import { queries } from "../store/server";
import { Files } from "./files";
import { Section } from "./section";

const ElementCharts = lazy(() => import("./usage").then(({ ElementCharts: chosen }) => ({ default: chosen })));

const OUTPUT_MAX = 20_000;

function Command({ element }: { element: Element }) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<{ code: string; good: boolean; text: string } | null>(null);
  const run = async (event: FormEvent) => {
    event.preventDefault();
    if (text.trim() === "") return;
    setBusy(true);
    try {
      const result = await answer(api.POST("/api/v1/elements/{id}/exec", {
        params: { path: { id: element.id } }, body: { argv: ["/bin/sh", "-c", text] },
      }));
      const code = result.timed_out ? "ran into the deadline" : result.exit_code === null ? `signal ${result.signal}` : `exit ${result.exit_code}`;
      setSaid({ code, good: result.exit_code === 0, text: (result.stdout + result.stderr).slice(0, OUTPUT_MAX) });
    } catch (error) {
      setSaid({ code: "refused", good: false, text: words(error) });
    } finally {
      setBusy(false);
    }
  };
  return (
    <Stack gap={6}>
      <form onSubmit={(event) => void run(event)}>
        <Group gap={6} wrap="nowrap">
          <TextInput size="xs" flex={1} aria-label="Command" placeholder="ip addr" classNames={{ input: "mono" }} value={text} onChange={(event) => setText(event.currentTarget.value)} />
          <Button type="submit" size="compact-sm" variant="default" loading={busy} leftSection={<IconPlayerPlay size={14} />}>Run</Button>
        </Group>
      </form>
      {said && (
        <div>
          <Badge size="sm" variant="light" color={said.good ? "leaf" : "red"} tt="none">{said.code}</Badge>
          {said.text !== "" && <Code block fz={11} mt={4} className="output" tabIndex={0}>{said.text}</Code>}
        </div>
      )}
    </Stack>
  );
}

function Archive({ element }: { element: Element }) {
  const [busy, setBusy] = useState(false);
  const key = ["archive", element.id];
  const status = useQuery({
    queryKey: key,
    queryFn: () => answer(api.GET("/api/v1/elements/{id}/archive/status", { params: { path: { id: element.id } } })),
    refetchInterval: (query) => (query.state.data?.readable && !query.state.data.done ? 1500 : 8000),
    retry: false,
  });
  const upload = async (file: File | null) => {
    if (!file) return;
    setBusy(true);
    try {
      await raw(`/api/v1/elements/${element.id}/archive`, { method: "PUT", headers: { "Content-Type": "application/octet-stream" }, body: file });
      await queries.invalidateQueries({ queryKey: key });
    } catch (error) {
      complain(error, "The archive was not uploaded");
    } finally {
      setBusy(false);
    }
  };
  const download = async () => {
    try {
      save(await (await raw(`/api/v1/elements/${element.id}/archive`)).blob(), `${fileName(element.name)}.tar.gz`);
    } catch (error) {
      complain(error, "Nothing was downloaded");
    }
  };
  const it = status.data;
  const state = !it?.readable ? null : !it.done ? (it.is_alive ? "running" : "silent") : it.exit_code === 0 ? "done" : `failed, exit ${it.exit_code ?? "unknown"}`;
  return (
    <Stack gap={6}>
      <Text fz="xs" c="dimmed">A tar.gz with <Code fz={11}>auto_exec.sh</Code>: it is unpacked inside and run.</Text>
      <Group gap={6}>
        <FileButton onChange={(file) => void upload(file)} accept=".tar.gz,.tgz,.gz">
          {(props) => <Button {...props} size="compact-sm" variant="default" loading={busy} leftSection={<IconUpload size={14} />}>Upload and run</Button>}
        </FileButton>
        {it?.readable && <Button size="compact-sm" variant="default" leftSection={<IconDownload size={14} />} onClick={() => void download()}>Results</Button>}
        {state && <Badge variant="light" color={state === "done" ? "leaf" : state === "running" ? "blue" : "red"} tt="none">{state}</Badge>}
      </Group>
      {it?.custom && <Text fz="xs" className="name">{it.custom}</Text>}
      {it?.output_tail && <Code block fz={11} className="output" tabIndex={0}>{it.output_tail}</Code>}
    </Stack>
  );
}

export default function Inside({ element }: { element: Element }) {
  const isLooking = useSession((session) => session.isLooking);
  if (element.state === "created") return null;
  if (isLooking) {
    return (
      <Section title="Inside" id="inside">
        <Text fz="xs" c="dimmed">
          A link to look on shows the network, not what is inside its elements: console, files and usage need an account with the role “user”.
        </Text>
      </Section>
    );
  }
  const runs = element.state === "started";
  return (
    <>
      {runs && <Section title="Run a command" id="command"><Command element={element} /></Section>}
      <Section title="Files" id="files" tour="files"><Files element={element} /></Section>
      {runs && <Section title="Executable archive" id="archive" tour="archive"><Archive element={element} /></Section>}
      {runs && <Section title="Usage" id="usage"><Suspense fallback={null}><ElementCharts element={element} /></Suspense></Section>}
    </>
  );
}
