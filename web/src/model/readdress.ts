// Gateways and routes of copies: what pointed at an address of the copied set points at the copy's address.
import type { Element, Interface } from "./types";

/** What a copy points at. */
export interface Pointing {
  gateways: string[];
  routes: { to: string; via: string }[];
}

const hostOf = (address: string): string => address.split("/")[0]!;

/** The network of an IPv4 address with prefix length; other texts as they are. */
export function networkOf(address: string): string {
  const [host, prefix] = address.split("/");
  const bytes = host!.split(".").map(Number);
  const length = Number(prefix);
  if (bytes.length !== 4 || prefix === undefined || bytes.some((byte) => !Number.isInteger(byte)) || !(length >= 0 && length <= 32)) return address;
  const kept = bytes.map((byte, index) => byte & (0xff00 >> Math.max(0, Math.min(8, length - index * 8))) & 0xff);
  return `${kept.join(".")}/${prefix}`;
}

/**
 * What the copy of each element points at, where that changes: `fresh` has the copied interfaces by the ids of the old ones. A gateway
 * outside of the copied set goes: no copy can reach it.
 */
export function readdressed(copied: readonly Element[], fresh: ReadonlyMap<string, Pick<Interface, "addresses">>): Map<string, Pointing> {
  const hosts = new Map<string, string>();
  const networks = new Map<string, string>();
  for (const item of copied.flatMap((element) => element.interfaces)) {
    const now = fresh.get(item.id)?.addresses ?? [];
    for (const [index, address] of (item.addresses ?? []).entries()) {
      const next = now[index];
      if (next === undefined) continue;
      hosts.set(hostOf(address), hostOf(next));
      networks.set(networkOf(address), networkOf(next));
    }
  }
  const result = new Map<string, Pointing>();
  for (const element of copied) {
    const [gateways, routes] = [element.gateways ?? [], element.routes ?? []];
    if (gateways.length + routes.length === 0) continue;
    result.set(element.id, {
      gateways: gateways.flatMap((gateway) => hosts.get(gateway) ?? []),
      routes: routes.flatMap(({ to, via }) => {
        const next = hosts.get(via);
        return next === undefined ? [] : [{ to: networks.get(networkOf(to)) ?? to, via: next }];
      }),
    });
  }
  return result;
}
