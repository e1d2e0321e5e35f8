//! The model of one direction of a link.
//!
//! ```text
//! offer ─ loss ─ duplicate ─ corrupt ─ byte queue + rate clock ─ delay ± jitter ─ FIFO of due times ─ pop
//!           │                               │                                       │
//!          drop                            drop                            drop (disconnected)
//! ```
//!
//! Everything is decided per wire packet, also of a super-frame, whose packets stay in one buffer.
//!
//! Invariants: packets leave in the order they came (a copy follows its original); a due time, once given, stays;
//! `offered + duplicated = passed + drops + queued`; the verdicts depend on the streams and the number of packets
//! only, never on time or on how packets were bundled.

use std::collections::VecDeque;

use crate::config::{LinkParams, Ratio};
use crate::core::frame::Frame;
use crate::core::jitter;
use crate::core::lateness::Lateness;
use crate::core::random::{Stage, Streams, mix};
use crate::core::split::Train;
use crate::limits;
use crate::status::{DirectionStatus, Drops};

/// One direction of a link.
#[derive(Debug)]
pub struct Direction {
    streams: Streams,
    /// None: emulation is off.
    params: Option<LinkParams>,
    queue_limit_bytes: u64,
    ordinal: u64,
    queue: VecDeque<Entry>,
    /// Packets in `queue`.
    queued_packets: u64,
    /// When packets that wait for the rate are past it, and their bytes with framing.
    waiting: VecDeque<(u64, u64)>,
    /// Bytes of those.
    backlog_bytes: u64,
    in_flight_bytes: u64,
    /// When the rate is free again, with the rest of the division in units of 1e-9 bit over the rate.
    busy_until_ns: u64,
    busy_rest: u64,
    last_due_ns: u64,
    counters: Counters,
    lateness: Lateness,
    room: Vec<u8>,
}

#[derive(Debug, Default)]
struct Counters {
    offered: u64,
    frames: u64,
    bytes: u64,
    drops: Drops,
    duplicated: u64,
    corrupted: u64,
    verdict_hash: u64,
}

/// Packets that leave together.
#[derive(Debug)]
struct Entry {
    train: Train,
    due_ns: u64,
}

/// Why a frame did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropCause {
    /// [`Drops::disconnected`]
    Disconnected,
    /// [`Drops::overload`]
    Overload,
    /// [`Drops::detached`]
    Detached,
    /// [`Drops::port`]
    Port,
    /// [`Drops::malformed`]
    Malformed,
}

/// Which of the stages apply to an original or to its copy.
#[derive(Debug, Clone, Copy)]
struct CopyStages {
    corrupt: Stage,
    corrupt_bit: Stage,
    jitter: Stage,
}

const ORIGINAL: CopyStages =
    CopyStages { corrupt: Stage::Corrupt, corrupt_bit: Stage::CorruptBit, jitter: Stage::Jitter };
const COPY: CopyStages = CopyStages {
    corrupt: Stage::CopyCorrupt,
    corrupt_bit: Stage::CopyCorruptBit,
    jitter: Stage::CopyJitter,
};

impl Direction {
    /// A direction with nothing on it. `params` none: emulation is off.
    #[must_use]
    pub fn new(streams: Streams, params: Option<LinkParams>) -> Self {
        let queue_limit_bytes = params.as_ref().map_or(0, LinkParams::effective_queue_bytes);
        Self {
            streams,
            params,
            queue_limit_bytes,
            ordinal: 0,
            queue: VecDeque::new(),
            queued_packets: 0,
            waiting: VecDeque::new(),
            backlog_bytes: 0,
            in_flight_bytes: 0,
            busy_until_ns: 0,
            busy_rest: 0,
            last_due_ns: 0,
            counters: Counters::default(),
            lateness: Lateness::default(),
            room: Vec::new(),
        }
    }

    /// Changes the behaviour for packets to come; those on the link keep their due times.
    pub fn change(&mut self, streams: Streams, params: Option<LinkParams>) {
        self.queue_limit_bytes = params.as_ref().map_or(0, LinkParams::effective_queue_bytes);
        self.streams = streams;
        self.params = params;
        self.busy_rest = 0;
    }

    /// Takes packets in at `now_ns`.
    pub fn offer(&mut self, now_ns: u64, train: &Train) {
        self.counters.offered += u64::from(train.count);
        let ordinal = self.ordinal;
        self.ordinal += u64::from(train.count);
        let Some(params) = self.params.take() else {
            self.offer_plain(now_ns, train);
            return;
        };
        for (n, index) in (ordinal..).zip(train.first..train.end()) {
            self.offer_emulated(now_ns, train, index, &params, n);
        }
        self.params = Some(params);
    }

    /// Counts packets that never came onto the link.
    pub fn refuse(&mut self, cause: DropCause, packets: u64) {
        self.counters.offered += packets;
        self.drop_packets(cause, packets);
    }

    /// When the first packet is due.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.queue.front().map(|entry| entry.due_ns)
    }

    /// The first packets of one frame and due time, if that has come. The caller ends them with
    /// [`Direction::passed`] and [`Direction::drop_packets`].
    pub fn pop_due(&mut self, now_ns: u64) -> Option<(Train, u64)> {
        let entry = self.pop(now_ns)?;
        Some((entry.train, entry.due_ns))
    }

    /// As [`Direction::pop_due`], with all packets that follow in the same frame and are due within
    /// [`limits::BUNDLE_NS`] if there is a rate: at high rates waking up for each packet would be all that the
    /// thread does.
    pub fn pop_bundle(&mut self, now_ns: u64) -> Option<Train> {
        let Entry { mut train, .. } = self.pop(now_ns)?;
        let has_rate = self.params.as_ref().is_some_and(|params| params.bandwidth_bit_s.is_some());
        let until_ns = now_ns.saturating_add(if has_rate { limits::BUNDLE_NS } else { 0 });
        while self.queue.front().is_some_and(|next| train.extends_to(&next.train)) {
            let Some(next) = self.pop_before(now_ns, until_ns) else { break };
            train.count += next.train.count;
        }
        Some(train)
    }

    /// Counts popped packets as passed.
    pub fn passed(&mut self, packets: u64, bytes: u64) {
        self.counters.frames += packets;
        self.counters.bytes += bytes;
    }

    /// Counts packets as dropped.
    pub fn drop_packets(&mut self, cause: DropCause, packets: u64) {
        let drops = &mut self.counters.drops;
        match cause {
            DropCause::Disconnected => drops.disconnected += packets,
            DropCause::Overload => drops.overload += packets,
            DropCause::Detached => drops.detached += packets,
            DropCause::Port => drops.port += packets,
            DropCause::Malformed => drops.malformed += packets,
        }
    }

    /// Drops everything on the link: the cable is cut.
    pub fn cut(&mut self) {
        self.counters.drops.disconnected += self.queued_packets;
        self.queue.clear();
        self.queued_packets = 0;
        self.waiting.clear();
        self.backlog_bytes = 0;
        self.in_flight_bytes = 0;
        self.busy_until_ns = 0;
        self.busy_rest = 0;
        self.last_due_ns = 0;
    }

    /// The counters at `now_ns`.
    pub fn status(&mut self, now_ns: u64) -> DirectionStatus {
        self.pass_departed(now_ns);
        DirectionStatus {
            offered: self.counters.offered,
            frames: self.counters.frames,
            bytes: self.counters.bytes,
            drops: self.counters.drops.clone(),
            duplicated: self.counters.duplicated,
            corrupted: self.counters.corrupted,
            queue_bytes: self.backlog_bytes,
            queue_frames: self.queued_packets,
            verdict_hash: self.counters.verdict_hash,
            lateness_p50_ns: self.lateness.permille(500),
            lateness_p99_ns: self.lateness.permille(990),
        }
    }

    fn pop(&mut self, now_ns: u64) -> Option<Entry> {
        self.pop_before(now_ns, now_ns)
    }

    fn pop_before(&mut self, now_ns: u64, until_ns: u64) -> Option<Entry> {
        if self.queue.front()?.due_ns > until_ns {
            return None;
        }
        let entry = self.queue.pop_front()?;
        let packets = u64::from(entry.train.count);
        self.queued_packets -= packets;
        self.in_flight_bytes -= entry.train.bytes();
        self.lateness.record(now_ns.saturating_sub(entry.due_ns), packets);
        if self.queue.is_empty() {
            self.queue.shrink_to(KEPT_CAPACITY);
            self.waiting.shrink_to(KEPT_CAPACITY);
        }
        Some(entry)
    }

    fn offer_plain(&mut self, now_ns: u64, train: &Train) {
        if self.in_flight_bytes + train.bytes() > limits::MAX_PLAIN_QUEUE_BYTES
            || self.is_overloaded(&train.frame)
        {
            self.drop_packets(DropCause::Overload, train.count.into());
            return;
        }
        self.push(now_ns, now_ns, train.clone());
    }

    fn offer_emulated(
        &mut self,
        now_ns: u64,
        train: &Train,
        index: u16,
        params: &LinkParams,
        ordinal: u64,
    ) {
        if self.hits(params.loss, Stage::Loss, ordinal) {
            self.note_verdict(VERDICT_LOST);
            self.counters.drops.loss += 1;
            return;
        }
        let bytes = train.packet_bytes(index);
        let packet = Packet { train, index, bytes, ordinal };
        self.send(now_ns, packet, params, ORIGINAL);
        if self.hits(params.duplicate, Stage::Duplicate, ordinal) {
            self.note_verdict(VERDICT_DOUBLED);
            self.counters.duplicated += 1;
            self.send(now_ns, packet, params, COPY);
        }
    }

    /// Corruption, queue, rate, delay.
    fn send(&mut self, now_ns: u64, packet: Packet<'_>, params: &LinkParams, stages: CopyStages) {
        let mut flip = None;
        if self.hits(params.corrupt, stages.corrupt, packet.ordinal) {
            let draw = u128::from(self.streams.draw(stages.corrupt_bit, packet.ordinal));
            let bit = u64::try_from((draw * u128::from(packet.bytes * 8)) >> 64)
                .expect("below the number of bits of a frame");
            flip = Some(bit);
        }
        let delay_ns = if params.jitter_ns == 0 {
            params.delay_ns
        } else {
            let draw = self.streams.draw(stages.jitter, packet.ordinal);
            jitter::delay(params.delay_ns, params.jitter_ns, params.distribution, draw)
        };
        self.note_verdict(delay_ns ^ flip.map_or(0, |bit| (bit + 1) << 44));
        if self.in_flight_bytes + packet.bytes > limits::MAX_DELAY_LINE_BYTES
            || self.is_overloaded(&packet.train.frame)
        {
            self.drop_packets(DropCause::Overload, 1);
            return;
        }
        let Some(departs_ns) = self.transmit(now_ns, packet.bytes, params) else {
            self.counters.drops.queue += 1;
            return;
        };
        let train = match flip {
            None => packet.train.part(packet.index, 1),
            Some(bit) => {
                let Some(flipped) = self.flipped(&packet.train.part(packet.index, 1), bit) else {
                    self.drop_packets(DropCause::Overload, 1);
                    return;
                };
                self.counters.corrupted += 1;
                flipped
            }
        };
        self.push(now_ns, departs_ns.saturating_add(delay_ns), train);
    }

    /// The packet alone, complete, with one bit flipped; none if the pool is exhausted.
    fn flipped(&mut self, packet: &Train, bit: u64) -> Option<Train> {
        packet.packet(packet.first, &mut self.room);
        if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|n| self.room.get_mut(n)) {
            *byte ^= 1 << (bit % 8);
        }
        Some(packet.frame.sibling(&self.room)?.into())
    }

    /// When the last bit of the packet is sent; none if the byte queue is full. A packet that finds the rate
    /// free is always taken.
    fn transmit(&mut self, now_ns: u64, bytes: u64, params: &LinkParams) -> Option<u64> {
        let Some(rate) = params.bandwidth_bit_s else {
            return Some(now_ns.max(self.busy_until_ns));
        };
        self.pass_departed(now_ns);
        let wire_bytes = bytes + limits::FRAMING_BYTES;
        if self.backlog_bytes > 0 && self.backlog_bytes + wire_bytes > self.queue_limit_bytes {
            return None;
        }
        if self.busy_until_ns < now_ns {
            self.busy_until_ns = now_ns;
            self.busy_rest = 0;
        }
        let work = u128::from(wire_bytes) * 8_000_000_000 + u128::from(self.busy_rest);
        let whole = u64::try_from(work / u128::from(rate)).unwrap_or(u64::MAX);
        self.busy_rest = u64::try_from(work % u128::from(rate)).expect("below the rate");
        self.busy_until_ns = self.busy_until_ns.saturating_add(whole);
        self.backlog_bytes += wire_bytes;
        self.waiting.push_back((self.busy_until_ns, wire_bytes));
        Some(self.busy_until_ns)
    }

    fn pass_departed(&mut self, now_ns: u64) {
        while let Some(&(departs_ns, bytes)) = self.waiting.front()
            && departs_ns <= now_ns
        {
            self.backlog_bytes -= bytes;
            self.waiting.pop_front();
        }
    }

    fn push(&mut self, now_ns: u64, due_ns: u64, train: Train) {
        let due_ns =
            if self.queue.is_empty() { due_ns } else { due_ns.max(self.last_due_ns) }.max(now_ns);
        self.last_due_ns = due_ns;
        self.in_flight_bytes += train.bytes();
        self.queued_packets += u64::from(train.count);
        match self.queue.back_mut() {
            Some(last) if last.due_ns == due_ns && last.train.extends_to(&train) => {
                last.train.count += train.count;
            }
            _ => self.queue.push_back(Entry { train, due_ns }),
        }
    }

    fn hits(&self, ratio: Ratio, stage: Stage, ordinal: u64) -> bool {
        ratio != Ratio::NEVER && ratio.hits(self.streams.draw(stage, ordinal))
    }

    fn is_overloaded(&self, frame: &Frame) -> bool {
        self.queue.len() >= limits::MAX_FRAMES_PER_DIRECTION || frame.pool_is_full()
    }

    fn note_verdict(&mut self, verdict: u64) {
        self.counters.verdict_hash = mix(self.counters.verdict_hash ^ mix(verdict));
    }
}

/// A wire packet on its way through the model.
#[derive(Debug, Clone, Copy)]
struct Packet<'a> {
    train: &'a Train,
    index: u16,
    bytes: u64,
    ordinal: u64,
}

const KEPT_CAPACITY: usize = 64;
const VERDICT_LOST: u64 = u64::MAX;
const VERDICT_DOUBLED: u64 = u64::MAX - 1;

#[cfg(test)]
mod tests;
