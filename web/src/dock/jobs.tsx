// The jobs of the open topology with their logs.
import { Badge, Text } from "@mantine/core";

import { ago } from "../model/units";
import type { Job } from "../model/types";
import { useTopology } from "../store/topology";

const COLORS: Record<string, string> = { running: "blue", done: "leaf", failed: "red", cancelled: "gray" };

export function JobLog({ job }: { job: Job }) {
  const failed = Object.entries(job.elements ?? {}).filter(([, part]) => part.error);
  return (
    <div className="job">
      <div className="job-head">
        <Badge size="sm" variant="light" color={COLORS[job.state]} tt="none">{job.state}</Badge>
        <b>{job.action}</b>
        <span>{job.progress.done} of {job.progress.total}</span>
        <Text component="span" fz="xs" c="dimmed">{job.account}, {ago(job.started_at, Date.now())}</Text>
      </div>
      {failed.map(([id, part]) => (
        <div key={id} className="job-error name"><b dir="auto">{part.name}</b>: {part.error!.message}</div>
      ))}
      {job.error && failed.length === 0 && <div className="job-error name">{job.error.message}</div>}
      {(job.log ?? []).length > 0 && <pre className="job-log" tabIndex={0}>{job.log!.slice(-200).join("\n")}</pre>}
    </div>
  );
}

export function Jobs() {
  const jobs = useTopology((state) => state.jobs);
  const list = [...jobs.values()].sort((a, b) => b.started_at - a.started_at).slice(0, 30);
  return (
    <div className="jobs">
      {list.length === 0 && <Text fz="sm" c="dimmed">Nothing was started yet.</Text>}
      {list.map((job) => <JobLog key={job.id} job={job} />)}
    </div>
  );
}
