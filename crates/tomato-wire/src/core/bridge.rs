//! A learning switch or a hub.
//!
//! Group addresses are flooded, the link-local ones (`01:80:c2:00:00:0x`) too: a plain cable or an unmanaged
//! switch would pass them, and spanning tree or LLDP between elements needs them. Nothing leaves where it came
//! in. The table is bounded; when it is full of fresh addresses, unknown ones are flooded and not learned.

use std::collections::BTreeMap;

use crate::config::{BridgeConfig, BridgeMode};
use crate::limits;

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
    /// Its receiver sits where it came from.
    Nowhere,
}

/// A switch or hub.
#[derive(Debug)]
pub struct Bridge {
    mode: BridgeMode,
    ageing_ns: u64,
    ends: Vec<LinkEnd>,
    table: BTreeMap<[u8; 6], Seat>,
    swept_at_ns: u64,
}

#[derive(Debug)]
struct Seat {
    end: LinkEnd,
    seen_ns: u64,
}

impl Bridge {
    /// A bridge with nothing attached.
    #[must_use]
    pub fn new(config: &BridgeConfig) -> Self {
        Self {
            mode: config.mode,
            ageing_ns: ageing_ns(config),
            ends: Vec::new(),
            table: BTreeMap::new(),
            swept_at_ns: 0,
        }
    }

    /// Changes mode and ageing; what is learned stays.
    pub fn change(&mut self, config: &BridgeConfig) {
        self.mode = config.mode;
        self.ageing_ns = ageing_ns(config);
    }

    /// Attaches an end.
    pub fn attach(&mut self, end: LinkEnd) {
        self.ends.push(end);
    }

    /// Takes an end away with what was learned there.
    pub fn detach(&mut self, end: LinkEnd) {
        self.ends.retain(|other| *other != end);
        self.forget(end);
    }

    /// Forgets what was learned at an end: its cable was unplugged.
    pub fn forget(&mut self, end: LinkEnd) {
        self.table.retain(|_, seat| seat.end != end);
    }

    /// The attached ends.
    #[must_use]
    pub fn ends(&self) -> &[LinkEnd] {
        &self.ends
    }

    /// Addresses in the table that are not aged.
    #[must_use]
    pub fn mac_entries(&self, now_ns: u64) -> u64 {
        let fresh = self.table.values().filter(|seat| !self.is_aged(seat, now_ns)).count();
        u64::try_from(fresh).unwrap_or(u64::MAX)
    }

    /// Learns from a frame that came in at `from` and says where it goes.
    pub fn forward(&mut self, now_ns: u64, from: LinkEnd, frame: &[u8]) -> Egress {
        let (Some(destination), Some(source)) = (address(frame, 0), address(frame, 6)) else {
            return Egress::Nowhere;
        };
        if self.mode == BridgeMode::Hub {
            return Egress::Flood;
        }
        self.learn(now_ns, from, source);
        if is_group(destination) {
            return Egress::Flood;
        }
        match self.table.get(&destination) {
            Some(seat) if self.is_aged(seat, now_ns) => Egress::Flood,
            Some(seat) if seat.end == from => Egress::Nowhere,
            Some(seat) => Egress::To(seat.end),
            None => Egress::Flood,
        }
    }

    fn learn(&mut self, now_ns: u64, end: LinkEnd, source: [u8; 6]) {
        if is_group(source) {
            return;
        }
        if let Some(seat) = self.table.get_mut(&source) {
            *seat = Seat { end, seen_ns: now_ns };
            return;
        }
        if self.table.len() >= limits::MAX_MAC_ENTRIES {
            if now_ns < self.swept_at_ns.saturating_add(limits::MAC_SWEEP_NS) {
                return;
            }
            self.swept_at_ns = now_ns;
            let ageing_ns = self.ageing_ns;
            self.table.retain(|_, seat| now_ns.saturating_sub(seat.seen_ns) <= ageing_ns);
            if self.table.len() >= limits::MAX_MAC_ENTRIES {
                return;
            }
        }
        self.table.insert(source, Seat { end, seen_ns: now_ns });
    }

    fn is_aged(&self, seat: &Seat, now_ns: u64) -> bool {
        now_ns.saturating_sub(seat.seen_ns) > self.ageing_ns
    }
}

fn ageing_ns(config: &BridgeConfig) -> u64 {
    u64::from(config.ageing_s) * 1_000_000_000
}

fn address(frame: &[u8], at: usize) -> Option<[u8; 6]> {
    frame.get(at..at + 6)?.try_into().ok()
}

fn is_group(address: [u8; 6]) -> bool {
    address[0] & 1 == 1
}

#[cfg(test)]
mod tests;
