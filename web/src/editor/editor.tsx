// The editor of one topology.
import { Alert, Anchor, Center, Loader, Stack } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { ReactFlowProvider } from "@xyflow/react";
import { useEffect, useMemo, useRef } from "react";

import { Dock } from "../dock/dock";
import { Panel } from "../panels/panel";
import { onLink } from "../route";
import { clearHistory } from "../store/history";
import { onPresence, sharePresence } from "../store/presence";
import { deviceTest, queries, useKinds } from "../store/server";
import { open, useTopology } from "../store/topology";
import { watchTraffic } from "../store/traffic";
import { clearUnplaced } from "../store/unplaced";
import { Guide } from "../tour/guide";
import { openTab, resetView, useView } from "../store/view";
import { Canvas } from "./canvas";
import { Dialogs } from "./dialogs";
import { useEditable } from "./editable";
import { useKeepInView } from "./in-view";
import { JoinQuestion } from "./join";
import { useKeys } from "./keys";
import { useUnplacedLayout } from "./layout";
import { Legend } from "./legend";
import { ContextMenu } from "./menu";
import { Palette } from "./palette";
import { useScene } from "./scene";
import { Toolbar } from "./toolbar";

/** A hidden page gives its lines back after this time: browsers have few to one server. */
const HIDDEN_MS = 60_000;

function useFollow(id: string): void {
  useEffect(() => {
    const close = open(id, onPresence);
    const quiet = sharePresence(id);
    return () => {
      close();
      quiet();
      resetView();
      clearHistory();
      clearUnplaced();
      void queries.invalidateQueries({ queryKey: ["topologies"] });
      queries.removeQueries({ queryKey: ["graph", id] });
    };
  }, [id]);
}

function useTraffic(id: string): void {
  const wanted = useView((view) => view.traffic);
  const running = useTopology((state) => [...state.connections.values()].some((connection) => connection.started));
  useEffect(() => {
    if (!wanted || !running) return;
    let stop: (() => void) | null = watchTraffic(id);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const visible = () => {
      clearTimeout(timer);
      if (document.hidden) {
        timer = setTimeout(() => {
          stop?.();
          stop = null;
        }, HIDDEN_MS);
      } else stop ??= watchTraffic(id);
    };
    document.addEventListener("visibilitychange", visible);
    return () => {
      document.removeEventListener("visibilitychange", visible);
      clearTimeout(timer);
      stop?.();
    };
  }, [id, wanted, running]);
}

/** Says how jobs end. */
function useJobNews(): void {
  const jobs = useTopology((state) => state.jobs);
  const running = useRef(new Set<string>());
  useEffect(() => {
    for (const job of jobs.values()) {
      if (job.state === "running") running.current.add(job.id);
      else if (running.current.delete(job.id)) {
        if (job.state === "failed") {
          notifications.show({
            color: "red", autoClose: 12_000, title: `${job.action} failed`, message: job.error?.message ?? "see the log",
            onClick: () => openTab({ key: "jobs", type: "job" }),
          });
        } else if (job.state === "done" && job.progress.total > 0) {
          notifications.show({ color: "leaf.7", autoClose: 2500, message: `Done: ${job.action}, ${job.progress.total === 1 ? "1 element" : `${job.progress.total} elements`}` });
        }
      }
    }
  }, [jobs]);
}

function Inner({ id }: { id: string }) {
  useFollow(id);
  useTraffic(id);
  useJobNews();
  const editable = useEditable();
  useKeys(editable);
  useKeepInView();
  const kinds = useKinds().data;
  const scene = useScene(useMemo(() => deviceTest(kinds), [kinds]));
  const arranging = useUnplacedLayout();
  const { topology, failure, gone } = useTopology();
  const { legend } = useView();
  useEffect(() => {
    document.title = topology ? `${topology.name.slice(0, 60)} · ToMaTo` : "ToMaTo";
    return () => { document.title = "ToMaTo"; };
  }, [topology]);
  if (failure || gone) {
    return (
      <Center h="100%">
        <Stack maw={460} p="lg">
          <Alert color="red" title={gone ? "This topology was removed" : "This topology cannot be shown"}>{failure ?? "Somebody deleted it."}</Alert>
          <Anchor href="/" onClick={onLink}>All topologies</Anchor>
        </Stack>
      </Center>
    );
  }
  // From one topology to another: nothing of the first is shown, or opened, as if it were of the second.
  if (topology?.id !== id) return <Center h="100%"><Loader role="status" aria-label="Loading" /></Center>;
  return (
    <div className="editor">
      <Toolbar />
      <Palette editable={editable} />
      <main className="stage" aria-label="Canvas">
        <Guide id={id} />
        <div className="stage-canvas">
          <Canvas scene={scene} editable={editable} arranging={arranging} />
          {legend && <Legend />}
          {arranging && <p className="stage-empty" role="status">Arranging…</p>}
          {scene.placed.size === 0 && <p className="stage-empty">Add elements from the palette on the left.</p>}
        </div>
        <Dock />
      </main>
      <Panel />
      <ContextMenu editable={editable} />
      <Dialogs />
      <JoinQuestion />
    </div>
  );
}

export default function Editor({ id }: { id: string }) {
  return (
    <ReactFlowProvider>
      <Inner id={id} />
    </ReactFlowProvider>
  );
}
