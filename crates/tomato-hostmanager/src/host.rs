//! The state of one hostmanager: its parts, its topologies, and the board of observations that pollers read.
//!
//! Invariants: a record changes only through functions of [`Topology`], which write it to the ledger first; the board's sequence grows
//! with each change of any observation.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::{
    ObservedElement, ObservedOutage, ObservedPage, ObservedTopology, WantedElement, WantedTopology,
};
use tomato_model::id::{ConnectionId, ElementId, TopologyId};
use tomato_model::lifecycle::State;
use tomato_virt::container::{Containers, NetworkSpec};

use crate::archive::Unpacking;
use crate::console::Consoles;
use crate::disk::{self, DiskOver};
use crate::error::of_host;
use crate::ledger::{ElementRecord, Ledger, LedgerError, Record, make_private_dir};
use crate::limits::{ELEMENTS_AT_ONCE, KEPT_AT_ONCE, READY_WAIT, REMOVED_MAX};
use crate::live::Lives;
use crate::outage::{self, Alive, Lost};
use crate::past::Pasts;
use crate::places::Places;
use crate::reconcile;
use crate::templates::Templates;
use crate::traffic::Samples;
use crate::usage::{self, Usage};
use crate::wire::WireControl;

/// What a hostmanager works with.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Makes containers.
    pub containers: Arc<dyn Containers>,
    /// Moves frames.
    pub wire: Arc<dyn WireControl>,
    /// Root file systems.
    pub templates: Arc<dyn Templates>,
    /// Directory for the ledger, pending archives and captures.
    pub state_dir: PathBuf,
    /// User id that capture directories are handed to.
    pub wire_uid: Option<u32>,
}

/// One hostmanager without its listener. Cheap to clone through [`Arc`].
#[derive(Debug)]
pub struct Host {
    pub(crate) parts: Parts,
    pub(crate) ledger: Ledger,
    pub(crate) parallel: Semaphore,
    pub(crate) stop: CancellationToken,
    pub(crate) consoles: Consoles,
    pub(crate) lives: Lives,
    pub(crate) samples: Samples,
    pub(crate) usage: Usage,
    pub(crate) pasts: Pasts,
    /// Elements whose archive is being unpacked.
    pub(crate) unpacking: Mutex<BTreeMap<ElementId, Unpacking>>,
    pub(crate) uploads: crate::part::Parts,
    /// Places of kept archives whose elements were started.
    pub(crate) kept: Semaphore,
    topologies: Mutex<BTreeMap<TopologyId, Arc<Topology>>>,
    /// Held while a topology is added, so that it is added once.
    adding: tokio::sync::Mutex<()>,
    board: Mutex<Board>,
    sequence: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Board {
    shown: BTreeMap<TopologyId, (u64, ObservedTopology)>,
    removed: BTreeMap<TopologyId, u64>,
}

/// One topology on this host.
#[derive(Debug)]
pub(crate) struct Topology {
    pub(crate) id: TopologyId,
    pub(crate) wake: Notify,
    pub(crate) live: Mutex<Live>,
    pub(crate) places: Arc<Places>,
    /// As it is on disk.
    record: Mutex<Record>,
    /// One change of an element's record at a time, each element apart: a disk takes several at once.
    turns: Mutex<BTreeMap<ElementId, Arc<tokio::sync::Mutex<()>>>>,
}

/// What was seen last.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Every element of an earlier process was looked at, so that none is called created that runs.
    pub(crate) is_shown: bool,
    pub(crate) generation: u64,
    pub(crate) is_settled: bool,
    pub(crate) elements: BTreeMap<ElementId, LiveElement>,
    pub(crate) connections: Vec<ConnectionId>,
    pub(crate) wire_instance: Option<u64>,
    /// Every element is to be looked at again.
    pub(crate) recheck: bool,
    /// Its traffic has stopped.
    pub(crate) lost: Option<Lost>,
    pub(crate) outages: Vec<ObservedOutage>,
}

/// What was seen last of one element.
#[derive(Debug, Clone, Default)]
pub(crate) struct LiveElement {
    pub(crate) state: Option<State>,
    pub(crate) error: Option<ApiError>,
    pub(crate) wire_error: Option<ApiError>,
    pub(crate) doing: Option<String>,
    /// Process 1 of the running container with all its interfaces plugged.
    pub(crate) plugged_pid: Option<u32>,
    /// What that process was configured with.
    pub(crate) configured: Option<(u32, NetworkSpec)>,
    /// What its own layer takes more than it may.
    pub(crate) disk: Option<DiskOver>,
    /// What its own layer took when it was measured last, in bytes.
    pub(crate) disk_bytes: u64,
    /// Processes the kernel has killed at its memory limit since it was started.
    pub(crate) oom_kills: u64,
    /// How the main process of its image ended, in words.
    pub(crate) ended: Option<String>,
    /// Its network could not be made and is tried again.
    pub(crate) retry: Option<Retry>,
}

/// What a network is made for; another one is tried at once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NetworkAim {
    pub(crate) pid: u32,
    pub(crate) wanted: WantedElement,
    pub(crate) host_names: Arc<BTreeMap<String, Vec<IpAddr>>>,
}

/// A network that could not be made.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    pub(crate) aim: NetworkAim,
    /// Between the last try and the next one.
    pub(crate) pause: Duration,
    /// When it is tried again.
    pub(crate) at: Instant,
    pub(crate) error: ApiError,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Only plain values are behind these locks, each whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LiveElement {
    /// It does not run, which nobody wanted.
    pub(crate) fn has_ended(&self) -> bool {
        self.state != Some(State::Started) && self.error.is_some()
    }

    fn observed(&self, id: &ElementId) -> ObservedElement {
        ObservedElement {
            id: id.clone(),
            state: self.state.unwrap_or(State::Created),
            error: self.error.clone().or_else(|| self.wire_error.clone()),
            doing: self.doing.clone(),
            notice: self.notice(),
        }
    }

    fn notice(&self) -> Option<String> {
        let memory = (self.oom_kills > 0).then(|| {
            let count = self.oom_kills;
            let was = if count == 1 { "process was" } else { "processes were" };
            format!("{count} {was} killed at its memory limit; give it a larger profile")
        });
        let disk = self.disk.map(|over| over.to_string());
        let all: Vec<String> = [self.ended.clone(), memory, disk].into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

impl Topology {
    fn new(record: Record) -> Arc<Self> {
        let live = Live::default();
        Arc::new(Self {
            id: record.wanted.id.clone(),
            wake: Notify::new(),
            live: Mutex::new(live),
            places: Arc::default(),
            record: Mutex::new(record),
            turns: Mutex::default(),
        })
    }

    pub(crate) fn record(&self) -> Record {
        lock(&self.record).clone()
    }

    /// What is wanted.
    pub(crate) fn wanted(&self) -> Arc<WantedTopology> {
        Arc::clone(&lock(&self.record).wanted)
    }

    /// What is known of an element, of one that is not known nothing.
    pub(crate) fn element(&self, id: &ElementId) -> Arc<ElementRecord> {
        lock(&self.record).elements.get(id).cloned().unwrap_or_default()
    }

    /// Changes what is wanted, on disk first. Only one call at a time.
    async fn want(
        &self,
        ledger: &Ledger,
        wanted: WantedTopology,
        is_removing: bool,
    ) -> Result<(), LedgerError> {
        {
            let record = lock(&self.record);
            if record.is_removing == is_removing && *record.wanted == wanted {
                return Ok(());
            }
        }
        let wanted = Arc::new(wanted);
        let (ledger, kept) = (ledger.clone(), Arc::clone(&wanted));
        on_disk(move || ledger.save(&kept, is_removing)).await?;
        let mut record = lock(&self.record);
        (record.wanted, record.is_removing) = (wanted, is_removing);
        Ok(())
    }

    /// Changes what is known of an element, on disk first.
    pub(crate) async fn note(
        &self,
        ledger: &Ledger,
        id: &ElementId,
        change: impl FnOnce(&mut ElementRecord),
    ) -> Result<(), LedgerError> {
        let turn = self.turn(id);
        let _turn = turn.lock().await;
        let former = lock(&self.record).elements.get(id).cloned();
        let mut changed = former.as_deref().cloned().unwrap_or_default();
        change(&mut changed);
        if former.is_some_and(|former| *former == changed) {
            return Ok(());
        }
        let changed = Arc::new(changed);
        let (ledger, topology) = (ledger.clone(), self.id.clone());
        let (element, kept) = (id.clone(), Arc::clone(&changed));
        on_disk(move || ledger.save_element(&topology, &element, &kept)).await?;
        lock(&self.record).elements.insert(id.clone(), changed);
        Ok(())
    }

    /// Forgets an element of which nothing is left, on disk first.
    pub(crate) async fn forget(&self, ledger: &Ledger, id: &ElementId) -> Result<(), LedgerError> {
        let turn = self.turn(id);
        let _turn = turn.lock().await;
        let (ledger, topology, element) = (ledger.clone(), self.id.clone(), id.clone());
        on_disk(move || ledger.remove_element(&topology, &element)).await?;
        lock(&self.record).elements.remove(id);
        lock(&self.turns).remove(id);
        Ok(())
    }

    fn turn(&self, id: &ElementId) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(lock(&self.turns).entry(id.clone()).or_default())
    }
}

/// Runs work of the ledger where it may wait for the disk.
async fn on_disk(
    work: impl FnOnce() -> Result<(), LedgerError> + Send + 'static,
) -> Result<(), LedgerError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let source = std::io::Error::other(error);
        Err(LedgerError::File { action: "write", path: PathBuf::from("ledger"), source })
    })
}

impl Host {
    /// Reads the ledger and takes up work on every topology in it.
    ///
    /// # Errors
    /// If the ledger cannot be read. Must be called inside a tokio runtime.
    pub fn open(parts: Parts) -> Result<Arc<Self>, LedgerError> {
        let records_dir = parts.state_dir.join("host");
        for dir in ["", "archives", "parts", "spool"] {
            let dir = records_dir.join(dir);
            make_private_dir(&dir).map_err(|source| LedgerError::File {
                action: "make",
                path: dir,
                source,
            })?;
        }
        let ledger = Ledger::open(records_dir.join("ledger"))?;
        let records = ledger.load()?;
        let host = Arc::new(Self {
            parts,
            ledger,
            parallel: Semaphore::new(ELEMENTS_AT_ONCE),
            stop: CancellationToken::new(),
            consoles: Consoles::default(),
            lives: Lives::default(),
            samples: Samples::default(),
            usage: Usage::default(),
            pasts: Pasts::default(),
            unpacking: Mutex::default(),
            uploads: crate::part::Parts::default(),
            kept: Semaphore::new(KEPT_AT_ONCE),
            topologies: Mutex::default(),
            adding: tokio::sync::Mutex::default(),
            board: Mutex::default(),
            sequence: watch::Sender::new(0),
        });
        let alive = Alive::read(&records_dir);
        for record in records {
            host.take_up(Topology::new(record), alive.clone());
        }
        tokio::spawn(outage::watch_wire(Arc::clone(&host)));
        tokio::spawn(reconcile::remove_orphans(Arc::clone(&host)));
        tokio::spawn(usage::watch(Arc::clone(&host)));
        tokio::spawn(disk::watch(Arc::clone(&host)));
        Ok(host)
    }

    /// Ends all work at its next pause; elements run on.
    pub fn shut_down(&self) {
        self.stop.cancel();
    }

    fn take_up(self: &Arc<Self>, topology: Arc<Topology>, before: Option<Alive>) {
        lock(&self.topologies).insert(topology.id.clone(), Arc::clone(&topology));
        tokio::spawn(reconcile::run(Arc::clone(self), topology, before));
    }

    /// Keeps what is wanted and begins to work on it. An older generation than the one known is ignored.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn want(self: &Arc<Self>, wanted: WantedTopology) -> Result<(), ApiError> {
        let failed = |e: LedgerError| of_host("keep what is wanted", &e);
        let _adding = self.adding.lock().await;
        if let Some(topology) = self.topology(&wanted.id) {
            if wanted.generation >= topology.wanted().generation {
                topology.want(&self.ledger, wanted, false).await.map_err(failed)?;
            }
            lock(&topology.live).is_settled = false;
            topology.wake.notify_one();
            return Ok(());
        }
        let wanted = Arc::new(wanted);
        let (ledger, kept) = (self.ledger.clone(), Arc::clone(&wanted));
        on_disk(move || ledger.save(&kept, false)).await.map_err(failed)?;
        let record = Record { wanted, is_removing: false, elements: BTreeMap::new() };
        self.take_up(Topology::new(record), None);
        Ok(())
    }

    /// Removes everything of a topology, in the background. An unknown one is fine.
    ///
    /// # Errors
    /// If the wish cannot be kept.
    pub async fn remove(&self, id: &TopologyId) -> Result<(), ApiError> {
        let _adding = self.adding.lock().await;
        if let Some(topology) = self.topology(id) {
            let nothing = WantedTopology {
                elements: Vec::new(),
                connections: Vec::new(),
                ..WantedTopology::clone(&topology.wanted())
            };
            let kept = topology.want(&self.ledger, nothing, true).await;
            kept.map_err(|e| of_host("keep what is wanted", &e))?;
            topology.wake.notify_one();
        }
        Ok(())
    }

    /// Forgets a topology of which nothing is left; false if it is wanted again.
    pub(crate) async fn forget(&self, topology: &Topology) -> bool {
        let _adding = self.adding.lock().await;
        let record = topology.record();
        if !record.is_removing || !record.elements.is_empty() {
            return false;
        }
        if let Err(error) = self.ledger.remove(&topology.id) {
            tracing::warn!(error = crate::error::chain(&error), "cannot forget a topology");
            return false;
        }
        lock(&self.topologies).remove(&topology.id);
        let mut board = lock(&self.board);
        board.shown.remove(&topology.id);
        let now = self.next_number();
        board.removed.insert(topology.id.clone(), now);
        while board.removed.len() > REMOVED_MAX {
            board.removed.pop_first();
        }
        true
    }

    pub(crate) fn topology(&self, id: &TopologyId) -> Option<Arc<Topology>> {
        lock(&self.topologies).get(id).cloned()
    }

    pub(crate) fn topologies(&self) -> Vec<Arc<Topology>> {
        lock(&self.topologies).values().cloned().collect()
    }

    /// Shows what is live of a topology to pollers, if it changed.
    pub(crate) fn publish(&self, topology: &Topology) {
        let live = lock(&topology.live);
        if !live.is_shown {
            return;
        }
        let elements = live.elements.iter().map(|(id, element)| element.observed(id));
        let observed = ObservedTopology {
            id: topology.id.clone(),
            generation: live.generation,
            settled: live.is_settled,
            elements: elements.collect(),
            connections: live.connections.clone(),
            wire_instance: live.wire_instance,
            outages: live.outages.clone(),
        };
        let mut board = lock(&self.board);
        if board.shown.get(&topology.id).is_some_and(|(_, shown)| *shown == observed) {
            return;
        }
        board.removed.remove(&topology.id);
        let now = self.next_number();
        board.shown.insert(topology.id.clone(), (now, observed));
    }

    /// Counts a change of the board, which is locked meanwhile: a poller that sees the number sees what has changed.
    fn next_number(&self) -> u64 {
        self.sequence.send_modify(|n| *n += 1);
        *self.sequence.borrow()
    }

    /// Changes what is live of an element, and shows it to pollers without a look at the others.
    pub(crate) fn change_element(
        &self,
        topology: &Topology,
        id: &ElementId,
        change: impl FnOnce(&mut LiveElement),
    ) {
        let mut live = lock(&topology.live);
        let Some(element) = live.elements.get_mut(id) else { return };
        change(element);
        let seen = element.observed(id);
        if !live.is_shown {
            return;
        }
        let mut board = lock(&self.board);
        let Some((at, shown)) = board.shown.get_mut(&topology.id) else {
            drop(board);
            drop(live);
            return self.publish(topology);
        };
        // They are in the order of the live ones, by id.
        match shown.elements.binary_search_by(|element| element.id.cmp(id)) {
            Ok(place) if shown.elements[place] == seen => return,
            Ok(place) => shown.elements[place] = seen,
            Err(place) => shown.elements.insert(place, seen),
        }
        (shown.generation, shown.settled) = (live.generation, live.is_settled);
        shown.wire_instance = live.wire_instance;
        *at = self.next_number();
    }

    /// Every topology as it was seen last.
    pub fn observed(&self) -> Vec<ObservedTopology> {
        lock(&self.board).shown.values().map(|(_, shown)| shown.clone()).collect()
    }

    /// The same with those that are still being recovered, which show nothing yet.
    pub(crate) fn known(&self) -> Vec<ObservedTopology> {
        let mut known = self.observed();
        for topology in self.topologies() {
            if !known.iter().any(|shown| shown.id == topology.id) {
                known.push(ObservedTopology {
                    id: topology.id.clone(),
                    generation: 0,
                    settled: false,
                    elements: Vec::new(),
                    connections: Vec::new(),
                    wire_instance: None,
                    outages: Vec::new(),
                });
            }
        }
        known
    }

    /// What changed after `after`, waiting at most `wait` for something to.
    pub async fn observed_after(&self, after: u64, wait: Duration) -> ObservedPage {
        let mut sequence = self.sequence.subscribe();
        // A number from before our start says nothing: show everything.
        let after = if after > *sequence.borrow() { 0 } else { after };
        let waited = sequence.wait_for(|now| *now > after);
        tokio::select! {
            _ = tokio::time::timeout(wait, waited) => {}
            () = self.stop.cancelled() => {}
        }
        let board = lock(&self.board);
        let topologies = board.shown.values().filter(|(at, _)| *at > after);
        let removed = board.removed.iter().filter(|(_, at)| **at > after);
        ObservedPage {
            sequence: *self.sequence.borrow(),
            topologies: topologies.map(|(_, shown)| shown.clone()).collect(),
            removed: removed.map(|(id, _)| id.clone()).collect(),
        }
    }

    /// The topology that an element belongs to.
    pub(crate) async fn topology_of(&self, id: &ElementId) -> Result<Arc<Topology>, ApiError> {
        for topology in self.topologies() {
            if topology.wanted().elements.iter().any(|e| e.id == *id) {
                return Ok(topology);
            }
        }
        let message = format!("there is no element {id} on this host; prepare it first");
        Err(ApiError::new(ErrorCode::EntityDoesNotExist, message))
    }

    /// Waits until nothing is being done to an element, at most [`READY_WAIT`], and returns its state.
    ///
    /// # Errors
    /// If it is not here, or still busy then.
    pub async fn ready(&self, id: &ElementId) -> Result<State, ApiError> {
        let topology = self.topology_of(id).await?;
        let mut sequence = self.sequence.subscribe();
        let state = || {
            let live = lock(&topology.live);
            let element = live.elements.get(id)?;
            if element.doing.is_some() { None } else { element.state }
        };
        let wait = async {
            // Not `wait_for`: it would hold the number's lock while asking for the other.
            while state().is_none() && sequence.changed().await.is_ok() {}
        };
        if tokio::time::timeout(READY_WAIT, wait).await.is_err() {
            tracing::debug!(%id, "element is still busy");
        }
        state().ok_or_else(|| {
            let message = format!("element {id} is still being worked on; try again");
            ApiError::new(ErrorCode::EntityBusy, message)
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
