//! A learning switch or a hub.
//!
//! Group addresses are flooded, the link-local ones (`01:80:c2:00:00:0x`) too: a plain cable or an unmanaged
//! switch would pass them, and spanning tree or LLDP between elements needs them. A switch that speaks the spanning
//! tree protocol itself takes them in instead. Nothing leaves where it came in. The table is bounded; when it is full
//! of fresh addresses, unknown ones are flooded and not learned. VLANs have tables of their own.

use std::collections::BTreeMap;

use crate::config::{BridgeConfig, BridgeMode};
use crate::core::stp::{BRIDGES, Stp};
use crate::core::vlan::{self, Dress, PortVlan};
use crate::limits;
use crate::status::{BridgePortStatus, BridgeStatus, BridgeView, MacEntry, SpanningTree, StpState};

/// Where a bridge is attached: an end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkEnd {
    /// Place of the link in its network.
    pub link: usize,
    /// 0 or 1.
    pub side: usize,
}

/// Where a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Egress {
    /// To all ends but the one it came from.
    Flood,
    /// To one end.
    To(LinkEnd),
    /// Its receiver sits where it came from, or it is not let in.
    Nowhere,
}

/// What a bridge makes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// Where it goes.
    pub egress: Egress,
    /// The VLAN it is in.
    place: vlan::Place,
}

/// A switch or hub.
#[derive(Debug)]
pub struct Bridge {
    config: BridgeConfig,
    seats: BTreeMap<LinkEnd, Seat>,
    ends: Vec<LinkEnd>,
    table: BTreeMap<(u16, [u8; 6]), Entry>,
    swept_at_ns: u64,
    stp: Option<Stp>,
    moves: Moves,
}

/// What a bridge knows of one of its ports.
#[derive(Debug)]
struct Seat {
    name: String,
    vlan: Option<PortVlan>,
    is_up: bool,
    counts: BridgePortStatus,
}

#[derive(Debug)]
struct Entry {
    end: LinkEnd,
    seen_ns: u64,
}

/// How often addresses moved from port to port.
#[derive(Debug, Default)]
struct Moves {
    all: u64,
    window_at_ns: u64,
    in_window: u64,
    looped_at_ns: Option<u64>,
}

impl Bridge {
    /// A bridge with nothing attached.
    #[must_use]
    pub fn new(now_ns: u64, config: &BridgeConfig) -> Self {
        Self {
            seats: BTreeMap::new(),
            ends: Vec::new(),
            table: BTreeMap::new(),
            swept_at_ns: 0,
            stp: config.stp.map(|stp| Stp::new(now_ns, stp)),
            moves: Moves::default(),
            config: config.clone(),
        }
    }

    /// Takes another configuration. What is learned stays, unless VLANs change; a spanning tree that changes begins
    /// anew.
    pub fn change(&mut self, now_ns: u64, config: &BridgeConfig) {
        if self.config.vlans != config.vlans {
            self.table.clear();
        }
        self.config = config.clone();
        for seat in self.seats.values_mut() {
            seat.vlan = vlan::of_port(config, &seat.name);
        }
        if self.stp.as_ref().map(Stp::config) != config.stp {
            self.stp = config.stp.map(|stp| Stp::new(now_ns, stp));
            if let Some(stp) = &mut self.stp {
                for (end, seat) in &self.seats {
                    stp.set_up(now_ns, *end, seat.is_up);
                }
            }
        }
    }

    /// Attaches an end as the port of this name.
    pub fn attach(&mut self, end: LinkEnd, name: &str) {
        let vlan = vlan::of_port(&self.config, name);
        let counts = BridgePortStatus::default();
        self.seats.insert(end, Seat { name: name.to_owned(), vlan, is_up: false, counts });
        self.ends.push(end);
    }

    /// Takes an end away with what was learned there.
    pub fn detach(&mut self, now_ns: u64, end: LinkEnd) {
        self.ends.retain(|other| *other != end);
        self.seats.remove(&end);
        self.forget(end);
        if let Some(stp) = &mut self.stp {
            stp.remove(now_ns, end);
        }
    }

    /// Tells an end whether it has a carrier; without one it forgets what it learned there.
    pub fn set_carrier(&mut self, now_ns: u64, end: LinkEnd, is_up: bool) {
        let Some(seat) = self.seats.get_mut(&end) else { return };
        if seat.is_up == is_up {
            return;
        }
        seat.is_up = is_up;
        if !is_up {
            self.forget(end);
        }
        if let Some(stp) = &mut self.stp {
            stp.set_up(now_ns, end, is_up);
        }
    }

    fn forget(&mut self, end: LinkEnd) {
        self.table.retain(|_, entry| entry.end != end);
    }

    /// The attached ends.
    #[must_use]
    pub fn ends(&self) -> &[LinkEnd] {
        &self.ends
    }

    /// Learns from packets that came in at `from` and says where they go.
    pub fn forward(
        &mut self,
        now_ns: u64,
        from: LinkEnd,
        frame: &[u8],
        (packets, bytes): (u64, u64),
    ) -> Way {
        let nowhere = Way { egress: Egress::Nowhere, place: vlan::Place::default() };
        let (Some(destination), Some(source)) = (address(frame, 0), address(frame, 6)) else {
            return nowhere;
        };
        let Some(seat) = self.seats.get_mut(&from) else { return nowhere };
        seat.counts.received += packets;
        seat.counts.received_bytes += bytes;
        if self.config.mode == BridgeMode::Hub {
            return Way { egress: Egress::Flood, ..nowhere };
        }
        let state = self.stp.as_ref().map_or(StpState::Forwarding, |stp| stp.state(from));
        if let Some(stp) = &mut self.stp
            && is_reserved(destination)
        {
            if destination == BRIDGES {
                stp.receive(now_ns, from, frame);
            }
            return nowhere;
        }
        if !matches!(state, StpState::Learning | StpState::Forwarding) {
            seat.counts.blocked += packets;
            return nowhere;
        }
        let Some(place) = vlan::enter(seat.vlan.as_ref(), frame) else {
            seat.counts.filtered += packets;
            return nowhere;
        };
        if state == StpState::Learning {
            seat.counts.blocked += packets;
        }
        self.learn(now_ns, from, (place.vlan, source));
        if state == StpState::Learning {
            return nowhere;
        }
        let egress = if is_group(destination) {
            Egress::Flood
        } else {
            self.look_up(now_ns, from, (place.vlan, destination))
        };
        Way { egress, place }
    }

    fn look_up(&self, now_ns: u64, from: LinkEnd, key: (u16, [u8; 6])) -> Egress {
        match self.table.get(&key) {
            Some(entry) if self.is_aged(entry, now_ns) => Egress::Flood,
            Some(entry) if entry.end == from => Egress::Nowhere,
            Some(entry) => Egress::To(entry.end),
            None => Egress::Flood,
        }
    }

    /// How packets leave by an end; none: they do not.
    pub fn leave(
        &mut self,
        end: LinkEnd,
        way: &Way,
        (packets, bytes): (u64, u64),
    ) -> Option<Dress> {
        let seat = self.seats.get_mut(&end)?;
        if self.stp.as_ref().is_some_and(|stp| stp.state(end) != StpState::Forwarding) {
            return None;
        }
        let dress = vlan::leave(seat.vlan.as_ref(), way.place)?;
        seat.counts.sent += packets;
        seat.counts.sent_bytes += bytes;
        Some(dress)
    }

    /// Does what the spanning tree has to do by now.
    pub fn tick(&mut self, now_ns: u64) {
        if let Some(stp) = &mut self.stp {
            stp.tick(now_ns);
        }
    }

    /// When [`Bridge::tick`] has something to do.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.stp.as_ref().map(Stp::next_due)
    }

    /// Frames that the switch itself sends, each by its end.
    pub fn take_outbox(&mut self) -> Vec<(LinkEnd, Vec<u8>)> {
        self.stp.as_mut().map_or_else(Vec::new, Stp::take_outbox)
    }

    /// What there is to say at all times.
    #[must_use]
    pub fn status(&self, now_ns: u64) -> BridgeStatus {
        let fresh = self.table.values().filter(|entry| !self.is_aged(entry, now_ns)).count();
        let is_recent = |at_ns: u64| now_ns.saturating_sub(at_ns) < limits::RECENT_NS;
        BridgeStatus {
            mac_entries: u64::try_from(fresh).unwrap_or(u64::MAX),
            moves: self.moves.all,
            looping: self.moves.looped_at_ns.is_some_and(is_recent),
        }
    }

    /// All there is to say.
    #[must_use]
    pub fn view(&self, now_ns: u64) -> BridgeView {
        let name = |end: LinkEnd| self.seats.get(&end).map_or_else(String::new, |s| s.name.clone());
        let fresh = self.table.iter().filter(|(_, entry)| !self.is_aged(entry, now_ns));
        let table = fresh.map(|((vlan, mac), entry)| MacEntry {
            mac: *mac,
            vlan: *vlan,
            port: name(entry.end),
            age_ns: now_ns.saturating_sub(entry.seen_ns),
        });
        let port = |(end, seat): (&LinkEnd, &Seat)| {
            let state = self.stp.as_ref().map(|stp| stp.state(*end));
            (seat.name.clone(), BridgePortStatus { state, ..seat.counts.clone() })
        };
        BridgeView {
            status: self.status(now_ns),
            table: table.collect(),
            ports: self.seats.iter().map(port).collect(),
            tree: self.stp.as_ref().map(|stp| SpanningTree { id: stp.id(), root: stp.root() }),
        }
    }

    fn learn(&mut self, now_ns: u64, end: LinkEnd, key: (u16, [u8; 6])) {
        if is_group(key.1) {
            return;
        }
        if let Some(entry) = self.table.get_mut(&key) {
            if entry.end != end {
                self.moves.count(now_ns);
            }
            *entry = Entry { end, seen_ns: now_ns };
            return;
        }
        if self.table.len() >= limits::MAX_MAC_ENTRIES {
            if now_ns < self.swept_at_ns.saturating_add(limits::MAC_SWEEP_NS) {
                return;
            }
            self.swept_at_ns = now_ns;
            let ageing_ns = self.ageing_ns(now_ns);
            self.table.retain(|_, entry| now_ns.saturating_sub(entry.seen_ns) <= ageing_ns);
            if self.table.len() >= limits::MAX_MAC_ENTRIES {
                return;
            }
        }
        self.table.insert(key, Entry { end, seen_ns: now_ns });
    }

    fn is_aged(&self, entry: &Entry, now_ns: u64) -> bool {
        now_ns.saturating_sub(entry.seen_ns) > self.ageing_ns(now_ns)
    }

    fn ageing_ns(&self, now_ns: u64) -> u64 {
        let usual = u64::from(self.config.ageing_s) * 1_000_000_000;
        let hurried = self.stp.as_ref().and_then(|stp| stp.ageing_ns(now_ns));
        hurried.map_or(usual, |hurried| hurried.min(usual))
    }
}

impl Moves {
    /// An address was seen at another port. Many of them in a second are what a loop does.
    fn count(&mut self, now_ns: u64) {
        self.all += 1;
        if now_ns.saturating_sub(self.window_at_ns) >= 1_000_000_000 {
            self.window_at_ns = now_ns;
            self.in_window = 0;
        }
        self.in_window += 1;
        if self.in_window >= limits::LOOP_MOVES {
            self.looped_at_ns = Some(now_ns);
        }
    }
}

fn address(frame: &[u8], at: usize) -> Option<[u8; 6]> {
    frame.get(at..at + 6)?.try_into().ok()
}

fn is_group(address: [u8; 6]) -> bool {
    address[0] & 1 == 1
}

/// The addresses that no 802.1D bridge passes on.
fn is_reserved(address: [u8; 6]) -> bool {
    address[..5] == BRIDGES[..5] && address[5] < 16
}

#[cfg(test)]
mod tests;
