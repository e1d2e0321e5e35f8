// A tab of the dock with the frames of a connection: live with a filter, or those that were recorded.
import { ActionIcon, Button, CopyButton, Text, TextInput, Tooltip } from "@mantine/core";
import { IconArrowBarToDown, IconCopy, IconEraser, IconFilter, IconPlayerPause, IconPlayerPlay } from "@tabler/icons-react";
import { type FormEvent, useEffect, useRef, useState } from "react";

import { answer, api, words } from "../api/client";
import { count } from "../model/units";
import { current, useTopology } from "../store/topology";
import { setView } from "../store/view";
import { liveCommand } from "./commands";
import { FrameDetail } from "./detail";
import { FrameHead, FrameList } from "./list";
import { followFrames, Frames, type Going, readRecorded, shownFrames } from "./live";
import type { Captured } from "./pcapng";

/** Milliseconds between two looks at what arrived. */
const SHOW_MS = 150;
/** The part of the window that list and fields of a frame need together. */
const DETAIL_PART = 0.46;

/** Why a filter cannot be used, or null. */
export async function filterError(filter: string): Promise<string | null> {
  try {
    await answer(api.POST("/api/v1/capture/filter", { body: { filter } }));
    return null;
  } catch (error) {
    return words(error);
  }
}

export default function Packets({ id, recorded }: { id: string; recorded: boolean }) {
  const frames = useRef(new Frames());
  const [shown, setShown] = useState<readonly Captured[]>([]);
  const [going, setGoing] = useState<Going>({ on: false, note: null });
  const [filter, setFilter] = useState("");
  const [paused, setPaused] = useState(false);
  const [follow, setFollow] = useState(true);
  const [chosen, setChosen] = useState<Captured | null>(null);
  const isThere = useTopology((state) => state.connections.has(id));

  useEffect(() => {
    const key = `${id}${recorded}`;
    shownFrames.set(key, frames.current);
    return () => void shownFrames.delete(key);
  }, [id, recorded]);
  useEffect(() => {
    frames.current.filter = filter;
    if (!isThere) return;
    const read = recorded ? readRecorded : followFrames;
    return read(id, filter, frames.current, setGoing);
  }, [id, filter, recorded, isThere]);
  useEffect(() => {
    if (paused) return;
    let last: Captured | undefined;
    const timer = setInterval(() => {
      const { all } = frames.current;
      if (all.at(-1) === last) return;
      last = all.at(-1);
      setShown([...all]);
    }, SHOW_MS);
    return () => clearInterval(timer);
  }, [paused]);

  useEffect(() => { frames.current.isOpened = chosen !== null; }, [chosen]);

  const { count: passed, missed } = frames.current;
  const clear = () => {
    frames.current.clear();
    setShown([]);
    setChosen(null);
  };
  const choose = (frame: Captured) => {
    setFollow(false);
    setChosen(frame);
    setView(({ dockHeight }) => ({ dockHeight: Math.max(dockHeight, Math.round(window.innerHeight * DETAIL_PART)) }));
  };
  return (
    <div className="packets" data-live={going.on}>
      <div className="packets-bar">
        <Filter onFilter={(next) => { if (next !== filter) clear(); setFilter(next); }} />
        {!recorded && (
          <Tooltip label={paused ? "Go on showing" : "Hold the list still"}>
            <ActionIcon aria-label={paused ? "Go on" : "Hold"} aria-pressed={paused} onClick={() => setPaused(!paused)}>{paused ? <IconPlayerPlay size={16} /> : <IconPlayerPause size={16} />}</ActionIcon>
          </Tooltip>
        )}
        <Tooltip label="Follow the newest">
          <ActionIcon aria-label="Follow the newest" aria-pressed={follow} variant={follow ? "light" : "subtle"} color={follow ? "tomato" : "gray"} onClick={() => setFollow(!follow)}><IconArrowBarToDown size={16} /></ActionIcon>
        </Tooltip>
        {!recorded && <Tooltip label="Empty the list"><ActionIcon aria-label="Empty the list" onClick={clear}><IconEraser size={16} /></ActionIcon></Tooltip>}
        <Text fz="xs" c="dimmed" role="status" className="packets-count">
          {count(passed, "frame")}{filter === "" ? "" : recorded ? " that the filter means" : " since the filter was set"}{missed > 0 ? `, ${missed} missed` : ""}{going.note ? ` · ${going.note}` : going.on || recorded ? "" : " · opening…"}
        </Text>
        {!recorded && (
          <CopyButton value={liveCommand(current().topology?.name ?? "", current().connections.get(id)?.name ?? "", filter)}>
            {({ copied, copy }) => <Button size="compact-xs" variant="default" leftSection={<IconCopy size={13} />} onClick={copy}>{copied ? "Copied" : "Command for Wireshark"}</Button>}
          </CopyButton>
        )}
      </div>
      <FrameHead />
      <FrameList frames={shown} chosen={chosen} follow={follow} none={noFrames(recorded, filter)} onChoose={choose} onFollow={setFollow} />
      {chosen && <FrameDetail connection={id} frame={chosen} key={chosen.number} />}
    </div>
  );
}

/** What is said while there are no frames. */
function noFrames(recorded: boolean, filter: string): string {
  if (filter === "") return recorded ? "" : "No frame has passed yet.";
  const what = `frame that fits “${filter.slice(0, 80)}”`;
  return recorded ? `No ${what} was recorded.` : `No ${what} has passed since the filter was set.`;
}

/** A filter that is asked about before it is used. */
function Filter({ onFilter }: { onFilter: (filter: string) => void }) {
  const [text, setText] = useState("");
  const [error, setError] = useState<string | null>(null);
  const apply = async (event: FormEvent) => {
    event.preventDefault();
    const wrong = await filterError(text.trim());
    setError(wrong);
    if (wrong === null) onFilter(text.trim());
  };
  return (
    <form className="packets-filter" onSubmit={(event) => void apply(event)}>
      <TextInput
        size="xs" aria-label="Filter of the frames" placeholder="Filter, as for tcpdump: icmp or port 80" leftSection={<IconFilter size={14} />} classNames={{ input: "mono" }}
        value={text} error={error} onChange={(event) => { setText(event.currentTarget.value); setError(null); }}
      />
    </form>
  );
}
