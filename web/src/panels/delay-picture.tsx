// What delays frames will see: the density of delay and jitter.
import { delayCurve } from "../model/distribution";
import { full } from "../model/link";
import type { LinkParams } from "../model/types";
import { readSpan, writeSpan } from "../model/units";

const WIDTH = 160;
const HEIGHT = 44;

export function DelayPicture({ link }: { link: LinkParams }) {
  const it = full(link);
  const delay = readSpan(it.delay ?? "0ms") ?? 0;
  const jitter = readSpan(it.jitter ?? "0ms") ?? 0;
  const curve = delayCurve(String(it.distribution), delay, jitter);
  const low = curve[0]?.[0] ?? 0;
  const high = curve.at(-1)?.[0] ?? Math.max(1, delay * 2);
  const x = (ms: number) => ((ms - low) / Math.max(high - low, 1e-9)) * (WIDTH - 8) + 4;
  const y = (share: number) => HEIGHT - 12 - share * (HEIGHT - 16);
  const points = curve.map(([ms, share]) => `${x(ms).toFixed(1)},${y(share).toFixed(1)}`).join(" ");
  const said = jitter > 0 ? `Delay ${writeSpan(delay)} with jitter ${writeSpan(jitter)}, ${String(it.distribution)}` : `Each frame is delayed by ${writeSpan(delay)}`;
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} className="delay-picture" role="img" aria-label={said}>
      <line x1={0} x2={WIDTH} y1={HEIGHT - 11.5} y2={HEIGHT - 11.5} stroke="var(--line)" />
      {curve.length > 0 ? (
        <polygon points={`${x(curve[0]![0])},${y(0)} ${points} ${x(high)},${y(0)}`} fill="var(--brand)" fillOpacity={0.25} stroke="var(--brand)" />
      ) : (
        <line x1={x(delay)} x2={x(delay)} y1={y(0)} y2={y(1)} stroke="var(--brand)" strokeWidth={2} />
      )}
      <text x={4} y={HEIGHT - 2} className="delay-text">{writeSpan(Number(low.toPrecision(3)))}</text>
      <text x={WIDTH - 4} y={HEIGHT - 2} textAnchor="end" className="delay-text">{writeSpan(Number(high.toPrecision(3)))}</text>
    </svg>
  );
}
