// The tours to choose from.
import { Text, Title, UnstyledButton } from "@mantine/core";
import { IconMapRoute } from "@tabler/icons-react";
import { useState } from "react";

import { complain } from "../store/send";
import type { Tour } from "./format";
import { begin } from "./state";
import { TOURS } from "./tours";

export function Tours() {
  const [busy, setBusy] = useState(false);
  const start = async (tour: Tour) => {
    setBusy(true);
    try {
      await begin(tour);
    } catch (error) {
      complain(error, "The tour was not begun");
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Title order={1} fz="h2" mb={6}>Tours</Title>
      <Text c="dimmed" mb="lg">Each shows one thing in a topology made for it, and waits for what you do. Teachers can put their own into a topology.</Text>
      <div className="cards">
        {TOURS.map((tour) => (
          <UnstyledButton key={tour.title} className="card" disabled={busy} onClick={() => void start(tour)}>
            <span className="card-body">
              <IconMapRoute size={26} stroke={1.6} color="var(--brand)" aria-hidden />
              <Text component="span" fw={650}>{tour.title}</Text>
              <Text component="span" fz="sm" c="dimmed">{tour.description}</Text>
              <Text component="span" fz="xs" c="dimmed">{tour.steps.length} steps</Text>
            </span>
          </UnstyledButton>
        ))}
      </div>
    </>
  );
}
