// What every list has: a title, waiting, failing, a table.
import { Alert, Group, Loader, Title } from "@mantine/core";
import type { ReactNode } from "react";

import { words } from "../api/client";

interface Props {
  title: string;
  query: { isPending: boolean; error: unknown };
  right?: ReactNode;
  children: ReactNode;
}

export function Listing({ title, query, right, children }: Props) {
  return (
    <>
      <Group justify="space-between" mb="lg"><Title order={1} fz="h2">{title}</Title>{right}</Group>
      {query.error ? <Alert color="red">{words(query.error)}</Alert> : query.isPending ? <Loader role="status" aria-label="Loading" /> : <div className="table-wrap">{children}</div>}
    </>
  );
}
