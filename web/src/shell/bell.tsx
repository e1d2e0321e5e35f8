// Messages to the account.
import { ActionIcon, Button, Group, Indicator, Popover, ScrollArea, Stack, Text } from "@mantine/core";
import { IconBell } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { answer, api } from "../api/client";
import type { Notification } from "../model/types";
import { ago } from "../model/units";
import { queries } from "../store/server";

const REFRESH_MS = 60_000;

export function Bell() {
  const [open, setOpen] = useState(false);
  const messages = useQuery({
    queryKey: ["notifications"],
    queryFn: () => answer<Notification[]>(api.GET("/api/v1/notifications", { params: { query: { include_read: true } as never } })),
    refetchInterval: REFRESH_MS,
  });
  const all = messages.data ?? [];
  const unread = all.filter((message) => !message.read).length;
  const readAll = async () => {
    await answer(api.POST("/api/v1/notifications/read")).catch(() => null);
    await queries.invalidateQueries({ queryKey: ["notifications"] });
  };
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" width={360} shadow="lg" trapFocus returnFocus>
      <Indicator label={unread} size={16} disabled={unread === 0} color="tomato">
        <Popover.Target>
          <ActionIcon size="lg" aria-label={unread > 0 ? `Messages, ${unread} unread` : "Messages"} onClick={() => setOpen(!open)}><IconBell size={20} /></ActionIcon>
        </Popover.Target>
      </Indicator>
      <Popover.Dropdown p="sm">
        <Stack gap="xs">
          <Group justify="space-between"><Text fw={650} fz="sm">Messages</Text>{unread > 0 && <Button size="compact-xs" variant="default" onClick={() => void readAll()}>All read</Button>}</Group>
          {all.length === 0 && <Text fz="sm" c="dimmed">There are none.</Text>}
          <ScrollArea.Autosize mah={360}>
            <Stack gap="sm">
              {all.slice(0, 50).map((message) => (
                <div key={message.id} className={message.read ? "message" : "message message-new"}>
                  <Text fz="sm" fw={600} dir="auto" className="name">{message.title}</Text>
                  <Text fz="xs" c="dimmed">{message.sender ?? "the lab"}, {ago(message.at, Date.now())}</Text>
                  <Text fz="sm" dir="auto" className="name">{message.message.slice(0, 2000)}</Text>
                </div>
              ))}
            </Stack>
          </ScrollArea.Autosize>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
