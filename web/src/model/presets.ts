// Links as people know them. Forward is away from the subscriber (up), backward towards it (down), where they differ.
import type { LinkPatch } from "./types";

export interface Preset {
  name: string;
  hint: string;
  forward: LinkPatch;
  backward: LinkPatch;
}

const CLEAN: LinkPatch = {
  bandwidth: null, delay: "0ms", jitter: "0ms", distribution: "uniform", loss: "0%", duplicate: "0%", corrupt: "0%", queue: null,
};

function both(name: string, hint: string, link: LinkPatch): Preset {
  return { name, hint, forward: { ...CLEAN, ...link }, backward: { ...CLEAN, ...link } };
}

function access(name: string, hint: string, up: LinkPatch, down: LinkPatch): Preset {
  return { name, hint, forward: { ...CLEAN, ...up }, backward: { ...CLEAN, ...down } };
}

/** Typical values; real lines vary. */
export const PRESETS: Preset[] = [
  both("Plain wire", "no limits at all", {}),
  both("Gigabit LAN", "1 Gbit/s, 0.1 ms", { bandwidth: "1Gbit/s", delay: "100us" }),
  both("Metro fibre", "1 Gbit/s, 2 ms", { bandwidth: "1Gbit/s", delay: "2ms", jitter: "100us", distribution: "normal" }),
  access("Cable modem", "50 up, 500 down, 12 ms", { bandwidth: "50Mbit/s", delay: "12ms", jitter: "2ms", distribution: "normal" }, { bandwidth: "500Mbit/s", delay: "12ms", jitter: "2ms", distribution: "normal" }),
  access("DSL", "2.4 up, 16 down, 20 ms", { bandwidth: "2.4Mbit/s", delay: "20ms", jitter: "1ms" }, { bandwidth: "16Mbit/s", delay: "20ms", jitter: "1ms" }),
  access("LTE", "15 up, 40 down, 25 ms ± 8", { bandwidth: "15Mbit/s", delay: "25ms", jitter: "8ms", distribution: "paretonormal", loss: "0.1%" }, { bandwidth: "40Mbit/s", delay: "25ms", jitter: "8ms", distribution: "paretonormal", loss: "0.1%" }),
  access("3G", "1 up, 4 down, 60 ms ± 20", { bandwidth: "1Mbit/s", delay: "60ms", jitter: "20ms", distribution: "paretonormal", loss: "0.5%" }, { bandwidth: "4Mbit/s", delay: "60ms", jitter: "20ms", distribution: "paretonormal", loss: "0.5%" }),
  access("GPRS", "20 up, 60 kbit/s down, 300 ms", { bandwidth: "20kbit/s", delay: "300ms", jitter: "80ms", distribution: "normal", loss: "1%" }, { bandwidth: "60kbit/s", delay: "300ms", jitter: "80ms", distribution: "normal", loss: "1%" }),
  both("Lossy Wi-Fi", "20 Mbit/s, 3 ms ± 4, 3 % loss", { bandwidth: "20Mbit/s", delay: "3ms", jitter: "4ms", distribution: "pareto", loss: "3%", duplicate: "0.2%" }),
  access("Satellite, low orbit", "15 up, 120 down, 20 ms ± 6", { bandwidth: "15Mbit/s", delay: "20ms", jitter: "6ms", distribution: "normal", loss: "0.3%" }, { bandwidth: "120Mbit/s", delay: "20ms", jitter: "6ms", distribution: "normal", loss: "0.3%" }),
  access("Satellite, geostationary", "3 up, 25 down, 280 ms", { bandwidth: "3Mbit/s", delay: "280ms", jitter: "5ms", distribution: "normal", loss: "0.2%" }, { bandwidth: "25Mbit/s", delay: "280ms", jitter: "5ms", distribution: "normal", loss: "0.2%" }),
  both("Across the Atlantic", "1 Gbit/s, 45 ms", { bandwidth: "1Gbit/s", delay: "45ms", jitter: "300us", distribution: "normal" }),
  both("Deep trouble", "1 Mbit/s, 200 ms ± 100, 10 % loss", { bandwidth: "1Mbit/s", delay: "200ms", jitter: "100ms", distribution: "normal", loss: "10%", corrupt: "0.5%" }),
];
