// Recording of a connection: on and off, download, and the command for Wireshark.
import { Button, Code, CopyButton, Group, Stack, Switch, Text } from "@mantine/core";
import { IconCopy, IconDownload } from "@tabler/icons-react";
import { useState } from "react";

import { raw } from "../api/client";
import type { Connection } from "../model/types";
import { change } from "../store/edits";
import { fileName, save } from "../store/files";
import { complain } from "../store/send";
import { current } from "../store/topology";

const quoted = (text: string): string => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

export function CaptureBox({ connection, editable }: { connection: Connection; editable: boolean }) {
  const [busy, setBusy] = useState(false);
  const topology = current().topology?.name ?? "";
  const command = `tomato capture download ${quoted(`${topology}/${connection.name}`)} -o - | wireshark -k -i -`;
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
      <Switch
        size="sm" label={connection.capturing ? "Recording" : "Record packets"} checked={connection.capturing} disabled={!editable}
        onChange={() => void change("connection", connection.id, { capturing: !connection.capturing }, "capture").catch(complain)}
      />
      <Group gap={6}>
        <Button size="compact-sm" variant="default" loading={busy} leftSection={<IconDownload size={15} />} onClick={() => void download()}>Download</Button>
        <CopyButton value={command}>
          {({ copied, copy }) => <Button size="compact-sm" variant="default" leftSection={<IconCopy size={15} />} onClick={copy}>{copied ? "Copied" : "Wireshark"}</Button>}
        </CopyButton>
      </Group>
      <Text fz="xs" c="dimmed">The command to open it in Wireshark: <Code fz={10} className="name">{command.slice(0, 200)}</Code></Text>
    </Stack>
  );
}
