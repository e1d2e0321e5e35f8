// A small chart over time.
import "uplot/dist/uPlot.min.css";

import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";

import { colorsOf } from "../editor/paint";
import { clock } from "../model/units";

const HEIGHT = 92;
/** The least upper end of the scale, in the values' own unit: below it, all marks would round to the same words. */
const MOST_LEAST = 10;
/** Room for half of a time at the right end, in pixels. */
const TIME_HALF = 22;
/** Steps between marks for bytes: what is told in binary units is round in them. */
const BINARY_STEPS = Array.from({ length: 44 }, (_, power) => 2 ** power);

/** One line of a chart: its name, which of the page's colours it has, and its values. */
export interface Line {
  label: string;
  color: "brand" | "good" | "bad";
  values: number[];
}

interface Props {
  title: string;
  /** Seconds since the Unix epoch. */
  times: number[];
  lines: Line[];
  /** The upper end of the scale if there is a limit; else what was seen. */
  most?: number;
  /** Values are bytes. */
  binary?: boolean;
  /** The newest value of each line, where it is known later than `lines` are; else their last ones. */
  now?: number[];
  show(value: number): string;
}

export function Chart({ title, times, lines, most, binary = false, now, show }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const scheme = useComputedColorScheme("light");
  const latest = useRef({ show, most });
  latest.current = { show, most };
  const looks = lines.map((line) => line.color).join();

  useEffect(() => {
    const colors = colorsOf(box.current!);
    const axis = { stroke: colors.idle, font: "10px system-ui, sans-serif", grid: { stroke: colors.line, width: 1 }, ticks: { show: false } };
    const options: uPlot.Options = {
      width: box.current!.clientWidth, height: HEIGHT, padding: [6, TIME_HALF, 0, 0], legend: { show: false }, cursor: { y: false, drag: { x: false } },
      scales: { y: { range: (_plot, _low, high) => [0, Math.max(latest.current.most ?? 0, high * 1.1, MOST_LEAST)] } },
      axes: [
        { ...axis, size: 18, space: 70, values: (_plot, ticks, _axis, _space, step) => ticks.map((tick) => clock(tick, step < 60)) },
        { ...axis, size: 66, space: 26, ...(binary ? { incrs: BINARY_STEPS } : {}), values: (_plot, ticks) => ticks.map((value) => latest.current.show(value)) },
      ],
      series: [{}, ...looks.split(",").map((color) => ({ stroke: colors[color as Line["color"]], width: 1.5, points: { show: false } }))],
      hooks: { setCursor: [(it) => setAt(it.cursor.idx ?? null)] },
    };
    const made = new uPlot(options, [[]], box.current!);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      const width = box.current?.clientWidth ?? 0;
      if (width > 40) made.setSize({ width, height: HEIGHT });
    });
    observer.observe(box.current!);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [scheme, looks, binary]);
  useEffect(() => {
    plot.current?.setData([times, ...lines.map((line) => line.values)]);
  }, [times, lines, scheme, looks, binary]);

  const told = lines.map((line, index) => (at === null ? now?.[index] : line.values[at]) ?? line.values.at(-1) ?? 0);
  return (
    <figure className="chart" aria-label={`${title}: ${lines.map((line, index) => `${line.label} ${show(told[index]!)}`).join(", ")}`}>
      <figcaption>
        <b>{title}{at === null || times[at] === undefined ? "" : `, ${clock(times[at], true)}`}</b>
        {lines.map((line, index) => (
          <span key={line.label}><i className={`chart-key chart-${line.color}`} aria-hidden />{lines.length > 1 ? `${line.label} ` : ""}{show(told[index]!)}</span>
        ))}
      </figcaption>
      <div ref={box} />
    </figure>
  );
}
