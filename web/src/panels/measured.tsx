// What passed a connection: rates now and counters since its start, beside nothing but the truth.
import { Table, Text } from "@mantine/core";
import { useEffect, useState } from "react";

import type { Connection } from "../model/types";
import { showBytes, showRate } from "../model/units";
import { changes, rates } from "../store/traffic";
import { useCounters } from "./recent";

const REFRESH_MS = 500;
const CAUSES: Record<string, string> = { loss: "lost by the link", queue: "queue was full", unplugged: "cable unplugged" };

/** The rates of a connection now; all who show them show the same at the same time. */
export function useRates(id: string) {
  const [now, setNow] = useState(() => rates.get(id));
  useEffect(() => {
    setNow(rates.get(id));
    const period = () => Math.floor(performance.now() / REFRESH_MS);
    let last = period();
    const listener = () => {
      if (period() === last) return;
      last = period();
      setNow(rates.get(id));
    };
    changes.listeners.add(listener);
    return () => void changes.listeners.delete(listener);
  }, [id]);
  return now;
}

export function Measured({ connection, names }: { connection: Connection; names: [string, string] }) {
  const now = useRates(connection.id);
  const both = useCounters(connection)?.connections[connection.id];
  if (!connection.started) return <Text fz="sm" c="dimmed">Measured while it runs.</Text>;
  const causes = [...new Set((both ?? []).flatMap((one) => Object.keys(one.drops).filter((cause) => one.drops[cause]! > 0)))].sort();
  const lost = (index: number) => {
    const one = both?.[index];
    if (!one || one.offered === 0) return "–";
    const drops = Object.values(one.drops).reduce((sum, count) => sum + count, 0);
    return `${((drops / one.offered) * 100).toFixed(2)} %`;
  };
  const row = (label: string, cells: (string | number)[], key = label) => (
    <Table.Tr key={key}><Table.Th scope="row" fw={450}>{label}</Table.Th>{cells.map((cell, index) => <Table.Td key={index} ta="right">{cell}</Table.Td>)}</Table.Tr>
  );
  return (
    <Table fz="xs" verticalSpacing={3} horizontalSpacing={4} className="measured">
      <Table.Thead>
        <Table.Tr><Table.Th><span className="hidden">What</span></Table.Th>
          <Table.Th ta="right"><span className="clip measured-name" dir="auto">from {names[0]}</span></Table.Th>
          <Table.Th ta="right"><span className="clip measured-name" dir="auto">from {names[1]}</span></Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {row("Rate", [0, 1].map((index) => showRate(now?.[index]?.bits ?? 0)))}
        {row("Frames/s", [0, 1].map((index) => Math.round(now?.[index]?.packets ?? 0)))}
        {row("Frames", [0, 1].map((index) => both?.[index]?.frames ?? "–"))}
        {row("Bytes", [0, 1].map((index) => (both?.[index] ? showBytes(both[index]!.bytes) : "–")))}
        {row("Dropped", [lost(0), lost(1)])}
        {causes.map((cause) => row(`· ${CAUSES[cause] ?? cause.replaceAll("_", " ")}`, [0, 1].map((index) => both?.[index]?.drops[cause] ?? 0), cause))}
      </Table.Tbody>
    </Table>
  );
}
