// Name and password.
import { Alert, Button, Paper, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { IconAlertCircle } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";

import { login, useSession } from "../api/session";
import { SchemeSwitch } from "../shell/account";
import { Logo } from "../shell/logo";

export function Login() {
  const error = useSession((session) => session.error);
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    await login(name.trim(), password);
    setBusy(false);
  };
  return (
    <main className="login">
      <div className="login-scheme"><SchemeSwitch /></div>
      <Paper className="login-card" withBorder shadow="md" p="xl">
        <Stack gap="md">
          <Logo size={40} />
          <div>
            <Title order={1} fz="h3">Log in</Title>
            <Text c="dimmed" fz="sm">Draw a network, start it, reach into it.</Text>
          </div>
          <form onSubmit={(event) => void submit(event)}>
            <Stack gap="sm">
              {error && (
                <Alert role="alert" color="red" variant="light" icon={<IconAlertCircle size={18} />}>
                  {error}
                </Alert>
              )}
              <TextInput
                label="Name" name="username" autoComplete="username" autoFocus required withAsterisk={false}
                value={name} onChange={(event) => setName(event.currentTarget.value)}
              />
              <PasswordInput
                label="Password" name="password" autoComplete="current-password" required withAsterisk={false}
                value={password} onChange={(event) => setPassword(event.currentTarget.value)}
              />
              <Button type="submit" loading={busy} fullWidth mt="xs">Log in</Button>
            </Stack>
          </form>
        </Stack>
      </Paper>
    </main>
  );
}
