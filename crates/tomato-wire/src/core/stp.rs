//! The spanning tree protocol of a switch (IEEE 802.1D-1998, clauses 8 and 9).
//!
//! A state machine without clock: it is told what came and what time it is, and leaves frames to be sent in its
//! outbox. Every port costs the same, [`PATH_COST`]. All VLANs share the tree.

use std::collections::BTreeMap;

use crate::config::StpConfig;
use crate::core::bridge::LinkEnd;
use crate::core::packet::word;
use crate::status::StpState;

/// Where bridges send to each other.
pub const BRIDGES: [u8; 6] = [0x01, 0x80, 0xc2, 0, 0, 0];
/// The cost of a port of 1 Gbit/s (802.1D-1998, table 8-5).
const PATH_COST: u32 = 4;
/// Upper half of a port's id: the usual priority.
const PORT_PRIORITY: u16 = 0x8000;
const SECOND_NS: u64 = 1_000_000_000;
/// Shortest Ethernet frame without check sequence, in bytes.
const FRAME_BYTES: usize = 60;
/// Where the unit lies in a frame: behind addresses, length and LLC header.
const UNIT_AT: usize = 17;
const LLC: [u8; 3] = [0x42, 0x42, 0x03];
const TYPE_CONFIG: u8 = 0;
const TYPE_CHANGE: u8 = 0x80;
const CONFIG_BYTES: usize = 35;
const FLAG_CHANGE: u8 = 0x01;
const FLAG_ACKNOWLEDGED: u8 = 0x80;

/// Who offers which way to the root; the lesser is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Offer {
    root: u64,
    cost: u32,
    bridge: u64,
    port: u16,
}

/// The root's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    hello_ns: u64,
    forward_delay_ns: u64,
    max_age_ns: u64,
}

/// A configuration message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Message {
    offer: Offer,
    flags: u8,
    age_ns: u64,
    times: Times,
}

#[derive(Debug)]
struct Port {
    id: u16,
    is_up: bool,
    state: StpState,
    state_until_ns: u64,
    /// The best offer of others on this port, and until when it is believed.
    heard: Option<(Message, u64)>,
    acknowledges: bool,
}

/// One switch's part in the tree.
#[derive(Debug)]
pub struct Stp {
    config: StpConfig,
    id: u64,
    ports: BTreeMap<LinkEnd, Port>,
    root: u64,
    root_cost: u32,
    root_port: Option<LinkEnd>,
    times: Times,
    /// Age of what the root port said last.
    age_ns: u64,
    hello_ns: u64,
    change_until_ns: u64,
    /// Until the root acknowledges it, others are told of a change.
    tells_change: bool,
    outbox: Vec<(LinkEnd, Vec<u8>)>,
}

impl Stp {
    /// A switch without ports.
    #[must_use]
    pub fn new(now_ns: u64, config: StpConfig) -> Self {
        let [a, b, c, d, e, f] = config.address;
        let [high, low] = config.priority.to_be_bytes();
        let id = u64::from_be_bytes([high, low, a, b, c, d, e, f]);
        Self {
            id,
            ports: BTreeMap::new(),
            root: id,
            root_cost: 0,
            root_port: None,
            times: Times::of(config),
            age_ns: 0,
            hello_ns: now_ns,
            change_until_ns: 0,
            tells_change: false,
            outbox: Vec::new(),
            config,
        }
    }

    /// What it was made of.
    #[must_use]
    pub fn config(&self) -> StpConfig {
        self.config
    }

    /// The bridge that is believed to be the root.
    #[must_use]
    pub fn root(&self) -> u64 {
        self.root
    }

    /// Its own id.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What a port does.
    #[must_use]
    pub fn state(&self, end: LinkEnd) -> StpState {
        self.ports.get(&end).map_or(StpState::Disabled, |port| port.state)
    }

    /// A port came, went down or up.
    pub fn set_up(&mut self, now_ns: u64, end: LinkEnd, is_up: bool) {
        let next_id = self.ports.values().map(|port| port.id & 0xfff).max().unwrap_or(0) + 1;
        let port = self.ports.entry(end).or_insert(Port {
            id: PORT_PRIORITY | next_id,
            is_up: false,
            state: StpState::Disabled,
            state_until_ns: 0,
            heard: None,
            acknowledges: false,
        });
        if port.is_up == is_up {
            return;
        }
        let forwarded = port.state == StpState::Forwarding;
        (port.is_up, port.heard) = (is_up, None);
        port.state = if is_up { StpState::Blocking } else { StpState::Disabled };
        if forwarded {
            self.changed(now_ns);
        }
        self.choose(now_ns);
        self.send_config(now_ns);
    }

    /// A port is gone.
    pub fn remove(&mut self, now_ns: u64, end: LinkEnd) {
        self.set_up(now_ns, end, false);
        self.ports.remove(&end);
    }

    /// A frame to [`BRIDGES`] came in.
    pub fn receive(&mut self, now_ns: u64, end: LinkEnd, frame: &[u8]) {
        if frame.get(14..UNIT_AT) != Some(&LLC) || frame.get(UNIT_AT..UNIT_AT + 2) != Some(&[0; 2])
        {
            return;
        }
        if self.ports.get(&end).is_none_or(|port| !port.is_up) {
            return;
        }
        match frame.get(UNIT_AT + 3) {
            Some(&TYPE_CHANGE) => self.receive_change(now_ns, end),
            Some(_) => {
                if let Some(message) = Message::read(&frame[UNIT_AT..]) {
                    self.receive_config(now_ns, end, message);
                }
            }
            None => {}
        }
    }

    fn receive_change(&mut self, now_ns: u64, end: LinkEnd) {
        if !self.is_designated(end) {
            return;
        }
        if let Some(port) = self.ports.get_mut(&end) {
            port.acknowledges = true;
        }
        self.changed(now_ns);
        self.send_on(end);
    }

    fn receive_config(&mut self, now_ns: u64, end: LinkEnd, message: Message) {
        let own = self.own_offer(end);
        let Some(port) = self.ports.get_mut(&end) else { return };
        let is_same = port.heard.is_some_and(|(old, _)| {
            (old.offer.bridge, old.offer.port) == (message.offer.bridge, message.offer.port)
        });
        let is_better = port.heard.is_none_or(|(old, _)| message.offer < old.offer);
        if message.age_ns >= message.times.max_age_ns || !(is_same || is_better) {
            return;
        }
        if !is_same && own < message.offer {
            // someone offers a worse way on a port that is ours: tell him
            self.send_on(end);
            return;
        }
        let until_ns = now_ns + (message.times.max_age_ns - message.age_ns);
        port.heard = Some((message, until_ns));
        self.choose(now_ns);
        if self.root_port == Some(end) {
            self.age_ns = message.age_ns;
            if message.flags & FLAG_CHANGE != 0 {
                self.change_until_ns = now_ns + self.times.forward_delay_ns;
            } else {
                self.change_until_ns = 0;
            }
            if message.flags & FLAG_ACKNOWLEDGED != 0 {
                self.tells_change = false;
            }
            self.send_config(now_ns);
        } else if self.is_designated(end) {
            self.send_on(end);
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now_ns: u64) {
        let mut is_stale = false;
        let mut forwards = false;
        let delay_ns = self.times.forward_delay_ns;
        for port in self.ports.values_mut() {
            if port.heard.is_some_and(|(_, until_ns)| until_ns <= now_ns) {
                port.heard = None;
                is_stale = true;
            }
            while port.state_until_ns <= now_ns {
                let at_ns = port.state_until_ns;
                match port.state {
                    StpState::Listening => port.state = StpState::Learning,
                    StpState::Learning => {
                        port.state = StpState::Forwarding;
                        forwards = true;
                    }
                    StpState::Disabled | StpState::Blocking | StpState::Forwarding => break,
                }
                port.state_until_ns = at_ns + delay_ns;
            }
        }
        if forwards {
            self.changed(now_ns);
        }
        if is_stale {
            self.choose(now_ns);
        }
        if self.hello_ns <= now_ns {
            self.hello_ns = now_ns + self.times.hello_ns;
            if self.root_port.is_none() {
                self.send_config(now_ns);
            } else if self.tells_change {
                self.tell_change();
            }
        } else if is_stale {
            self.send_config(now_ns);
        }
    }

    /// When [`Stp::tick`] has something to do.
    #[must_use]
    pub fn next_due(&self) -> u64 {
        let ports = self.ports.values().filter(|port| port.is_up);
        let moves = ports
            .clone()
            .filter(|port| matches!(port.state, StpState::Listening | StpState::Learning));
        let moves = moves.map(|port| port.state_until_ns);
        let stale = ports.filter_map(|port| Some(port.heard?.1));
        moves.chain(stale).fold(self.hello_ns, u64::min)
    }

    /// Whether addresses are to be forgotten sooner, and after which time.
    #[must_use]
    pub fn ageing_ns(&self, now_ns: u64) -> Option<u64> {
        (now_ns < self.change_until_ns).then_some(self.times.forward_delay_ns)
    }

    /// Frames that are to be sent, each by its port.
    pub fn take_outbox(&mut self) -> Vec<(LinkEnd, Vec<u8>)> {
        std::mem::take(&mut self.outbox)
    }

    /// Chooses the root and the port to it, and what each port is for.
    fn choose(&mut self, now_ns: u64) {
        let way = self.ports.iter().filter_map(|(end, port)| {
            let (message, _) = port.heard.filter(|_| port.is_up)?;
            let Offer { root, cost, bridge, port: far } = message.offer;
            (bridge != self.id && root < self.id).then_some((
                (root, cost.saturating_add(PATH_COST), bridge, far, port.id),
                *end,
                message,
            ))
        });
        match way.min_by_key(|(key, ..)| *key) {
            Some(((root, cost, ..), end, message)) => {
                (self.root, self.root_cost, self.root_port) = (root, cost, Some(end));
                self.times = message.times;
            }
            None => {
                if self.root_port.is_some() {
                    self.hello_ns = now_ns;
                }
                (self.root, self.root_cost, self.root_port) = (self.id, 0, None);
                (self.times, self.age_ns) = (Times::of(self.config), 0);
            }
        }
        let ends: Vec<LinkEnd> = self.ports.keys().copied().collect();
        let mut stopped = false;
        for end in ends {
            let is_used = self.root_port == Some(end) || self.is_designated(end);
            let delay_ns = self.times.forward_delay_ns;
            let Some(port) = self.ports.get_mut(&end) else { continue };
            match (is_used && port.is_up, port.state) {
                (true, StpState::Blocking) => {
                    port.state = StpState::Listening;
                    port.state_until_ns = now_ns + delay_ns;
                }
                (false, StpState::Listening | StpState::Learning | StpState::Forwarding) => {
                    stopped |= port.state == StpState::Forwarding;
                    port.state = StpState::Blocking;
                }
                _ => {}
            }
        }
        if stopped {
            self.changed(now_ns);
        }
    }

    /// The active topology changed.
    fn changed(&mut self, now_ns: u64) {
        if self.root_port.is_none() {
            self.change_until_ns = now_ns + self.times.max_age_ns + self.times.forward_delay_ns;
        } else if !self.tells_change {
            self.tells_change = true;
            self.tell_change();
        }
    }

    fn own_offer(&self, end: LinkEnd) -> Offer {
        let port = self.ports.get(&end).map_or(0, |port| port.id);
        Offer { root: self.root, cost: self.root_cost, bridge: self.id, port }
    }

    /// Whether this switch offers the best way to the root on a port.
    fn is_designated(&self, end: LinkEnd) -> bool {
        let Some(port) = self.ports.get(&end) else { return false };
        let own = self.own_offer(end);
        port.is_up
            && self.root_port != Some(end)
            && port.heard.is_none_or(|(heard, _)| own < heard.offer)
    }

    fn send_config(&mut self, now_ns: u64) {
        if self.change_until_ns <= now_ns {
            self.change_until_ns = 0;
        }
        let ends: Vec<LinkEnd> = self.ports.keys().copied().collect();
        for end in ends {
            if self.is_designated(end) {
                self.send_on(end);
            }
        }
    }

    fn send_on(&mut self, end: LinkEnd) {
        let offer = self.own_offer(end);
        let Some(port) = self.ports.get_mut(&end) else { return };
        let acknowledged = if port.acknowledges { FLAG_ACKNOWLEDGED } else { 0 };
        port.acknowledges = false;
        let changes = if self.change_until_ns > 0 { FLAG_CHANGE } else { 0 };
        // each bridge on the way adds a second
        let age_ns = if self.root_port.is_some() { self.age_ns + SECOND_NS } else { 0 };
        let flags = acknowledged | changes;
        let message = Message { offer, flags, age_ns, times: self.times };
        let frame = envelope(self.config.address, &message.write());
        self.outbox.push((end, frame));
    }

    fn tell_change(&mut self) {
        if let Some(end) = self.root_port {
            let frame = envelope(self.config.address, &[0, 0, 0, TYPE_CHANGE]);
            self.outbox.push((end, frame));
        }
    }
}

impl Times {
    fn of(config: StpConfig) -> Self {
        Self {
            hello_ns: u64::from(config.hello_s) * SECOND_NS,
            forward_delay_ns: u64::from(config.forward_delay_s) * SECOND_NS,
            max_age_ns: u64::from(config.max_age_s) * SECOND_NS,
        }
    }
}

impl Message {
    /// Reads a configuration unit; none if it is cut or its times cannot be.
    fn read(unit: &[u8]) -> Option<Self> {
        let id = |at: usize| Some(u64::from_be_bytes(unit.get(at..at + 8)?.try_into().ok()?));
        let time = |at: usize| Some(u64::from(word(unit, at)?) * SECOND_NS / 256);
        let cost = u32::from_be_bytes(unit.get(13..17)?.try_into().ok()?);
        let offer = Offer { root: id(5)?, cost, bridge: id(17)?, port: word(unit, 25)? };
        let times =
            Times { max_age_ns: time(29)?, hello_ns: time(31)?, forward_delay_ns: time(33)? };
        let is_sane = times.hello_ns >= SECOND_NS && times.forward_delay_ns >= SECOND_NS;
        is_sane.then_some(Self { offer, flags: *unit.get(4)?, age_ns: time(27)?, times })
    }

    fn write(&self) -> [u8; CONFIG_BYTES] {
        let time = |ns: u64| u16::try_from(ns * 256 / SECOND_NS).unwrap_or(u16::MAX).to_be_bytes();
        let mut unit = [0; CONFIG_BYTES];
        (unit[3], unit[4]) = (TYPE_CONFIG, self.flags);
        unit[5..13].copy_from_slice(&self.offer.root.to_be_bytes());
        unit[13..17].copy_from_slice(&self.offer.cost.to_be_bytes());
        unit[17..25].copy_from_slice(&self.offer.bridge.to_be_bytes());
        unit[25..27].copy_from_slice(&self.offer.port.to_be_bytes());
        unit[27..29].copy_from_slice(&time(self.age_ns));
        unit[29..31].copy_from_slice(&time(self.times.max_age_ns));
        unit[31..33].copy_from_slice(&time(self.times.hello_ns));
        unit[33..35].copy_from_slice(&time(self.times.forward_delay_ns));
        unit
    }
}

/// A unit as a frame to all bridges.
fn envelope(from: [u8; 6], unit: &[u8]) -> Vec<u8> {
    let length = u16::try_from(LLC.len() + unit.len()).unwrap_or(0).to_be_bytes();
    let mut frame = [&BRIDGES[..], &from, &length, &LLC, unit].concat();
    frame.resize(FRAME_BYTES, 0);
    frame
}

#[cfg(test)]
mod tests;
