// A new topology: blank or from an example.
import { Button, Group, Modal, Stack, Text, TextInput, Title, UnstyledButton } from "@mantine/core";
import { type FormEvent, useState } from "react";

import { EXAMPLES, type Example } from "../model/examples";
import { go } from "../route";
import { createEmpty, importText } from "../store/files";
import type { Failure } from "./import-failure";
import { Picture } from "./picture";

interface Props {
  opened: boolean;
  onClose: () => void;
  onFailure: (failure: Failure) => void;
}

export function CreateDialog({ opened, onClose, onFailure }: Props) {
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const run = async (file: string, make: () => Promise<string>) => {
    setBusy(true);
    try {
      const id = await make();
      onClose();
      go(`/topologies/${id}`);
    } catch (error) {
      onFailure({ file, error });
    } finally {
      setBusy(false);
    }
  };
  const blank = (event: FormEvent) => {
    event.preventDefault();
    void run("new topology", () => createEmpty(name.trim()));
  };
  const example = (chosen: Example) => void run(chosen.file, () => importText(chosen.text));
  return (
    <Modal opened={opened} onClose={onClose} title="New topology" size="xl">
      <Stack gap="lg">
        <form onSubmit={blank}>
          <Group align="flex-end" wrap="nowrap">
            <TextInput
              label="Blank canvas" placeholder="Name (optional)" flex={1} maxLength={128} data-autofocus
              value={name} onChange={(event) => setName(event.currentTarget.value)}
            />
            <Button type="submit" loading={busy}>Create</Button>
          </Group>
        </form>
        <div>
          <Title order={2} fz="h5" mb="xs">Or start from an example</Title>
          <div className="cards">
            {EXAMPLES.map((item) => (
              <UnstyledButton key={item.file} className="card" disabled={busy} onClick={() => example(item)}>
                <span className="card-picture"><Picture drawn={item} /></span>
                <span className="card-body">
                  <Text component="span" fw={650}>{item.name}</Text>
                  <Text component="span" fz="xs" c="dimmed" lineClamp={3}>{item.description}</Text>
                </span>
              </UnstyledButton>
            ))}
          </div>
        </div>
      </Stack>
    </Modal>
  );
}
