// Which list a path shows.
import { Text, Title } from "@mantine/core";

export default function Pages({ path }: { path: string }) {
  return (
    <div className="page">
      <Title order={1} fz="h2">There is no such page</Title>
      <Text c="dimmed" className="name">{path.slice(0, 200)}</Text>
    </div>
  );
}
