// The account's menu and the switch between light and dark.
import { ActionIcon, Button, Menu, Tooltip, UnstyledButton, Avatar, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { IconLogout, IconMoon, IconSettings, IconSun } from "@tabler/icons-react";

import { logout, useSession } from "../api/session";
import { go } from "../route";

export function SchemeSwitch() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light");
  const other = scheme === "dark" ? "light" : "dark";
  return (
    <Tooltip label={`Use ${other} colours`}>
      <ActionIcon size="lg" aria-label={`Use ${other} colours`} onClick={() => setColorScheme(other)}>
        {scheme === "dark" ? <IconSun size={20} /> : <IconMoon size={20} />}
      </ActionIcon>
    </Tooltip>
  );
}

export function AccountMenu() {
  const account = useSession((session) => session.account);
  const isLooking = useSession((session) => session.isLooking);
  const name = account?.name ?? "";
  if (isLooking) {
    return <Button component="a" href="/" size="compact-sm" variant="default">Log in</Button>;
  }
  return (
    <Menu position="bottom-end" width={210}>
      <Menu.Target>
        <UnstyledButton aria-label={`Account ${name}`} className="account-button">
          <Avatar size={32} radius="xl" color="tomato" variant="filled" alt="">
            {name.slice(0, 2).toUpperCase()}
          </Avatar>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {name}
          {account?.admin ? " · administrator" : ""}
        </Menu.Label>
        <Menu.Item leftSection={<IconSettings size={16} />} onClick={() => go("/account")}>
          Account, password, tokens
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void logout()}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
