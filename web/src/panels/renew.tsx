// When a topology ends by itself, and more time for it.
import { Button, Group, Stack, Text } from "@mantine/core";

import { answer, api } from "../api/client";
import { run } from "../editor/actions";
import type { Topology } from "../model/types";
import { timeLeft } from "../model/units";
import { useSettings } from "../pages/lab";
import { useTopology } from "../store/topology";

const DAY_S = 86_400;

const STEPS: Record<string, string> = { stopped: "Its time is over: it was stopped.", destroyed: "Its time is over: it was stopped and its disks removed." };

export function Renew({ topology, editable }: { topology: Topology; editable: boolean }) {
  const options = useSettings().data?.timeouts?.options_s ?? [DAY_S];
  const timeout = topology.timeout;
  if (!timeout) return null;
  const renew = (timeout_s: number) =>
    run(async () => {
      const changed = await answer<Topology>(api.POST("/api/v1/topologies/{id}/renew", { params: { path: { id: topology.id } }, body: { timeout_s } }));
      useTopology.setState({ topology: changed });
    });
  const left = timeout.at / 1e6 - Date.now() / 1000;
  return (
    <Stack gap={6}>
      <Text fz="sm" c={left < DAY_S ? "var(--warn)" : undefined}>
        {STEPS[timeout.step] ?? `It is stopped in ${timeLeft(left)}, ${new Date(timeout.at / 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}.`}
      </Text>
      <Text fz="xs" c="dimmed">Keep it from now on for</Text>
      <Group gap={6}>
        {options.map((seconds) => <Button key={seconds} size="compact-sm" variant="default" disabled={!editable} onClick={() => renew(seconds)}>{timeLeft(seconds)}</Button>)}
      </Group>
    </Stack>
  );
}
