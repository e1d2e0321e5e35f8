//! The rate of a direction and the queue in front of it, in logical time.
//!
//! A packet learns when its last bit will have left the moment it is taken in; that promise is kept whatever changes
//! later. The line is a virtual clock with the depth of a token bucket (GCRA, ITU-T I.371): with a depth of `b` bits
//! at rate `R`, `T = max(T, now - b/R) + bits/R` and the packet departs at `max(now, T)`. Packets that arrive find
//! the bytes of all that have not departed as backlog.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::config::{Discipline, LinkParams, Ratio, bytes_in};
use crate::core::timeline::Course;

/// What became of a packet at the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Taken; its last bit leaves then.
    Departs(u64),
    /// Taken and marked.
    Marked(u64),
    /// The queue is full.
    Full,
    /// The discipline dropped it early.
    Early,
}

/// A rate and its queue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    limit_bytes: u64,
    /// When the rate is free again, with the rest of the division in units of 1e-9 bit over the rate.
    busy_until_ns: u64,
    busy_rest: u64,
    /// When packets that wait for the rate are past it, and their bytes with framing.
    waiting: VecDeque<(u64, u64)>,
    backlog_bytes: u64,
    red: Red,
    pie: Pie,
}

/// State of random early detection: average queue, packets since the last drop, since when it is empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Red {
    #[serde(with = "crate::core::exact")]
    average: f64,
    since_drop: u64,
}

/// State of PIE (RFC 8033).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Pie {
    #[serde(with = "crate::core::exact")]
    probability: f64,
    old_wait_ns: u64,
    burst_left_ns: u64,
    updated_ns: Option<u64>,
}

/// The weight of a new value in RED's average, as the authors recommend.
const RED_WEIGHT: f64 = 0.002;
/// RED's packet size for the time an empty queue is averaged over, in bytes.
const RED_PACKET_BYTES: u64 = 1500;
/// PIE's weights (RFC 8033 section 4.2, in units of 1/s), burst allowance and small queue.
const PIE_ALPHA: f64 = 0.125;
const PIE_BETA: f64 = 1.25;
const PIE_BURST_NS: u64 = 150_000_000;
const PIE_SMALL_BYTES: u64 = 3000;
/// From this probability on PIE drops also what could be marked (RFC 8033 section 5.1, `mark_ecnth`).
const PIE_MARK_MAX: f64 = 0.1;
/// More updates than this in one pause change nothing any more.
const PIE_UPDATES_MAX: u64 = 1000;

impl Line {
    /// Takes the queue limit; what waits keeps its promise.
    pub fn change(&mut self, params: &LinkParams) {
        self.limit_bytes = params.effective_queue_bytes();
    }

    /// Forgets what disciplines remember: another one begins.
    pub fn forget_discipline(&mut self) {
        self.red = Red::default();
        self.pie = Pie::default();
    }

    /// Takes or drops a packet of this many bytes. `draw` decides for disciplines that draw, `may_mark` says that
    /// the packet can be marked instead. A rate that changes by `course` counts as it will be while the packet is
    /// sent.
    pub fn offer(
        &mut self,
        now_ns: u64,
        bytes: u64,
        params: &LinkParams,
        course: Option<&Course>,
        (draw, may_mark): (u64, bool),
    ) -> Admission {
        let Some(rate) = params.bandwidth_bit_s else {
            return Admission::Departs(now_ns.max(self.busy_until_ns));
        };
        self.pass_departed(now_ns);
        let wire_bytes = params.wire_bytes(bytes);
        let mut may_mark = may_mark;
        let is_early = match params.discipline {
            Discipline::DropTail | Discipline::Codel { .. } | Discipline::FqCodel { .. } => false,
            Discipline::Red { min_bytes, max_bytes, probability } => {
                let (min, max) = red_bounds(min_bytes, max_bytes, self.limit_bytes);
                let idle_ns = now_ns.saturating_sub(self.busy_until_ns);
                let idle = idle_ns / span_ns(RED_PACKET_BYTES, rate).max(1);
                self.red.drops(self.backlog_bytes, idle, (min, max, probability), draw)
            }
            Discipline::Pie { target_ns, update_ns } => {
                self.pie.update(now_ns, self.busy_until_ns, target_ns, update_ns);
                may_mark &= self.pie.probability < PIE_MARK_MAX;
                self.backlog_bytes > PIE_SMALL_BYTES && self.pie.drops(target_ns, draw)
            }
        };
        if is_early && !may_mark {
            return Admission::Early;
        }
        if self.backlog_bytes > 0 && self.is_full(now_ns, wire_bytes, params) {
            return Admission::Full;
        }
        let departs_ns = self.send(now_ns, bytes, params, course);
        if is_early { Admission::Marked(departs_ns) } else { Admission::Departs(departs_ns) }
    }

    /// Whether a queue that is not empty has no room for these bytes.
    pub fn is_full(&self, now_ns: u64, wire_bytes: u64, params: &LinkParams) -> bool {
        let packets = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        let wait_ns = self.busy_until_ns.saturating_sub(now_ns);
        self.backlog_bytes + wire_bytes > self.limit_bytes
            || params.queue_packets.is_some_and(|limit| packets >= limit)
            || params.queue_ns.is_some_and(|limit| wait_ns > limit)
    }

    /// When the last bit of a packet of this many bytes leaves if it is sent next.
    pub fn send(
        &mut self,
        now_ns: u64,
        bytes: u64,
        params: &LinkParams,
        course: Option<&Course>,
    ) -> u64 {
        self.pass_departed(now_ns);
        let wire_bytes = params.wire_bytes(bytes);
        let Some(rate) = params.bandwidth_bit_s else { return now_ns.max(self.busy_until_ns) };
        let free_ns = now_ns.saturating_sub(span_ns(params.burst_bytes, rate));
        if self.busy_until_ns < free_ns {
            self.busy_until_ns = free_ns;
            self.busy_rest = 0;
        }
        match course {
            None => self.work(u128::from(wire_bytes) * 8_000_000_000, rate),
            Some(course) => self.work_along(wire_bytes, course),
        }
        let departs_ns = self.busy_until_ns.max(now_ns);
        self.backlog_bytes += wire_bytes;
        self.waiting.push_back((departs_ns, wire_bytes));
        departs_ns
    }

    /// Moves the clock by this many units of 1e-9 bit.
    fn work(&mut self, units: u128, rate: u64) {
        let work = units + u128::from(self.busy_rest);
        let whole = u64::try_from(work / u128::from(rate)).unwrap_or(u64::MAX);
        self.busy_rest = u64::try_from(work % u128::from(rate)).expect("below the rate");
        self.busy_until_ns = self.busy_until_ns.saturating_add(whole);
    }

    /// The same by the rates that will be in force on the way.
    fn work_along(&mut self, wire_bytes: u64, course: &Course) {
        let mut left = u128::from(wire_bytes) * 8_000_000_000;
        loop {
            let (values, until_ns) = course.at(self.busy_until_ns);
            let Some(rate) = values.bandwidth_bit_s() else { return };
            let room_ns = until_ns - self.busy_until_ns;
            let room = u128::from(room_ns) * u128::from(rate);
            self.busy_rest %= rate;
            if left <= room {
                self.work(left, rate);
                return;
            }
            left -= room;
            self.busy_until_ns = until_ns;
        }
    }

    /// When the rate is free again.
    #[must_use]
    pub fn busy_until_ns(&self) -> u64 {
        self.busy_until_ns
    }

    /// Bytes that wait or are being sent at `now_ns`, with framing. Looking changes nothing.
    #[must_use]
    pub fn backlog_bytes(&self, now_ns: u64) -> u64 {
        let gone = self.waiting.iter().take_while(|(departs_ns, _)| *departs_ns <= now_ns);
        self.backlog_bytes - gone.map(|(_, bytes)| bytes).sum::<u64>()
    }

    /// As it is at `now_ns`, to go on from elsewhere; none if more than this many packets wait.
    #[must_use]
    pub fn snapshot(&self, now_ns: u64, packets: usize) -> Option<Line> {
        let gone = self.waiting.iter().take_while(|(departs_ns, _)| *departs_ns <= now_ns);
        (self.waiting.len() - gone.count() <= packets).then(|| {
            let mut line = self.clone();
            line.pass_departed(now_ns);
            line
        })
    }

    /// Most bytes with framing that may wait, a new packet of `bytes` among them, in queues that decide late: as many as the limit says,
    /// and before the packet no more than leave within the longest wait at the rate in force.
    #[must_use]
    pub fn late_limit_bytes(&self, now_ns: u64, bytes: u64, params: &LinkParams) -> u64 {
        let (Some(limit_ns), Some(rate)) = (params.queue_ns, params.bandwidth_bit_s) else {
            return self.limit_bytes;
        };
        let wait_ns = limit_ns.saturating_sub(self.busy_until_ns.saturating_sub(now_ns));
        let wire_bytes = params.wire_bytes(bytes);
        self.limit_bytes.min(bytes_in(rate, wait_ns).saturating_add(wire_bytes))
    }

    /// Forgets everything: the cable is cut.
    pub fn cut(&mut self) {
        let limit_bytes = self.limit_bytes;
        *self = Self { limit_bytes, ..Self::default() };
    }

    /// Gives memory back.
    pub fn shrink(&mut self, capacity: usize) {
        self.waiting.shrink_to(capacity);
    }

    fn pass_departed(&mut self, now_ns: u64) {
        while let Some(&(departs_ns, bytes)) = self.waiting.front()
            && departs_ns <= now_ns
        {
            self.backlog_bytes -= bytes;
            self.waiting.pop_front();
        }
    }
}

/// RED's bounds as iproute2 completes them (`tc/q_red.c`): a maximum of three minimums or a quarter of the limit, a
/// minimum of a third of the maximum.
fn red_bounds(min_bytes: Option<u64>, max_bytes: Option<u64>, limit_bytes: u64) -> (u64, u64) {
    let max = max_bytes.or_else(|| min_bytes.map(|min| min * 3));
    let max = max.unwrap_or(limit_bytes / 4).max(1);
    (min_bytes.unwrap_or(max / 3), max)
}

/// How long these bytes take at a rate.
fn span_ns(bytes: u64, rate: u64) -> u64 {
    let ns = u128::from(bytes) * 8_000_000_000 / u128::from(rate);
    u64::try_from(ns).unwrap_or(u64::MAX)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "queues are far below 2^53 bytes, times far below 2^53 ns"
)]
fn float(value: u64) -> f64 {
    value as f64
}

#[allow(clippy::cast_precision_loss, reason = "53 bits are enough for a share of packets")]
fn unit(draw: u64) -> f64 {
    (draw >> 11) as f64 / (1u64 << 53) as f64
}

impl Red {
    /// The published algorithm: exponential average, also over the time the queue was empty; a probability that
    /// rises from zero at `min` to the given one at `max` and on to one at twice `max`; spread evenly by counting.
    fn drops(
        &mut self,
        backlog: u64,
        idle: u64,
        (min, max, top): (u64, u64, Ratio),
        draw: u64,
    ) -> bool {
        if backlog == 0 {
            self.average *= libm::pow(1.0 - RED_WEIGHT, float(idle));
        } else {
            self.average += RED_WEIGHT * (float(backlog) - self.average);
        }
        let (min, max) = (float(min), float(max));
        let share = if self.average < min {
            self.since_drop = 0;
            return false;
        } else if self.average < max {
            top.fraction() * (self.average - min) / (max - min)
        } else if self.average < 2.0 * max {
            top.fraction() + (1.0 - top.fraction()) * (self.average - max) / max
        } else {
            1.0
        };
        let spread = 1.0 - float(self.since_drop) * share;
        let share = if spread <= share { 1.0 } else { share / spread };
        self.since_drop += 1;
        let is_hit = share >= 1.0 || unit(draw) < share;
        if is_hit {
            self.since_drop = 0;
        }
        is_hit
    }
}

impl Pie {
    /// The periodic part, made up for the time since the last packet: every `update_ns` from the first packet on, by
    /// the wait at that time. It is known exactly, since the line was to be free at `free_ns` all the while.
    fn update(&mut self, now_ns: u64, free_ns: u64, target_ns: u64, update_ns: u64) {
        let Some(last_ns) = self.updated_ns else {
            self.updated_ns = Some(now_ns);
            self.burst_left_ns = PIE_BURST_NS;
            return;
        };
        let updates = now_ns.saturating_sub(last_ns) / update_ns;
        for n in updates.saturating_sub(PIE_UPDATES_MAX)..updates {
            let at_ns = last_ns + (n + 1) * update_ns;
            self.step(free_ns.saturating_sub(at_ns), target_ns, update_ns);
        }
        self.updated_ns = Some(last_ns + updates * update_ns);
    }

    fn step(&mut self, wait_ns: u64, target_ns: u64, update_ns: u64) {
        let seconds = |ns: u64| float(ns) / 1e9;
        let change = PIE_ALPHA * (seconds(wait_ns) - seconds(target_ns))
            + PIE_BETA * (seconds(wait_ns) - seconds(self.old_wait_ns));
        // RFC 8033 section 4.2: small probabilities move in small steps
        let scale = match self.probability {
            p if p < 0.000_001 => 2048.0,
            p if p < 0.000_01 => 512.0,
            p if p < 0.000_1 => 128.0,
            p if p < 0.001 => 32.0,
            p if p < 0.01 => 8.0,
            p if p < 0.1 => 2.0,
            _ => 1.0,
        };
        let change = change / scale;
        let change = if self.probability >= 0.1 { change.min(0.02) } else { change };
        self.probability = (self.probability + change).clamp(0.0, 1.0);
        if wait_ns == 0 && self.old_wait_ns == 0 {
            self.probability *= 0.98;
        }
        self.burst_left_ns = self.burst_left_ns.saturating_sub(update_ns);
        let half = target_ns / 2;
        if self.probability == 0.0 && wait_ns < half && self.old_wait_ns < half {
            self.burst_left_ns = PIE_BURST_NS;
        }
        self.old_wait_ns = wait_ns;
    }

    fn drops(&self, target_ns: u64, draw: u64) -> bool {
        let is_calm = self.old_wait_ns < target_ns / 2 && self.probability < 0.2;
        self.burst_left_ns == 0 && !is_calm && unit(draw) < self.probability
    }
}

#[cfg(test)]
mod tests;
