// Beside the canvas: the step of the tour that is under way. It goes on by itself when what it waits for has happened.
import { Button, CloseButton, Group, Progress, Text } from "@mantine/core";
import { IconCheck } from "@tabler/icons-react";
import { useEffect, useState } from "react";

import { screens } from "../dock/screens";
import { shownFrames } from "../packets/live";
import { complain } from "../store/send";
import { queries } from "../store/server";
import { current, useTopology } from "../store/topology";
import { useView } from "../store/view";
import { type Facts, isReached, type Tour, tourError } from "./format";
import { Ring } from "./ring";
import { begin, beginIn, endTour, resume, useTour } from "./state";
import { TOURS } from "./tours";

/** Milliseconds between two looks at whether a step is done. */
const LOOK_MS = 300;
/** A step that was done is shown as done so many milliseconds. */
const DONE_MS = 900;

function facts(): Facts {
  const { elements, connections, selection } = current();
  const only = selection.size === 1 ? [...selection][0]! : "";
  const chosen = elements.get(only) ?? connections.get(only);
  const cables = [...connections.values()];
  const archives = queries.getQueriesData<{ readable: boolean; done: boolean }>({ queryKey: ["archive"] });
  return {
    elements: elements.size,
    connections: cables.length,
    running: [...elements.values()].filter((element) => element.state === "started").length,
    consoles: useView.getState().tabs.filter((tab) => tab.type === "console").map((tab) => ({ element: elements.get(tab.element)?.name ?? "", screen: screens.get(tab.element)?.() ?? "" })),
    selected: chosen ? { sort: elements.has(only) ? "element" : "connection", name: chosen.name } : null,
    links: cables.flatMap((item) => (item.emulation ? [item.forward, item.backward] : [])),
    unplugged: cables.filter((item) => !item.connected).length,
    capturing: cables.filter((item) => item.capturing).length,
    lists: [...shownFrames.values()],
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
  /** What is to be read stays until somebody has read it. */
  const isRead = isLast || step.then !== undefined;
  useEffect(() => {
    const { until } = step;
    if (!until || isDone) return;
    const timer = setInterval(() => { if (isReached(until, facts())) setDone(true); }, LOOK_MS);
    return () => clearInterval(timer);
  }, [step, isDone]);
  useEffect(() => {
    if (!isDone || isRead) return;
    const timer = setTimeout(next, DONE_MS);
    return () => clearTimeout(timer);
  });
  const isOver = isDone || !step.until;
  return (
    <>
      {step.point && !isDone && <Ring target={step.point} />}
      <section className="tour" aria-label={`Tour: ${tour.title.slice(0, 80)}`} aria-live="polite">
        <Text fz="xs" fw={650} c="dimmed" dir="auto">{tour.title.slice(0, 80)} · {index + 1} of {tour.steps.length}</Text>
        <CloseButton size="sm" aria-label="End the tour" onClick={endTour} ml="auto" />
        <Text fz="sm" className="name tour-text" dir="auto"><Words text={(isDone && step.then) || step.text} /></Text>
        <Group justify="flex-end" gap={6} wrap="nowrap">
          {isDone && <Text fz="sm" fw={600} c="var(--good)" className="tour-done"><IconCheck size={16} aria-hidden /> Done</Text>}
          {!isOver && <Button size="compact-xs" variant="subtle" color="gray" onClick={next}>Skip</Button>}
          {isOver && isLast && <Following tour={tour} />}
          {isOver && (isRead || !step.until) && <Button size="compact-sm" onClick={next}>{isLast ? "Finish" : "Next"}</Button>}
        </Group>
        <Progress className="tour-bar" value={((index + (isOver ? 1 : 0)) / tour.steps.length) * 100} size={3} aria-label="How far the tour is" />
      </section>
    </>
  );
}

/** Where to go after one of the tours that come with the product. */
function Following({ tour }: { tour: Tour }) {
  const at = TOURS.findIndex((other) => other.title === tour.title);
  const next = at < 0 ? undefined : TOURS[at + 1];
  if (!next) return null;
  return <Button size="compact-sm" variant="default" onClick={() => void begin(next).catch((error: unknown) => complain(error, "The tour was not begun"))}>Next tour: {next.title}</Button>;
}

/** A topology's own tour is offered once. */
function Offer({ id }: { id: string }) {
  const own = useTopology((state) => state.topology?.client?.["_tour"]);
  const [refused, setRefused] = useState(false);
  if (own === undefined || refused) return null;
  const wrong = tourError(own);
  return (
    <section className="tour" aria-label="Tour of this topology">
      <Text fz="sm" fw={650} dir="auto" className="tour-head">{wrong ? "The tour of this topology cannot be shown" : (own as Tour).title}</Text>
      <Text fz="sm" className="name tour-text" dir="auto">{wrong ?? (own as Tour).description}</Text>
      <Group justify="flex-end" gap={6} wrap="nowrap">
        <Button size="compact-sm" variant="default" onClick={() => setRefused(true)}>Not now</Button>
        {!wrong && <Button size="compact-sm" onClick={() => beginIn(own as Tour, id)}>Begin</Button>}
      </Group>
    </section>
  );
}
