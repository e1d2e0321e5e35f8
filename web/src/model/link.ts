// The parameters of one direction of a connection.
import type { Connection, LinkParams, LinkPatch } from "./types";
import { readBandwidth, readRatio, readSpan, showRate } from "./units";

/** All parameters with their effective values. */
export type FullLink = Required<{ [K in keyof LinkPatch]: NonNullable<LinkPatch[K]> | null }>;

const NONE: FullLink = {
  bandwidth: null,
  delay: "0ms",
  jitter: "0ms",
  distribution: "uniform",
  loss: "0%",
  duplicate: "0%",
  corrupt: "0%",
  queue: null,
} as FullLink;

/** Unnamed parameters have the value that changes nothing. */
export function full(link: LinkParams | undefined): FullLink {
  return { ...NONE, ...link } as FullLink;
}

/** The patch that brings back the values that `patch` replaces. */
export function inverse(link: LinkParams | undefined, patch: LinkPatch): LinkPatch {
  const now = full(link) as Record<string, unknown>;
  return Object.fromEntries(Object.keys(patch).map((key) => [key, now[key] ?? null])) as LinkPatch;
}

/** `link` with the named values replaced. */
export function patched(link: LinkParams | undefined, patch: LinkPatch | null | undefined): LinkParams {
  return { ...link, ...patch } as LinkParams;
}

/** Whether a parameter that is not known here changes nothing. */
const isNothing = (value: unknown): boolean => value === null || value === false || value === "0%" || (Array.isArray(value) && value.length === 0);

/** Whether the direction does anything to frames. */
export function isImpaired(link: LinkParams): boolean {
  const it = full(link);
  return (
    it.bandwidth !== null ||
    (readSpan(it.delay ?? "0ms") ?? 0) > 0 ||
    (readSpan(it.jitter ?? "0ms") ?? 0) > 0 ||
    [it.loss, it.duplicate, it.corrupt].some((ratio) => (readRatio(ratio ?? "0%") ?? 0) > 0) ||
    Object.entries(link).some(([key, value]) => !(key in NONE) && !isNothing(value))
  );
}

/** What one direction does, in few words each. */
function summary(link: LinkParams): string[] {
  const it = full(link);
  const parts: string[] = [];
  if (it.bandwidth) parts.push(showRate(readBandwidth(it.bandwidth) ?? 0).replace("bit/s", "bit"));
  if ((readSpan(it.delay ?? "") ?? 0) > 0) parts.push(String(it.delay).replace(/(\d)([a-z])/, "$1 $2"));
  if ((readRatio(it.loss ?? "") ?? 0) > 0) parts.push(`${String(it.loss)} loss`);
  return parts;
}

/** What a connection does, in few words each: of both directions, or first forward, then backward; empty when it is a plain wire. */
export function labelParts(connection: Connection): string[][] {
  if (!connection.connected) return [["unplugged"]];
  if (!connection.emulation) return [];
  const forward = summary(connection.forward);
  const backward = summary(connection.backward);
  if (forward.join() === backward.join()) return forward.length === 0 ? [] : [forward];
  const turned = (arrow: string, [first = "plain", ...rest]: string[]) => [`${arrow} ${first}`, ...rest];
  return [turned("→", forward), turned("←", backward)];
}

const SEPARATOR = " · ";
/** Between what the two directions do, in one line. */
const GAP = "   ";

/** The parts of a label as one line. */
export const labelText = (parts: readonly string[][]): string => parts.map((part) => part.join(SEPARATOR)).join(GAP);

/** The parts of a label in lines of at most so many letters, as far as single parts allow it. */
export function labelLines(parts: readonly string[][], letters: number): string[] {
  const whole = labelText(parts);
  if (whole === "") return [];
  if (whole.length <= letters) return [whole];
  return parts.flatMap((direction) => {
    const lines: string[] = [];
    for (const part of direction) {
      const last = lines.at(-1);
      if (last !== undefined && last.length + SEPARATOR.length + part.length <= letters) lines[lines.length - 1] = `${last}${SEPARATOR}${part}`;
      else lines.push(part);
    }
    return lines;
  });
}

/** Width of a line for a bandwidth in bit/s; null is unlimited. */
export function width(bits: number | null): number {
  if (bits === null) return 2.5;
  const steps = Math.log10(Math.max(bits, 1e4)) - 4;
  return 1.2 + Math.min(steps, 6) * 0.6;
}

/** The narrower of both directions in bit/s, null when neither has a limit. */
export function bandwidthOf(connection: Connection): number | null {
  if (!connection.emulation) return null;
  const both = [connection.forward, connection.backward]
    .map((link) => (link.bandwidth ? readBandwidth(link.bandwidth) : null))
    .filter((bits): bits is number => bits !== null);
  return both.length > 0 ? Math.min(...both) : null;
}
