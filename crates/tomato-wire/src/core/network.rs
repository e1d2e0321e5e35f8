//! Ports, bridges and links of one topology wired together.
//!
//! Events are the head due times of directions, kept in one heap; each turn moves one frame over one link, in
//! the order of due times. Frames keep their logical time over hops (bounded by
//! [`limits::MAX_LOGICAL_LAG_NS`]), so that lateness of the runner does not add up. A loop of switches makes
//! frames without end, but never more than the queues and the pool hold, and [`Network::advance`] always
//! returns after its budget.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use crate::config::{ConfigError, End, LinkConfig, LinkParams, TopologyConfig};
use crate::core::bridge::{Bridge, LinkEnd};
use crate::core::direction::{Direction, DropCause};
use crate::core::frame::{Frame, FramePool, Unfit};
use crate::core::journal::{Note, Wants};
use crate::core::merge::Run;
use crate::core::random::Streams;
use crate::core::slots::Slots;
use crate::core::split::Train;
use crate::limits;
use crate::status::{LinkStatus, TopologyStatus};

mod bridging;

/// The time of an event that is none.
const UNSCHEDULED: u64 = u64::MAX;

/// Place of a port in its network; stays while the port's key is configured.
pub type PortId = usize;

/// Takes what the network hands out.
pub trait Sink {
    /// Packets leave by a port.
    ///
    /// # Errors
    /// How many left, and the cause under which the rest is counted as dropped.
    fn deliver(&mut self, port: PortId, run: &Run) -> Result<(), Undelivered>;

    /// Whether a port takes datagrams of one flow as one super-frame.
    fn merges(&self, _port: PortId) -> bool {
        false
    }

    /// What direction `side` of a link tells, see [`Network::set_journal`].
    fn note(&mut self, link: usize, side: usize, note: &Note);
}

/// Packets that a port did not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undelivered {
    /// How many it took before.
    pub passed: u16,
    /// Why not the others.
    pub cause: DropCause,
}

/// The network of one topology.
#[derive(Debug, Default)]
pub struct Network {
    seed: u64,
    /// When it got its first port or bridge; timelines count from there.
    started_ns: u64,
    pool: FramePool,
    ports: Slots<Port>,
    bridges: Slots<Switchboard>,
    links: Slots<Link>,
    events: BinaryHeap<Reverse<Event>>,
    sequence: u64,
    /// A timeline changed a carrier.
    has_turned: bool,
    /// Where a frame goes on from a bridge.
    ends: Vec<LinkEnd>,
    room: Vec<u8>,
    /// What leaves at once.
    run: Run,
    /// Directions that have notes.
    noted: BTreeSet<LinkEnd>,
}

/// What [`Network::apply`] took away or replaced.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Ports that are gone.
    pub ports: Vec<PortId>,
    /// Links that are gone; a link with new ends is removed and made again.
    pub links: Vec<usize>,
}

#[derive(Debug)]
struct Port {
    config: crate::config::PortConfig,
    end: Option<LinkEnd>,
    unlinked_frames: u64,
}

#[derive(Debug)]
struct Switchboard {
    config: crate::config::BridgeConfig,
    bridge: Bridge,
    /// As for links.
    scheduled_ns: u64,
}

#[derive(Debug)]
struct Link {
    serial: u64,
    config: LinkConfig,
    ends: [Place; 2],
    directions: [Direction; 2],
    /// When the event of a direction is due; events of another time are stale.
    scheduled_ns: [u64; 2],
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Port(PortId),
    Bridge(usize),
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    due_ns: u64,
    sequence: u64,
    target: Target,
}

/// What an event is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    /// A direction, by the end it begins at, of the link of this serial number.
    Direction(LinkEnd, u64),
    /// A bridge's own work.
    Bridge(usize),
}

impl Link {
    /// Whether the end of `side` sees the other end's signal.
    fn has_carrier(&self, side: usize) -> bool {
        self.config.connected && self.directions[1 - side].is_up()
    }
}

impl Network {
    /// Sets what the directions of a link tell [`Sink::note`] from now on.
    pub fn set_journal(&mut self, now_ns: u64, id: usize, wants: [Wants; 2]) {
        let Some(link) = self.links.get_mut(id) else { return };
        for side in [0, 1] {
            link.directions[side].set_journal(now_ns, wants[side]);
            self.noted.insert(LinkEnd { link: id, side });
        }
    }

    /// Hands over what was told.
    pub fn hand_notes(&mut self, sink: &mut impl Sink) {
        while let Some(end) = self.noted.pop_first() {
            let Some(link) = self.links.get_mut(end.link) else { continue };
            for note in link.directions[end.side].take_notes() {
                sink.note(end.link, end.side, &note);
            }
        }
    }

    /// The seed of all draws.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// An empty network that takes its frames from `pool`.
    #[must_use]
    pub fn new(pool: FramePool) -> Self {
        Self { pool, ..Self::default() }
    }

    /// Makes the network as `config` says, touching only what differs.
    ///
    /// # Errors
    /// What [`TopologyConfig::check`] refuses; nothing is changed then.
    pub fn apply(&mut self, now_ns: u64, config: &TopologyConfig) -> Result<Removed, ConfigError> {
        config.check()?;
        Ok(self.apply_checked(now_ns, config))
    }

    /// The same of a configuration that [`TopologyConfig::check`] has passed elsewhere.
    ///
    /// # Panics
    /// If it names what it does not have.
    pub fn apply_checked(&mut self, now_ns: u64, config: &TopologyConfig) -> Removed {
        let mut removed = Removed::default();
        let is_reseeded = self.seed != config.seed;
        self.seed = config.seed;
        if self.ports.iter().next().is_none() && self.bridges.iter().next().is_none() {
            self.started_ns = now_ns;
        }
        for key in self.links.keys() {
            let keeps = self.links.find(&key).is_some_and(|(_, link)| {
                config.links.get(&key).is_some_and(|wanted| {
                    wanted.ends == link.config.ends && self.ends_stay(config, &wanted.ends)
                })
            });
            if !keeps {
                removed.links.extend(self.remove_link(now_ns, &key));
            }
        }
        for key in self.ports.keys() {
            let wanted = config.ports.get(&key);
            if self.ports.find(&key).is_some_and(|(_, port)| Some(&port.config) != wanted) {
                removed.ports.extend(self.ports.remove(&key).map(|(id, _)| id));
            }
        }
        for key in self.bridges.keys() {
            if !config.bridges.contains_key(&key) {
                self.bridges.remove(&key);
            }
        }
        self.add_places(now_ns, config);
        for (key, wanted) in &config.links {
            match self.links.position(key) {
                Some(link) => self.change_link(now_ns, key, link, wanted, is_reseeded),
                None => self.add_link(now_ns, key, wanted),
            }
        }
        removed
    }

    /// The place of a port.
    #[must_use]
    pub fn port(&self, key: &str) -> Option<PortId> {
        self.ports.position(key)
    }

    /// Whether a port has a connected link whose direction to it is not down.
    #[must_use]
    pub fn has_carrier(&self, port: PortId) -> bool {
        let Some(end) = self.ports.get(port).and_then(|port| port.end) else { return false };
        self.links.get(end.link).is_some_and(|link| link.has_carrier(end.side))
    }

    /// The links by key.
    pub fn links(&self) -> impl Iterator<Item = (&str, usize, &LinkConfig)> {
        self.links.iter().map(|(key, id, link)| (key, id, &link.config))
    }

    /// The ports by key.
    pub fn ports(&self) -> impl Iterator<Item = (&str, PortId, &crate::config::PortConfig)> {
        self.ports.iter().map(|(key, id, port)| (key, id, &port.config))
    }

    /// Memory for the frames of this network.
    #[must_use]
    pub fn pool(&self) -> &FramePool {
        &self.pool
    }

    /// What was read from a port comes in; an `Err` is counted under its cause.
    pub fn ingress(&mut self, now_ns: u64, port: PortId, frame: Result<Frame, Unfit>) {
        let Some(port) = self.ports.get_mut(port) else { return };
        let Some(end) = port.end else {
            port.unlinked_frames +=
                frame.as_ref().map_or(1, |frame| u64::from(frame.shape().packets()));
            return;
        };
        let Some(link) = self.links.get_mut(end.link) else { return };
        let direction = &mut link.directions[end.side];
        match frame {
            Err(Unfit::Malformed) => direction.refuse(DropCause::Malformed, 1),
            Err(Unfit::Exhausted) => direction.refuse(DropCause::Overload, 1),
            Ok(frame) => self.enter(now_ns, end, &frame.into()),
        }
    }

    /// Frames were lost in front of a port.
    pub fn lost_before(&mut self, now_ns: u64, port: PortId, lost: u64) {
        if let Some(direction) = self.direction_from(port) {
            direction.lost_before(now_ns, lost);
        }
    }

    /// Packets may have waited this long in front of a port.
    pub fn input_waited(&mut self, now_ns: u64, port: PortId, waited_ns: u64, packets: u64) {
        if let Some(direction) = self.direction_from(port) {
            direction.input_waited(now_ns, waited_ns, packets);
        }
    }

    /// The direction that begins at a port.
    fn direction_from(&mut self, port: PortId) -> Option<&mut Direction> {
        let end = self.ports.get(port)?.end?;
        Some(&mut self.links.get_mut(end.link)?.directions[end.side])
    }

    /// Moves `budget` trains that are due at `now_ns` (more if the last leaves with others), each over one link.
    /// Returns how many it moved; fewer than `budget` means that nothing more is due.
    pub fn advance(&mut self, now_ns: u64, budget: usize, sink: &mut impl Sink) -> usize {
        let mut moved = 0;
        while moved < budget {
            match self.events.peek() {
                Some(Reverse(event)) if event.due_ns <= now_ns => {}
                Some(_) | None => break,
            }
            let Some(Reverse(event)) = self.events.pop() else { break };
            let (end, serial) = match event.target {
                Target::Direction(end, serial) => (end, serial),
                Target::Bridge(bridge) => {
                    self.tick(now_ns, &event, bridge);
                    continue;
                }
            };
            let Some(link) = self.links.get_mut(end.link) else { continue };
            if link.serial != serial || link.scheduled_ns[end.side] != event.due_ns {
                continue;
            }
            link.scheduled_ns[end.side] = UNSCHEDULED;
            moved += match link.ends[1 - end.side] {
                Place::Port(port) => self.leave_by_port(now_ns, end, port, budget - moved, sink),
                Place::Bridge(bridge) => self.leave_to_bridge(now_ns, end, bridge, budget - moved),
            };
            self.schedule(end);
            self.list_notes(end);
        }
        self.hand_notes(sink);
        moved
    }

    /// When the next frame is due, or earlier.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.events.peek().map(|Reverse(event)| event.due_ns)
    }

    /// Counters of everything. Descriptors and captures are the caller's to add.
    pub fn status(&mut self, now_ns: u64) -> TopologyStatus {
        let mut status = TopologyStatus::default();
        for (key, id, port) in self.ports.iter() {
            let entry = status.ports.entry(key.to_owned()).or_default();
            entry.carrier = self.has_carrier(id);
            entry.unlinked_frames = port.unlinked_frames;
        }
        for (key, _, board) in self.bridges.iter() {
            status.bridges.insert(key.to_owned(), board.bridge.status(now_ns));
        }
        for (key, _, link) in self.links.iter_mut() {
            let carriers = [0, 1].map(|side| link.has_carrier(side));
            let [forward, backward] = &mut link.directions;
            let mut forward = forward.status(now_ns);
            let mut backward = backward.status(now_ns);
            (forward.down, backward.down) = (!carriers[1], !carriers[0]);
            status.links.insert(key.to_owned(), LinkStatus { forward, backward, capture: None });
        }
        status
    }

    /// Packets enter the direction that begins at `end`.
    fn enter(&mut self, now_ns: u64, end: LinkEnd, train: &Train) {
        let Some(link) = self.links.get_mut(end.link) else { return };
        let direction = &mut link.directions[end.side];
        if link.config.connected {
            direction.offer(now_ns, train);
            self.schedule(end);
        } else {
            direction.refuse_train(now_ns, DropCause::Disconnected, train);
        }
        self.list_notes(end);
    }

    fn list_notes(&mut self, end: LinkEnd) {
        let link = self.links.get(end.link);
        if link.is_some_and(|link| link.directions[end.side].has_notes()) {
            self.noted.insert(end);
        }
    }

    /// Everything due on the direction that began at `end` leaves by a port, in trains as long as possible.
    fn leave_by_port(
        &mut self,
        now_ns: u64,
        end: LinkEnd,
        port: PortId,
        budget: usize,
        sink: &mut impl Sink,
    ) -> usize {
        let Self { links, run, .. } = self;
        let Some(link) = links.get_mut(end.link) else { return 0 };
        let direction = &mut link.directions[end.side];
        let mut moved = 0;
        while moved < budget {
            direction.pop_run(now_ns, sink.merges(port), run);
            if run.trains().is_empty() {
                break;
            }
            moved += run.trains().len();
            let packets = run.packets();
            match sink.deliver(port, run) {
                Ok(()) => direction.passed(packets, run.bytes_of(packets)),
                Err(Undelivered { passed, cause }) => {
                    direction.passed(passed.into(), run.bytes_of(passed.into()));
                    direction.undelivered(cause, packets - u64::from(passed));
                }
            }
        }
        run.clear();
        moved
    }

    /// What is due on the direction that began at `end` enters a bridge at its logical time, as long as nothing
    /// else was due before it.
    fn leave_to_bridge(
        &mut self,
        now_ns: u64,
        end: LinkEnd,
        bridge: usize,
        budget: usize,
    ) -> usize {
        let far = LinkEnd { link: end.link, side: 1 - end.side };
        for moved in 0..budget {
            let next_ns = self.events.peek().map_or(now_ns, |Reverse(event)| event.due_ns);
            let Some(link) = self.links.get_mut(end.link) else { return moved };
            let direction = &mut link.directions[end.side];
            let is_next = moved == 0 || direction.next_due().is_some_and(|due| due <= next_ns);
            let popped = if is_next { direction.pop_due(now_ns) } else { None };
            let Some((train, due_ns)) = popped else { return moved };
            direction.passed(train.count.into(), train.bytes());
            let logical_ns = due_ns.max(now_ns.saturating_sub(limits::MAX_LOGICAL_LAG_NS));
            self.bridge(logical_ns, bridge, far, &train);
        }
        budget
    }

    fn schedule(&mut self, end: LinkEnd) {
        let Some(link) = self.links.get_mut(end.link) else { return };
        if link.directions[end.side].take_turn() {
            self.has_turned = true;
            let now_ns = link.directions[end.side].seen_ns();
            self.tell_carrier(now_ns, LinkEnd { link: end.link, side: 1 - end.side });
        }
        let Some(link) = self.links.get_mut(end.link) else { return };
        let Some(due_ns) = link.directions[end.side].next_due() else { return };
        if due_ns >= link.scheduled_ns[end.side] {
            return;
        }
        link.scheduled_ns[end.side] = due_ns;
        self.sequence += 1;
        let target = Target::Direction(end, link.serial);
        let event = Event { due_ns, sequence: self.sequence, target };
        self.events.push(Reverse(event));
    }

    /// Whether a carrier changed since the last call without [`Network::apply`].
    pub fn take_turn(&mut self) -> bool {
        std::mem::take(&mut self.has_turned)
    }

    /// Whether the ports of a link keep their kind; a port of another kind is a new port.
    fn ends_stay(&self, config: &TopologyConfig, ends: &[End; 2]) -> bool {
        ends.iter().all(|end| match end {
            End::Port(key) => {
                self.ports.find(key).map(|(_, port)| &port.config) == config.ports.get(key)
            }
            End::Bridge { .. } => true,
        })
    }

    fn add_places(&mut self, now_ns: u64, config: &TopologyConfig) {
        for (key, wanted) in &config.ports {
            if self.ports.position(key).is_none() {
                let port = Port { config: wanted.clone(), end: None, unlinked_frames: 0 };
                self.ports.insert(key, port);
            }
        }
        for (key, wanted) in &config.bridges {
            match self.bridges.position(key).and_then(|id| self.bridges.get_mut(id)) {
                Some(board) if board.config == *wanted => {}
                Some(board) => {
                    board.bridge.change(now_ns, wanted);
                    board.config = wanted.clone();
                }
                None => {
                    let bridge = Bridge::new(now_ns, wanted);
                    let scheduled_ns = UNSCHEDULED;
                    let board = Switchboard { config: wanted.clone(), bridge, scheduled_ns };
                    self.bridges.insert(key, board);
                }
            }
            if let Some(id) = self.bridges.position(key) {
                self.serve_bridge(now_ns, id);
            }
        }
    }

    fn add_link(&mut self, now_ns: u64, key: &str, wanted: &LinkConfig) {
        let ends = wanted.ends.each_ref().map(|end| match end {
            End::Port(key) => Place::Port(self.ports.position(key).expect("check() found it")),
            End::Bridge { bridge, .. } => {
                Place::Bridge(self.bridges.position(bridge).expect("check() found it"))
            }
        });
        self.sequence += 1;
        let directions = [0, 1].map(|side| {
            let streams = Streams::new(self.seed, wanted.draws_by(key), side);
            Direction::since(self.started_ns, now_ns, streams, behaviour(wanted, side))
        });
        let link = Link {
            serial: self.sequence,
            config: wanted.clone(),
            ends,
            directions,
            scheduled_ns: [UNSCHEDULED; 2],
        };
        let link = self.links.insert(key, link);
        for (side, place) in ends.into_iter().enumerate() {
            let end = LinkEnd { link, side };
            match place {
                Place::Port(port) => {
                    if let Some(port) = self.ports.get_mut(port) {
                        port.end = Some(end);
                    }
                }
                Place::Bridge(bridge) => {
                    if let Some(board) = self.bridges.get_mut(bridge) {
                        let name = wanted.ends[side].bridge_port();
                        board.bridge.attach(end, name);
                    }
                }
            }
            self.schedule(end);
            self.tell_carrier(now_ns, end);
        }
    }

    fn change_link(
        &mut self,
        now_ns: u64,
        key: &str,
        id: usize,
        wanted: &LinkConfig,
        is_reseeded: bool,
    ) {
        let seed = self.seed;
        let Some(link) = self.links.get_mut(id) else { return };
        if link.config == *wanted && !is_reseeded {
            return;
        }
        let is_reseeded = is_reseeded || link.config.draw_key != wanted.draw_key;
        let is_cut = link.config.connected && !wanted.connected;
        for side in [0, 1] {
            let new = behaviour(wanted, side);
            if new != behaviour(&link.config, side) || is_reseeded {
                let streams = Streams::new(seed, wanted.draws_by(key), side);
                link.directions[side].change(now_ns, streams, new);
            }
            if is_cut {
                link.directions[side].cut(now_ns);
            }
            self.noted.insert(LinkEnd { link: id, side });
        }
        link.config = wanted.clone();
        // what was due may be gone, and a new timeline may begin
        link.scheduled_ns = [UNSCHEDULED; 2];
        for end in [0, 1].map(|side| LinkEnd { link: id, side }) {
            self.tell_carrier(now_ns, end);
            self.schedule(end);
        }
        tracing::debug!(link = key, now_ns, "link changed");
    }

    fn remove_link(&mut self, now_ns: u64, key: &str) -> Option<usize> {
        let (id, link) = self.links.remove(key)?;
        for (side, place) in link.ends.into_iter().enumerate() {
            match place {
                Place::Port(port) => {
                    if let Some(port) = self.ports.get_mut(port) {
                        port.end = None;
                    }
                }
                Place::Bridge(bridge) => {
                    if let Some(board) = self.bridges.get_mut(bridge) {
                        board.bridge.detach(now_ns, LinkEnd { link: id, side });
                    }
                    self.serve_bridge(now_ns, bridge);
                }
            }
        }
        Some(id)
    }
}

/// The parameters in force for a direction; none without emulation.
fn behaviour(config: &LinkConfig, side: usize) -> Option<LinkParams> {
    let params = if side == 0 { &config.forward } else { &config.backward };
    config.emulate.then(|| params.clone())
}

#[cfg(test)]
mod tests;
