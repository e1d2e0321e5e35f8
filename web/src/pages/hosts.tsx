// The hosts that are connected, and what is at work on them.
import { Badge, Button, Group, Stack, Table, Text, Title } from "@mantine/core";

import { answer, api } from "../api/client";
import { JobLog } from "../dock/jobs";
import { complain } from "../store/send";
import { queries, useJobs, useServer } from "../store/server";
import { Listing } from "./listing";

export function Hosts() {
  const server = useServer();
  const hosts = server.data?.hosts ?? [];
  return (
    <Listing title="Hosts" query={server}>
      <Table verticalSpacing="sm" horizontalSpacing="md">
        <Table.Thead><Table.Tr><Table.Th>Host</Table.Th><Table.Th>Version</Table.Th><Table.Th>State</Table.Th></Table.Tr></Table.Thead>
        <Table.Tbody>
          {hosts.map((host) => (
            <Table.Tr key={host.name}><Table.Td><b>{host.name}</b></Table.Td><Table.Td>{host.version}</Table.Td><Table.Td><Badge variant="light" color="leaf" tt="none">connected</Badge></Table.Td></Table.Tr>
          ))}
          {hosts.length === 0 && <Table.Tr><Table.Td colSpan={3}>No host is connected: nothing can be started.</Table.Td></Table.Tr>}
        </Table.Tbody>
      </Table>
      <Text fz="xs" c="dimmed" p="md">This server has version {server.data?.version}.</Text>
    </Listing>
  );
}

export function JobList() {
  const jobs = useJobs();
  const cancel = async (id: string) => {
    try {
      await answer(api.DELETE("/api/v1/jobs/{id}", { params: { path: { id } } }));
      await queries.invalidateQueries({ queryKey: ["jobs"] });
    } catch (error) {
      complain(error);
    }
  };
  return (
    <>
      <Title order={1} fz="h2" mb="lg">Jobs</Title>
      <Stack>
        {(jobs.data ?? []).slice(0, 50).map((job) => (
          <div key={job.id} className="table-wrap job-card">
            <JobLog job={job} />
            {job.state === "running" && <Group mt="xs"><Button size="compact-sm" variant="default" onClick={() => void cancel(job.id)}>Cancel</Button></Group>}
          </div>
        ))}
        {jobs.data?.length === 0 && <Text c="dimmed">Nothing was started yet.</Text>}
      </Stack>
    </>
  );
}
