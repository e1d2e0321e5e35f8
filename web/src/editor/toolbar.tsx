// Above the canvas: name and state, start and stop with progress, and the tools.
import { ActionIcon, Anchor, Button, Group, Menu, Progress, Text, Tooltip } from "@mantine/core";
import {
  IconActivityHeartbeat, IconArrowBackUp, IconArrowForwardUp, IconChevronDown, IconDownload, IconFocusCentered, IconKeyboard, IconLayoutDistributeHorizontal,
  IconLink, IconPictureInPicture, IconPlayerPlayFilled, IconPlayerStopFilled, IconQuestionMark, IconSearch, IconShare, IconSitemap, IconTag, IconTrash, IconWifiOff,
} from "@tabler/icons-react";
import { useEffect, useMemo, useState } from "react";

import { answer, api } from "../api/client";
import { useSession } from "../api/session";
import { onLink } from "../route";
import { AccountMenu, SchemeSwitch } from "../shell/account";
import { act, change } from "../store/edits";
import { exportText, fileName, save } from "../store/files";
import { useHistory } from "../store/history";
import { runningJob, useTopology } from "../store/topology";
import { openTab, setView, useView } from "../store/view";
import sign from "../tomato.svg";
import { run, step, whyNot } from "./actions";
import { useEditable } from "./editable";
import { EditableName } from "./editable-name";
import { useFit } from "./fit";

function Name({ editable }: { editable: boolean }) {
  const topology = useTopology((state) => state.topology);
  if (!topology) return null;
  const rename = (name: string) => run(() => change("topology", topology.id, { name }, "new name"));
  return <EditableName label="Name of the topology" value={topology.name} max={128} editable={editable} onRename={rename} />;
}

function Saving() {
  const line = useTopology((state) => state.line);
  const unsaved = useTopology((state) => state.unsaved);
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    if (line !== "down") {
      setLong(false);
      return;
    }
    const timer = setTimeout(() => setLong(true), 700);
    return () => clearTimeout(timer);
  }, [line]);
  if (line === "down" && isLong) {
    return (
      <Text role="status" fz="xs" c="var(--bad)" className="toolbar-status">
        <IconWifiOff size={14} aria-hidden /> No connection; trying again
      </Text>
    );
  }
  return <Text role="status" fz="xs" c="dimmed" className="toolbar-status">{unsaved > 0 ? "Saving…" : "Saved"}</Text>;
}

const DOING: Record<string, string> = { start: "Starting", stop: "Stopping", prepare: "Preparing", destroy: "Destroying" };

function Run({ editable }: { editable: boolean }) {
  const elements = useTopology((state) => state.elements);
  const jobs = useTopology((state) => state.jobs);
  const job = useMemo(() => runningJob(jobs), [jobs]);
  const ids = useMemo(() => [...elements.keys()], [elements]);
  if (job) {
    const { done, total } = job.progress;
    const part = total > 0 ? (done / total) * 100 : 0;
    const text = `${DOING[job.action] ?? job.action} ${done} of ${total}`;
    return (
      <Group gap={8} wrap="nowrap" className="run-progress">
        <button type="button" className="run-bar" onClick={() => openTab({ key: "jobs", type: "job" })} title="Show the log">
          <span className="run-text" role="status">{text}</span>
          <Progress value={part} size="sm" animated aria-label={text} />
        </button>
        <Button size="compact-sm" variant="default" onClick={() => run(() => answer(api.DELETE("/api/v1/jobs/{id}", { params: { path: { id: job.id } } })))}>
          Cancel
        </Button>
      </Group>
    );
  }
  const no = editable ? null : "you may only look";
  const start = no ?? whyNot("start", ids);
  const stop = no ?? whyNot("stop", ids);
  const destroy = no ?? whyNot("destroy", ids);
  return (
    <Group gap={6} wrap="nowrap">
      <Tooltip label={start ? `Cannot start: ${start}` : "Start everything"}>
        <Button
          size="compact-md" color="leaf.7" leftSection={<IconPlayerPlayFilled size={15} />} data-disabled={start !== null || undefined}
          aria-disabled={start !== null} onClick={() => { if (start === null) run(() => act("start")); }} data-tour="start"
        >
          Start
        </Button>
      </Tooltip>
      <Tooltip label={stop ? `Cannot stop: ${stop}` : "Stop everything; disks are kept"}>
        <Button
          size="compact-md" variant="default" leftSection={<IconPlayerStopFilled size={15} />} data-disabled={stop !== null || undefined}
          aria-disabled={stop !== null} onClick={() => { if (stop === null) run(() => act("stop")); }}
        >
          Stop
        </Button>
      </Tooltip>
      <Menu position="bottom-start" width={250}>
        <Menu.Target><ActionIcon aria-label="More actions"><IconChevronDown size={18} /></ActionIcon></Menu.Target>
        <Menu.Dropdown>
          <Menu.Item disabled={no !== null || whyNot("prepare", ids) !== null} onClick={() => run(() => act("prepare"))}>Prepare all (make disks)</Menu.Item>
          <Menu.Item color="red" disabled={destroy !== null} leftSection={<IconTrash size={16} />} onClick={() => run(() => act("destroy"))}>
            Destroy all (disks are lost)
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item onClick={() => openTab({ key: "jobs", type: "job" })}>Show jobs and logs</Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}

function Tool({ label, icon, on, disabled, onClick }: { label: string; icon: React.ReactNode; on?: boolean; disabled?: boolean; onClick: () => void }) {
  return (
    <Tooltip label={label}>
      <ActionIcon
        size="lg" aria-label={label} aria-pressed={on} variant={on ? "light" : "subtle"} color={on ? "tomato" : "gray"}
        disabled={disabled} onClick={onClick}
      >
        {icon}
      </ActionIcon>
    </Tooltip>
  );
}

export function Toolbar() {
  const editable = useEditable();
  const { done, undone } = useHistory();
  const { traffic, minimap, partly, legend, joining, ports } = useView();
  const topology = useTopology((state) => state.topology);
  const isLooking = useSession((session) => session.isLooking);
  const { fit, arrangeAll } = useFit();
  const download = (format: "yaml" | "json") =>
    run(async () => save(await exportText(topology!.id, format), `${fileName(topology!.name)}.${format}`));
  const size = 19;
  return (
    <header className="toolbar">
      <Anchor href="/" onClick={onLink} aria-label="All topologies" className="toolbar-home"><img src={sign} width={28} height={28} alt="" /></Anchor>
      <div className="toolbar-title"><Name editable={editable} /><Saving /></div>
      <Run editable={editable} />
      <div className="toolbar-tools" role="toolbar" aria-label="Tools">
        <Tool label={done.length > 0 ? `Undo ${done.at(-1)!.label} (Ctrl Z)` : "Nothing to undo"} icon={<IconArrowBackUp size={size} />} disabled={done.length === 0} onClick={() => step(true)} />
        <Tool label={undone.length > 0 ? `Redo ${undone.at(-1)!.label} (Ctrl Y)` : "Nothing to redo"} icon={<IconArrowForwardUp size={size} />} disabled={undone.length === 0} onClick={() => step(false)} />
        <span className="toolbar-gap" />
        <Tool label="Connect: drag from one element to another (L)" icon={<IconLink size={size} />} on={joining} disabled={!editable} onClick={() => setView({ joining: !joining })} />
        <Tool label="Arrange everything" icon={<IconSitemap size={size} />} disabled={!editable} onClick={() => run(arrangeAll)} />
        <Tool label="Show everything (F)" icon={<IconFocusCentered size={size} />} onClick={fit} />
        <Tool label="Search (/)" icon={<IconSearch size={size} />} onClick={() => setView({ dialog: { type: "search" } })} />
        <span className="toolbar-gap" />
        <Tool label="Live traffic" icon={<IconActivityHeartbeat size={size} />} on={traffic} onClick={() => setView({ traffic: !traffic })} />
        <Tool label="Interface names, asked for when joining" icon={<IconTag size={size} />} on={ports} onClick={() => setView({ ports: !ports })} />
        <Tool label="Minimap" icon={<IconPictureInPicture size={size} />} on={minimap ?? partly} onClick={() => setView({ minimap: !(minimap ?? partly) })} />
        <Tool label="Legend" icon={<IconQuestionMark size={size} />} on={legend} onClick={() => setView({ legend: !legend })} />
      </div>
      <Group gap={4} wrap="nowrap" ml="auto">
        <Menu position="bottom-end" width={210}>
          <Menu.Target><ActionIcon size="lg" aria-label="Topology menu"><IconLayoutDistributeHorizontal size={size} /></ActionIcon></Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<IconShare size={16} />} onClick={() => setView({ dialog: { type: "share" } })}>Share…</Menu.Item>
            <Menu.Item leftSection={<IconDownload size={16} />} onClick={() => download("yaml")}>Export as YAML</Menu.Item>
            <Menu.Item leftSection={<IconDownload size={16} />} onClick={() => download("json")}>Export as JSON</Menu.Item>
            <Menu.Item leftSection={<IconKeyboard size={16} />} onClick={() => setView({ dialog: { type: "keys" } })}>Keyboard</Menu.Item>
          </Menu.Dropdown>
        </Menu>
        {isLooking && <Text fz="xs" c="dimmed" className="toolbar-status">You are looking on</Text>}
        <SchemeSwitch />
        <AccountMenu />
      </Group>
    </header>
  );
}
