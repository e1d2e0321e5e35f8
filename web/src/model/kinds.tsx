// How kinds look. A kind that is not known here gets the general sign: new kinds need no change of the editor.
import {
  IconArrowsLeftRight, IconBox, IconBrandDebian, IconBrandPython, IconBrandUbuntu, IconCloud, IconCube, IconDeviceDesktop, IconPlugConnected, IconRoute,
  IconRouter, IconServer2, IconShieldLock, IconTerminal2, IconTopologyStar3, type Icon,
} from "@tabler/icons-react";

interface Look {
  icon: Icon;
  /** Colour of the technology. */
  color: string;
  /** For people. */
  label: string;
}

const LOOKS: Record<string, Look> = {
  container: { icon: IconDeviceDesktop, color: "#2f6fb3", label: "Container" },
  switch: { icon: IconArrowsLeftRight, color: "#2b7d55", label: "Switch" },
  hub: { icon: IconTopologyStar3, color: "#7b6a1f", label: "Hub" },
  vm: { icon: IconServer2, color: "#7a4bb0", label: "Virtual machine" },
  script: { icon: IconBrandPython, color: "#b0561a", label: "Script" },
  openflow_switch: { icon: IconRoute, color: "#0f7c8c", label: "OpenFlow switch" },
  external_network: { icon: IconCloud, color: "#52606d", label: "External network" },
  vpn: { icon: IconShieldLock, color: "#8f3f71", label: "VPN" },
  tunnel: { icon: IconPlugConnected, color: "#8f3f71", label: "Tunnel" },
};

export const ROUTER: Look = { icon: IconRouter, color: "#5a4fb0", label: "Router" };

/** The look of a kind. */
export function lookOfKind(kind: string): Look {
  const known = LOOKS[kind];
  const words = kind.replaceAll("_", " ");
  return known ?? { icon: IconCube, color: "#52606d", label: words.charAt(0).toUpperCase() + words.slice(1) };
}

/** The look of an element: a host that forwards is a router. */
export function lookOf(element: { kind: string; forwarding?: boolean | null }): Look {
  return element.kind === "container" && element.forwarding ? ROUTER : lookOfKind(element.kind);
}

const TEMPLATES: [string, Icon][] = [["frr", IconRouter], ["debian", IconBrandDebian], ["ubuntu", IconBrandUbuntu], ["busybox", IconTerminal2], ["python", IconBrandPython]];

/** The picture of a template: the first that its name has a part of. */
export const templateIcon = (name: string): Icon => TEMPLATES.find(([part]) => name.includes(part))?.[1] ?? IconBox;

/** Something that can be placed. */
export interface Placeable {
  key: string;
  kind: string;
  look: Look;
  label: string;
  hint: string;
  attributes: Record<string, unknown>;
}

/** The template of a new container: the first of these that need not be built first, for nobody likes to wait. */
const FIRST_TEMPLATES = ["debian-12", "busybox"];

/** The kind that stands for those of the original that are not offered: nothing to place by hand. */
export const PLACEHOLDER = "placeholder";

/** What the palette offers: each kind, and for containers hosts and routers. */
export function placeables(
  kinds: { kind: string; doc: string; attributes: { name: string }[] }[],
  templates: { name: string; ready?: boolean }[],
): Placeable[] {
  const has = (name: string) => templates.some((template) => template.name === name);
  return kinds.filter((info) => info.kind !== PLACEHOLDER).flatMap((info): Placeable[] => {
    const look = lookOfKind(info.kind);
    if (info.kind !== "container") {
      return [{ key: info.kind, kind: info.kind, look, label: look.label, hint: info.doc, attributes: {} }];
    }
    const isReady = (name: string) => templates.some((template) => template.name === name && template.ready);
    const template = FIRST_TEMPLATES.find(isReady) ?? FIRST_TEMPLATES.findLast(has) ?? templates[0]?.name;
    const device = { name: "pc", ...(template ? { template } : {}) };
    const router = { name: "router", forwarding: true, template: has("debian-12-frr") ? "debian-12-frr" : template };
    return [
      { key: "container", kind: info.kind, look, label: "Container", hint: info.doc, attributes: device },
      { key: "router", kind: info.kind, look: ROUTER, label: "Router", hint: "a container that forwards packets", attributes: router },
    ];
  });
}
