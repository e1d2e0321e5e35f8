// Joining two elements: asks first where it would make a loop or a second cable between the same two.
import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { create } from "zustand";

import { connect } from "../store/edits";
import { complain, saving } from "../store/send";
import { queries } from "../store/server";
import { current, select } from "../store/topology";
import type { KindInfo } from "../model/types";

interface Question {
  a: string;
  b: string;
  why: string;
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

/** Joins two elements, after a question where there is a doubt. */
export async function join(a: string, b: string): Promise<void> {
  const why = doubt(a, b);
  if (why) useQuestion.setState({ asked: { a, b, why } });
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

export function JoinQuestion() {
  const asked = useQuestion((state) => state.asked);
  const close = () => useQuestion.setState({ asked: null });
  return (
    <Modal opened={asked !== null} onClose={close} title="Join these two anyway?">
      <Stack>
        <Text className="name">{asked?.why}</Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={close} data-autofocus>Leave it</Button>
          <Button
            color="orange.9"
            onClick={() => {
              close();
              if (asked) void joinNow(asked.a, asked.b);
            }}
          >
            Join anyway
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
