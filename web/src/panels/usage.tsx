// What an element or a connection used in the last hour, and uses now.
import { Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { answer, api } from "../api/client";
import type { Connection, Element } from "../model/types";
import { showBytes, showRate } from "../model/units";
import { useProfiles } from "../store/server";
import { Chart, type Line } from "./chart";
import { useRates } from "./measured";

/** The host looks at everything this often. */
const REFRESH_MS = 5000;

const seconds = (points: { time: string }[]): number[] => points.map((point) => Date.parse(point.time) / 1000);
const showProcessor = (milli: number): string => `${(milli / 10).toFixed(milli < 100 ? 1 : 0)} %`;
/** What a point of a chart stands for. */
const Told = ({ period }: { period: number }) => <Text fz="xs" c="dimmed">The last hour, a point every {period} s; the figures are the newest, or those under the pointer.</Text>;
const waiting = <Text fz="xs" c="dimmed">The first values come within seconds.</Text>;

export function ElementCharts({ element }: { element: Element }) {
  const usage = useQuery({
    queryKey: ["usage", element.id],
    queryFn: () => answer(api.GET("/api/v1/elements/{id}/usage", { params: { path: { id: element.id } } })),
    refetchInterval: REFRESH_MS,
  });
  const profile = useProfiles().data?.find((item) => item.name === element.profile);
  const charts = useMemo(() => {
    const points = usage.data?.points ?? [];
    const line = (label: string, color: Line["color"], value: (point: (typeof points)[number]) => number): Line => ({ label, color, values: points.map(value) });
    return {
      times: seconds(points),
      cpu: [line("processor", "brand", (point) => point.cpu_milli)],
      memory: [line("memory", "brand", (point) => point.memory_bytes)],
      period: usage.data?.period_s ?? 0,
      disk: points.at(-1)?.disk_bytes ?? 0,
      traffic: [line("sent", "brand", (point) => point.sent_bits_per_second), line("received", "good", (point) => point.received_bits_per_second)],
    };
  }, [usage.data]);
  if (charts.times.length === 0) return waiting;
  return (
    <Stack gap={6}>
      <Chart title="Processor" times={charts.times} lines={charts.cpu} show={showProcessor} most={profile?.cpu_milli} />
      <Chart title="Memory" times={charts.times} lines={charts.memory} show={showBytes} most={profile?.memory_bytes} binary />
      <Chart title="Traffic" times={charts.times} lines={charts.traffic} show={showRate} />
      <Told period={charts.period} />
      <Text fz="xs" c="dimmed">Disk: {showBytes(charts.disk)}{profile ? ` of ${showBytes(profile.disk_bytes)}` : ""}</Text>
    </Stack>
  );
}

export function ConnectionChart({ connection, names }: { connection: Connection; names: [string, string] }) {
  const now = useRates(connection.id);
  const usage = useQuery({
    queryKey: ["connection-usage", connection.id],
    queryFn: () => answer(api.GET("/api/v1/connections/{id}/usage", { params: { path: { id: connection.id } } })),
    refetchInterval: REFRESH_MS,
  });
  const chart = useMemo(() => {
    const points = usage.data?.points ?? [];
    const lines: Line[] = [
      { label: `from ${names[0].slice(0, 24)}`, color: "brand", values: points.map((point) => point.forward.bits_per_second) },
      { label: `from ${names[1].slice(0, 24)}`, color: "good", values: points.map((point) => point.backward.bits_per_second) },
    ];
    return { times: seconds(points), lines, period: usage.data?.period_s ?? 0 };
  }, [usage.data, names[0], names[1]]);
  if (chart.times.length === 0) return waiting;
  return (
    <>
      <Chart title="Traffic" times={chart.times} lines={chart.lines} show={showRate} now={[now?.[0].bits ?? 0, now?.[1].bits ?? 0]} />
      <Told period={chart.period} />
    </>
  );
}
