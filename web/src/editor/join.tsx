// Joining two elements: asks first where it would make a loop or a second cable between the same two, and for the interfaces where
// their names are shown.
import { Button, Group, Modal, Select, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { create } from "zustand";

import { addInterface, connect } from "../store/edits";
import { complain, saving } from "../store/send";
import { queries } from "../store/server";
import { current, select } from "../store/topology";
import { useView } from "../store/view";
import type { KindInfo } from "../model/types";

interface Question {
  a: string;
  b: string;
  /** A doubt, or null. */
  why: string | null;
}

const useQuestion = create<{ asked: Question | null }>(() => ({ asked: null }));

function isConnector(id: string): boolean {
  const kinds = queries.getQueryData<KindInfo[]>(["kinds"]) ?? [];
  const kind = current().elements.get(id)?.kind;
  return kinds.some((info) => info.kind === kind && !info.device);
}

/** Why one should think twice about joining two elements; null when there is no reason. */
export function doubt(a: string, b: string): string | null {
  const { connections, owners, elements } = current();
  const name = (id: string) => elements.get(id)?.name ?? "?";
  const pairs = [...connections.values()].map(({ interfaces }) => [owners.get(interfaces[0]!) ?? "", owners.get(interfaces[1]!) ?? ""] as const);
  if (isConnector(a) && isConnector(b)) {
    // Reachable over connectors alone: frames would circle for ever.
    const seen = new Set([a]);
    const open = [a];
    while (open.length > 0) {
      const at = open.pop()!;
      for (const [x, y] of pairs) {
        const next = x === at ? y : y === at ? x : null;
        if (next !== null && !seen.has(next) && isConnector(next)) {
          seen.add(next);
          open.push(next);
        }
      }
    }
    if (seen.has(b)) return `${name(a)} and ${name(b)} are joined already over switches. Another cable makes a loop: each broadcast would circle for ever and fill the network.`;
    return null;
  }
  const joined = pairs.some(([x, y]) => (x === a && y === b) || (x === b && y === a));
  if (joined && (isConnector(a) || isConnector(b))) {
    const device = isConnector(a) ? b : a;
    return `${name(device)} has a cable to ${name(device === a ? b : a)} already. With a second one it has two addresses in one network, and answers may take the other cable.`;
  }
  return null;
}

/** Joins two elements, after a question where there is a doubt, or where interfaces are named. */
export async function join(a: string, b: string): Promise<void> {
  const why = doubt(a, b);
  if (why || useView.getState().ports) useQuestion.setState({ asked: { a, b, why } });
  else await joinNow(a, b);
}

async function joinNow(a: string, b: string): Promise<void> {
  try {
    const made = await saving(() => connect(a, b));
    select([made.id]);
  } catch (error) {
    complain(error, "They were not joined");
  }
}

/** The first free interface, or a new one. */
const ANY = "any";
const NEW = "new";

/** Chooses the interface of an element that a cable is put into. */
function End({ id, value, onChange }: { id: string; value: string; onChange: (value: string) => void }) {
  const element = current().elements.get(id);
  const free = (element?.interfaces ?? []).filter((item) => item.connection === null || item.connection === undefined);
  const data = [
    { value: ANY, label: free[0] ? `the next free one (${free[0].name})` : "a new one" },
    ...free.map((item) => ({ value: item.id, label: item.name })),
    ...(free.length > 0 ? [{ value: NEW, label: "a new one" }] : []),
  ];
  return <Select flex={1} label={<span className="name" dir="auto">{element?.name.slice(0, 40)}</span>} data={data} value={value} allowDeselect={false} onChange={(next) => onChange(next ?? ANY)} />;
}

/** The end that is meant: an interface, a new one, or the element for any. */
async function endOf(element: string, value: string): Promise<string> {
  if (value === NEW) return (await addInterface(element)).id;
  return value === ANY ? element : value;
}

export function JoinQuestion() {
  const asked = useQuestion((state) => state.asked);
  return asked && <Asked key={`${asked.a} ${asked.b}`} {...asked} />;
}

function Asked({ a, b, why }: Question) {
  const ports = useView((view) => view.ports);
  const [ends, setEnds] = useState<[string, string]>([ANY, ANY]);
  const close = () => useQuestion.setState({ asked: null });
  const go = async () => {
    close();
    const [from, to] = [await endOf(a, ends[0]), await endOf(b, ends[1])];
    await joinNow(from, to);
  };
  return (
    <Modal opened onClose={close} title={why ? "Join these two anyway?" : "Join by which interfaces?"} transitionProps={{ duration: 0 }}>
      <form onSubmit={(event) => { event.preventDefault(); void go().catch(complain); }}>
        <Stack>
          {why && <Text className="name">{why}</Text>}
          {ports && (
            <Group align="flex-end" wrap="nowrap">
              <End id={a} value={ends[0]} onChange={(next) => setEnds([next, ends[1]])} />
              <End id={b} value={ends[1]} onChange={(next) => setEnds([ends[0], next])} />
            </Group>
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={close} data-autofocus={why ? true : undefined}>Leave it</Button>
            <Button type="submit" color={why ? "orange.9" : undefined} data-autofocus={why ? undefined : true}>{why ? "Join anyway" : "Join"}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
