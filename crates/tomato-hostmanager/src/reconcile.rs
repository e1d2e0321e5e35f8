//! The loop of one topology, and the search for orphans of all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tokio::task::{Id, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::{WantedElement, WantedTopology};
use tomato_model::id::ElementId;
use tomato_model::kind::Kind;
use tomato_model::lifecycle::State;
use tomato_wire::config::{End, TopologyConfig};

use crate::archive;
use crate::element::Look;
use crate::error::chain;
use crate::host::{Host, Topology, lock};
use crate::ledger::Record;
use crate::limits::{LONG_TURN, ORPHAN_SEARCH, RECHECK};
use crate::outage::{self, Alive};
use crate::part;
use crate::past;
use crate::translate;
use crate::wire::WireFault;

type HostNames = Arc<BTreeMap<String, Vec<IpAddr>>>;
/// What a look was begun with: what was wanted, `None` for an element that shall go, and everybody's names.
type Aim = (Option<WantedElement>, HostNames);

/// What the loop of one topology knows between its turns.
#[derive(Default)]
struct Turn {
    looks: JoinSet<()>,
    running: BTreeMap<Id, ElementId>,
    /// The same elements.
    busy: BTreeSet<ElementId>,
    /// What each element was looked at for last.
    done: BTreeMap<ElementId, Aim>,
    /// Elements to look at whatever was done.
    due: BTreeSet<ElementId>,
    host_names: HostNames,
    /// Process 1 of the container that a port's descriptor was handed over from.
    attached: BTreeMap<String, u32>,
    /// Elements with a port that the wire does not take.
    refused: BTreeMap<ElementId, ApiError>,
    /// The wire holds, or may hold, something of this topology.
    is_in_wire: bool,
    /// What the wire was told last, if it did all of it; told again now and then, should it have lost it.
    told: Option<Told>,
    /// Elements of an earlier process that were not looked at yet: until then the wire is left as it is and nothing is
    /// shown, so that what runs goes on undisturbed and is never called created.
    unseen: BTreeSet<ElementId>,
    /// The last sign of life of the process before this one, until the wire was told anything.
    before: Option<Alive>,
}

/// What a wire made true.
#[derive(PartialEq)]
struct Told {
    config: TopologyConfig,
    plugged: BTreeMap<ElementId, u32>,
    instance: Option<u64>,
}

/// Works on one topology until nothing is left of it.
pub(crate) async fn run(host: Arc<Host>, topology: Arc<Topology>, before: Option<Alive>) {
    let unseen = topology.record().elements.keys().cloned().collect();
    let mut turn = Turn { is_in_wire: true, unseen, before, ..Turn::default() };
    let mut timer = interval(RECHECK);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer.reset();
    loop {
        let begun = Instant::now();
        let record = topology.record();
        if std::mem::take(&mut lock(&topology.live).recheck) {
            turn.due.extend(record.elements.keys().cloned());
        }
        turn.begin_looks(&host, &topology, &record);
        if !turn.unseen.is_empty() {
            tokio::select! {
                () = host.stop.cancelled() => return,
                Some(ended) = turn.looks.join_next_with_id(), if !turn.looks.is_empty() => {
                    turn.ended(ended);
                }
            }
            continue;
        }
        let wired = turn.wire(&host, &topology, &record).await;
        let is_gone = record.is_removing && record.elements.is_empty() && turn.running.is_empty();
        if is_gone && wired && host.forget(&topology).await {
            if let Err(error) = orphan_captures(&host).await {
                tracing::warn!(%error, "cannot remove captures");
            }
            return;
        }
        let is_settled = turn.is_settled(&record) && wired;
        {
            let mut live = lock(&topology.live);
            live.is_shown = true;
            live.generation = record.wanted.generation;
            live.is_settled = is_settled;
        }
        host.publish(&topology);
        if is_settled {
            archive::run_pending(&host, &topology);
        }
        if begun.elapsed() > LONG_TURN && !turn.busy.is_empty() {
            // Of a large topology many elements end during one turn: one more for all of them.
            tokio::time::sleep(begun.elapsed()).await;
        }
        let retry = turn.next_retry(&topology);
        tokio::select! {
            () = host.stop.cancelled() => return,
            () = topology.wake.notified() => {}
            _ = timer.tick() => {
                turn.due.extend(record.elements.keys().cloned());
                turn.told = None;
            }
            id = retry => {
                turn.due.insert(id);
            }
            Some(ended) = turn.looks.join_next_with_id(), if !turn.looks.is_empty() => {
                turn.ended(ended);
            }
        }
        // One turn for all that have ended.
        while let Some(ended) = turn.looks.try_join_next_with_id() {
            turn.ended(ended);
        }
    }
}

impl Turn {
    fn begin_looks(&mut self, host: &Arc<Host>, topology: &Arc<Topology>, record: &Record) {
        if *self.host_names != record.wanted.host_names {
            self.host_names = Arc::new(record.wanted.host_names.clone());
        }
        let aims = aims(record);
        let is_kept = |id: &ElementId| aims.contains_key(id) || self.busy.contains(id);
        lock(&topology.live).elements.retain(|id, _| is_kept(id));
        self.done.retain(|id, _| aims.contains_key(id));
        for (id, wanted) in aims {
            let is_done = self.is_done(id, wanted) && !self.due.contains(id);
            if self.busy.contains(id) || is_done {
                continue;
            }
            lock(&topology.live).elements.entry(id.clone()).or_default();
            let look = Look {
                host: Arc::clone(host),
                topology: Arc::clone(topology),
                id: id.clone(),
                wanted: wanted.cloned(),
                host_names: Arc::clone(&self.host_names),
            };
            self.due.remove(id);
            self.done.insert(id.clone(), (wanted.cloned(), Arc::clone(&self.host_names)));
            let handle = self.looks.spawn(look.run());
            self.running.insert(handle.id(), id.clone());
            self.busy.insert(id.clone());
        }
    }

    /// Whether an element was looked at last for the same.
    fn is_done(&self, id: &ElementId, wanted: Option<&WantedElement>) -> bool {
        self.done.get(id).is_some_and(|(done, names)| {
            // One that shall go needs nobody's names.
            done.as_ref() == wanted && (wanted.is_none() || *names == self.host_names)
        })
    }

    fn ended(&mut self, ended: Result<(Id, ()), tokio::task::JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "work on an element broke off; it is tried again");
                error.id()
            }
        };
        if let Some(element) = self.running.remove(&id) {
            self.busy.remove(&element);
            self.unseen.remove(&element);
        }
    }

    /// Waits until the network of an element is to be tried again, for ever if none is.
    fn next_retry(&self, topology: &Topology) -> impl Future<Output = ElementId> + use<> {
        let live = lock(&topology.live);
        let is_idle = |id: &ElementId| !self.busy.contains(id);
        let retries = live.elements.iter().filter(|(id, _)| is_idle(id));
        let retries = retries.filter_map(|(id, e)| Some((e.retry.as_ref()?.at, id.clone())));
        let next = retries.min();
        async move {
            match next {
                Some((at, id)) => {
                    tokio::time::sleep_until(at.into()).await;
                    id
                }
                None => std::future::pending().await,
            }
        }
    }

    fn is_settled(&self, record: &Record) -> bool {
        self.running.is_empty()
            && aims(record).into_iter().all(|(id, wanted)| self.is_done(id, wanted))
    }

    /// Tells the wire its part and hands over descriptors it lacks; false if it must be tried again.
    async fn wire(&mut self, host: &Host, topology: &Topology, record: &Record) -> bool {
        let wanted = &record.wanted;
        let plugged: BTreeMap<ElementId, u32> = {
            let live = lock(&topology.live);
            let pid = |(id, e): (&ElementId, &crate::host::LiveElement)| {
                Some((id.clone(), e.plugged_pid?))
            };
            live.elements.iter().filter_map(pid).collect()
        };
        let running: BTreeSet<ElementId> = plugged.keys().cloned().collect();
        let captures = captures_dir(host);
        let config = translate::wire_config(wanted, &running, &captures);
        self.attached.retain(|port, _| config.ports.contains_key(port));
        self.refused.clear();
        let done = if config.ports.is_empty() && config.bridges.is_empty() {
            self.clear_wire(host, topology).await
        } else {
            self.is_in_wire = true;
            self.tell(host, topology, wanted, &plugged, &config).await
        };
        let mut live = lock(&topology.live);
        let (detached, error) = match done {
            Ok(detached) => (detached, None),
            Err(WireFault::Refused(refusal)) => {
                let error = ApiError::new(ErrorCode::InvalidConfiguration, refusal.message);
                (config.ports.keys().cloned().collect(), Some(error))
            }
            Err(error @ WireFault::Away(_)) => {
                tracing::warn!(%error, topology = %topology.id, "the wire is tried again");
                outage::lose(&mut live, Instant::now(), false);
                live.connections.clear();
                live.wire_instance = None;
                return false;
            }
        };
        let is_up = error.is_none();
        for element in &wanted.elements {
            let Some(seen) = live.elements.get_mut(&element.id) else { continue };
            seen.wire_error = error.clone().or_else(|| self.refused.get(&element.id).cloned());
            if element.kind != Kind::Container {
                let on = is_up && element.state == State::Started;
                seen.state = Some(if on { State::Started } else { State::Prepared });
            }
        }
        let passes = |end: &End| !matches!(end, End::Port(port) if detached.contains(port));
        let passing = wanted.connections.iter().filter(|connection| {
            let link = config.links.get(connection.id.as_str());
            is_up && link.is_some_and(|link| link.connected && link.ends.iter().all(passes))
        });
        live.connections = passing.map(|connection| connection.id.clone()).collect();
        if let Some(before) = self.before.take() {
            outage::compare(&mut live, &before);
        }
        outage::end_outage(&mut live, |id| {
            config.links.get(id.as_str()).is_some_and(|link| link.connected)
        });
        true
    }

    async fn clear_wire(
        &mut self,
        host: &Host,
        topology: &Topology,
    ) -> Result<BTreeSet<String>, WireFault> {
        self.told = None;
        if self.is_in_wire {
            host.parts.wire.remove(topology.id.as_str()).await?;
            self.is_in_wire = false;
        }
        Ok(BTreeSet::new())
    }

    /// Makes the wire match unless it does; gives the ports that still have no descriptor.
    async fn tell(
        &mut self,
        host: &Host,
        topology: &Topology,
        wanted: &WantedTopology,
        plugged: &BTreeMap<ElementId, u32>,
        config: &TopologyConfig,
    ) -> Result<BTreeSet<String>, WireFault> {
        let instance = lock(&topology.live).wire_instance;
        let told = Told { config: config.clone(), plugged: plugged.clone(), instance };
        if instance.is_some() && self.told.as_ref() == Some(&told) {
            return Ok(BTreeSet::new());
        }
        if let Some(told) = &self.told {
            past::save_those_that_go(host, topology, wanted, &told.config, config).await;
        }
        self.told = None;
        make_capture_dirs(host, config);
        let detached = self.apply(host, topology, wanted, plugged, config).await?;
        if detached.is_empty() {
            let instance = lock(&topology.live).wire_instance;
            self.told = Some(Told { instance, ..told });
        }
        Ok(detached)
    }

    /// Ports that still have no descriptor.
    async fn apply(
        &mut self,
        host: &Host,
        topology: &Topology,
        wanted: &WantedTopology,
        plugged: &BTreeMap<ElementId, u32>,
        config: &TopologyConfig,
    ) -> Result<BTreeSet<String>, WireFault> {
        let wire = &host.parts.wire;
        let key = topology.id.as_str();
        let applied = wire.apply(key, config.clone()).await?;
        lock(&topology.live).wire_instance = Some(applied.instance);
        let mut detached: BTreeSet<String> = applied.unattached.into_iter().collect();
        for element in wanted.elements.iter().filter(|e| e.kind == Kind::Container) {
            let Some(pid) = plugged.get(&element.id) else { continue };
            for interface in &element.interfaces {
                let port = interface.id.to_string();
                if !config.ports.contains_key(&port) {
                    continue;
                }
                let is_other = self.attached.get(&port).is_some_and(|former| former != pid);
                if !is_other && !detached.contains(&port) {
                    self.attached.insert(port, *pid);
                    continue;
                }
                let Ok(spec) = translate::interface_spec(interface) else { continue };
                let descriptor = match host.parts.containers.plug(&element.id, &spec).await {
                    Ok(descriptor) => descriptor,
                    Err(error) => {
                        // The next look at the element makes the port, or tells why not.
                        tracing::warn!(id = %element.id, error = chain(&error), "cannot get a port");
                        continue;
                    }
                };
                match wire.attach(key, &port, descriptor).await {
                    Ok(()) => {}
                    // Of this port alone: what else is in the wire passes on.
                    Err(WireFault::Refused(refusal)) => {
                        let message = format!("interface {}: {refusal}", interface.name);
                        let error = ApiError::new(ErrorCode::InvalidConfiguration, message);
                        tracing::warn!(id = %element.id, %error, "the wire refuses a port");
                        self.refused.insert(element.id.clone(), error);
                        detached.insert(port);
                        continue;
                    }
                    Err(error @ WireFault::Away(_)) => return Err(error),
                }
                detached.remove(&port);
                self.attached.insert(port, *pid);
            }
        }
        Ok(detached)
    }
}

fn captures_dir(host: &Host) -> PathBuf {
    host.parts.state_dir.join("captures")
}

/// What is wanted of every element that is wanted or may be on this host.
fn aims(record: &Record) -> BTreeMap<&ElementId, Option<&WantedElement>> {
    let mut aims: BTreeMap<_, _> = record.elements.keys().map(|id| (id, None)).collect();
    aims.extend(record.wanted.elements.iter().map(|element| (&element.id, Some(element))));
    aims
}

/// Makes the directories of captures and hands them to the wire's user.
fn make_capture_dirs(host: &Host, config: &TopologyConfig) {
    for capture in config.links.values().filter_map(|link| link.capture.as_ref()) {
        if let Err(error) = make_capture_dir(&capture.dir, host.parts.wire_uid) {
            tracing::warn!(%error, dir = %capture.dir.display(), "cannot make a capture's directory");
        }
    }
}

fn make_capture_dir(dir: &Path, owner: Option<u32>) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, chown};
    if dir.is_dir() {
        // Again: a process may have ended between making it and handing it over.
        return chown(dir, owner, owner);
    }
    if let Some(parent) = dir.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o711).create(parent)?;
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    chown(dir, owner, owner)
}

/// Removes captures of connections that nobody wants.
async fn orphan_captures(host: &Host) -> std::io::Result<()> {
    let mut found = Vec::new();
    for dir in [captures_dir(host), past::dir(host)] {
        match std::fs::read_dir(&dir) {
            Ok(entries) => found.extend(entries.collect::<Result<Vec<_>, _>>()?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let mut known = BTreeSet::new();
    for topology in host.topologies() {
        let wanted = topology.wanted();
        known.extend(wanted.connections.iter().map(|connection| connection.id.to_string()));
    }
    for entry in found {
        if entry.file_name().to_str().is_none_or(|name| !known.contains(name))
            && let Err(error) = std::fs::remove_dir_all(entry.path())
        {
            // Those behind it can go all the same.
            tracing::warn!(%error, dir = %entry.path().display(), "cannot remove a capture");
        }
    }
    Ok(())
}

/// Removes containers, wire topologies and captures that no record names, now and then.
pub(crate) async fn remove_orphans(host: Arc<Host>) {
    let mut timer = interval(ORPHAN_SEARCH);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = host.stop.cancelled() => return,
            _ = timer.tick() => {}
        }
        if let Err(error) = orphan_containers(&host).await {
            tracing::warn!(error = chain(&error), "cannot search for orphans");
        }
        if let Err(error) = orphan_captures(&host).await {
            tracing::warn!(%error, "cannot remove captures");
        }
        if let Ok(found) = host.parts.wire.list().await {
            for key in found {
                let is_known = key.parse().is_ok_and(|id| host.topology(&id).is_some());
                if !is_known && host.parts.wire.remove(&key).await.is_ok() {
                    tracing::info!(key, "removed a topology from the wire that nobody wants");
                }
            }
        }
    }
}

async fn orphan_containers(host: &Host) -> Result<(), tomato_virt::container::ContainerError> {
    // In this order: what is made meanwhile is in a record before it is on the host.
    let found = host.parts.containers.list().await?;
    let mut known = BTreeSet::new();
    for topology in host.topologies() {
        let record = topology.record();
        known.extend(record.elements.into_keys());
        known.extend(record.wanted.elements.iter().map(|element| element.id.clone()));
    }
    for id in found.into_iter().filter(|id| !known.contains(id)) {
        tracing::warn!(%id, "remove an element that nobody wants");
        if let Err(error) = host.parts.containers.destroy(&id).await {
            // Those behind it can go all the same.
            tracing::warn!(%id, error = chain(&error), "cannot remove it; it is tried again");
        }
    }
    if let Err(error) = archive::remove_orphans(host, &known) {
        tracing::warn!(%error, "cannot search for archives that nobody wants");
    }
    if let Err(error) = part::remove_old(host, &known, std::time::SystemTime::now()) {
        tracing::warn!(%error, "cannot remove parts of uploads that nobody goes on with");
    }
    Ok(())
}
