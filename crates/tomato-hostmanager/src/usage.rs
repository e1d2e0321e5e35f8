//! What elements and connections used in the last hour.
//!
//! Kept in memory, and in a [`journal`] from which the next process takes it. One task looks at everything that runs each [`USAGE_PERIOD`].

pub(crate) mod journal;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
use tomato_virt::container::ContainerUsage;
use tomato_wire::status::WorkerStatus;

use crate::host::{Host, Topology, lock};
use crate::limits::{USAGE_EARLIER_LOOKS, USAGE_PERIOD, USAGE_POINTS};
use crate::past;
use crate::traffic::Sample;
use crate::usage::journal::Journal;

/// An element at a time, as short as it can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Used {
    unix_ms: u64,
    cpu_milli: u32,
    memory_bytes: u64,
    disk_bytes: u64,
    sent: u64,
    received: u64,
}

/// A connection at a time, in milliseconds of the epoch.
type Passed = (u64, ConnectionRates);

/// The last hour of one thing.
#[derive(Debug, PartialEq, Eq)]
struct Kept<T>(VecDeque<T>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

/// What was read last of an element.
#[derive(Debug, Clone, Copy)]
struct Read {
    at: Instant,
    cpu_ns: u64,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Points {
    elements: BTreeMap<ElementId, Kept<Used>>,
    connections: BTreeMap<ConnectionId, Kept<Passed>>,
}

/// The points of one look.
#[derive(Debug, Default)]
struct Looked {
    elements: BTreeMap<ElementId, Used>,
    connections: BTreeMap<ConnectionId, Passed>,
}

impl Points {
    /// Adds the points of a look. What is seen for the first time goes on with what `earlier` has of it.
    fn add(&mut self, looked: Looked, earlier: &mut Self) {
        for (id, used) in looked.elements {
            let taken = || earlier.elements.remove(&id).unwrap_or_default();
            self.elements.entry(id.clone()).or_insert_with(taken).push(used);
        }
        for (id, passed) in looked.connections {
            let taken = || earlier.connections.remove(&id).unwrap_or_default();
            self.connections.entry(id.clone()).or_insert_with(taken).push(passed);
        }
    }
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
    /// What the process before saw, as far as it was not seen again.
    earlier: Points,
    /// Looks after which the rest of it is forgotten.
    earlier_looks: u32,
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
    /// Keeps the points of a look. What does not run any more has no last hour, unless it is not known whether it does.
    fn keep(&self, looked: Looked, unknown: &BTreeSet<ConnectionId>, earlier: &mut Points) {
        let mut points = lock(&self.points);
        points.elements.retain(|id, _| looked.elements.contains_key(id));
        let passing = &looked.connections;
        points.connections.retain(|id, _| passing.contains_key(id) || unknown.contains(id));
        points.add(looked, earlier);
        drop(points);
        self.looks.send_modify(|looks| *looks += 1);
    }

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
        let point = |(at, rates): &Passed| ConnectionPoint { time: rfc3339(*at), rates: *rates };
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
    let mut journal = Journal::new(host.parts.state_dir.join("host").join("usage"));
    let earlier = journal.read(crate::traffic::unix_ms()).await;
    let mut before = Before { earlier, earlier_looks: USAGE_EARLIER_LOOKS, ..Before::default() };
    let mut timer = interval(USAGE_PERIOD);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = host.stop.cancelled() => return,
            _ = timer.tick() => step(&host, &mut before, &mut journal).await,
        }
    }
}

fn worker_figures(status: WorkerStatus) -> WorkerFigures {
    let WorkerStatus { topologies, links, cpu_ns, busy_permille } = status;
    WorkerFigures { cpu_ns, busy_permille, topologies, connections: links }
}

/// Takes one point of everything that runs, and keeps it on disk before it is shown.
pub(crate) async fn step(host: &Host, before: &mut Before, journal: &mut Journal) {
    let mut look = Look {
        host,
        before,
        next: Before::default(),
        figures: HostFigures::default(),
        looked: Looked::default(),
        unknown: BTreeSet::new(),
    };
    look.figures.wire = host.parts.wire.pid().await.ok().and_then(tomato_api::process::of);
    let workers = host.parts.wire.workers().await.unwrap_or_default();
    look.figures.workers = workers.into_iter().map(worker_figures).collect();
    for topology in host.topologies() {
        look.topology(&topology).await;
    }
    let Look { next, figures, looked, unknown, .. } = look;
    let now = crate::traffic::unix_ms();
    journal.write(now, journal::line(now, &looked)).await;
    *lock(&host.usage.figures) = figures;
    let looks = before.earlier_looks.saturating_sub(1);
    let mut earlier = std::mem::take(&mut before.earlier);
    if looks == 0 {
        earlier = Points::default();
    }
    host.usage.keep(looked, &unknown, &mut earlier);
    *before = Before { earlier, earlier_looks: looks, ..next };
}

/// A look that is being taken.
struct Look<'a> {
    host: &'a Host,
    before: &'a Before,
    next: Before,
    figures: HostFigures,
    looked: Looked,
    /// Connections of which nothing is known now: a data path that has just begun, or does not answer, may carry them all the same.
    unknown: BTreeSet<ConnectionId>,
}

impl Look<'_> {
    async fn topology(&mut self, topology: &Topology) {
        let wanted = topology.wanted();
        let rates = self.rates(topology, &wanted).await;
        if rates.is_none() {
            self.unknown.extend(wanted.connections.iter().map(|connection| connection.id.clone()));
        }
        let traffic = traffic_of(&wanted, &rates.unwrap_or_default());
        for id in started(topology) {
            let Ok(usage) = self.host.parts.containers.usage(&id).await else { continue };
            let disk_bytes = lock(&topology.live).elements.get(&id).map_or(0, |e| e.disk_bytes);
            if let Some(then) = self.before.unread.get(&id) {
                tell_lost(self.host, &wanted, &id, then, &usage.unread_frames).await;
            }
            self.element(&id, usage, disk_bytes, traffic.get(&id).copied().unwrap_or_default());
        }
    }

    /// What passes the topology's connections, if it is known now and was at the look before.
    async fn rates(
        &mut self,
        topology: &Topology,
        wanted: &WantedTopology,
    ) -> Option<BTreeMap<String, ConnectionRates>> {
        let id = &topology.id;
        let sample = match self.host.sample(id, Duration::ZERO).await {
            Ok(sample) => sample,
            Err(error) => {
                tracing::debug!(%error, "the traffic is not known now");
                return None;
            }
        };
        self.figures.connections.extend(sample.figures());
        self.next.samples.insert(id.clone(), Arc::clone(&sample));
        let then = self.before.samples.get(id)?;
        past::save_degraded(self.host, id, wanted, sample.degraded_since(then)).await;
        let rates = sample.rates_since(then);
        self.looked.connections.extend(rates.iter().filter_map(|(key, rates)| {
            Some((key.parse::<ConnectionId>().ok()?, (sample.unix_ms, *rates)))
        }));
        Some(rates)
    }

    /// `traffic` is what it sends and receives, in bits per second.
    fn element(
        &mut self,
        id: &ElementId,
        usage: ContainerUsage,
        disk_bytes: u64,
        traffic: (u64, u64),
    ) {
        let ContainerUsage { cpu_ns, memory_bytes, unread_frames } = usage;
        let read = Read { at: Instant::now(), cpu_ns };
        let then = self.before.reads.get(id);
        let used = Used {
            unix_ms: crate::traffic::unix_ms(),
            cpu_milli: then.map_or(0, |then| cpu_milli(*then, read)),
            memory_bytes,
            disk_bytes,
            sent: traffic.0,
            received: traffic.1,
        };
        let figures = ElementFigures { cpu_ns, memory_bytes, disk_bytes };
        self.figures.elements.insert(id.to_string(), figures);
        self.looked.elements.insert(id.clone(), used);
        self.next.reads.insert(id.clone(), read);
        self.next.unread.insert(id.clone(), unread_frames);
    }
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
