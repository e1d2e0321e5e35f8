// What is wrong in a file that was refused.
import { Alert, Code, Modal, Stack, Table, Text } from "@mantine/core";

import { words } from "../api/client";
import { diagnostics } from "../store/files";

export interface Failure {
  file: string;
  error: unknown;
}

export function ImportFailure({ failure, onClose }: { failure: Failure | null; onClose: () => void }) {
  const found = failure ? diagnostics(failure.error) : [];
  return (
    <Modal opened={failure !== null} onClose={onClose} title="The file was not imported" size="xl">
      {failure && (
        <Stack>
          <Text fz="sm">Nothing was changed. Put these right in <Code>{failure.file.slice(0, 100)}</Code> and import it again.</Text>
          {found.length === 0 && <Alert color="red">{words(failure.error)}</Alert>}
          {found.length > 0 && (
            <div className="table-wrap">
              <Table striped fz="sm" verticalSpacing={6}>
                <Table.Thead>
                  <Table.Tr><Table.Th>Line</Table.Th><Table.Th>Attribute</Table.Th><Table.Th>What is wrong</Table.Th><Table.Th>What to do</Table.Th></Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {found.slice(0, 100).map((item, index) => (
                    <Table.Tr key={index}>
                      <Table.Td>{item.line ?? "–"}</Table.Td>
                      <Table.Td><Code className="name">{item.path ?? ""}</Code></Table.Td>
                      <Table.Td className="name">{item.message}</Table.Td>
                      <Table.Td className="name">{item.remedy ?? ""}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </div>
          )}
        </Stack>
      )}
    </Modal>
  );
}
