//! CoDel (RFC 8289) and FQ-CoDel (RFC 8290): queues whose packets learn their fate when they leave.
//!
//! CoDel alone is the case of one flow. All times are logical: what a late runner does in one go is what a punctual
//! one would have done.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::config::Discipline;
use crate::core::journal::Tag;
use crate::core::order::Lane;
use crate::core::packet::{self, Transport};
use crate::core::random::mix;
use crate::core::split::Train;
use crate::limits;

/// A packet that waits.
#[derive(Debug)]
pub struct Held {
    /// The packet.
    pub train: Train,
    /// Which it is.
    pub tag: Tag,
    /// Its bytes without framing, at least those of the shortest frame.
    pub bytes: u64,
    /// When it came.
    pub arrived_ns: u64,
    /// Its propagation delay.
    pub delay_ns: u64,
    /// Which packets it waits for then.
    pub lane: Lane,
    /// It can be marked instead of dropped.
    pub may_mark: bool,
}

/// What left the queues at one time.
#[derive(Debug, Default)]
pub struct Departure {
    /// The packet that is sent, and whether it is marked.
    pub sent: Option<(Held, bool)>,
    /// Packets dropped on the way to it.
    pub dropped: Vec<Held>,
}

/// Queues of flows that take turns.
#[derive(Debug)]
pub struct FlowQueues {
    target_ns: u64,
    interval_ns: u64,
    quantum_bytes: i64,
    flows: Vec<Flow>,
    fresh: VecDeque<usize>,
    old: VecDeque<usize>,
    framing_bytes: u64,
    bytes: u64,
    packets: u64,
}

#[derive(Debug, Default)]
struct Flow {
    packets: VecDeque<Held>,
    bytes: u64,
    credit: i64,
    is_listed: bool,
    codel: Codel,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Codel {
    first_above_ns: Option<u64>,
    drop_next_ns: u64,
    count: u32,
    last_count: u32,
    is_dropping: bool,
}

/// What queues in which nothing waits remember of the packets before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowMemory {
    /// Flows that take turns, in their order.
    fresh: Vec<usize>,
    old: Vec<usize>,
    /// Number, bytes left of the turn and state of CoDel of each flow that remembers anything.
    flows: Vec<(usize, i64, Codel)>,
}

/// Below this backlog CoDel does not drop: one longest usual packet.
const SMALL_BYTES: u64 = 1514;
/// Packets dropped from the longest flow at once when the queue is full.
const FAT_DROPS: usize = 64;

impl FlowQueues {
    /// Queues for a discipline whose packets take so many bytes more on the line; none if it is another one.
    #[must_use]
    pub fn of(discipline: Discipline, framing_bytes: u32) -> Option<Self> {
        let (target_ns, interval_ns, flows, quantum) = match discipline {
            Discipline::Codel { target_ns, interval_ns } => (target_ns, interval_ns, 1, u32::MAX),
            Discipline::FqCodel { target_ns, interval_ns, flows, quantum_bytes } => {
                (target_ns, interval_ns, flows, quantum_bytes)
            }
            Discipline::DropTail | Discipline::Red { .. } | Discipline::Pie { .. } => return None,
        };
        let count = usize::try_from(flows.min(limits::MAX_FLOWS)).unwrap_or(1).max(1);
        Some(Self {
            target_ns,
            interval_ns,
            quantum_bytes: i64::from(quantum),
            flows: (0..count).map(|_| Flow::default()).collect(),
            fresh: VecDeque::new(),
            old: VecDeque::new(),
            framing_bytes: framing_bytes.into(),
            bytes: 0,
            packets: 0,
        })
    }

    /// Bytes that wait, with framing.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes + self.packets * self.framing_bytes
    }

    /// Packets that wait.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// What is remembered at `now_ns`; none if packets wait, or more than `most` flows remember something.
    #[must_use]
    pub fn memory(&self, now_ns: u64, most: usize) -> Option<FlowMemory> {
        let told = |(index, flow): (usize, &Flow)| {
            let codel = flow.codel.remembered(now_ns, self.interval_ns);
            let credit = if flow.is_listed { flow.credit } else { 0 };
            let is_told = flow.is_listed || codel != Codel::default();
            is_told.then_some((index, credit, codel))
        };
        if self.packets > 0 {
            return None;
        }
        let flows: Vec<_> = self.flows.iter().enumerate().filter_map(told).collect();
        (flows.len() <= most).then(|| FlowMemory {
            fresh: self.fresh.iter().copied().collect(),
            old: self.old.iter().copied().collect(),
            flows,
        })
    }

    /// Goes on from what other queues of the discipline remembered.
    pub fn recall(&mut self, memory: FlowMemory) {
        let FlowMemory { fresh, old, flows } = memory;
        for (index, credit, codel) in flows {
            let is_listed = fresh.contains(&index) || old.contains(&index);
            if let Some(flow) = self.flows.get_mut(index) {
                *flow = Flow { credit, codel, is_listed, ..Flow::default() };
            }
        }
        let is_known = |index: &usize| *index < self.flows.len();
        self.fresh = fresh.into_iter().filter(is_known).collect();
        self.old = old.into_iter().filter(is_known).collect();
    }

    /// Takes a packet in; returns those that were dropped for it, from the longest flow. Framing counts in `limit_bytes`.
    pub fn push(
        &mut self,
        held: Held,
        salt: u64,
        limit_bytes: u64,
        limit_packets: u64,
    ) -> Vec<Held> {
        let count = u64::try_from(self.flows.len()).unwrap_or(1);
        let index = if count == 1 { 0 } else { mix(flow_hash(&held.train) ^ salt) % count };
        let index = usize::try_from(index).unwrap_or(0);
        let flow = &mut self.flows[index];
        self.bytes += held.bytes;
        self.packets += 1;
        flow.bytes += held.bytes;
        flow.packets.push_back(held);
        if !flow.is_listed {
            flow.is_listed = true;
            flow.credit = self.quantum_bytes;
            self.fresh.push_back(index);
        }
        if self.packets == 1 || (self.bytes() <= limit_bytes && self.packets <= limit_packets) {
            return Vec::new();
        }
        self.shorten(limit_bytes, limit_packets)
    }

    /// Drops from the head of the longest flow until half of it is gone or there is room; one flow alone loses its
    /// tail, as a queue does, but never all.
    fn shorten(&mut self, limit_bytes: u64, limit_packets: u64) -> Vec<Held> {
        let is_one = self.flows.len() == 1;
        let framing_bytes = self.framing_bytes;
        let mut dropped = Vec::new();
        let Some(fat) = self.flows.iter_mut().max_by_key(|flow| flow.bytes) else { return dropped };
        let enough = fat.bytes / 2;
        while dropped.len() < FAT_DROPS && fat.packets.len() > usize::from(is_one) {
            let bytes = self.bytes + self.packets * framing_bytes;
            let has_room = bytes <= limit_bytes && self.packets <= limit_packets;
            if has_room && (is_one || fat.bytes <= enough) {
                break;
            }
            let held = if is_one { fat.packets.pop_back() } else { fat.packets.pop_front() };
            let Some(held) = held else { break };
            fat.bytes -= held.bytes;
            self.bytes -= held.bytes;
            self.packets -= 1;
            dropped.push(held);
        }
        dropped
    }

    /// When the packet that came first did; none if nothing waits.
    #[must_use]
    pub fn oldest_ns(&self) -> Option<u64> {
        let listed = self.fresh.iter().chain(&self.old);
        listed.filter_map(|&n| Some(self.flows[n].packets.front()?.arrived_ns)).min()
    }

    /// The next packet to be sent at `now_ns`.
    pub fn pop(&mut self, now_ns: u64) -> Departure {
        let mut out = Departure::default();
        loop {
            let is_fresh = !self.fresh.is_empty();
            let list = if is_fresh { &mut self.fresh } else { &mut self.old };
            let Some(&index) = list.front() else { return out };
            let flow = &mut self.flows[index];
            if flow.credit <= 0 {
                flow.credit += self.quantum_bytes;
                list.pop_front();
                self.old.push_back(index);
                continue;
            }
            let (sent, gone) = flow.dequeue(now_ns, self.target_ns, self.interval_ns);
            let sent_bytes = sent.as_ref().map_or(0, |(held, _)| held.bytes);
            self.bytes -= gone.bytes() + sent_bytes;
            self.packets -= gone.packets() + u64::from(sent.is_some());
            out.dropped.extend(gone.0);
            if let Some((held, is_marked)) = sent {
                let flow = &mut self.flows[index];
                flow.credit -= i64::try_from(held.bytes).unwrap_or(i64::MAX);
                out.sent = Some((held, is_marked));
                return out;
            }
            list.pop_front();
            if is_fresh && !self.old.is_empty() {
                // an empty new flow waits one round, so that it cannot be new for ever
                self.old.push_back(index);
            } else {
                self.flows[index].is_listed = false;
            }
        }
    }

    /// Everything that waits, in the order of arrival, as if there were no discipline.
    pub fn drain(&mut self) -> Vec<Held> {
        let flows = self.flows.iter_mut();
        let mut all: Vec<Held> = flows.flat_map(|flow| std::mem::take(flow).packets).collect();
        all.sort_by_key(|held| held.arrived_ns);
        self.fresh.clear();
        self.old.clear();
        (self.bytes, self.packets) = (0, 0);
        all
    }
}

#[derive(Debug, Default)]
struct Gone(Vec<Held>);

impl Flow {
    /// The packet that leaves and whether it is marked, after those that CoDel drops before it.
    fn dequeue(&mut self, now_ns: u64, target: u64, interval: u64) -> (Option<(Held, bool)>, Gone) {
        let mut gone = Gone::default();
        let (mut held, mut is_ripe) = self.take(now_ns, target, interval);
        if self.codel.is_dropping {
            if !is_ripe {
                self.codel.is_dropping = false;
            }
            while self.codel.is_dropping && now_ns >= self.codel.drop_next_ns {
                self.codel.count += 1;
                if held.as_ref().is_some_and(|held| held.may_mark) {
                    self.codel.plan_next(interval);
                    return (held.map(|held| (held, true)), gone);
                }
                gone.0.extend(held);
                (held, is_ripe) = self.take(now_ns, target, interval);
                self.codel.is_dropping = is_ripe;
                if is_ripe {
                    self.codel.plan_next(interval);
                }
            }
            return (held.map(|held| (held, false)), gone);
        }
        if !is_ripe {
            return (held.map(|held| (held, false)), gone);
        }
        let is_marked = held.as_ref().is_some_and(|held| held.may_mark);
        if !is_marked {
            gone.0.extend(held);
            (held, _) = self.take(now_ns, target, interval);
        }
        let codel = &mut self.codel;
        codel.is_dropping = true;
        let resumes = codel.resumes(now_ns, interval);
        codel.count = if resumes { codel.count - codel.last_count } else { 1 };
        codel.last_count = codel.count;
        codel.drop_next_ns = control_law(now_ns, interval, codel.count);
        (held.map(|held| (held, is_marked)), gone)
    }

    /// The head, and whether its wait has been above the target for an interval.
    fn take(&mut self, now_ns: u64, target: u64, interval: u64) -> (Option<Held>, bool) {
        let Some(held) = self.packets.pop_front() else {
            self.codel.first_above_ns = None;
            return (None, false);
        };
        self.bytes -= held.bytes;
        let wait_ns = now_ns.saturating_sub(held.arrived_ns);
        if wait_ns < target || self.bytes <= SMALL_BYTES {
            self.codel.first_above_ns = None;
            return (Some(held), false);
        }
        let above = *self.codel.first_above_ns.get_or_insert(now_ns + interval);
        (Some(held), now_ns >= above)
    }
}

impl Codel {
    /// What of it decides about packets to come.
    fn remembered(self, now_ns: u64, interval: u64) -> Self {
        if self.is_dropping || self.resumes(now_ns, interval) {
            return self;
        }
        Self { first_above_ns: self.first_above_ns, ..Self::default() }
    }

    /// Whether dropping that begins now goes on where it ended (RFC 8289 section 5.5).
    fn resumes(self, now_ns: u64, interval: u64) -> bool {
        let is_recent = now_ns.saturating_sub(self.drop_next_ns) < 16 * interval;
        is_recent && self.count.saturating_sub(self.last_count) > 1
    }

    /// The next drop follows the one that was due (RFC 8289 section 5.5): not when dropping ends, for that time is compared later.
    fn plan_next(&mut self, interval: u64) {
        self.drop_next_ns = control_law(self.drop_next_ns, interval, self.count);
    }
}

impl Gone {
    fn packets(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    fn bytes(&self) -> u64 {
        self.0.iter().map(|held| held.bytes).sum()
    }
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an interval is far below 2^53 ns"
)]
fn control_law(from_ns: u64, interval: u64, count: u32) -> u64 {
    from_ns.saturating_add((interval as f64 / f64::from(count).sqrt()) as u64)
}

/// A number for the flow of a packet: addresses, protocol and ports.
fn flow_hash(train: &Train) -> u64 {
    let frame = train.frame.bytes();
    let Some(layout) = packet::parse(frame) else {
        return frame.get(..14).map_or(0, |head| hash(head, 0));
    };
    let addresses = match layout.family {
        packet::Family::V4 => layout.network_at + 12..layout.network_at + 20,
        packet::Family::V6 => layout.network_at + 8..layout.network_at + 40,
    };
    let sum = hash(&frame[addresses], u64::from(layout.protocol));
    if layout.transport == Transport::Other {
        return sum;
    }
    hash(&frame[layout.transport_at..layout.transport_at + 4], sum)
}

fn hash(bytes: &[u8], start: u64) -> u64 {
    bytes.chunks(8).fold(start, |sum, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(sum ^ u64::from_le_bytes(word))
    })
}

#[cfg(test)]
mod tests;
