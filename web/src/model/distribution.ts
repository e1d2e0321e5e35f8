// The density of the delay that a direction adds, for a small picture. The shapes are those the wire uses.

/** Points of a curve: delay in ms and density from 0 to 1. */
export type Curve = [number, number][];

const STEPS = 96;

const normal = (x: number): number => Math.exp((-x * x) / 2);

/** Pareto of shape 3, shifted so that its mean is 0 and scaled to deviation 1, as netem's table. */
function pareto(x: number): number {
  const deviation = Math.sqrt(0.75);
  const at = x * deviation + 1.5;
  return at < 1 ? 0 : 3 / at ** 4 / 3;
}

function density(kind: string, x: number): number {
  if (kind === "normal") return normal(x);
  if (kind === "pareto") return pareto(x);
  if (kind === "paretonormal") return 0.25 * normal(x) + 0.75 * pareto(x);
  return Math.abs(x) <= 1 ? 1 : 0;
}

/** The curve for a delay and jitter in ms. Frames are never early: what would be below 0 is at 0. */
export function delayCurve(kind: string, delay: number, jitter: number): Curve {
  if (jitter <= 0) return [];
  const reach = kind === "uniform" ? 1.4 : 4;
  const curve: Curve = [];
  let most = 0;
  for (let step = 0; step <= STEPS; step += 1) {
    const x = -reach + (2 * reach * step) / STEPS;
    const at = delay + x * jitter;
    if (at < 0) continue;
    const value = density(kind, x);
    most = Math.max(most, value);
    curve.push([at, value]);
  }
  return curve.map(([at, value]) => [at, most > 0 ? value / most : 0]);
}
