// Draws on a canvas what would be too much for the document: the far view of large topologies, and moving traffic.
import { pointAt, textSide } from "../model/geometry";
import { lookOf } from "../model/kinds";
import type { Point } from "../model/place";
import { rates } from "../store/traffic";
import { showRate } from "../model/units";
import { type Cable, lineOf, type Scene } from "./scene";

/** What part of the scene is seen, and how large. */
export interface Frame {
  width: number;
  height: number;
  /** Device pixels per pixel. */
  ratio: number;
  x: number;
  y: number;
  zoom: number;
}

export interface Colors {
  text: string;
  halo: string;
  bad: string;
  brand: string;
  good: string;
  idle: string;
  line: string;
}

/** The page's colours, read from its style. */
export function colorsOf(element: HTMLElement): Colors {
  const style = getComputedStyle(element);
  const read = (name: string) => style.getPropertyValue(name).trim();
  const probe = (name: string) => {
    const span = document.createElement("span");
    span.style.color = `var(${name})`;
    element.append(span);
    const color = getComputedStyle(span).color;
    span.remove();
    return color || read(name);
  };
  return { text: probe("--ink"), halo: probe("--surface-2"), bad: probe("--bad"), brand: probe("--brand"), good: probe("--good"), idle: probe("--ink-2"), line: probe("--line") };
}

type At = (id: string) => Point | undefined;

/** Clears the canvas and sets its pixels to those of the scene. */
export function begin(context: CanvasRenderingContext2D, frame: Frame): void {
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, frame.width * frame.ratio, frame.height * frame.ratio);
  const scale = frame.zoom * frame.ratio;
  context.setTransform(scale, 0, 0, scale, frame.x * frame.ratio, frame.y * frame.ratio);
}

function isSeen(frame: Frame, a: Point, b: Point, margin: number): boolean {
  const [left, top] = [-frame.x / frame.zoom - margin, -frame.y / frame.zoom - margin];
  const [right, bottom] = [left + frame.width / frame.zoom + 2 * margin, top + frame.height / frame.zoom + 2 * margin];
  return Math.max(a.x, b.x) >= left && Math.min(a.x, b.x) <= right && Math.max(a.y, b.y) >= top && Math.min(a.y, b.y) <= bottom;
}

/** All connections and elements, simply. */
export function paintFar(
  context: CanvasRenderingContext2D, frame: Frame, scene: Scene, at: At, selection: ReadonlySet<string>, colors: Colors,
): void {
  // Lines of one look are one path: a thousand strokes would be slow.
  const looks = new Map<string, { color: string; width: number; path: Path2D }>();
  for (const cable of scene.cables.values()) {
    const line = lineOf(cable, at);
    if (!line || !isSeen(frame, line.a, line.b, 80)) continue;
    const chosen = selection.has(cable.id);
    const color = chosen ? colors.brand : cable.broken ? colors.bad : cable.color;
    const width = Math.max(cable.width * (chosen ? 2.5 : 1), 1.1 / frame.zoom);
    const key = `${color}|${width.toFixed(1)}`;
    let look = looks.get(key);
    if (!look) looks.set(key, (look = { color, width, path: new Path2D() }));
    look.path.moveTo(line.a.x, line.a.y);
    if (line.c) look.path.quadraticCurveTo(line.c.x, line.c.y, line.b.x, line.b.y);
    else look.path.lineTo(line.b.x, line.b.y);
  }
  for (const look of looks.values()) {
    context.strokeStyle = look.color;
    context.lineWidth = look.width;
    context.stroke(look.path);
  }
  paintTiles(context, frame, scene, at, selection, colors);
}

function paintTiles(
  context: CanvasRenderingContext2D, frame: Frame, scene: Scene, at: At, selection: ReadonlySet<string>, colors: Colors,
): void {
  const half = 26;
  const named = frame.zoom > 0.32;
  context.textAlign = "center";
  context.font = "500 15px system-ui, sans-serif";
  for (const { id, element, busy } of scene.placed.values()) {
    const place = at(id);
    if (!place || !isSeen(frame, place, place, 60)) continue;
    context.fillStyle = lookOf(element).color;
    context.fillRect(place.x - half, place.y - half, half * 2, half * 2);
    const mark = element.error ? colors.bad : busy ? colors.brand : element.state === "started" ? colors.good : null;
    if (mark) {
      context.fillStyle = mark;
      context.fillRect(place.x + half - 12, place.y - half - 4, 16, 16);
    }
    if (selection.has(id)) {
      context.strokeStyle = colors.brand;
      context.lineWidth = 4 / Math.min(1, frame.zoom * 2);
      context.strokeRect(place.x - half - 5, place.y - half - 5, half * 2 + 10, half * 2 + 10);
    }
    if (named) {
      context.fillStyle = colors.text;
      context.fillText(element.name.slice(0, 24), place.x, place.y + half + 17);
    }
  }
}

/** Dots at the most in one picture. */
const DOTS_MAX = 5000;
/** A line needs this length to carry numbers. */
const LABEL_ROOM = 130;
/** Dots keep this far from the middle of a tile. */
const CLEAR = 36;

/** Dots that move along each connection, faster and denser with its rate; red ones are dropped on the way. */
export function paintTraffic(context: CanvasRenderingContext2D, frame: Frame, scene: Scene, at: At, now: number, colors: Colors): void {
  let left = DOTS_MAX;
  const far = frame.zoom < 0.4;
  const size = far ? Math.min(9, 2.6 / frame.zoom) : 5;
  const good = new Path2D();
  const bad = new Path2D();
  const labels: Label[] = [];
  for (const [id, both] of rates) {
    const cable = scene.cables.get(id);
    if (!cable || left <= 0) continue;
    const total = both[0].bits + both[1].bits;
    if (total <= 0 && both[0].drops + both[1].drops <= 0) continue;
    const line = lineOf(cable, at);
    if (!line || !isSeen(frame, line.a, line.b, 40)) continue;
    left -= paintDots(line, both, now, far, size, good, bad);
    const room = Math.hypot(line.b.x - line.a.x, line.b.y - line.a.y) - 2 * CLEAR;
    if (!far && frame.zoom > 0.55 && room > LABEL_ROOM) labels.push({ parts: rateLabel(cable, both), room, at: pointAt(line, 0.5), side: textSide(line) });
  }
  // Not in the brand's red: that would look like loss.
  context.fillStyle = colors.text;
  context.fill(good);
  context.fillStyle = colors.bad;
  context.fill(bad);
  paintLabels(context, labels, colors);
}

type Rates = readonly [{ bits: number; drops: number; packets: number }, { bits: number; drops: number; packets: number }];

function paintDots(
  line: Parameters<typeof pointAt>[0], both: Rates, now: number, far: boolean, size: number, good: Path2D, bad: Path2D,
): number {
  const length = Math.hypot(line.b.x - line.a.x, line.b.y - line.a.y);
  const usable = length - 2 * CLEAR;
  if (usable < 10) return 0;
  const [nx, ny] = [-(line.b.y - line.a.y) / length, (line.b.x - line.a.x) / length];
  let drawn = 0;
  both.forEach((rate, direction) => {
    if (rate.bits <= 0 && rate.drops <= 0) return;
    const strength = Math.max(0, Math.min(1, Math.log10(Math.max(rate.bits, 100) / 100) / 7));
    const count = far ? 2 : Math.max(1, Math.min(12, Math.round((usable / 90) * (0.6 + strength * 2))));
    const phase = ((now / 1000) * (40 + 160 * strength)) / usable;
    const lost = rate.drops / Math.max(1, rate.drops + rate.packets);
    for (let dot = 0; dot < count; dot += 1) {
      const t = (phase + dot / count) % 1;
      const along = direction === 0 ? t : 1 - t;
      const point = pointAt(line, (CLEAR + along * usable) / length);
      const side = direction === 0 ? 4 : -4;
      const isLost = lost > 0 && (dot + 0.5) / count < Math.max(lost, 0.5 / count) && t > 0.45;
      const fall = isLost ? (t - 0.45) * 40 : 0;
      (isLost ? bad : good).rect(point.x + nx * side - size / 2, point.y + ny * side - size / 2 + fall, size, size);
      drawn += 1;
    }
  });
  return drawn;
}

/** The rates of a cable, and what is lost on it. */
function rateLabel(cable: Cable, both: Rates): string[] {
  const [forward, backward] = both;
  const drops = forward.drops + backward.drops;
  const lost = drops >= 0.05 ? [`✕ ${drops < 10 ? drops.toFixed(1) : Math.round(drops)}/s`] : [];
  const arrow = cable.isTurned ? ["◂", "▸"] : ["▸", "◂"];
  return [`${arrow[0]} ${showRate(forward.bits)}`, `${arrow[1]} ${showRate(backward.bits)}`, ...lost];
}

/** A text below a line, and which way it would go above it. */
interface Label {
  parts: string[];
  /** Pixels that it may take beside a level line. */
  room: number;
  at: Point;
  side: -1 | 0 | 1;
}

const ALIGNS = { [-1]: "left", 0: "center", 1: "right" } as const;

function paintLabels(context: CanvasRenderingContext2D, labels: Label[], colors: Colors): void {
  context.font = "500 11px system-ui, sans-serif";
  context.lineWidth = 4;
  context.lineJoin = "round";
  context.strokeStyle = colors.halo;
  context.fillStyle = colors.text;
  for (const { parts, room, at: { x, y }, side } of labels.slice(0, 400)) {
    context.textAlign = ALIGNS[side];
    const whole = parts.join("  ");
    const isWide = side === 0 && context.measureText(whole).width > room;
    (isWide ? [parts.slice(0, 2).join("  "), ...parts.slice(2)] : [whole]).forEach((text, row) => {
      context.strokeText(text, x - side * 7, y + 17 + row * 13);
      context.fillText(text, x - side * 7, y + 17 + row * 13);
    });
  }
}
