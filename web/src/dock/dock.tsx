// Below the canvas: consoles and jobs in tabs, or tiled side by side.
import { ActionIcon, Center, Loader, Tooltip } from "@mantine/core";
import { IconLayoutColumns, IconLayoutNavbar, IconListDetails, IconSubtask, IconTerminal2, IconX } from "@tabler/icons-react";
import { lazy, Suspense, useRef } from "react";

import { useTopology } from "../store/topology";
import { closeTab, setView, type Tab, useView } from "../store/view";
import { Jobs } from "./jobs";

const Console = lazy(() => import("./console"));
const Packets = lazy(() => import("../packets/packets"));

const HEIGHT_MIN = 120;

function useTitle(tab: Tab): string {
  return useTopology((state) => {
    if (tab.type === "console") return state.elements.get(tab.element)?.name ?? "console";
    if (tab.type === "packets") return `${state.connections.get(tab.connection)?.name ?? "frames"}${tab.recorded ? ", recorded" : ""}`;
    return "Jobs";
  });
}

const ICONS = { console: IconTerminal2, packets: IconListDetails, job: IconSubtask };

function Head({ tab, active }: { tab: Tab; active: boolean }) {
  const title = useTitle(tab);
  const Icon = ICONS[tab.type];
  return (
    <div className={`dock-tab${active ? " dock-tab-active" : ""}`}>
      <button type="button" role="tab" aria-selected={active} id={`tab-${tab.key}`} aria-controls={`pane-${tab.key}`} className="dock-tab-title" onClick={() => setView({ active: tab.key })}>
        <Icon size={14} aria-hidden /><span className="clip" dir="auto">{title}</span>
      </button>
      <ActionIcon size="xs" aria-label={`Close ${title.slice(0, 60)}`} onClick={() => closeTab(tab.key)}><IconX size={12} /></ActionIcon>
    </div>
  );
}

export function Dock() {
  const { tabs, active, tiled, dockHeight } = useView();
  const from = useRef<{ y: number; height: number } | null>(null);
  if (tabs.length === 0) return null;
  const resize = (height: number) => setView({ dockHeight: Math.max(HEIGHT_MIN, Math.min(window.innerHeight - 220, height)) });
  return (
    <section className="dock" style={{ height: dockHeight }} aria-label="Consoles and logs">
      <div
        className="dock-grip" role="separator" aria-orientation="horizontal" aria-label="Height of the consoles" tabIndex={0}
        aria-valuenow={Math.round(dockHeight)} aria-valuemin={HEIGHT_MIN} aria-valuemax={2000}
        onKeyDown={(event) => {
          if (event.key === "ArrowUp") resize(dockHeight + 24);
          if (event.key === "ArrowDown") resize(dockHeight - 24);
        }}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          from.current = { y: event.clientY, height: dockHeight };
        }}
        onPointerMove={(event) => { if (from.current) resize(from.current.height + from.current.y - event.clientY); }}
        onPointerUp={() => { from.current = null; }}
      />
      <div className="dock-tabs">
        <div role="tablist" aria-label="Open consoles and logs" className="dock-list">
          {tabs.map((tab) => <Head key={tab.key} tab={tab} active={tab.key === active} />)}
        </div>
        {tabs.length > 1 && (
          <Tooltip label={tiled ? "One at a time" : "Side by side"}>
            <ActionIcon aria-label={tiled ? "One at a time" : "Side by side"} onClick={() => setView({ tiled: !tiled })}>
              {tiled ? <IconLayoutNavbar size={16} /> : <IconLayoutColumns size={16} />}
            </ActionIcon>
          </Tooltip>
        )}
        <Tooltip label="Close all">
          <ActionIcon aria-label="Close all" onClick={() => setView({ tabs: [], active: null })}><IconX size={16} /></ActionIcon>
        </Tooltip>
      </div>
      <div className={`dock-body${tiled ? " dock-tiled" : ""}`}>
        {tabs.map((tab) => (
          <div
            key={tab.key} className="dock-pane" hidden={!tiled && tab.key !== active} role="tabpanel" id={`pane-${tab.key}`} aria-labelledby={`tab-${tab.key}`}
          >
            <Suspense fallback={<Center h="100%"><Loader size="sm" role="status" aria-label="Loading" /></Center>}>
              {tab.type === "console" ? <Console id={tab.element} active={tiled || tab.key === active} />
                : tab.type === "packets" ? <Packets id={tab.connection} recorded={tab.recorded} />
                  : <Jobs />}
            </Suspense>
          </div>
        ))}
      </div>
    </section>
  );
}
