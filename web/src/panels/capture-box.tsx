// The frames of a connection: shown live, recorded, downloaded, or handed to Wireshark.
import { Button, Code, CopyButton, Group, Stack, Switch, Text, UnstyledButton } from "@mantine/core";
import { IconChevronDown, IconCopy, IconDownload, IconListDetails, IconPlayerRecord } from "@tabler/icons-react";
import { useState } from "react";

import { raw } from "../api/client";
import type { Connection } from "../model/types";
import { liveCommand } from "../packets/commands";
import { change } from "../store/edits";
import { fileName, save } from "../store/files";
import { complain } from "../store/send";
import { useTopology } from "../store/topology";
import { openPackets } from "../store/view";
import { Recording } from "./recording";

interface Props {
  connection: Connection;
  /** The elements at both ends. */
  names: [string, string];
  editable: boolean;
}

export function CaptureBox({ connection, names, editable }: Props) {
  const [isOpen, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const topology = useTopology((state) => state.topology?.name ?? "");
  const command = liveCommand(topology, connection.name, "");
  const download = async () => {
    setBusy(true);
    try {
      const response = await raw(`/api/v1/connections/${connection.id}/capture`);
      save(await response.blob(), `${fileName(connection.name)}.pcapng`);
    } catch (error) {
      complain(error, "Nothing was downloaded");
    } finally {
      setBusy(false);
    }
  };
  return (
    <Stack gap={8}>
      <Button size="compact-sm" variant="light" w="fit-content" leftSection={<IconListDetails size={15} />} disabled={!connection.started} onClick={() => openPackets(connection.id, false)}>
        Show frames live
      </Button>
      {!connection.started && <Text fz="xs" c="dimmed">Both ends must run.</Text>}
      <Switch
        size="sm" label={connection.capturing ? "Recording" : "Record frames"} checked={connection.capturing} disabled={!editable}
        onChange={() => void change("connection", connection.id, { capturing: !connection.capturing }, "capture").catch(complain)}
      />
      <Group gap={6}>
        <Button size="compact-sm" variant="default" leftSection={<IconPlayerRecord size={15} />} onClick={() => openPackets(connection.id, true)}>Show the recorded</Button>
        <Button size="compact-sm" variant="default" loading={busy} leftSection={<IconDownload size={15} />} onClick={() => void download()}>Download</Button>
      </Group>
      <UnstyledButton className="interface-name" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        <IconChevronDown size={13} className={isOpen ? "" : "turned"} aria-hidden />What is recorded, and the past
      </UnstyledButton>
      {isOpen && <Recording connection={connection} names={names} editable={editable} />}
      <Group gap={6} wrap="nowrap" align="flex-start">
        <Text fz="xs" c="dimmed" flex={1}>In Wireshark, live: <Code fz={10} className="name">{command.slice(0, 200)}</Code></Text>
        <CopyButton value={command}>
          {({ copied, copy }) => <Button size="compact-xs" variant="default" leftSection={<IconCopy size={13} />} onClick={copy}>{copied ? "Copied" : "Copy"}</Button>}
        </CopyButton>
      </Group>
    </Stack>
  );
}
