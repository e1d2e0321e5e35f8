// What containers start from; administrators add their own.
import { Badge, Button, FileButton, Table, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { IconUpload } from "@tabler/icons-react";
import { useState } from "react";

import { answer, api, raw } from "../api/client";
import { useSession } from "../api/session";
import { fileName } from "../store/files";
import { complain } from "../store/send";
import { queries, useTemplates } from "../store/server";
import { Listing } from "./listing";

export function Templates() {
  const templates = useTemplates();
  const admin = useSession((session) => session.account?.admin ?? false);
  const [busy, setBusy] = useState<string | null>(null);
  const run = async (key: string, work: () => Promise<unknown>, done: string) => {
    setBusy(key);
    try {
      await work();
      notifications.show({ message: done });
      await queries.invalidateQueries({ queryKey: ["templates"] });
    } catch (error) {
      complain(error);
    } finally {
      setBusy(null);
    }
  };
  const upload = (file: File | null) => {
    if (!file) return;
    const name = fileName(file.name.replace(/\.(tar|tgz|tar\.\w+)$/i, "")).toLowerCase().replace(/[^a-z0-9-]+/g, "-");
    const init = { method: "PUT", headers: { "Content-Type": "application/octet-stream" }, body: file };
    void run("upload", () => raw(`/api/v1/templates/${encodeURIComponent(name)}?label=${encodeURIComponent(file.name)}`, init), `${name} was imported`);
  };
  const right = admin && (
    <FileButton onChange={upload} accept=".tar,.gz,.tgz,.zst,.xz">
      {(props) => <Button {...props} loading={busy === "upload"} leftSection={<IconUpload size={18} />}>Import a root file system</Button>}
    </FileButton>
  );
  return (
    <Listing title="Templates" query={templates} right={right}>
      <Table verticalSpacing="sm" horizontalSpacing="md">
        <Table.Thead><Table.Tr><Table.Th>Template</Table.Th><Table.Th>What is in it</Table.Th><Table.Th>State</Table.Th><Table.Th><span className="hidden">Actions</span></Table.Th></Table.Tr></Table.Thead>
        <Table.Tbody>
          {(templates.data ?? []).map((item) => (
            <Table.Tr key={item.name}>
              <Table.Td><Text fw={600} fz="sm">{item.label || item.name}</Text><Text fz="xs" c="dimmed" className="mono">{item.name}</Text></Table.Td>
              <Table.Td><Text fz="sm">{item.description}</Text></Table.Td>
              <Table.Td><Badge variant="light" tt="none" color={item.ready ? "leaf" : "gray"}>{item.ready ? "ready" : "built at first use"}</Badge></Table.Td>
              <Table.Td>
                {!item.ready && (
                  <Button size="compact-sm" variant="default" loading={busy === item.name}
                    onClick={() => void run(item.name, () => answer(api.POST("/api/v1/templates/{name}/ensure", { params: { path: { name: item.name } } })), `${item.name} is being built: see the jobs`)}>
                    Build now
                  </Button>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Listing>
  );
}
