// Which list a path shows.
import { Text, Title } from "@mantine/core";

import { Tours } from "../tour/page";
import { AccountPage } from "./account";
import { Accounts } from "./accounts";
import { Hosts, JobList } from "./hosts";
import { Audit, SettingsPage } from "./lab";
import { Organizations } from "./organizations";
import { Profiles } from "./profiles";
import { Templates } from "./templates";

const PAGES: Record<string, () => React.ReactNode> = {
  "/templates": Templates,
  "/profiles": Profiles,
  "/jobs": JobList,
  "/hosts": Hosts,
  "/account": AccountPage,
  "/accounts": Accounts,
  "/organizations": Organizations,
  "/settings": SettingsPage,
  "/audit": Audit,
  "/tours": Tours,
};

export default function Pages({ path }: { path: string }) {
  const Page = PAGES[path];
  return (
    <div className="page">
      {Page ? <Page /> : (
        <>
          <Title order={1} fz="h2">There is no such page</Title>
          <Text c="dimmed" className="name">{path.slice(0, 200)}</Text>
        </>
      )}
    </div>
  );
}
