// Beside the canvas: the step of the tour that is under way. It goes on by itself when what it waits for has happened.
import { Button, CloseButton, Group, Progress, Text } from "@mantine/core";
import { IconCheck } from "@tabler/icons-react";
import { useEffect, useState } from "react";

import { screens } from "../dock/screens";
import { shownFrames } from "../packets/live";
import { queries } from "../store/server";
import { current, useTopology } from "../store/topology";
import { useView } from "../store/view";
import { type Facts, isReached, type Tour, tourError } from "./format";
import { beginIn, endTour, resume, useTour } from "./state";

const LOOK_MS = 300;
/** A step that was done is shown as done this long. */
const DONE_MS = 900;

function facts(): Facts {
  const { elements, connections, selection } = current();
  const only = selection.size === 1 ? [...selection][0]! : "";
  const cables = [...connections.values()];
  const lists = [...shownFrames.values()];
  const archives = queries.getQueriesData<{ readable: boolean; done: boolean }>({ queryKey: ["archive"] });
  return {
    elements: elements.size,
    connections: cables.length,
    running: [...elements.values()].filter((element) => element.state === "started").length,
    consoles: useView.getState().tabs.filter((tab) => tab.type === "console").length,
    screens: [...screens.values()].map((read) => read()),
    selected: elements.has(only) ? "element" : connections.has(only) ? "connection" : null,
    links: cables.flatMap((item) => (item.emulation ? [item.forward, item.backward] : [])),
    unplugged: cables.filter((item) => !item.connected).length,
    capturing: cables.filter((item) => item.capturing).length,
    frames: lists.length > 0 ? Math.max(...lists.map((list) => list.count)) : null,
    filters: lists.map((list) => list.filter),
    archives: archives.map(([, status]) => ({ begun: status?.readable ?? false, done: (status?.readable && status.done) ?? false })),
  };
}

/** `code` and **bold** of a step's text. */
function Words({ text }: { text: string }) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part, index) => {
    if (part.startsWith("`")) return <code key={index}>{part.slice(1, -1)}</code>;
    return part.startsWith("**") ? <b key={index}>{part.slice(2, -2)}</b> : part;
  });
}

/** A ring round the part of the page that a step points at. */
function Ring({ target }: { target: string }) {
  const [box, setBox] = useState<DOMRect | null>(null);
  useEffect(() => {
    let shown: Element | null = null;
    const look = () => {
      const part = document.querySelector(`[data-tour="${CSS.escape(target)}"]`);
      if (part && part !== shown) part.scrollIntoView({ block: "nearest" });
      shown = part;
      const next = part?.getBoundingClientRect() ?? null;
      setBox((old) => (old && next && old.x === next.x && old.y === next.y && old.width === next.width && old.height === next.height ? old : next));
    };
    look();
    const timer = setInterval(look, LOOK_MS);
    return () => clearInterval(timer);
  }, [target]);
  if (!box || box.width === 0) return null;
  return <div className="tour-ring" style={{ left: box.x - 4, top: box.y - 4, width: box.width + 8, height: box.height + 8 }} aria-hidden />;
}

export function Guide({ id }: { id: string }) {
  const { tour, topology, step } = useTour();
  useEffect(() => resume(id), [id]);
  if (!tour || topology !== id) return <Offer id={id} />;
  return <Step key={step} tour={tour} index={step} />;
}

function Step({ tour, index }: { tour: Tour; index: number }) {
  const step = tour.steps[index]!;
  const [isDone, setDone] = useState(false);
  const isLast = index === tour.steps.length - 1;
  const next = () => (isLast ? endTour() : useTour.setState({ step: index + 1 }));
  useEffect(() => {
    const { until } = step;
    if (!until || isDone) return;
    const timer = setInterval(() => { if (isReached(until, facts())) setDone(true); }, LOOK_MS);
    return () => clearInterval(timer);
  }, [step, isDone]);
  useEffect(() => {
    if (!isDone) return;
    const timer = setTimeout(next, DONE_MS);
    return () => clearTimeout(timer);
  });
  return (
    <>
      {step.point && !isDone && <Ring target={step.point} />}
      <section className="tour" aria-label={`Tour: ${tour.title.slice(0, 80)}`} aria-live="polite">
        <Group justify="space-between" wrap="nowrap" mb={4}>
          <Text fz="xs" fw={650} c="dimmed" dir="auto">{tour.title.slice(0, 80)} · {index + 1} of {tour.steps.length}</Text>
          <CloseButton size="sm" aria-label="End the tour" onClick={endTour} />
        </Group>
        <Progress value={((index + (isDone ? 1 : 0)) / tour.steps.length) * 100} size={4} mb={8} aria-label="How far the tour is" />
        <Text fz="sm" className="name" dir="auto"><Words text={step.text} /></Text>
        <Group justify="flex-end" mt={8} gap={6} mih={26}>
          {isDone && <Text fz="sm" fw={600} c="var(--good)" className="tour-done"><IconCheck size={16} aria-hidden /> Done</Text>}
          {!isDone && step.until && <Button size="compact-xs" variant="subtle" color="gray" onClick={next}>Skip</Button>}
          {!step.until && <Button size="compact-sm" onClick={next}>{isLast ? "Finish" : "Next"}</Button>}
        </Group>
      </section>
    </>
  );
}

/** A topology's own tour is offered once. */
function Offer({ id }: { id: string }) {
  const own = useTopology((state) => state.topology?.client?.["_tour"]);
  const [refused, setRefused] = useState(false);
  if (own === undefined || refused) return null;
  const wrong = tourError(own);
  return (
    <section className="tour" aria-label="Tour of this topology">
      <Text fz="sm" fw={650} dir="auto">{wrong ? "The tour of this topology cannot be shown" : (own as Tour).title}</Text>
      <Text fz="sm" className="name" dir="auto">{wrong ?? (own as Tour).description}</Text>
      <Group justify="flex-end" mt={8} gap={6}>
        <Button size="compact-sm" variant="default" onClick={() => setRefused(true)}>Not now</Button>
        {!wrong && <Button size="compact-sm" onClick={() => beginIn(own as Tour, id)}>Begin</Button>}
      </Group>
    </section>
  );
}
