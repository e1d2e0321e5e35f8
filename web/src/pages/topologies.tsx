// The start page: the topologies, and ways to new ones.
import {
  ActionIcon, Alert, Anchor, Badge, Button, Group, Loader, Menu, Modal, SegmentedControl, Stack, Text, TextInput, Title,
} from "@mantine/core";
import { notifications } from "@mantine/notifications";
import {
  IconCopy, IconDotsVertical, IconDownload, IconFileImport, IconMapRoute, IconPencil, IconPlayerPlay, IconPlayerStop, IconPlus, IconSearch, IconTrash,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";

import { answer, api, words } from "../api/client";
import { useSession } from "../api/session";
import { EXAMPLES } from "../model/examples";
import type { Graph, Topology } from "../model/types";
import { count, timeLeft } from "../model/units";
import { go, onLink } from "../route";
import { clone, exportText, fileName, type Imported, importFile, save } from "../store/files";
import { complain } from "../store/send";
import { queries, useTopologies } from "../store/server";
import { CreateDialog } from "./create";
import { type Failure, ImportFailure } from "./import-failure";
import { ImportReport } from "./import-report";
import { type Drawn, Picture } from "./picture";

const PICTURES_MAX = 60;
/** What was done about a time that is over. */
const OVER: ReadonlySet<string> = new Set(["stopped", "destroyed"]);
/** Less time left than this is told with a warning, in seconds. */
const WARN_S = 86_400;

function drawn(graph: Graph): Drawn {
  const owner = new Map(graph.elements.flatMap((e) => e.interfaces.map((i) => [i.id, e.id] as const)));
  return {
    elements: graph.elements.map((element) => ({
      id: element.id,
      kind: element.kind,
      forwarding: element.forwarding ?? false,
      pos: (element.client?.["_pos"] as { x: number; y: number } | undefined) ?? null,
    })),
    links: graph.connections.map((item) => [owner.get(item.interfaces[0]!) ?? "", owner.get(item.interfaces[1]!) ?? ""]),
  };
}

const STATES = ["created", "prepared", "started"] as const;

function stateOf(graph: Graph | undefined): string {
  const all = graph?.elements.map((element) => STATES.indexOf(element.state as (typeof STATES)[number])) ?? [];
  return STATES[Math.max(0, ...all)]!;
}

function Card({ topology, picture }: { topology: Topology; picture: boolean }) {
  const me = useSession((session) => session.account);
  const graph = useQuery({
    queryKey: ["graph", topology.id, topology.revision],
    queryFn: () => answer<Graph>(api.GET("/api/v1/topologies/{id}", { params: { path: { id: topology.id } } })),
    enabled: picture,
  });
  const state = stateOf(graph.data);
  const running = graph.data?.elements.filter((element) => element.state === "started").length ?? 0;
  const left = topology.timeout ? topology.timeout.at / 1e6 - Date.now() / 1000 : 0;
  const owners = Object.entries(topology.roles).filter(([, role]) => role === "owner").map(([name]) => name);
  const role = topology.roles[me?.name ?? ""];
  return (
    <article className="card" aria-label={topology.name.slice(0, 80)}>
      <span className="card-picture">{graph.data && graph.data.elements.length > 0 && <Picture drawn={drawn(graph.data)} />}</span>
      <div className="card-body">
        <Group gap={8} wrap="nowrap">
          <span className={`dot dot-${state}`} aria-hidden />
          <a className="card-link" dir="auto" href={`/topologies/${topology.id}`} onClick={onLink} title={topology.name.slice(0, 300)}>
            {topology.name}
          </a>
          <div className="card-menu">
            <CardMenu topology={topology} state={state} isEmpty={graph.data?.elements.length === 0} mayEdit={(me?.admin ?? false) || role === "owner" || role === "manager"} mayRemove={(me?.admin ?? false) || role === "owner"} />
          </div>
        </Group>
        <Text fz="sm" c="dimmed">
          {state === "created" ? "stopped" : state === "started" ? `${running} running` : state}
          {graph.data && ` · ${count(graph.data.elements.length, "element")}, ${count(graph.data.connections.length, "connection")}`}
        </Text>
        {state !== "created" && topology.timeout && !OVER.has(topology.timeout.step) && (
          <Text fz="xs" c={left < WARN_S ? "var(--warn)" : "dimmed"}>stopped by itself in {timeLeft(left)}</Text>
        )}
        <Group gap={6}>
          {!owners.includes(me?.name ?? "") && <Badge size="sm" variant="light" color="gray" tt="none">{owners[0] ?? "no owner"}</Badge>}
          {role && role !== "owner" && <Badge size="sm" variant="light" color="blue" tt="none">you: {role}</Badge>}
        </Group>
      </div>
    </article>
  );
}

interface CardMenuProps {
  topology: Topology;
  /** The state of the element that is furthest. */
  state: string;
  isEmpty: boolean;
  mayEdit: boolean;
  mayRemove: boolean;
}

function CardMenu({ topology, state, isEmpty, mayEdit, mayRemove }: CardMenuProps) {
  const running = state !== "created";
  const [asking, setAsking] = useState(false);
  const [name, setName] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const refresh = () => queries.invalidateQueries({ queryKey: ["topologies"] });
  const run = async (work: () => Promise<void>) => {
    setBusy(true);
    try {
      await work();
      await refresh();
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  const remove = () =>
    run(async () => {
      setAsking(false);
      const params = { path: { id: topology.id } };
      if (running) {
        const job = await answer(api.POST("/api/v1/topologies/{id}/actions/{action}", { params: { path: { id: topology.id, action: "destroy" } } }));
        const { untilOver } = await import("../store/edits");
        await untilOver(job);
      }
      await answer(api.DELETE("/api/v1/topologies/{id}", { params }));
      notifications.show({ message: `${topology.name.slice(0, 60)} was removed` });
    });
  const act = (action: "start" | "stop") =>
    run(async () => {
      const job = await answer(api.POST("/api/v1/topologies/{id}/actions/{action}", { params: { path: { id: topology.id, action } } }));
      const { untilOver } = await import("../store/edits");
      const { state: end, error } = await untilOver(job);
      await queries.invalidateQueries({ queryKey: ["graph", topology.id] });
      if (end === "failed") throw new Error(error?.message ?? "see the jobs");
    });
  const rename = () =>
    run(async () => {
      const wanted = name?.trim() ?? "";
      setName(null);
      if (wanted === "" || wanted === topology.name) return;
      await answer(api.PATCH("/api/v1/topologies/{id}", { params: { path: { id: topology.id } }, body: { name: wanted } }));
    });
  const download = (format: "yaml" | "json") =>
    run(async () => save(await exportText(topology.id, format), `${fileName(topology.name)}.${format}`));
  return (
    <>
      <Menu position="bottom-end" width={190}>
        <Menu.Target>
          <ActionIcon aria-label={`Actions for ${topology.name.slice(0, 60)}`} loading={busy}><IconDotsVertical size={18} /></ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {state === "started"
            ? <Menu.Item leftSection={<IconPlayerStop size={16} />} disabled={!mayEdit} onClick={() => void act("stop")}>Stop</Menu.Item>
            : <Menu.Item leftSection={<IconPlayerPlay size={16} />} disabled={!mayEdit || isEmpty} onClick={() => void act("start")}>Start</Menu.Item>}
          <Menu.Item leftSection={<IconPencil size={16} />} disabled={!mayEdit} onClick={() => setName(topology.name)}>Rename…</Menu.Item>
          <Menu.Item leftSection={<IconCopy size={16} />} onClick={() => void run(async () => void (await clone(topology.id, `${topology.name.slice(0, 110)} copy`)))}>Clone</Menu.Item>
          <Menu.Item leftSection={<IconDownload size={16} />} onClick={() => void download("yaml")}>Export as YAML</Menu.Item>
          <Menu.Item leftSection={<IconDownload size={16} />} onClick={() => void download("json")}>Export as JSON</Menu.Item>
          <Menu.Divider />
          <Menu.Item color="red" disabled={!mayRemove} leftSection={<IconTrash size={16} />} onClick={() => setAsking(true)}>
            Delete…{mayRemove ? "" : " (owners only)"}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={name !== null} onClose={() => setName(null)} title="Rename">
        <form onSubmit={(event) => { event.preventDefault(); void rename(); }}>
          <Stack>
            <TextInput data-autofocus aria-label="New name" dir="auto" maxLength={128} value={name ?? ""} onChange={(event) => setName(event.currentTarget.value)} />
            <Group justify="flex-end">
              <Button variant="default" onClick={() => setName(null)}>Leave it</Button>
              <Button type="submit">Rename</Button>
            </Group>
          </Stack>
        </form>
      </Modal>
      <Modal opened={asking} onClose={() => setAsking(false)} title="Delete this topology?">
        <Stack>
          <Text className="name" lineClamp={3}>
            <b dir="auto">{topology.name}</b> and everything in it will be gone{running ? "; what runs is stopped first" : ""}.
          </Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={() => setAsking(false)}>Keep it</Button>
            <Button color="red" onClick={() => void remove()}>Delete</Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}

type Order = "newest" | "name";

export function Topologies() {
  const list = useTopologies();
  const [search, setSearch] = useState("");
  const [order, setOrder] = useState<Order>("newest");
  const [creating, setCreating] = useState(false);
  const [over, setOver] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [imported, setImported] = useState<Imported | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const load = async (file: File) => {
    try {
      const made = await importFile(await file.text());
      if (made.notTaken.length > 0) setImported(made);
      else go(`/topologies/${made.topology}`);
    } catch (error) {
      setFailure({ file: file.name, error });
    }
  };
  const wanted = search.trim().toLowerCase();
  const shown = (list.data ?? [])
    .filter((topology) => topology.name.toLowerCase().includes(wanted))
    .sort((a, b) => (order === "name" ? a.name.localeCompare(b.name) : b.id.localeCompare(a.id)));
  return (
    <div
      className={`page${over ? " drop-here" : ""}`}
      onDragOver={(event) => { event.preventDefault(); setOver(true); }}
      onDragLeave={(event) => { if (event.currentTarget === event.target) setOver(false); }}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        const file = event.dataTransfer.files[0];
        if (file) void load(file);
      }}
    >
      <Group justify="space-between" mb="lg">
        <Title order={1} fz="h2">Topologies</Title>
        <Group gap="sm">
          <Button variant="default" leftSection={<IconFileImport size={18} />} onClick={() => input.current?.click()}>Import file</Button>
          <Button leftSection={<IconPlus size={18} />} onClick={() => setCreating(true)}>New topology</Button>
        </Group>
      </Group>
      <input
        ref={input} type="file" hidden accept=".yaml,.yml,.json,.tomato4,.tomato3,.tomato,text/*"
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          event.currentTarget.value = "";
          if (file) void load(file);
        }}
      />
      {list.data && list.data.length > 0 && (
        <Group mb="md" gap="sm">
          <TextInput
            aria-label="Search topologies" placeholder="Search" leftSection={<IconSearch size={16} />} w={260}
            value={search} onChange={(event) => setSearch(event.currentTarget.value)}
          />
          <SegmentedControl
            size="sm" aria-label="Order" value={order} onChange={(value) => setOrder(value as Order)}
            data={[{ value: "newest", label: "Newest" }, { value: "name", label: "Name" }]}
          />
        </Group>
      )}
      {list.isPending && <Loader role="status" aria-label="Loading" />}
      {list.error && <Alert color="red" title="The topologies cannot be listed">{words(list.error)}</Alert>}
      {list.data?.length === 0 && <Welcome onCreate={() => setCreating(true)} />}
      <div className="cards">
        {shown.map((topology, index) => <Card key={topology.id} topology={topology} picture={index < PICTURES_MAX} />)}
      </div>
      {list.data && list.data.length > 0 && shown.length === 0 && <Text c="dimmed">No topology has “{search.slice(0, 60)}” in its name.</Text>}
      <CreateDialog opened={creating} onClose={() => setCreating(false)} onFailure={setFailure} />
      <ImportReport imported={imported} />
      <ImportFailure failure={failure} onClose={() => setFailure(null)} />
    </div>
  );
}

function Welcome({ onCreate }: { onCreate: () => void }) {
  return (
    <div className="empty">
      <Title order={2} fz="h3" mb={6}>Draw your first network</Title>
      <Text c="dimmed" mb="lg">Place two machines, join them, press start. Or begin with <Anchor component="button" type="button" onClick={onCreate}>one of {EXAMPLES.length} examples</Anchor>, or drop a file here.</Text>
      <Group justify="center">
        <Button size="md" leftSection={<IconPlus size={18} />} onClick={onCreate}>New topology</Button>
        <Button size="md" variant="default" component="a" href="/tours" onClick={onLink} leftSection={<IconMapRoute size={18} />}>Take a tour</Button>
      </Group>
    </div>
  );
}
