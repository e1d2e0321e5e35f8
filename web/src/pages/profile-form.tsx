// What people may change of their own account.
import { Button, Group, PasswordInput, Stack, TextInput, Title } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { type FormEvent, useState } from "react";

import { answer, api } from "../api/client";
import { useSession, whoAmI } from "../api/session";
import type { Account } from "../model/types";
import { complain } from "../store/send";

async function change(account: string, body: Record<string, string>, done: string): Promise<boolean> {
  try {
    await answer(api.PATCH("/api/v1/accounts/{account}", { params: { path: { account } }, body: body as never }));
    notifications.show({ message: done, autoClose: 2500 });
    return true;
  } catch (error) {
    complain(error, "The account was not changed");
    return false;
  }
}

export function ProfileForm() {
  const account = useSession((session) => session.account);
  return account ? <Forms account={account} key={account.name} /> : null;
}

function Forms({ account }: { account: Account }) {
  const [person, setPerson] = useState({ realname: account.realname ?? "", email: account.email ?? "" });
  const [words, setWords] = useState({ current_password: "", password: "", again: "" });
  const keepPerson = async (event: FormEvent) => {
    event.preventDefault();
    if (await change(account.name, person, "Kept")) await whoAmI();
  };
  const keepPassword = async (event: FormEvent) => {
    event.preventDefault();
    const { again, ...body } = words;
    if (again !== body.password) complain(new Error("the two new passwords differ: type them again"), "The password was not changed");
    else if (await change(account.name, body, "The password is changed: log in with it")) await whoAmI();
  };
  const secret = (key: keyof typeof words, label: string, complete: string) => (
    <PasswordInput label={label} required withAsterisk={false} autoComplete={complete} value={words[key]} onChange={(event) => setWords({ ...words, [key]: event.currentTarget.value })} />
  );
  return (
    <Group align="flex-start" gap={40}>
      <form onSubmit={(event) => void keepPerson(event)}>
        <Stack gap="sm" w={320}>
          <Title order={2} fz="h4">You</Title>
          <TextInput label="Real name" dir="auto" value={person.realname} onChange={(event) => setPerson({ ...person, realname: event.currentTarget.value })} />
          <TextInput label="E-mail" type="email" value={person.email} onChange={(event) => setPerson({ ...person, email: event.currentTarget.value })} />
          <Button type="submit" w="fit-content">Keep</Button>
        </Stack>
      </form>
      <form onSubmit={(event) => void keepPassword(event)}>
        <Stack gap="sm" w={320}>
          <Title order={2} fz="h4">Password</Title>
          {secret("current_password", "Password so far", "current-password")}
          {secret("password", "New password", "new-password")}
          {secret("again", "New password again", "new-password")}
          <Button type="submit" w="fit-content">Change it</Button>
        </Stack>
      </form>
    </Group>
  );
}
