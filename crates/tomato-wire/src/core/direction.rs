//! The model of one direction of a link.
//!
//! ```text
//! offer ─ MTU ─ loss ─ duplicate ─ corrupt ─ queue + rate ─ delay ± jitter, reorder ─ due times ─ pop
//!          │      │                             │                                        │
//!        drop   drop                      drop or mark                          drop (disconnected)
//! ```
//!
//! Everything is decided per wire packet, also of a super-frame, whose packets stay in one buffer.
//!
//! Invariants: packets leave in the order they came (a copy follows its original) unless reordering is asked for; a
//! due time, once given, stays; `offered + duplicated = passed + drops + queued`; the verdicts depend on the streams
//! and the number of packets only, never on time or on how packets were bundled.

use std::collections::VecDeque;

use crate::config::{Discipline, LinkParams, Ratio};
use crate::core::codel::{FlowQueues, Held};
use crate::core::frame::Frame;
use crate::core::health::Health;
use crate::core::jitter::{self, JitterState};
use crate::core::lateness::Lateness;
use crate::core::line::{Admission, Line};
use crate::core::loss::{LossDraws, LossState};
use crate::core::random::{Stage, Streams, mix};
use crate::core::split::Train;
use crate::core::timeline::Course;
use crate::core::{ecn, packet};
use crate::limits;
use crate::status::{DirectionStatus, Drops};

/// One direction of a link.
#[derive(Debug)]
pub struct Direction {
    streams: Streams,
    /// None: emulation is off.
    model: Option<Box<Model>>,
    ordinal: u64,
    /// By due time.
    queue: VecDeque<Entry>,
    /// Packets in `queue`.
    queued_packets: u64,
    in_flight_bytes: u64,
    last_due_ns: u64,
    line: Line,
    counters: Counters,
    lateness: Lateness,
    health: Health,
    lost_before: u64,
    /// The latest time heard of.
    seen_ns: u64,
    room: Vec<u8>,
}

/// What is done to packets, and what is remembered for it.
#[derive(Debug)]
struct Model {
    /// As in force now.
    params: LinkParams,
    course: Option<Course>,
    course_until_ns: u64,
    loss: LossState,
    jitter: JitterState,
    /// Present for disciplines that decide when a packet leaves the queue.
    held: Option<FlowQueues>,
    salt: u64,
}

#[derive(Debug, Default)]
struct Counters {
    offered: u64,
    frames: u64,
    bytes: u64,
    drops: Drops,
    duplicated: u64,
    corrupted: u64,
    marked: u64,
    reordered: u64,
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
    bit_error: Stage,
    jitter: Stage,
    queue: Stage,
    reorder: Stage,
}

const ORIGINAL: CopyStages = CopyStages {
    corrupt: Stage::Corrupt,
    corrupt_bit: Stage::CorruptBit,
    bit_error: Stage::BitError,
    jitter: Stage::Jitter,
    queue: Stage::Queue,
    reorder: Stage::Reorder,
};
const COPY: CopyStages = CopyStages {
    corrupt: Stage::CopyCorrupt,
    corrupt_bit: Stage::CopyCorruptBit,
    bit_error: Stage::CopyBitError,
    jitter: Stage::CopyJitter,
    queue: Stage::CopyQueue,
    reorder: Stage::CopyReorder,
};

impl Model {
    fn new(now_ns: u64, streams: Streams, params: LinkParams) -> Box<Self> {
        let course = params.timeline.as_ref();
        let course = course.map(|timeline| Course::new(now_ns, &params, timeline));
        let held = FlowQueues::of(params.discipline);
        let salt = streams.draw(Stage::Queue, u64::MAX);
        Box::new(Self {
            course_until_ns: if course.is_some() { 0 } else { u64::MAX },
            course,
            loss: LossState::default(),
            jitter: JitterState::default(),
            held,
            salt,
            params,
        })
    }

    /// Puts the values of the timeline in force.
    fn follow_course(&mut self, now_ns: u64) {
        if now_ns >= self.course_until_ns
            && let Some(course) = &self.course
        {
            let (values, until_ns) = course.at(now_ns);
            values.apply(&mut self.params);
            self.course_until_ns = until_ns;
        }
    }
}

impl Direction {
    /// A direction with nothing on it. `params` none: emulation is off.
    #[must_use]
    pub fn new(now_ns: u64, streams: Streams, params: Option<LinkParams>) -> Self {
        let mut line = Line::default();
        if let Some(params) = &params {
            line.change(params);
        }
        Self {
            streams,
            model: params.map(|params| Model::new(now_ns, streams, params)),
            ordinal: 0,
            queue: VecDeque::new(),
            queued_packets: 0,
            in_flight_bytes: 0,
            last_due_ns: 0,
            line,
            counters: Counters::default(),
            lateness: Lateness::default(),
            health: Health::default(),
            lost_before: 0,
            seen_ns: now_ns,
            room: Vec::new(),
        }
    }

    /// Changes the behaviour for packets to come; those on the link keep their due times. Packets in the queue of a
    /// discipline that decides late are given their times by the old rate before; a timeline that is not changed
    /// goes on, and so do loss models.
    pub fn change(&mut self, now_ns: u64, streams: Streams, params: Option<LinkParams>) {
        self.release(now_ns);
        let is_reseeded = self.streams != streams;
        self.streams = streams;
        let old = self.model.take();
        let Some(params) = params else { return };
        self.line.change(&params);
        let mut model = Model::new(now_ns, streams, params);
        if let Some(old) = old
            && !is_reseeded
        {
            if old.params.loss_model == model.params.loss_model {
                model.loss = old.loss;
            }
            model.jitter = old.jitter;
            if old.params.timeline == model.params.timeline
                && let (Some(old), Some(timeline)) = (old.course, &model.params.timeline)
            {
                model.course = Some(Course::new(old.start_ns(), &model.params, timeline));
            }
        }
        self.model = Some(model);
    }

    /// Takes packets in at `now_ns`.
    pub fn offer(&mut self, now_ns: u64, train: &Train) {
        self.seen_ns = self.seen_ns.max(now_ns);
        self.counters.offered += u64::from(train.count);
        let ordinal = self.ordinal;
        self.ordinal += u64::from(train.count);
        let Some(mut model) = self.model.take() else {
            self.offer_plain(now_ns, train);
            return;
        };
        self.settle(now_ns, &mut model);
        model.follow_course(now_ns);
        for (n, index) in (ordinal..).zip(train.first..train.end()) {
            self.offer_emulated(now_ns, train, index, &mut model, n);
        }
        self.settle(now_ns, &mut model);
        self.model = Some(model);
    }

    /// Counts packets that never came onto the link.
    pub fn refuse(&mut self, cause: DropCause, packets: u64) {
        self.counters.offered += packets;
        self.drop_packets(cause, packets);
    }

    /// When the first packet is due, or earlier.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        let due_ns = self.queue.front().map(|entry| entry.due_ns);
        let held = self.model.as_ref().and_then(|model| model.held.as_ref());
        if held.is_none_or(|held| held.packets() == 0) {
            return due_ns;
        }
        let free_ns = self.line.busy_until_ns();
        Some(due_ns.map_or(free_ns, |due_ns| due_ns.min(free_ns)))
    }

    /// The first packets of one frame and due time, if that has come. The caller ends them with
    /// [`Direction::passed`] and [`Direction::drop_packets`].
    pub fn pop_due(&mut self, now_ns: u64) -> Option<(Train, u64)> {
        self.settle_now(now_ns);
        let entry = self.pop_before(now_ns, now_ns)?;
        Some((entry.train, entry.due_ns))
    }

    /// As [`Direction::pop_due`], with all packets that follow in the same frame and are due within
    /// [`limits::BUNDLE_NS`] if there is a rate: at high rates waking up for each packet would be all that the
    /// thread does.
    pub fn pop_bundle(&mut self, now_ns: u64) -> Option<Train> {
        self.settle_now(now_ns);
        let Entry { mut train, .. } = self.pop_before(now_ns, now_ns)?;
        let rate = self.model.as_ref().and_then(|model| model.params.bandwidth_bit_s);
        let bundle_ns = if rate.is_some() { limits::BUNDLE_NS } else { 0 };
        let until_ns = now_ns.saturating_add(bundle_ns);
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
        if matches!(cause, DropCause::Overload | DropCause::Port) {
            self.health.lost(self.seen_ns, packets);
        }
    }

    /// Packets were lost in front of the port that this direction begins at.
    pub fn lost_before(&mut self, now_ns: u64, packets: u64) {
        self.lost_before += packets;
        self.health.lost(now_ns, packets);
    }

    /// Packets wait in front of the port that this direction begins at, longer than is fair.
    pub fn input_waits(&mut self, now_ns: u64) {
        self.health.waits(now_ns);
    }

    /// Drops everything on the link: the cable is cut.
    pub fn cut(&mut self) {
        let held = self.model.as_mut().and_then(|model| model.held.as_mut());
        let held = held.map_or(0, |held| held.drain().len());
        self.counters.drops.disconnected += self.queued_packets + count(held);
        self.queue.clear();
        self.queued_packets = 0;
        self.in_flight_bytes = 0;
        self.last_due_ns = 0;
        self.line.cut();
    }

    /// The counters at `now_ns`.
    pub fn status(&mut self, now_ns: u64) -> DirectionStatus {
        self.settle_now(now_ns);
        let held = self.model.as_ref().and_then(|model| model.held.as_ref());
        let (bytes, packets) = held.map_or((0, 0), |held| (held.bytes(), held.packets()));
        let (degraded, degraded_intervals) = self.health.report(now_ns);
        DirectionStatus {
            offered: self.counters.offered,
            frames: self.counters.frames,
            bytes: self.counters.bytes,
            drops: self.counters.drops.clone(),
            duplicated: self.counters.duplicated,
            corrupted: self.counters.corrupted,
            marked: self.counters.marked,
            reordered: self.counters.reordered,
            queue_bytes: self.line.backlog_bytes(now_ns) + bytes,
            queue_frames: self.queued_packets + packets,
            verdict_hash: self.counters.verdict_hash,
            lateness_p50_ns: self.lateness.permille(500),
            lateness_p99_ns: self.lateness.permille(990),
            lateness: self.lateness.buckets(),
            lost_before: self.lost_before,
            degraded,
            degraded_intervals,
        }
    }

    fn pop_before(&mut self, now_ns: u64, until_ns: u64) -> Option<Entry> {
        if self.queue.front()?.due_ns > until_ns {
            return None;
        }
        self.seen_ns = self.seen_ns.max(now_ns);
        let entry = self.queue.pop_front()?;
        let packets = u64::from(entry.train.count);
        self.queued_packets -= packets;
        self.in_flight_bytes -= entry.train.bytes();
        let late_ns = now_ns.saturating_sub(entry.due_ns);
        self.lateness.record(late_ns, packets);
        let delay_ns = self.model.as_ref().map_or(0, |model| model.params.delay_ns);
        self.health.left(now_ns, late_ns, Health::bound_ns(delay_ns), packets);
        if self.queue.is_empty() {
            self.queue.shrink_to(KEPT_CAPACITY);
            self.line.shrink(KEPT_CAPACITY);
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
        self.push(now_ns, now_ns, train.clone(), false);
    }

    fn offer_emulated(
        &mut self,
        now_ns: u64,
        train: &Train,
        index: u16,
        model: &mut Model,
        ordinal: u64,
    ) {
        let bytes = train.packet_bytes(index);
        if let Some(mtu) = model.params.mtu
            && is_longer(train, bytes, mtu)
        {
            self.note_verdict(VERDICT_TOO_LONG);
            self.counters.drops.mtu += 1;
            return;
        }
        if self.is_lost(model, ordinal) {
            self.note_verdict(VERDICT_LOST);
            self.counters.drops.loss += 1;
            return;
        }
        let packet = Packet { train, index, bytes, ordinal };
        self.send(now_ns, packet, model, ORIGINAL);
        if self.hits(model.params.duplicate, Stage::Duplicate, ordinal) {
            self.note_verdict(VERDICT_DOUBLED);
            self.counters.duplicated += 1;
            self.send(now_ns, packet, model, COPY);
        }
    }

    fn is_lost(&self, model: &mut Model, ordinal: u64) -> bool {
        let params = &model.params;
        if params.loss == Ratio::NEVER && params.loss_model.is_none() {
            return false;
        }
        let draw = |stage| self.streams.draw(stage, ordinal);
        let has_model = params.loss_model.is_some();
        let draws = LossDraws {
            loss: draw(Stage::Loss),
            model: if has_model { draw(Stage::LossModel) } else { 0 },
            change: if has_model { draw(Stage::LossState) } else { 0 },
        };
        model.loss.is_lost(params, draws)
    }

    /// Corruption, queue, rate, delay.
    fn send(&mut self, now_ns: u64, packet: Packet<'_>, model: &mut Model, stages: CopyStages) {
        let flips = self.flips(packet, &model.params, stages);
        let params = &model.params;
        let overtakes = self.hits(params.reorder, stages.reorder, packet.ordinal);
        let streams = self.streams;
        let draw = |stage| streams.draw(stage, packet.ordinal);
        let delay_ns = match (overtakes, params.jitter_ns) {
            (true, _) => 0,
            (false, 0) => params.delay_ns,
            (false, _) => jitter::delay(params, &mut model.jitter, draw(stages.jitter)),
        };
        let flip = flips.first().map_or(0, |bit| bit + 1);
        self.note_verdict(delay_ns ^ flip << 44 ^ u64::from(overtakes) << 63);
        if self.in_flight_bytes + packet.bytes > limits::MAX_DELAY_LINE_BYTES
            || self.is_overloaded(&packet.train.frame)
        {
            self.drop_packets(DropCause::Overload, 1);
            return;
        }
        let may_pass = overtakes || params.jitter_reorders;
        let may_mark = params.ecn && ecn::takes_marks(packet.train.frame.bytes());
        let train = packet.train.part(packet.index, 1);
        let train = if flips.is_empty() { Some(train) } else { self.flipped(&train, &flips) };
        let Some(train) = train else {
            self.drop_packets(DropCause::Overload, 1);
            return;
        };
        if let Some(held) = &mut model.held {
            let arrived_ns = now_ns;
            let bytes = packet.bytes;
            let entry = Held { train, bytes, arrived_ns, delay_ns, may_pass, may_mark };
            let packets = params.queue_packets.unwrap_or(u64::MAX);
            let limit = self.line.limit_bytes();
            self.counters.drops.queue += held.push(entry, model.salt, limit, packets);
            return;
        }
        let draws = !matches!(params.discipline, Discipline::DropTail);
        let draw = if draws { draw(stages.queue) } else { 0 };
        let course = model.course.as_ref();
        match self.line.offer(now_ns, packet.bytes, params, course, (draw, may_mark)) {
            Admission::Departs(at_ns) => {
                self.push(now_ns, at_ns.saturating_add(delay_ns), train, may_pass);
            }
            Admission::Marked(at_ns) => {
                self.push_marked(now_ns, at_ns.saturating_add(delay_ns), &train, may_pass);
            }
            Admission::Full => self.counters.drops.queue += 1,
            Admission::Early => self.counters.drops.early += 1,
        }
    }

    /// The bits of a packet that are flipped, counted from its first.
    fn flips(&mut self, packet: Packet<'_>, params: &LinkParams, stages: CopyStages) -> Vec<u64> {
        let mut flips = Vec::new();
        let bits = packet.bytes * 8;
        if self.hits(params.corrupt, stages.corrupt, packet.ordinal) {
            let draw = u128::from(self.streams.draw(stages.corrupt_bit, packet.ordinal));
            let bit = u64::try_from((draw * u128::from(bits)) >> 64);
            flips.push(bit.expect("below the number of bits of a frame"));
        }
        if params.bit_error != Ratio::NEVER {
            let mut draw = self.streams.draw(stages.bit_error, packet.ordinal);
            let mut at = gap(draw, params.bit_error);
            while at < bits && flips.len() < limits::MAX_FLIPS {
                flips.push(at);
                draw = mix(draw);
                at = at.saturating_add(1).saturating_add(gap(draw, params.bit_error));
            }
        }
        if !flips.is_empty() {
            self.counters.corrupted += 1;
        }
        flips
    }

    /// The packet alone, complete, with bits flipped; none if the pool is exhausted.
    fn flipped(&mut self, train: &Train, bits: &[u64]) -> Option<Train> {
        train.packet(train.first, &mut self.room);
        for bit in bits {
            if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|n| self.room.get_mut(n)) {
                *byte ^= 1 << (bit % 8);
            }
        }
        Some(train.frame.sibling(&self.room)?.into())
    }

    /// Puts the packet, marked, on its way.
    fn push_marked(&mut self, now_ns: u64, due_ns: u64, train: &Train, may_pass: bool) {
        train.packet(train.first, &mut self.room);
        ecn::mark(&mut self.room);
        match train.frame.sibling(&self.room) {
            Some(frame) => {
                self.counters.marked += 1;
                self.push(now_ns, due_ns, frame.into(), may_pass);
            }
            None => self.drop_packets(DropCause::Overload, 1),
        }
    }

    /// Does what the queue discipline would have done up to now.
    fn settle_now(&mut self, now_ns: u64) {
        if let Some(mut model) = self.model.take() {
            self.settle(now_ns, &mut model);
            self.model = Some(model);
        }
    }

    fn settle(&mut self, now_ns: u64, model: &mut Model) {
        let Model { params, held, course, .. } = model;
        let Some(held) = held else { return };
        while held.packets() > 0 && self.line.busy_until_ns() <= now_ns {
            let came_ns = held.oldest_ns().unwrap_or(now_ns);
            let at_ns = self.line.busy_until_ns().max(came_ns);
            let gone = held.pop(at_ns);
            self.counters.drops.early += gone.dropped;
            let Some((packet, is_marked)) = gone.sent else { continue };
            let departs_ns = self.line.send(at_ns, packet.bytes, params, course.as_ref());
            let due_ns = departs_ns.saturating_add(packet.delay_ns);
            if is_marked {
                self.push_marked(at_ns, due_ns, &packet.train, packet.may_pass);
            } else {
                self.push(at_ns, due_ns, packet.train, packet.may_pass);
            }
        }
    }

    /// Gives every packet that waits its time by the rate in force.
    fn release(&mut self, now_ns: u64) {
        let Some(mut model) = self.model.take() else { return };
        self.settle(now_ns, &mut model);
        let Model { params, held, course, .. } = &mut *model;
        for packet in held.iter_mut().flat_map(FlowQueues::drain) {
            let departs_ns = self.line.send(now_ns, packet.bytes, params, course.as_ref());
            let due_ns = departs_ns.saturating_add(packet.delay_ns);
            self.push(now_ns, due_ns, packet.train, packet.may_pass);
        }
        self.model = Some(model);
    }

    fn push(&mut self, now_ns: u64, due_ns: u64, train: Train, may_pass: bool) {
        self.in_flight_bytes += train.bytes();
        self.queued_packets += u64::from(train.count);
        let last_ns = if self.queue.is_empty() { 0 } else { self.last_due_ns };
        if may_pass && due_ns < last_ns {
            let at = self.queue.partition_point(|entry| entry.due_ns <= due_ns);
            self.counters.reordered += u64::from(train.count);
            self.queue.insert(at, Entry { train, due_ns: due_ns.max(now_ns) });
            return;
        }
        let due_ns = due_ns.max(last_ns).max(now_ns);
        self.last_due_ns = due_ns;
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
const VERDICT_TOO_LONG: u64 = u64::MAX - 2;

/// Whether what follows the Ethernet header and its tags is longer than `mtu`.
fn is_longer(train: &Train, bytes: u64, mtu: u32) -> bool {
    let header = packet::ethertype(train.frame.bytes()).map_or(14, |(_, at)| at);
    bytes > u64::from(mtu) + count(header)
}

/// Bits that pass before the next error: the quantile of a geometric distribution.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the quotient is positive and the conversion saturates"
)]
fn gap(draw: u64, ratio: Ratio) -> u64 {
    let share = ((draw >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    (share.ln() / (-ratio.fraction()).ln_1p()) as u64
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
