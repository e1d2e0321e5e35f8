// What of a file of the original could not be taken over as it stands.
import { Button, Code, Group, Modal, Stack, Table, Text } from "@mantine/core";

import { go } from "../route";
import type { Imported } from "../store/files";

const SHOWN_MAX = 200;

const show = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value) ?? "").slice(0, 300);

export function ImportReport({ imported }: { imported: Imported | null }) {
  const open = () => go(`/topologies/${imported!.topology}`);
  return (
    <Modal opened={imported !== null} onClose={open} title="The file was imported" size="xl">
      {imported && (
        <Stack>
          <Text fz="sm">Some of it was not taken over as it stands:</Text>
          <div className="table-wrap">
            <Table striped fz="sm" verticalSpacing={6}>
              <Table.Thead><Table.Tr><Table.Th>Object</Table.Th><Table.Th>Attribute</Table.Th><Table.Th>Value</Table.Th><Table.Th>What is there instead</Table.Th></Table.Tr></Table.Thead>
              <Table.Tbody>
                {imported.notTaken.slice(0, SHOWN_MAX).map((item, index) => (
                  <Table.Tr key={index}>
                    <Table.Td>{item.object} {show(item.id)}</Table.Td>
                    <Table.Td><Code className="name">{item.attribute}</Code></Table.Td>
                    <Table.Td className="name" dir="auto">{show(item.value)}</Table.Td>
                    <Table.Td className="name">{item.message}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </div>
          <Group justify="flex-end"><Button data-autofocus onClick={open}>Open the topology</Button></Group>
        </Stack>
      )}
    </Modal>
  );
}
