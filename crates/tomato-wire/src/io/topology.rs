//! One topology in the data thread: its network, the ports attached to it and its captures.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::SyncSender;

use rustix::event::epoll;
use rustix::time::{ClockId, clock_gettime};

use crate::capture::{Captures, Origin, Recorder};
use crate::config::{CaptureConfig, End, LinkConfig, PastConfig};
use crate::control::{Answer, ErrorCode, Refusal};
use crate::core::direction::DropCause;
use crate::core::journal::{Note, Wants};
use crate::core::merge::Run;
use crate::core::network::{Network, PortId, Sink, Undelivered};
use crate::io::{Fault, Port, PortError};
use crate::limits;
use crate::status::TopologyStatus;

#[derive(Debug)]
pub(super) struct Topology {
    pub(super) place: usize,
    pub(super) network: Network,
    /// By [`PortId`].
    pub(super) ports: Vec<Slot>,
    /// By link.
    pub(super) recorders: BTreeMap<usize, (CaptureConfig, Recorder)>,
    /// Pasts that are kept, by link.
    pub(super) pasts: BTreeMap<usize, (PastConfig, Recorder)>,
    /// Live captures by link.
    pub(super) taps: BTreeMap<usize, Recorder>,
    /// Keys of the links that are captured, and what their captures want.
    pub(super) names: BTreeMap<usize, (String, [Wants; 2])>,
    /// A packet on its way to a capture.
    pub(super) room: Vec<u8>,
}

/// A port of the network and what is attached to it.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) port: Option<Box<dyn Port>>,
    pub(super) carrier: Option<bool>,
    /// The fault that ends the attachment, to be taken out by the worker.
    pub(super) gone: Option<PortError>,
    pub(super) error: Option<String>,
    pub(super) refused_frames: u64,
    /// Since when every look found more frames than were taken.
    pub(super) behind_since_ns: Option<u64>,
}

impl Topology {
    /// Moves what is due, within one turn's budget; true if a port turned out to be gone.
    pub(super) fn advance(&mut self) -> bool {
        let Topology { network, ports, recorders, pasts, taps, names, room, .. } = self;
        let mut has_gone = false;
        let seed = network.seed();
        let clocks = None;
        let mut sink = Outlets {
            ports,
            recorders,
            pasts,
            taps,
            names,
            seed,
            clocks,
            room,
            has_gone: &mut has_gone,
        };
        let mut moved = 0;
        while moved < limits::ADVANCE_TURN {
            // a look at the clock for each: what it took to write the ones before is lateness of the next
            match network.advance(monotonic_ns(), 1, &mut sink) {
                0 => break,
                more => moved += more,
            }
        }
        if self.network.take_turn() {
            self.sync_carriers();
        }
        has_gone
    }

    pub(super) fn sync_captures(&mut self, captures: &Captures) {
        let Topology { network, recorders, pasts, .. } = self;
        let mut fresh = BTreeSet::new();
        for (_, id, link) in network.links() {
            let names = || direction_names(link);
            let open = |wanted: &CaptureConfig| captures.open(wanted, &names());
            let has_begun = sync(recorders, id, link.capture.as_ref(), open);
            let open = |wanted: &PastConfig| captures.open_past(wanted, &names());
            if sync(pasts, id, link.past.as_ref(), open) || has_begun {
                fresh.insert(id);
            }
        }
        self.sync_journals(&fresh);
    }

    /// Has the links tell what their captures want; those of a `fresh` capture tell their settings again.
    fn sync_journals(&mut self, fresh: &BTreeSet<usize>) {
        let Topology { network, recorders, pasts, taps, names, .. } = self;
        let links = network.links().map(|(key, id, link)| (link.draws_by(key).to_owned(), id));
        for (key, id) in links.collect::<Vec<_>>() {
            let capture = recorders.get(&id).map(|(_, recorder)| recorder.wants());
            let past = pasts.get(&id).map(|(_, recorder)| recorder.wants());
            let all = [capture, past, taps.get(&id).map(Recorder::wants)].into_iter().flatten();
            let wants = all.fold([Wants::default(); 2], |a, b| [a[0].or(b[0]), a[1].or(b[1])]);
            let is_known = match names.get(&id) {
                None => wants == [Wants::default(); 2],
                Some((name, known)) => *name == key && *known == wants,
            };
            if !is_known || fresh.contains(&id) {
                network.set_journal(monotonic_ns(), id, wants);
                names.insert(id, (key, wants));
            }
        }
        names.retain(|id, _| {
            recorders.contains_key(id) || pasts.contains_key(id) || taps.contains_key(id)
        });
    }

    /// Begins a live capture, in place of the one that was there; false if there is no such link.
    pub(super) fn tap(&mut self, link: &str, open: impl FnOnce() -> Recorder) -> bool {
        let found = self.network.links().find(|(key, ..)| *key == link).map(|(_, id, _)| id);
        let Some(id) = found else { return false };
        self.taps.insert(id, open());
        self.sync_journals(&BTreeSet::new());
        true
    }

    /// Ends the live captures that nobody reads any more.
    fn end_taps(&mut self) {
        let count = self.taps.len();
        self.taps.retain(|_, tap| !tap.is_over());
        if self.taps.len() < count {
            self.sync_journals(&BTreeSet::new());
        }
    }

    /// What keeps the past of a link, if anything does.
    pub(super) fn past(&self, link: &str) -> Option<&Recorder> {
        let (_, id, _) = self.network.links().find(|(key, ..)| *key == link)?;
        self.pasts.get(&id).map(|(_, recorder)| recorder)
    }

    pub(super) fn sync_carriers(&mut self) {
        for (id, slot) in self.ports.iter_mut().enumerate() {
            let Some(port) = &mut slot.port else { continue };
            let is_up = self.network.has_carrier(id);
            if slot.carrier == Some(is_up) {
                continue;
            }
            match port.set_carrier(is_up) {
                Ok(()) => {
                    slot.carrier = Some(is_up);
                    slot.error = None;
                }
                Err(error) => slot.error = Some(format!("cannot set the carrier: {error}")),
            }
        }
    }

    pub(super) fn status(&mut self, now_ns: u64) -> TopologyStatus {
        self.end_taps();
        let mut status = self.network.status(now_ns);
        for (key, id, _) in self.network.ports() {
            let slot = &self.ports[id];
            if let Some(port) = status.ports.get_mut(key) {
                port.attached = slot.port.is_some();
                port.error.clone_from(&slot.error);
                port.refused_frames = slot.refused_frames;
            }
        }
        for (key, id, _) in self.network.links() {
            if let (Some(link), Some((_, recorder))) =
                (status.links.get_mut(key), self.recorders.get(&id))
            {
                link.capture = Some(recorder.status());
            }
        }
        status
    }
}

/// Where the network's frames go.
struct Outlets<'a> {
    ports: &'a mut [Slot],
    recorders: &'a mut BTreeMap<usize, (CaptureConfig, Recorder)>,
    pasts: &'a mut BTreeMap<usize, (PastConfig, Recorder)>,
    taps: &'a mut BTreeMap<usize, Recorder>,
    names: &'a BTreeMap<usize, (String, [Wants; 2])>,
    seed: u64,
    /// What to add to times of the data path, once it is needed.
    clocks: Option<u64>,
    room: &'a mut Vec<u8>,
    has_gone: &'a mut bool,
}

impl Sink for Outlets<'_> {
    fn deliver(&mut self, port: PortId, run: &Run) -> Result<(), Undelivered> {
        const DETACHED: Undelivered = Undelivered { passed: 0, cause: DropCause::Detached };
        let slot = self.ports.get_mut(port).ok_or(DETACHED)?;
        if slot.gone.is_some() {
            return Err(DETACHED);
        }
        let open = slot.port.as_mut().ok_or(DETACHED)?;
        match open.send(run) {
            Ok(()) => Ok(()),
            Err(Fault::Refused(undelivered)) => Err(undelivered),
            Err(Fault::Gone(error)) => {
                slot.gone = Some(error);
                *self.has_gone = true;
                Err(DETACHED)
            }
        }
    }

    fn merges(&self, port: PortId) -> bool {
        let slot = self.ports.get(port);
        slot.and_then(|slot| slot.port.as_ref()).is_some_and(|port| port.merges())
    }

    fn note(&mut self, link: usize, side: usize, note: &Note) {
        let Some((name, _)) = self.names.get(&link) else { return };
        let epoch_ns = *self.clocks.get_or_insert_with(|| {
            clock_ns(ClockId::Realtime).saturating_sub(clock_ns(ClockId::Monotonic))
        });
        let origin = Origin { side, link: name, seed: self.seed, epoch_ns };
        let capture = self.recorders.get_mut(&link).map(|(_, recorder)| recorder);
        let past = self.pasts.get_mut(&link).map(|(_, recorder)| recorder);
        let tap = self.taps.get_mut(&link).filter(|tap| !tap.is_over());
        for recorder in [capture, past, tap].into_iter().flatten() {
            recorder.note(&origin, note, self.room);
        }
    }
}

/// Takes the descriptor out of epoll before it is closed: duplicates of it elsewhere would keep it in.
pub(super) fn detach(epoll: &OwnedFd, slot: &mut Slot) {
    slot.carrier = None;
    if let Some(port) = slot.port.take()
        && let Err(error) = epoll::delete(epoll, port.as_fd())
    {
        tracing::warn!(%error, "cannot take a port out of epoll");
    }
}

/// Has the past of a link written to `file`; the answer goes to `reply` once that is done.
///
/// # Errors
/// Why it is not done; nothing goes to `reply` then.
pub(super) fn save_past(
    topology: Option<&Topology>,
    link: &str,
    file: Option<OwnedFd>,
    reply: SyncSender<Result<Answer, Refusal>>,
) -> Result<(), Refusal> {
    let is_file = |file: &OwnedFd| {
        rustix::fs::fstat(file)
            .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file())
    };
    // a reader that is slow would hold up all captures
    let file = file.filter(is_file).ok_or_else(|| {
        Refusal::new(ErrorCode::BadDescriptor, "no regular file came with the request")
    })?;
    let past = topology.and_then(|topology| topology.past(link)).ok_or_else(|| {
        let message = format!("the past of link {link:?} is not kept here; have it kept first");
        Refusal::new(ErrorCode::NotFound, message)
    })?;
    let done = move |result: std::io::Result<u64>| {
        let answer = result.map(|bytes| Answer::Saved { bytes }).map_err(|error| {
            let message = format!("cannot write the past: {error}; check the free space");
            Refusal::new(ErrorCode::BadDescriptor, message)
        });
        if reply.send(answer).is_err() {
            tracing::debug!("nobody waits for a past any more");
        }
    };
    if past.save(file, Box::new(done)) {
        return Ok(());
    }
    Err(Refusal::new(ErrorCode::Limit, "too much waits to be recorded; try again"))
}

/// Has a link recorded as wanted; true if that begins now.
fn sync<C: Clone + PartialEq>(
    running: &mut BTreeMap<usize, (C, Recorder)>,
    id: usize,
    wanted: Option<&C>,
    open: impl FnOnce(&C) -> Recorder,
) -> bool {
    if running.get(&id).map(|(config, _)| config) == wanted {
        return false;
    }
    // before the next one begins, which may use the same directory
    running.remove(&id);
    let Some(wanted) = wanted else { return false };
    running.insert(id, (wanted.clone(), open(wanted)));
    true
}

fn direction_names(link: &LinkConfig) -> [String; 2] {
    let keys = || {
        link.ends.each_ref().map(|end| match end {
            End::Port(key) => key.clone(),
            End::Bridge { bridge, port } => format!("{bridge}.{port}"),
        })
    };
    let [a, b] = link.end_names().cloned().unwrap_or_else(keys);
    [format!("{a}>{b}"), format!("{b}>{a}")]
}

/// The clock of the data path.
pub(super) fn monotonic_ns() -> u64 {
    clock_ns(ClockId::Monotonic)
}

/// What the calling thread has taken of a processor.
pub(super) fn thread_cpu_ns() -> u64 {
    clock_ns(ClockId::ThreadCPUTime)
}

fn clock_ns(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let [seconds, ns] = [time.tv_sec, time.tv_nsec].map(|n| u64::try_from(n).unwrap_or(0));
    seconds * 1_000_000_000 + ns
}
