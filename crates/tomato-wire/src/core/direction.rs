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
//! Invariants: packets leave in the order they came (a copy follows its original), as far as [`Order`] says, unless
//! reordering is asked for; a due time, once given, stays; `offered + duplicated = passed + drops + queued`; the verdicts depend on the streams
//! and on which packets came in which order only, never on time or on how packets were bundled.

use crate::config::{Discipline, LinkParams, Ratio};
use crate::core::codel::{FlowQueues, Held};
use crate::core::flip::{self, FlipStages};
use crate::core::frame::Frame;
use crate::core::health::Health;
use crate::core::jitter;
use crate::core::journal::{Fate, Journal, Tag};
use crate::core::lateness::Lateness;
use crate::core::line::{Admission, Line};
use crate::core::merge::Run;
use crate::core::model::{Identity, Model, params_of};
use crate::core::order::{Lane, Order};
use crate::core::random::{Stage, Streams, mix};
use crate::core::split::Train;
use crate::core::transit::{Entry, Transit};
use crate::core::{ecn, packet};
use crate::limits;
use crate::status::{DirectionStatus, Drops};

mod trace;

/// One direction of a link.
#[derive(Debug)]
pub struct Direction {
    streams: Streams,
    /// When its timeline began, or one would have.
    start_ns: u64,
    /// None: emulation is off.
    model: Option<Box<Model>>,
    ordinal: u64,
    transit: Transit,
    order: Order,
    line: Line,
    counters: Counters,
    lateness: Lateness,
    health: Health,
    lost_before: u64,
    /// The latest time heard of.
    seen_ns: u64,
    /// It went down or up by its timeline since that was asked.
    has_turned: bool,
    /// Up to when queues that decide late, and the timeline, have decided; packets come no earlier.
    settled_ns: u64,
    /// How often the behaviour was changed.
    epoch: u32,
    journal: Option<Box<Journal>>,
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
    marked: u64,
    reordered: u64,
    verdict_hash: u64,
}

/// Why a frame did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropCause {
    /// [`Drops::loss`]
    Loss,
    /// [`Drops::queue`]
    Queue,
    /// [`Drops::early`]
    Early,
    /// [`Drops::mtu`]
    Mtu,
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
    is_copy: bool,
    flips: FlipStages,
    jitter: Stage,
    queue: Stage,
    reorder: Stage,
}

const ORIGINAL: CopyStages = CopyStages {
    is_copy: false,
    flips: FlipStages {
        corrupt: Stage::Corrupt,
        corrupt_bit: Stage::CorruptBit,
        bit_error: Stage::BitError,
    },
    jitter: Stage::Jitter,
    queue: Stage::Queue,
    reorder: Stage::Reorder,
};
const COPY: CopyStages = CopyStages {
    is_copy: true,
    flips: FlipStages {
        corrupt: Stage::CopyCorrupt,
        corrupt_bit: Stage::CopyCorruptBit,
        bit_error: Stage::CopyBitError,
    },
    jitter: Stage::CopyJitter,
    queue: Stage::CopyQueue,
    reorder: Stage::CopyReorder,
};

impl Direction {
    /// A direction with nothing on it, whose timeline begins now. `params` none: emulation is off.
    #[must_use]
    pub fn new(now_ns: u64, streams: Streams, params: Option<LinkParams>) -> Self {
        Self::since(now_ns, now_ns, streams, params)
    }

    /// The same of one whose timeline began at `start_ns`.
    #[must_use]
    pub fn since(start_ns: u64, now_ns: u64, streams: Streams, params: Option<LinkParams>) -> Self {
        let mut line = Line::default();
        let mut order = Order::default();
        if let Some(params) = &params {
            line.change(params);
            order.change(&[], &params.rules);
        }
        Self {
            streams,
            start_ns,
            model: params.map(|params| {
                let mut model = Model::new(start_ns, streams, params);
                model.follow_course(now_ns);
                model
            }),
            ordinal: 0,
            transit: Transit::default(),
            order,
            line,
            counters: Counters::default(),
            lateness: Lateness::default(),
            health: Health::default(),
            lost_before: 0,
            seen_ns: now_ns,
            has_turned: false,
            settled_ns: 0,
            epoch: 0,
            journal: None,
            room: Vec::new(),
        }
    }

    /// Changes the behaviour for packets to come; those on the link keep their due times. Queues of an unchanged
    /// discipline, loss models and an unchanged timeline go on; when the discipline changes, the packets that wait in
    /// one that decides late are given their times by the old rate. A line that goes down loses what is on it.
    pub fn change(&mut self, now_ns: u64, streams: Streams, params: Option<LinkParams>) {
        let was_up = self.is_up();
        self.catch_up(now_ns);
        let is_reseeded = self.streams != streams;
        let pair = self.model.as_ref().zip(params.as_ref());
        let queues_on =
            !is_reseeded && pair.is_some_and(|(model, new)| model.params.queues_as(new));
        if pair.is_some_and(|(model, new)| model.params.timeline != new.timeline) {
            self.start_ns = now_ns;
        }
        if !queues_on {
            self.release(now_ns);
            self.line.forget_discipline();
        }
        self.epoch += 1;
        self.streams = streams;
        let old = self.model.take();
        let before = old.as_ref().map_or(&[][..], |model| &model.params.rules);
        self.order.change(before, params.as_ref().map_or(&[][..], |params| &params.rules));
        if let Some(params) = params {
            self.line.change(&params);
            let mut model = Model::new(self.start_ns, streams, params);
            if let Some(old) = old
                && !is_reseeded
            {
                model.follow(*old);
            }
            model.follow_course(now_ns);
            self.model = Some(model);
        }
        if was_up && !self.is_up() {
            self.cut(now_ns);
        }
        self.tell_settings(now_ns);
    }

    /// Takes packets in at `now_ns`.
    pub fn offer(&mut self, now_ns: u64, train: &Train) {
        let now_ns = now_ns.max(self.settled_ns);
        self.catch_up(now_ns);
        if !self.is_up() {
            self.refuse_train(now_ns, DropCause::Disconnected, train);
            return;
        }
        self.counters.offered += u64::from(train.count);
        let ordinal = self.ordinal;
        self.ordinal += u64::from(train.count);
        let Some(mut model) = self.model.take() else {
            self.offer_plain(now_ns, train, ordinal);
            return;
        };
        model.follow_course(now_ns);
        for (n, index) in (ordinal..).zip(train.first..train.end()) {
            self.offer_emulated(now_ns, train, index, &mut model, n);
            // as if it had come alone
            self.settle(now_ns, &mut model);
        }
        self.model = Some(model);
        self.tell_memory(now_ns, train.count);
    }

    /// Counts packets that never came onto the link.
    pub fn refuse(&mut self, cause: DropCause, packets: u64) {
        self.counters.offered += packets;
        self.drop_packets(cause, packets);
    }

    /// When the first packet is due, or earlier.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        let due_ns = self.transit.next().map(|entry| entry.due_ns);
        let Some(model) = &self.model else { return due_ns };
        let holds = model.held.as_ref().is_some_and(|held| held.packets() > 0);
        let free_ns = holds.then(|| self.line.busy_until_ns());
        [due_ns, free_ns, model.turn_ns()].into_iter().flatten().min()
    }

    /// Whether frames pass at all: it is not down by its parameters or their timeline.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.model.as_ref().is_none_or(|model| !model.params.down)
    }

    /// The latest time heard of, in nanoseconds.
    #[must_use]
    pub fn seen_ns(&self) -> u64 {
        self.seen_ns
    }

    /// Whether the timeline took it down or up since the last call.
    pub fn take_turn(&mut self) -> bool {
        std::mem::take(&mut self.has_turned)
    }

    /// The first packets of one frame and due time, if that has come. The caller ends them with
    /// [`Direction::passed`] and [`Direction::drop_packets`].
    pub fn pop_due(&mut self, now_ns: u64) -> Option<(Train, u64)> {
        self.catch_up(now_ns);
        let entry = self.pop_before(now_ns, now_ns)?;
        Some((entry.train, entry.due_ns))
    }

    /// Makes `run` what leaves next at once, if its time has come; else empties it. That is the first packets of one
    /// frame and those that follow in it and are due within [`limits::BUNDLE_NS`] if there is a rate: at high rates
    /// waking up for each packet would be all that the thread does. If `merges`, datagrams that are due as well and
    /// go on with its flow join it.
    pub fn pop_run(&mut self, now_ns: u64, merges: bool, run: &mut Run) {
        run.clear();
        self.catch_up(now_ns);
        let Some(Entry { mut train, .. }) = self.pop_before(now_ns, now_ns) else { return };
        let rate = self.model.as_ref().and_then(|model| model.params.bandwidth_bit_s);
        let bundle_ns = if rate.is_some() { limits::BUNDLE_NS } else { 0 };
        let until_ns = now_ns.saturating_add(bundle_ns);
        while self.transit.next().is_some_and(|next| train.extends_to(&next.train)) {
            let Some(next) = self.pop_before(now_ns, until_ns) else { break };
            train.count += next.train.count;
        }
        run.begin(train, merges);
        while self
            .transit
            .next()
            .is_some_and(|next| next.due_ns <= now_ns && run.takes(&next.train))
        {
            let Some(next) = self.pop_before(now_ns, now_ns) else { break };
            run.push(next.train);
        }
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
            DropCause::Loss => drops.loss += packets,
            DropCause::Queue => drops.queue += packets,
            DropCause::Early => drops.early += packets,
            DropCause::Mtu => drops.mtu += packets,
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

    /// Packets may have waited this long in front of the port that this direction begins at; noted if that is longer
    /// than they may be late.
    pub fn input_waited(&mut self, now_ns: u64, waited_ns: u64, packets: u64) {
        let delay_ns = self.model.as_ref().map_or(0, |model| model.params.delay_ns);
        if waited_ns > Health::bound_ns(delay_ns) {
            self.health.waited(now_ns, packets);
        }
    }

    /// Drops everything on the link that is not due at `now_ns`: the cable is cut.
    pub fn cut(&mut self, now_ns: u64) {
        self.catch_up(now_ns);
        let drained = self.model.as_mut().map(|model| model.drain()).unwrap_or_default();
        self.cut_behind(now_ns, &drained);
        self.tell_cut(now_ns);
    }

    /// The counters at `now_ns`.
    pub fn status(&mut self, now_ns: u64) -> DirectionStatus {
        self.catch_up(now_ns);
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
            queue_frames: self.transit.packets() + packets,
            verdict_hash: self.counters.verdict_hash,
            lateness_p50_ns: self.lateness.permille(500),
            lateness_p99_ns: self.lateness.permille(990),
            lateness: self.lateness.buckets(),
            lost_before: self.lost_before,
            degraded,
            degraded_intervals,
            down: !self.is_up(),
            rules: self
                .model
                .iter()
                .flat_map(|model| &model.rules)
                .map(|rule| rule.counts)
                .collect(),
        }
    }

    fn pop_before(&mut self, now_ns: u64, until_ns: u64) -> Option<Entry> {
        let entry = self.transit.pop(until_ns)?;
        self.tell_left(now_ns, &entry);
        let packets = u64::from(entry.train.count);
        let late_ns = now_ns.saturating_sub(entry.due_ns);
        self.lateness.record(late_ns, packets);
        let delay_ns = self.model.as_ref().map_or(0, |model| model.params.delay_ns);
        self.health.left(now_ns, late_ns, Health::bound_ns(delay_ns), packets);
        if self.transit.len() == 0 {
            self.line.shrink(KEPT_CAPACITY);
        }
        Some(entry)
    }

    fn offer_plain(&mut self, now_ns: u64, train: &Train, ordinal: u64) {
        let tag = self.tag(ordinal, train.first);
        if self.transit.bytes() + train.bytes() > limits::MAX_PLAIN_QUEUE_BYTES
            || self.is_overloaded(&train.frame)
        {
            self.drop_packets(DropCause::Overload, train.count.into());
            self.tell_plain(now_ns, train, tag, Fate::Lost(DropCause::Overload));
            return;
        }
        let due_ns = self.push(now_ns, now_ns, train.clone(), Lane::default(), tag);
        self.tell_plain(now_ns, train, tag, Fate::Due(due_ns));
    }

    fn offer_emulated(
        &mut self,
        now_ns: u64,
        train: &Train,
        index: u16,
        model: &mut Model,
        ordinal: u64,
    ) {
        let depth = self.depth(now_ns, model);
        let bytes = train.packet_bytes(index);
        let who = Identity { number: ordinal, rule: None };
        let mut packet = Packet { train, index, bytes, ordinal, who };
        let cause = if model.params.mtu.is_some_and(|mtu| is_longer(train, bytes, mtu)) {
            self.note_verdict(VERDICT_TOO_LONG);
            Some(DropCause::Mtu)
        } else {
            if model.needs_bytes() {
                train.packet(index, &mut self.room);
            }
            packet.who = model.identify(ordinal, &self.room);
            let is_lost = model.is_lost(self.streams, packet.who);
            if is_lost {
                self.note_verdict(VERDICT_LOST);
            }
            is_lost.then_some(DropCause::Loss)
        };
        if let Some(cause) = cause {
            let fate = self.lose(cause);
            let tag = self.tag(ordinal, index);
            self.tell(now_ns, packet, tag, fate, depth);
            return;
        }
        let (fate, tag) = self.send(now_ns, packet, model, ORIGINAL);
        self.tell(now_ns, packet, tag, fate, depth);
        let params = params_of(&model.params, &model.rules, packet.who.rule);
        if self.hits(params.duplicate, Stage::Duplicate, packet.who.number) {
            self.note_verdict(VERDICT_DOUBLED);
            self.counters.duplicated += 1;
            let depth = self.depth(now_ns, model);
            let (fate, tag) = self.send(now_ns, packet, model, COPY);
            self.tell(now_ns, packet, tag, fate, depth);
        }
    }

    /// Corruption, queue, rate, delay.
    fn send(
        &mut self,
        now_ns: u64,
        packet: Packet<'_>,
        model: &mut Model,
        stages: CopyStages,
    ) -> (Fate, Tag) {
        let Model { params, rules, jitter, .. } = model;
        let params = params_of(params, rules, packet.who.rule);
        let number = packet.who.number;
        let flips = flip::flips(self.streams, number, packet.bytes * 8, params, stages.flips);
        let is_corrupted = !flips.is_empty();
        self.counters.corrupted += u64::from(is_corrupted);
        let overtakes = self.hits(params.reorder, stages.reorder, number);
        let delay_ns = match (overtakes, params.jitter_ns) {
            (true, _) => 0,
            (false, 0) => params.delay_ns,
            (false, _) => jitter::delay(params, jitter, self.streams.draw(stages.jitter, number)),
        };
        let first_flip = flips.first().map_or(0, |bit| bit + 1);
        self.note_verdict(delay_ns ^ first_flip << 44 ^ u64::from(overtakes) << 63);
        // a packet with flipped bits is a frame of its own
        let index = if is_corrupted { 0 } else { packet.index };
        let is_copy = stages.is_copy;
        let tag = Tag { is_copy, is_corrupted, overtakes, ..self.tag(packet.ordinal, index) };
        if self.transit.bytes() + packet.bytes > limits::MAX_DELAY_LINE_BYTES
            || self.is_overloaded(&packet.train.frame)
        {
            return (self.lose(DropCause::Overload), tag);
        }
        let train = packet.train.part(packet.index, 1);
        let train = if is_corrupted { self.flipped(&train, &flips) } else { Some(train) };
        let Some(train) = train else { return (self.lose(DropCause::Overload), tag) };
        let lane = Lane { rule: packet.who.rule, may_pass: overtakes || params.jitter_reorders };
        // as the queue sees it, with flipped bits
        let may_mark = params.ecn && ecn::takes_marks(train.frame.bytes());
        let held = Held {
            train,
            tag,
            bytes: packet.bytes.max(limits::PADDED_FRAME_BYTES),
            arrived_ns: now_ns,
            delay_ns,
            lane,
            may_mark,
        };
        (self.queue_up(now_ns, held, packet, model, stages), tag)
    }

    /// Queue, rate, delay.
    fn queue_up(
        &mut self,
        now_ns: u64,
        packet: Held,
        from: Packet<'_>,
        model: &mut Model,
        stages: CopyStages,
    ) -> Fate {
        let Model { params, rules, held, course, salt, .. } = model;
        let params = params_of(params, rules, from.who.rule);
        if let Some(held) = held {
            let packets = params.queue_packets.unwrap_or(u64::MAX);
            let limit = self.line.late_limit_bytes(now_ns, packet.bytes, params);
            let dropped = held.push(packet, *salt, limit, packets);
            self.counters.drops.queue += count(dropped.len());
            let told = Some((from.ordinal, stages.is_copy));
            let loss = self.loss(now_ns, DropCause::Queue, held.bytes());
            let is_gone = self.tell_dropped(loss, &dropped, told);
            return if is_gone { Fate::Lost(DropCause::Queue) } else { Fate::Waits };
        }
        let draws = !matches!(params.discipline, Discipline::DropTail);
        let draw = if draws { self.streams.draw(stages.queue, from.who.number) } else { 0 };
        let Held { train, tag, bytes, delay_ns, lane, may_mark, .. } = packet;
        match self.line.offer(now_ns, bytes, params, course.as_ref(), (draw, may_mark)) {
            Admission::Departs(at_ns) => {
                let due_ns = at_ns.saturating_add(delay_ns);
                Fate::Due(self.push(now_ns, due_ns, train, lane, tag))
            }
            Admission::Marked(at_ns) => {
                self.push_marked(now_ns, at_ns.saturating_add(delay_ns), &train, lane, tag)
            }
            Admission::Full => self.lose(DropCause::Queue),
            Admission::Early => self.lose(DropCause::Early),
        }
    }

    fn lose(&mut self, cause: DropCause) -> Fate {
        self.drop_packets(cause, 1);
        Fate::Lost(cause)
    }

    /// The packet alone, complete, with bits flipped; none if the pool is exhausted.
    fn flipped(&mut self, train: &Train, bits: &[u64]) -> Option<Train> {
        train.packet(train.first, &mut self.room);
        flip::apply(&mut self.room, bits);
        Some(train.frame.sibling(&self.room)?.into())
    }

    /// Puts the packet, marked, on its way.
    fn push_marked(
        &mut self,
        now_ns: u64,
        due_ns: u64,
        train: &Train,
        lane: Lane,
        tag: Tag,
    ) -> Fate {
        let base = tag.base.wrapping_add(train.first.into());
        train.packet(train.first, &mut self.room);
        ecn::mark(&mut self.room);
        match train.frame.sibling(&self.room) {
            Some(frame) => {
                self.counters.marked += 1;
                let tag = Tag { base, is_marked: true, ..tag };
                Fate::Due(self.push(now_ns, due_ns, frame.into(), lane, tag))
            }
            None => self.lose(DropCause::Overload),
        }
    }

    /// Does what queue discipline and timeline would have done up to now.
    fn catch_up(&mut self, now_ns: u64) {
        self.seen_ns = self.seen_ns.max(now_ns);
        let Some(mut model) = self.model.take() else { return };
        while let Some(turn_ns) = model.turn_ns().filter(|turn_ns| *turn_ns <= now_ns) {
            self.settle(turn_ns, &mut model);
            self.settled_ns = self.settled_ns.max(turn_ns);
            let was_down = model.params.down;
            model.follow_course(turn_ns);
            self.has_turned |= was_down != model.params.down;
            if model.params.down && !was_down {
                self.cut_behind(turn_ns, &model.drain());
            }
        }
        self.settle(now_ns, &mut model);
        self.model = Some(model);
    }

    /// Drops what has not arrived at this time, and what was drained from queues, of so many bytes.
    fn cut_behind(&mut self, at_ns: u64, (held, held_bytes): &(Vec<Held>, u64)) {
        self.counters.drops.disconnected += count(held.len());
        let loss = self.loss(at_ns, DropCause::Disconnected, *held_bytes);
        self.tell_dropped(loss, held, None);
        for entry in self.transit.split_off(at_ns) {
            self.tell_gone(loss, &entry.train, entry.tag);
            self.counters.drops.disconnected += u64::from(entry.train.count);
        }
        self.order.cut(at_ns);
        self.line.cut();
    }

    fn settle(&mut self, now_ns: u64, model: &mut Model) {
        let Model { params, held, course, .. } = model;
        let Some(held) = held else { return };
        self.settled_ns = self.settled_ns.max(now_ns);
        while held.packets() > 0 && self.line.busy_until_ns() <= now_ns {
            let came_ns = held.oldest_ns().unwrap_or(now_ns);
            let at_ns = self.line.busy_until_ns().max(came_ns);
            let gone = held.pop(at_ns);
            self.counters.drops.early += count(gone.dropped.len());
            let held_bytes = held.bytes();
            let loss = self.loss(at_ns, DropCause::Early, held_bytes);
            self.tell_dropped(loss, &gone.dropped, None);
            let Some((packet, is_marked)) = gone.sent else { continue };
            let departs_ns = self.line.send(at_ns, packet.bytes, params, course.as_ref());
            let due_ns = departs_ns.saturating_add(packet.delay_ns);
            let Held { train, tag, lane, .. } = packet;
            if !is_marked {
                self.push(at_ns, due_ns, train, lane, tag);
            } else if self.push_marked(at_ns, due_ns, &train, lane, tag)
                == Fate::Lost(DropCause::Overload)
            {
                let loss = self.loss(at_ns, DropCause::Overload, held_bytes);
                self.tell_gone(loss, &train, tag);
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
            self.push(now_ns, due_ns, packet.train, packet.lane, packet.tag);
        }
        self.model = Some(model);
    }

    /// Puts packets on their way; returns when they are due. What has left already bounds those behind it all the
    /// same, so that due times do not depend on when packets really leave.
    fn push(&mut self, now_ns: u64, due_ns: u64, train: Train, lane: Lane, tag: Tag) -> u64 {
        let until_ns = self.order.until_ns();
        let due_ns = self.order.join(lane, due_ns.max(now_ns));
        let packets = u64::from(train.count);
        if due_ns >= until_ns {
            self.transit.push(due_ns, train, tag);
        } else if self.transit.overtake(due_ns, train, tag) {
            self.counters.reordered += packets;
        }
        due_ns
    }

    fn hits(&self, ratio: Ratio, stage: Stage, ordinal: u64) -> bool {
        ratio != Ratio::NEVER && ratio.hits(self.streams.draw(stage, ordinal))
    }

    fn is_overloaded(&self, frame: &Frame) -> bool {
        self.transit.len() >= limits::MAX_FRAMES_PER_DIRECTION || frame.pool_is_full()
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
    who: Identity,
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

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
