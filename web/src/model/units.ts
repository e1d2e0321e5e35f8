// Quantities with units, read and written as the interface writes them. Inside: bit/s, milliseconds, bytes, percent.

type Unit = [name: string, scale: number];

const BANDWIDTH: Unit[] = [
  ["Gbit/s", 1e9],
  ["Mbit/s", 1e6],
  ["kbit/s", 1e3],
  ["bit/s", 1],
];
const SPAN: Unit[] = [
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
  ["ms", 1],
  ["us", 1e-3],
  ["µs", 1e-3],
  ["ns", 1e-6],
];
const BYTES: Unit[] = [
  ["TiB", 2 ** 40],
  ["TB", 1e12],
  ["GiB", 2 ** 30],
  ["GB", 1e9],
  ["MiB", 2 ** 20],
  ["MB", 1e6],
  ["KiB", 2 ** 10],
  ["kB", 1e3],
  ["B", 1],
];
const RATIO: Unit[] = [["%", 1]];

const SHORT: Record<string, string> = { g: "Gbit/s", m: "Mbit/s", k: "kbit/s" };

function read(text: string, units: Unit[], bare: string): number | null {
  const match = /^\s*([0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)\s*(.*?)\s*$/.exec(text);
  if (!match) return null;
  const value = Number(match[1]!.replace(",", "."));
  const name = match[2] === "" ? bare : match[2]!;
  const unit = units.find(([known]) => known.toLowerCase() === name.toLowerCase());
  return unit && Number.isFinite(value) ? value * unit[1] : null;
}

function rounded(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}

/** Bits per second, null when unreadable. A number alone means Mbit/s; `10M`, `10Mbps` and `10Mbit` are understood. */
export function readBandwidth(text: string): number | null {
  const tidy = text
    .trim()
    .replace(/(bps|bit)$/i, "bit/s")
    .replace(/([gmk])$/i, (letter) => SHORT[letter.toLowerCase()]!);
  return read(tidy, BANDWIDTH, "Mbit/s");
}

/** Milliseconds, null when unreadable. A number alone means ms. */
export const readSpan = (text: string): number | null => read(text, SPAN, "ms");

/** Bytes, null when unreadable. */
export const readBytes = (text: string): number | null => read(text, BYTES, "B");

/** Percent from 0 to 100, null when unreadable. */
export function readRatio(text: string): number | null {
  const value = read(text, RATIO, "%");
  return value === null || value > 100 ? null : value;
}

/** `10Mbit/s` from bits per second, as the interface takes it. */
export function writeBandwidth(bits: number): string {
  const [name, scale] = BANDWIDTH.find(([, s]) => bits >= s) ?? ["bit/s", 1];
  const text = rounded(bits / scale, 3);
  return Number(text) * scale === Math.round(bits) ? `${text}${name}` : `${Math.round(bits)}bit/s`;
}

/** `20ms` from milliseconds, as the interface takes it. */
export function writeSpan(ms: number): string {
  if (ms === 0) return "0ms";
  const ns = Math.round(ms * 1e6);
  for (const [name, scale] of [["s", 1e9], ["ms", 1e6], ["us", 1e3]] as Unit[]) {
    if (ns >= scale && (ns * 1000) % scale === 0) return `${rounded(ns / scale, 3)}${name}`;
  }
  return `${ns}ns`;
}

/** `64KiB` from bytes, as the interface takes it. */
export function writeBytes(bytes: number): string {
  const whole = Math.round(bytes);
  for (const [name, scale] of BYTES) {
    if (whole >= scale && whole % scale === 0) return `${whole / scale}${name}`;
  }
  return `${whole}B`;
}

/** `1%` from percent, as the interface takes it. */
export const writeRatio = (percent: number): string => `${rounded(percent, 6)}%`;

/** A rate for people: three digits and a unit. */
export function showRate(bits: number): string {
  for (const [name, scale] of BANDWIDTH) {
    if (bits >= scale) return `${digits(bits / scale)} ${name}`;
  }
  return `${Math.round(bits)} bit/s`;
}

/** A number of bytes for people. */
export function showBytes(bytes: number): string {
  const units: Unit[] = [["TiB", 2 ** 40], ["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]];
  for (const [name, scale] of units) {
    if (bytes >= scale) return `${digits(bytes / scale)} ${name}`;
  }
  return `${Math.round(bytes)} B`;
}

/** A number with three digits. */
function digits(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? rounded(value, 1) : rounded(value, 2);
}

/** How long ago, in words; `at` and `now` in microseconds and milliseconds since the Unix epoch. */
export function ago(at: number, now: number): string {
  const seconds = Math.max(0, Math.round(now / 1000 - at / 1e6));
  if (seconds < 60) return seconds < 5 ? "just now" : `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;

/** A time to come in words, from seconds: `5 h`, `2 days`. */
export function timeLeft(seconds: number): string {
  if (seconds >= 2 * DAY_S) return `${Math.round(seconds / DAY_S)} days`;
  return seconds >= DAY_S ? "1 day" : `${Math.max(1, Math.round(seconds / HOUR_S))} h`;
}

/** The time of day in 24 hours, with seconds if `fine`; `seconds` since the Unix epoch. */
export function clock(seconds: number, fine: boolean): string {
  const at = new Date(seconds * 1000);
  const parts = [at.getHours(), at.getMinutes(), ...(fine ? [at.getSeconds()] : [])];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

/** How many of something: `1 element`, `2 elements`. */
export const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`;
