//! The model of one direction of a link.
//!
//! ```text
//! offer ─ loss ─ duplicate ─ corrupt ─ byte queue + rate clock ─ delay ± jitter ─ FIFO of due times ─ pop_due
//!           │                               │                                       │
//!          drop                            drop                            drop (disconnected)
//! ```
//!
//! Invariants: frames leave in the order they came (a copy follows its original); a due time, once given, stays;
//! `offered + duplicated = passed + drops + queued`; the verdicts depend on the streams and the number of frames
//! only, never on time.

use std::collections::VecDeque;

use crate::config::{LinkParams, Ratio};
use crate::core::frame::Frame;
use crate::core::jitter;
use crate::core::lateness::Lateness;
use crate::core::random::{Stage, Streams, mix};
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
    /// Entries at the front of the queue that are past the rate.
    departed: usize,
    /// Bytes of the entries behind those, with framing.
    backlog_bytes: u64,
    in_flight_bytes: u64,
    /// When the rate is free again, with the rest of the division in units of 1e-9 bit over the rate.
    busy_until_ns: u64,
    busy_rest: u64,
    last_due_ns: u64,
    counters: Counters,
    lateness: Lateness,
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

#[derive(Debug)]
struct Entry {
    frame: Frame,
    departs_ns: u64,
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
            departed: 0,
            backlog_bytes: 0,
            in_flight_bytes: 0,
            busy_until_ns: 0,
            busy_rest: 0,
            last_due_ns: 0,
            counters: Counters::default(),
            lateness: Lateness::default(),
        }
    }

    /// Changes the behaviour for frames to come; those on the link keep their due times.
    pub fn change(&mut self, streams: Streams, params: Option<LinkParams>) {
        self.queue_limit_bytes = params.as_ref().map_or(0, LinkParams::effective_queue_bytes);
        self.streams = streams;
        self.params = params;
        self.busy_rest = 0;
    }

    /// Takes a frame in at `now_ns`.
    pub fn offer(&mut self, now_ns: u64, frame: Frame) {
        self.counters.offered += 1;
        let ordinal = self.ordinal;
        self.ordinal += 1;
        let Some(params) = self.params.take() else {
            self.note_verdict(0);
            self.offer_plain(now_ns, frame);
            return;
        };
        self.offer_emulated(now_ns, frame, &params, ordinal);
        self.params = Some(params);
    }

    /// Counts a frame that never came onto the link.
    pub fn refuse(&mut self, cause: DropCause) {
        self.counters.offered += 1;
        self.drop_frame(cause);
    }

    /// When the first frame is due.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.queue.front().map(|entry| entry.due_ns)
    }

    /// The first frame and its due time, if that has come. The caller ends it with [`Direction::passed`] or
    /// [`Direction::drop_frame`].
    pub fn pop_due(&mut self, now_ns: u64) -> Option<(Frame, u64)> {
        if self.queue.front()?.due_ns > now_ns {
            return None;
        }
        let entry = self.queue.pop_front()?;
        if self.departed > 0 {
            self.departed -= 1;
        } else {
            self.backlog_bytes -= entry.frame.len() + limits::FRAMING_BYTES;
        }
        self.in_flight_bytes -= entry.frame.len();
        self.lateness.record(now_ns - entry.due_ns);
        if self.queue.is_empty() {
            self.queue.shrink_to(KEPT_CAPACITY);
        }
        Some((entry.frame, entry.due_ns))
    }

    /// Counts a popped frame as passed.
    pub fn passed(&mut self, bytes: u64) {
        self.counters.frames += 1;
        self.counters.bytes += bytes;
    }

    /// Counts a frame as dropped.
    pub fn drop_frame(&mut self, cause: DropCause) {
        let drops = &mut self.counters.drops;
        match cause {
            DropCause::Disconnected => drops.disconnected += 1,
            DropCause::Overload => drops.overload += 1,
            DropCause::Detached => drops.detached += 1,
            DropCause::Port => drops.port += 1,
            DropCause::Malformed => drops.malformed += 1,
        }
    }

    /// Drops everything on the link: the cable is cut.
    pub fn cut(&mut self) {
        self.counters.drops.disconnected += count(self.queue.len());
        self.queue.clear();
        self.departed = 0;
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
            queue_frames: count(self.queue.len()),
            verdict_hash: self.counters.verdict_hash,
            lateness_p50_ns: self.lateness.permille(500),
            lateness_p99_ns: self.lateness.permille(990),
        }
    }

    fn offer_plain(&mut self, now_ns: u64, frame: Frame) {
        if self.in_flight_bytes + frame.len() > limits::MAX_PLAIN_QUEUE_BYTES
            || self.is_overloaded(&frame)
        {
            self.drop_frame(DropCause::Overload);
            return;
        }
        self.push(now_ns, now_ns, now_ns, frame);
    }

    fn offer_emulated(&mut self, now_ns: u64, frame: Frame, params: &LinkParams, ordinal: u64) {
        if self.hits(params.loss, Stage::Loss, ordinal) {
            self.note_verdict(VERDICT_LOST);
            self.counters.drops.loss += 1;
            return;
        }
        if self.hits(params.duplicate, Stage::Duplicate, ordinal) {
            self.note_verdict(VERDICT_DOUBLED);
            self.counters.duplicated += 1;
            self.send(now_ns, frame.clone(), params, ordinal, ORIGINAL);
            self.send(now_ns, frame, params, ordinal, COPY);
        } else {
            self.send(now_ns, frame, params, ordinal, ORIGINAL);
        }
    }

    /// Corruption, queue, rate, delay.
    fn send(
        &mut self,
        now_ns: u64,
        frame: Frame,
        params: &LinkParams,
        ordinal: u64,
        stages: CopyStages,
    ) {
        let mut flip = None;
        if self.hits(params.corrupt, stages.corrupt, ordinal) && !frame.is_empty() {
            let draw = u128::from(self.streams.draw(stages.corrupt_bit, ordinal));
            let bit = u64::try_from((draw * u128::from(frame.len() * 8)) >> 64)
                .expect("below the number of bits of a frame");
            flip = Some(bit);
        }
        let delay_ns = if params.jitter_ns == 0 {
            params.delay_ns
        } else {
            let draw = self.streams.draw(stages.jitter, ordinal);
            jitter::delay(params.delay_ns, params.jitter_ns, params.distribution, draw)
        };
        self.note_verdict(flip.map_or(0, |bit| bit + 1));
        self.note_verdict(delay_ns);
        if self.in_flight_bytes + frame.len() > limits::MAX_DELAY_LINE_BYTES
            || self.is_overloaded(&frame)
        {
            self.drop_frame(DropCause::Overload);
            return;
        }
        let Some(departs_ns) = self.transmit(now_ns, &frame, params) else {
            self.counters.drops.queue += 1;
            return;
        };
        let frame = match flip {
            None => frame,
            Some(bit) => {
                let Some(flipped) = frame.with_flipped_bit(bit) else {
                    self.drop_frame(DropCause::Overload);
                    return;
                };
                self.counters.corrupted += 1;
                flipped
            }
        };
        self.push(now_ns, departs_ns, departs_ns.saturating_add(delay_ns), frame);
    }

    /// When the last bit of the frame is sent; none if the byte queue is full. A frame that finds the rate
    /// free is always taken.
    fn transmit(&mut self, now_ns: u64, frame: &Frame, params: &LinkParams) -> Option<u64> {
        let Some(rate) = params.bandwidth_bit_s else {
            return Some(now_ns.max(self.busy_until_ns));
        };
        self.pass_departed(now_ns);
        let wire_bytes = frame.len() + limits::FRAMING_BYTES;
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
        Some(self.busy_until_ns)
    }

    fn pass_departed(&mut self, now_ns: u64) {
        while let Some(entry) = self.queue.get(self.departed)
            && entry.departs_ns <= now_ns
        {
            self.backlog_bytes -= entry.frame.len() + limits::FRAMING_BYTES;
            self.departed += 1;
        }
    }

    fn push(&mut self, now_ns: u64, departs_ns: u64, due_ns: u64, frame: Frame) {
        let due_ns =
            if self.queue.is_empty() { due_ns } else { due_ns.max(self.last_due_ns) }.max(now_ns);
        self.last_due_ns = due_ns;
        self.in_flight_bytes += frame.len();
        self.backlog_bytes += frame.len() + limits::FRAMING_BYTES;
        self.queue.push_back(Entry { frame, departs_ns, due_ns });
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

const KEPT_CAPACITY: usize = 1024;
const VERDICT_LOST: u64 = u64::MAX;
const VERDICT_DOUBLED: u64 = u64::MAX - 1;

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
