//! What elements and connections used in the last hour.
//!
//! Kept in memory: it begins anew with this process. One task looks at everything that runs each [`USAGE_PERIOD`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tomato_api::host::WantedTopology;
use tomato_api::usage::{
    ConnectionPoint, ConnectionRates, ConnectionUsage, ElementFigures, ElementPoint, ElementUsage,
    HostFigures, WorkerFigures, rfc3339,
};
use tomato_model::id::{ConnectionId, ElementId, InterfaceId, TopologyId};
use tomato_model::lifecycle::State;
use tomato_wire::status::WorkerStatus;

use crate::host::{Host, Topology, lock};
use crate::limits::{USAGE_PERIOD, USAGE_POINTS};
use crate::past;
use crate::traffic::Sample;

/// An element at a time, as short as it can be kept.
#[derive(Debug, Clone, Copy)]
struct Used {
    unix_ms: u64,
    cpu_milli: u32,
    memory_bytes: u64,
    disk_bytes: u64,
    sent: u64,
    received: u64,
}

/// The last hour of one thing.
#[derive(Debug)]
struct Kept<T>(VecDeque<T>);

/// What was read last of an element.
#[derive(Debug, Clone, Copy)]
struct Read {
    at: Instant,
    cpu_ns: u64,
}

#[derive(Debug, Default)]
struct Points {
    elements: BTreeMap<ElementId, Kept<Used>>,
    connections: BTreeMap<ConnectionId, Kept<(u64, ConnectionRates)>>,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    points: Mutex<Points>,
    /// As they were at the last look.
    figures: Mutex<HostFigures>,
    /// Grows with each look.
    looks: watch::Sender<u64>,
}

/// What the looking task knows between its looks.
#[derive(Debug, Default)]
pub(crate) struct Before {
    reads: BTreeMap<ElementId, Read>,
    samples: BTreeMap<TopologyId, Arc<Sample>>,
    /// Frames that nobody read in time, by interface.
    unread: BTreeMap<ElementId, BTreeMap<String, u64>>,
}

impl<T> Kept<T> {
    fn push(&mut self, point: T) {
        while self.0.len() >= USAGE_POINTS {
            self.0.pop_front();
        }
        self.0.push_back(point);
    }
}

impl Used {
    fn point(self) -> ElementPoint {
        ElementPoint {
            time: rfc3339(self.unix_ms),
            cpu_milli: self.cpu_milli.into(),
            memory_bytes: self.memory_bytes,
            disk_bytes: self.disk_bytes,
            sent_bits_per_second: self.sent,
            received_bits_per_second: self.received,
        }
    }
}

impl Usage {
    /// Changes with each look.
    pub(crate) fn newest(&self) -> watch::Receiver<u64> {
        self.looks.subscribe()
    }

    /// Everything at the last look, and this process now.
    pub(crate) fn figures(&self) -> HostFigures {
        HostFigures { process: tomato_api::process::own(), ..lock(&self.figures).clone() }
    }

    pub(crate) fn element(&self, id: &ElementId) -> ElementUsage {
        let points = lock(&self.points);
        let kept = points.elements.get(id).into_iter().flat_map(|kept| &kept.0);
        let points = kept.map(|used| used.point()).collect();
        ElementUsage { period_s: USAGE_PERIOD.as_secs(), points }
    }

    pub(crate) fn connection(&self, id: &ConnectionId) -> ConnectionUsage {
        let points = lock(&self.points);
        let kept = points.connections.get(id).into_iter().flat_map(|kept| &kept.0);
        let point = |(at, rates): &(u64, ConnectionRates)| ConnectionPoint {
            time: rfc3339(*at),
            rates: *rates,
        };
        ConnectionUsage { period_s: USAGE_PERIOD.as_secs(), points: kept.map(point).collect() }
    }
}

impl Host {
    /// The newest points of the elements of a topology that run; none if it is not here.
    pub(crate) fn newest_usage(&self, id: &TopologyId) -> Option<BTreeMap<String, ElementPoint>> {
        let topology = self.topology(id)?;
        let ids = started(&topology);
        let points = lock(&self.usage.points);
        let newest = ids.into_iter().filter_map(|id| {
            let used = points.elements.get(&id)?.0.back()?;
            Some((id.to_string(), used.point()))
        });
        Some(newest.collect())
    }
}

/// Elements that run.
fn started(topology: &Topology) -> Vec<ElementId> {
    let live = lock(&topology.live);
    let runs = |(id, element): (&ElementId, &crate::host::LiveElement)| {
        (element.state == Some(State::Started)).then(|| id.clone())
    };
    live.elements.iter().filter_map(runs).collect()
}

/// Looks at everything for ever.
pub(crate) async fn watch(host: Arc<Host>) {
    let mut before = Before::default();
    let mut timer = interval(USAGE_PERIOD);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = host.stop.cancelled() => return,
            _ = timer.tick() => look(&host, &mut before).await,
        }
    }
}

fn worker_figures(status: WorkerStatus) -> WorkerFigures {
    let WorkerStatus { topologies, links, cpu_ns, busy_permille } = status;
    WorkerFigures { cpu_ns, busy_permille, topologies, connections: links }
}

/// Takes one point of everything that runs.
pub(crate) async fn look(host: &Host, before: &mut Before) {
    let mut next = Before::default();
    let (mut elements, mut connections) = (BTreeMap::new(), BTreeMap::new());
    let wire = host.parts.wire.pid().await.ok().and_then(tomato_api::process::of);
    let workers = host.parts.wire.workers().await.unwrap_or_default();
    let workers = workers.into_iter().map(worker_figures).collect();
    let mut figures = HostFigures { wire, workers, ..HostFigures::default() };
    for topology in host.topologies() {
        let wanted = topology.wanted();
        let rates = match host.sample(&topology.id, Duration::ZERO).await {
            Ok(sample) => {
                let then = before.samples.get(&topology.id);
                if let Some(then) = then {
                    past::save_degraded(host, &topology.id, &wanted, sample.degraded_since(then))
                        .await;
                }
                let rates = then.map(|then| sample.rates_since(then)).unwrap_or_default();
                connections.extend(rates.iter().filter_map(|(key, rates)| {
                    Some((key.parse::<ConnectionId>().ok()?, (sample.unix_ms, *rates)))
                }));
                figures.connections.extend(sample.figures());
                next.samples.insert(topology.id.clone(), Arc::clone(&sample));
                rates
            }
            Err(error) => {
                tracing::debug!(%error, "the traffic is not known now");
                BTreeMap::new()
            }
        };
        let traffic = traffic_of(&wanted, &rates);
        for id in started(&topology) {
            let Ok(usage) = host.parts.containers.usage(&id).await else { continue };
            let read = Read { at: Instant::now(), cpu_ns: usage.cpu_ns };
            let disk_bytes = lock(&topology.live).elements.get(&id).map_or(0, |e| e.disk_bytes);
            let (cpu_ns, memory_bytes) = (usage.cpu_ns, usage.memory_bytes);
            figures
                .elements
                .insert(id.to_string(), ElementFigures { cpu_ns, memory_bytes, disk_bytes });
            let (sent, received) = traffic.get(&id).copied().unwrap_or_default();
            let then = before.reads.get(&id);
            let used = Used {
                unix_ms: crate::traffic::unix_ms(),
                cpu_milli: then.map_or(0, |then| cpu_milli(*then, read)),
                memory_bytes,
                disk_bytes,
                sent,
                received,
            };
            elements.insert(id.clone(), used);
            next.reads.insert(id.clone(), read);
            if let Some(then) = before.unread.get(&id) {
                tell_lost(host, &wanted, &id, then, &usage.unread_frames).await;
            }
            next.unread.insert(id, usage.unread_frames);
        }
    }
    *lock(&host.usage.figures) = figures;
    let mut points = lock(&host.usage.points);
    // What does not run any more has no last hour.
    points.elements.retain(|id, _| elements.contains_key(id));
    points.connections.retain(|id, _| connections.contains_key(id));
    for (id, used) in elements {
        points.elements.entry(id).or_insert_with(|| Kept(VecDeque::new())).push(used);
    }
    for (id, point) in connections {
        points.connections.entry(id).or_insert_with(|| Kept(VecDeque::new())).push(point);
    }
    drop(points);
    *before = next;
    host.usage.looks.send_modify(|looks| *looks += 1);
}

/// Tells the wire of frames of an element that the kernel lost in front of it since the last look.
async fn tell_lost(
    host: &Host,
    wanted: &WantedTopology,
    id: &ElementId,
    then: &BTreeMap<String, u64>,
    now: &BTreeMap<String, u64>,
) {
    let element = wanted.elements.iter().find(|element| element.id == *id);
    for interface in element.iter().flat_map(|element| &element.interfaces) {
        let counts = [then, now].map(|counts| counts.get(&interface.name).copied().unwrap_or(0));
        let lost = counts[1].saturating_sub(counts[0]);
        if lost == 0 {
            continue;
        }
        let (topology, port) = (wanted.id.as_str(), interface.id.as_str());
        if let Err(error) = host.parts.wire.lost(topology, port, lost).await {
            tracing::debug!(%error, lost, port, "the wire does not know of lost frames");
        }
    }
}

/// Thousandths of a processor between two readings; a counter that went back began anew.
fn cpu_milli(then: Read, now: Read) -> u32 {
    let used = now.cpu_ns.checked_sub(then.cpu_ns).unwrap_or(now.cpu_ns);
    let elapsed = now.at.saturating_duration_since(then.at).as_nanos().max(1);
    u32::try_from(u128::from(used) * 1000 / elapsed).unwrap_or(u32::MAX)
}

/// Bits per second that leave and reach each element.
fn traffic_of(
    wanted: &WantedTopology,
    rates: &BTreeMap<String, ConnectionRates>,
) -> BTreeMap<ElementId, (u64, u64)> {
    let owners: BTreeMap<&InterfaceId, &ElementId> = wanted
        .elements
        .iter()
        .flat_map(|element| element.interfaces.iter().map(move |i| (&i.id, &element.id)))
        .collect();
    let mut traffic: BTreeMap<ElementId, (u64, u64)> = BTreeMap::new();
    for connection in &wanted.connections {
        let Some(rates) = rates.get(connection.id.as_str()) else { continue };
        let [forward, backward] = [rates.forward, rates.backward].map(|r| r.bits_per_second);
        for (interface, sent, received) in [
            (&connection.interfaces[0], forward, backward),
            (&connection.interfaces[1], backward, forward),
        ] {
            let Some(owner) = owners.get(interface) else { continue };
            let entry = traffic.entry((*owner).clone()).or_default();
            *entry = (entry.0 + sent, entry.1 + received);
        }
    }
    traffic
}

#[cfg(test)]
mod tests;
