// The frame around lists: header, navigation, content.
import { Anchor, Group, NavLink } from "@mantine/core";
import {
  IconActivity, IconBox, IconBuilding, IconHistory, IconMapRoute, IconServer, IconSettings, IconSitemap, IconStack2, IconUsers,
} from "@tabler/icons-react";
import type { ReactNode } from "react";

import { useSession } from "../api/session";
import { onLink, usePath } from "../route";
import { AccountMenu, SchemeSwitch } from "./account";
import { Bell } from "./bell";
import { Logo } from "./logo";

const PAGES = [
  { path: "/", label: "Topologies", icon: IconSitemap, admin: false },
  { path: "/tours", label: "Tours", icon: IconMapRoute, admin: false },
  { path: "/templates", label: "Templates", icon: IconBox, admin: false },
  { path: "/profiles", label: "Profiles", icon: IconStack2, admin: false },
  { path: "/jobs", label: "Jobs", icon: IconActivity, admin: false },
  { path: "/hosts", label: "Hosts", icon: IconServer, admin: false },
  { path: "/accounts", label: "Accounts", icon: IconUsers, admin: true },
  { path: "/organizations", label: "Organizations", icon: IconBuilding, admin: true },
  { path: "/settings", label: "Settings", icon: IconSettings, admin: true },
  { path: "/audit", label: "Who did what", icon: IconHistory, admin: true },
];

export function Shell({ children }: { children: ReactNode }) {
  const path = usePath();
  const admin = useSession((session) => session.account?.admin ?? false);
  return (
    <div className="shell">
      <a className="skip" href="#content">Skip to the content</a>
      <header className="shell-header">
        <Anchor href="/" onClick={onLink} underline="never" c="inherit" aria-label="ToMaTo, start page">
          <Logo />
        </Anchor>
        <Group gap="xs">
          <Bell />
          <SchemeSwitch />
          <AccountMenu />
        </Group>
      </header>
      <nav className="shell-nav" aria-label="Pages">
        {PAGES.filter((page) => admin || !page.admin).map((page) => (
          <NavLink
            key={page.path}
            href={page.path}
            label={page.label}
            leftSection={<page.icon size={18} aria-hidden />}
            active={path === page.path}
            aria-current={path === page.path ? "page" : undefined}
            onClick={onLink}
          />
        ))}
      </nav>
      <main className="shell-main" id="content" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}
