//! A data thread: one epoll over all its ports, one event loop, no locks in a frame's way.
//!
//! A turn: take what ports have, move what is due, do what the control threads ask, then sleep until the next due
//! time or event. The thread stops sleeping [`limits::SPIN_NS`] early and waits awake, within a budget per second.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use rustix::event::{EventfdFlags, epoll, eventfd};

use crate::capture::Captures;
use crate::config::{PortKind, TopologyConfig};
use crate::control::{Answer, ErrorCode, Refusal, Request};
use crate::core::frame::{FramePool, Holdings, Scratch};
use crate::core::network::{Network, PortId};
use crate::io::pace::{Arrivals, Busy, Spin};
use crate::io::packet::PacketPort;
use crate::io::socket::SocketPort;
use crate::io::tap::TapPort;
use crate::io::topology::{Slot, Topology, detach, monotonic_ns, save_past, thread_cpu_ns};
use crate::io::{OpenError, Port, PortError, sys};
use crate::limits;
use crate::status::{BridgeView, TopologyStatus, WorkerStatus, chain};

const WAKE: u64 = u64::MAX;

/// A request on its way to the data thread.
#[derive(Debug)]
struct Command {
    request: Request,
    descriptor: Option<OwnedFd>,
    reply: SyncSender<Result<Answer, Refusal>>,
}

/// An answer that is on its way.
#[derive(Debug)]
pub struct Awaited(Receiver<Result<Answer, Refusal>>);

/// The way to a data thread.
#[derive(Debug, Clone)]
pub struct WorkerHandle {
    sender: SyncSender<Option<Command>>,
    wake: Arc<OwnedFd>,
}

/// A data thread before it runs.
#[derive(Debug)]
pub struct Worker {
    receiver: Receiver<Option<Command>>,
    wake: Arc<OwnedFd>,
    epoll: OwnedFd,
    captures: Captures,
    holdings: Holdings,
    wake_ns: u64,
}

/// The data thread's state.
#[derive(Debug)]
struct Running {
    receiver: Receiver<Option<Command>>,
    wake: Arc<OwnedFd>,
    epoll: OwnedFd,
    pool: FramePool,
    captures: Captures,
    by_key: BTreeMap<String, usize>,
    topologies: Vec<Option<Topology>>,
    scratch: Scratch,
    spin: Spin,
    /// How long after a frame a sleeping thread wakes up.
    wake_ns: u64,
    /// When the frames that ended the last sleep came.
    woken_ns: Option<u64>,
    arrivals: Arrivals,
    busy: Busy,
    checked_ns: u64,
}

impl Awaited {
    /// Waits for it.
    ///
    /// # Errors
    /// A refusal, or that there was no answer in time.
    pub fn answer(self) -> Result<Answer, Refusal> {
        self.0.recv_timeout(limits::CONTROL_REPLY).unwrap_or_else(|_timeout| {
            Err(Refusal::new(ErrorCode::Internal, "the data path did not answer in time"))
        })
    }
}

impl WorkerHandle {
    /// Asks the data thread.
    ///
    /// # Errors
    /// That it cannot be asked.
    pub fn ask(&self, request: Request, descriptor: Option<OwnedFd>) -> Result<Awaited, Refusal> {
        let (reply, answer) = sync_channel(1);
        match self.sender.try_send(Some(Command { request, descriptor, reply })) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                let message = "too many requests are waiting for the data path; try again";
                return Err(Refusal::new(ErrorCode::Limit, message));
            }
            Err(TrySendError::Disconnected(_)) => {
                return Err(Refusal::new(ErrorCode::Internal, "the data path has ended"));
            }
        }
        self.wake();
        Ok(Awaited(answer))
    }

    /// Makes the data thread end after what it is at.
    pub fn stop(&self) {
        if self.sender.send(None).is_ok() {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Err(error) = rustix::io::write(&*self.wake, &1u64.to_ne_bytes()) {
            tracing::error!(%error, "cannot wake the data thread");
        }
    }
}

impl Worker {
    /// A worker and the way to it. [`Worker::run`] belongs on a thread of its own. `wake_ns`: how long after a frame a
    /// sleeping thread wakes up.
    ///
    /// # Errors
    /// If the system gives no descriptor.
    pub fn new(
        captures: Captures,
        holdings: Holdings,
        wake_ns: u64,
    ) -> io::Result<(Self, WorkerHandle)> {
        let (sender, receiver) = sync_channel(limits::COMMAND_QUEUE);
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64(WAKE);
        epoll::add(&epoll, &*wake, data, epoll::EventFlags::IN)?;
        let shared = Arc::clone(&wake);
        let worker = Self { receiver, wake: shared, epoll, captures, holdings, wake_ns };
        Ok((worker, WorkerHandle { sender, wake }))
    }

    /// Serves until [`WorkerHandle::stop`].
    ///
    /// # Errors
    /// If the kernel refuses to wait on the ports.
    pub fn run(self) -> io::Result<()> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let Worker { receiver, wake, epoll, captures, holdings, wake_ns } = self;
        let pool = FramePool::beside(holdings);
        let running = Running {
            receiver,
            wake,
            epoll,
            captures,
            by_key: BTreeMap::new(),
            topologies: Vec::new(),
            scratch: pool.scratch(),
            pool,
            spin: Spin::for_cores(cores),
            wake_ns,
            woken_ns: None,
            arrivals: Arrivals::default(),
            busy: Busy::default(),
            checked_ns: 0,
        };
        running.run()
    }
}

impl Running {
    fn run(mut self) -> io::Result<()> {
        let mut events = sys::Events::with_room(limits::EPOLL_EVENTS);
        loop {
            let next_due = self.advance_all();
            let asleep_ns = monotonic_ns();
            let timeout_ns = self.spin.timeout_ns(asleep_ns, next_due);
            events.wait(self.epoll.as_fd(), timeout_ns)?;
            // a thread that slept is told of a frame some time after it came
            let awake_ns = monotonic_ns();
            let came_ns = awake_ns.saturating_sub(self.wake_ns);
            self.woken_ns = (came_ns > asleep_ns).then_some(came_ns);
            self.arrivals.waited(awake_ns, self.woken_ns.is_some(), events.iter().count());
            let mut is_woken = false;
            for (data, flags) in events.iter() {
                match place_of(data) {
                    None => is_woken = true,
                    Some((topology, port)) => self.read_port(topology, port, flags),
                }
            }
            // after the ports, so that no event can be for a place that was given to another port
            if is_woken && !self.take_commands() {
                return Ok(());
            }
        }
    }

    /// Does what was asked; false: stop.
    fn take_commands(&mut self) -> bool {
        if let Err(error) = rustix::io::read(&*self.wake, &mut [0; 8]) {
            tracing::debug!(%error, "woken without a count");
        }
        while let Ok(command) = self.receiver.try_recv() {
            let Some(Command { request, descriptor, reply }) = command else { return false };
            let result = match request {
                // answered by the writer of captures once it is done
                Request::Past { topology, link } => {
                    let place = self.by_key.get(&topology);
                    let topology = place.and_then(|place| self.topologies[*place].as_ref());
                    match save_past(topology, &link, descriptor, reply.clone()) {
                        Ok(()) => continue,
                        Err(refusal) => Err(refusal),
                    }
                }
                request => self.handle(request, descriptor),
            };
            if reply.send(result).is_err() {
                tracing::debug!("nobody waits for an answer any more");
            }
        }
        true
    }

    fn handle(&mut self, request: Request, descriptor: Option<OwnedFd>) -> Result<Answer, Refusal> {
        match request {
            Request::Hello { .. } | Request::List | Request::Past { .. } => {
                Err(Refusal::new(ErrorCode::BadRequest, "this is answered by others"))
            }
            Request::Ping => Ok(Answer::Pong),
            Request::Workers => Ok(Answer::Workers(vec![self.load()])),
            Request::Status { topology } => self.status(topology.as_deref()).map(Answer::Status),
            Request::Lost { topology, port, frames } => self.lost(&topology, &port, frames),
            Request::Bridge { topology, bridge } => {
                self.bridge(&topology, &bridge).map(Answer::Bridge)
            }
            Request::Apply { topology, config } => Ok(self.apply(&topology, &config)),
            Request::Attach { topology, port } => self.attach(&topology, &port, descriptor),
            Request::Tap { topology, link } => self.tap(&topology, &link, descriptor),
            Request::Remove { topology } => {
                self.remove(&topology);
                Ok(Answer::Removed)
            }
        }
    }

    fn apply(&mut self, key: &str, config: &TopologyConfig) -> Answer {
        let place = match self.by_key.get(key) {
            Some(&place) => place,
            None => self.add(key),
        };
        let topology = self.topologies[place].as_mut().expect("every key has its place");
        let removed = topology.network.apply_checked(monotonic_ns(), config);
        for port in removed.ports {
            detach(&self.epoll, &mut topology.ports[port]);
            topology.ports[port] = Slot::default();
        }
        for link in removed.links {
            topology.recorders.remove(&link);
            topology.pasts.remove(&link);
            topology.taps.remove(&link);
        }
        topology.sync_captures(&self.captures);
        let ports = topology.network.ports().map(|(_, id, _)| id + 1).max().unwrap_or(0);
        if topology.ports.len() < ports {
            topology.ports.resize_with(ports, Slot::default);
        }
        topology.sync_carriers();
        let unattached = topology.network.ports();
        let unattached = unattached.filter(|(_, id, _)| topology.ports[*id].port.is_none());
        let unattached = unattached.map(|(key, ..)| key.to_owned()).collect();
        tracing::debug!(topology = key, links = config.links.len(), "topology applied");
        Answer::Applied { unattached }
    }

    fn add(&mut self, key: &str) -> usize {
        let free = self.topologies.iter().position(Option::is_none);
        let place = free.unwrap_or(self.topologies.len());
        let topology = Topology {
            place,
            network: Network::new(self.pool.share()),
            ports: Vec::new(),
            recorders: BTreeMap::new(),
            pasts: BTreeMap::new(),
            taps: BTreeMap::new(),
            names: BTreeMap::new(),
            room: Vec::new(),
        };
        match self.topologies.get_mut(place) {
            Some(free) => *free = Some(topology),
            None => self.topologies.push(Some(topology)),
        }
        self.by_key.insert(key.to_owned(), place);
        place
    }

    fn remove(&mut self, key: &str) {
        let Some(place) = self.by_key.remove(key) else { return };
        if let Some(mut topology) = self.topologies[place].take() {
            for slot in &mut topology.ports {
                detach(&self.epoll, slot);
            }
            tracing::info!(topology = key, "topology removed");
        }
    }

    fn attach(
        &mut self,
        key: &str,
        port_key: &str,
        descriptor: Option<OwnedFd>,
    ) -> Result<Answer, Refusal> {
        let missing = |what: &str, key: &str| {
            Refusal::new(ErrorCode::NotFound, format!("no {what} {key:?} here; apply it first"))
        };
        let place = *self.by_key.get(key).ok_or_else(|| missing("topology", key))?;
        let topology = self.topologies[place].as_mut().expect("every key has its place");
        let (_, id, config) = topology
            .network
            .ports()
            .find(|(key, ..)| *key == port_key)
            .ok_or_else(|| missing("port", port_key))?;
        let bad = |message: String| Refusal::new(ErrorCode::BadDescriptor, message);
        let descriptor =
            descriptor.ok_or_else(|| bad("no descriptor came with the request".to_owned()))?;
        let port = open(config.kind, descriptor).map_err(|error| bad(chain(&error)))?;
        let slot = &mut topology.ports[id];
        detach(&self.epoll, slot);
        let data = epoll::EventData::new_u64(data_of(place, id));
        epoll::add(&self.epoll, port.as_fd(), data, epoll::EventFlags::IN)
            .map_err(|error| bad(format!("cannot wait for frames on the descriptor: {error}")))?;
        *slot = Slot { port: Some(port), refused_frames: slot.refused_frames, ..Slot::default() };
        topology.sync_carriers();
        tracing::info!(topology = key, port = port_key, "port attached");
        Ok(Answer::Attached)
    }

    fn tap(&mut self, key: &str, link: &str, socket: Option<OwnedFd>) -> Result<Answer, Refusal> {
        let missing = |what: &str, key: &str| {
            Refusal::new(ErrorCode::NotFound, format!("no {what} {key:?} here; apply it first"))
        };
        let socket = socket.filter(|fd| {
            rustix::net::sockopt::socket_type(fd) == Ok(rustix::net::SocketType::SEQPACKET)
        });
        let socket = socket.ok_or_else(|| {
            let message = "no packet socket came with the request".to_owned();
            Refusal::new(ErrorCode::BadDescriptor, message)
        })?;
        let place = *self.by_key.get(key).ok_or_else(|| missing("topology", key))?;
        let topology = self.topologies[place].as_mut().expect("every key has its place");
        let captures = &self.captures;
        if topology.tap(link, || captures.open_live(socket)) {
            Ok(Answer::Tapped)
        } else {
            Err(missing("link", link))
        }
    }

    fn load(&mut self) -> WorkerStatus {
        let cpu_ns = thread_cpu_ns();
        self.busy.look(monotonic_ns(), cpu_ns);
        let topologies = self.topologies.iter().flatten();
        let links = topologies.map(|topology| topology.network.links().count()).sum::<usize>();
        let [topologies, links] = [self.by_key.len(), links].map(|n| u64::try_from(n).unwrap_or(0));
        WorkerStatus { topologies, links, cpu_ns, busy_permille: self.busy.permille() }
    }

    fn status(&mut self, only: Option<&str>) -> Result<BTreeMap<String, TopologyStatus>, Refusal> {
        let now_ns = monotonic_ns();
        let mut all = BTreeMap::new();
        for (key, &place) in &self.by_key {
            if only.is_none_or(|only| only == key)
                && let Some(topology) = &mut self.topologies[place]
            {
                all.insert(key.clone(), topology.status(now_ns));
            }
        }
        match only {
            Some(key) if all.is_empty() => {
                Err(Refusal::new(ErrorCode::NotFound, format!("no topology {key:?} here")))
            }
            _ => Ok(all),
        }
    }

    fn lost(&mut self, key: &str, port: &str, frames: u64) -> Result<Answer, Refusal> {
        let place = self.by_key.get(key).and_then(|place| self.topologies[*place].as_mut());
        let found = place.and_then(|topology| Some((topology.network.port(port)?, topology)));
        let Some((id, topology)) = found else {
            let message = format!("no port {port:?} in topology {key:?}; apply it first");
            return Err(Refusal::new(ErrorCode::NotFound, message));
        };
        topology.network.lost_before(monotonic_ns(), id, frames);
        Ok(Answer::Noted)
    }

    fn bridge(&self, key: &str, bridge: &str) -> Result<BridgeView, Refusal> {
        let place = self.by_key.get(key).and_then(|place| self.topologies[*place].as_ref());
        let view = place.and_then(|topology| topology.network.bridge_view(monotonic_ns(), bridge));
        view.ok_or_else(|| {
            let message = format!("no switch or hub {bridge:?} runs in topology {key:?}");
            Refusal::new(ErrorCode::NotFound, message)
        })
    }

    /// Asks all ports for frames that were lost in front of them, every [`limits::PORT_CHECK_NS`].
    fn check_ports(&mut self, now_ns: u64) {
        if now_ns.saturating_sub(self.checked_ns) < limits::PORT_CHECK_NS {
            return;
        }
        self.checked_ns = now_ns;
        self.busy.look(now_ns, thread_cpu_ns());
        for topology in self.topologies.iter_mut().flatten() {
            for (id, slot) in topology.ports.iter_mut().enumerate() {
                let lost = slot.port.as_mut().map_or(0, |port| port.lost_before());
                if lost > 0 {
                    topology.network.lost_before(now_ns, id, lost);
                }
            }
        }
    }

    fn read_port(&mut self, topology: usize, port: PortId, flags: u32) {
        let Some(Some(topology)) = self.topologies.get_mut(topology) else { return };
        let Topology { network, ports, .. } = &mut *topology;
        let Some(slot) = ports.get_mut(port) else { return };
        let Some(open) = &mut slot.port else { return };
        let (mut bytes, mut packets) = (0, 0);
        let mut is_empty = false;
        for n in 0..limits::READ_BATCH {
            match open.recv(network.pool(), &mut self.scratch) {
                Ok(Some(received)) => {
                    slot.refused_frames += u64::from(received.frame.is_err());
                    packets += received.packets();
                    let came_ns = received.stamp_ns.or_else(|| self.woken_ns.filter(|_| n == 0));
                    let now_ns = came_ns.unwrap_or_else(monotonic_ns);
                    network.ingress(now_ns, port, received.frame);
                    bytes += received.bytes;
                    if bytes >= limits::READ_BYTES {
                        break;
                    }
                }
                Ok(None) if n == 0 && is_broken(flags) && open.ends_by_error() => {
                    slot.gone = Some(PortError::Gone(io::ErrorKind::BrokenPipe.into()));
                    break;
                }
                Ok(None) => {
                    is_empty = true;
                    break;
                }
                Err(error) => {
                    slot.gone = Some(error);
                    break;
                }
            }
        }
        let now_ns = monotonic_ns();
        let since_ns = *slot.behind_since_ns.get_or_insert(now_ns);
        if is_empty {
            slot.behind_since_ns = None;
        }
        let waited_ns = (now_ns - since_ns).max(self.arrivals.age_ns(now_ns));
        if waited_ns > limits::LATE_NS {
            network.input_waited(now_ns, port, waited_ns, packets);
        }
        let has_gone = slot.gone.is_some();
        if topology.advance() || has_gone {
            self.detach_gone();
        }
    }

    /// Moves what is due everywhere; returns when to look again.
    fn advance_all(&mut self) -> Option<u64> {
        self.check_ports(monotonic_ns());
        let mut has_gone = false;
        let mut next_due: Option<u64> = None;
        for topology in self.topologies.iter_mut().flatten() {
            has_gone |= topology.advance();
            if let Some(due) = topology.network.next_due() {
                next_due = Some(next_due.map_or(due, |next| next.min(due)));
            }
        }
        if has_gone {
            self.detach_gone();
        }
        next_due
    }

    fn detach_gone(&mut self) {
        for topology in self.topologies.iter_mut().flatten() {
            for (port, slot) in topology.ports.iter_mut().enumerate() {
                if let Some(error) = slot.gone.take() {
                    detach(&self.epoll, slot);
                    let error = chain(&error);
                    tracing::warn!(topology = topology.place, port, error, "port detached");
                    slot.error = Some(error);
                }
            }
        }
    }
}

fn open(kind: PortKind, descriptor: OwnedFd) -> Result<Box<dyn Port>, OpenError> {
    Ok(match kind {
        PortKind::Tap => Box::new(TapPort::open(descriptor)?),
        PortKind::Socket => Box::new(SocketPort::open(descriptor)?),
        PortKind::Packet => Box::new(PacketPort::open(descriptor)?),
    })
}

fn is_broken(flags: u32) -> bool {
    flags & epoll::EventFlags::union(epoll::EventFlags::ERR, epoll::EventFlags::HUP).bits() != 0
}

fn data_of(topology: usize, port: PortId) -> u64 {
    let [topology, port] = [topology, port].map(|n| u64::try_from(n).unwrap_or(u64::MAX));
    topology << 32 | port
}

fn place_of(data: u64) -> Option<(usize, PortId)> {
    if data == WAKE {
        return None;
    }
    Some((usize::try_from(data >> 32).ok()?, usize::try_from(data & 0xffff_ffff).ok()?))
}

#[cfg(test)]
mod tests;
