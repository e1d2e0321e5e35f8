//! Whether what a direction did can be trusted, and when it could not.
//!
//! A window of [`limits::HEALTH_WINDOW_NS`] is bad if more than one packet in a hundred left later than it should
//! or may have waited longer in front of the model (the bound is `max(1 ms, 10 % of the delay)`), or if a packet was
//! lost by something else than the model. Bad windows next to each other are one interval.

use std::collections::VecDeque;

use crate::limits;
use crate::status::Degraded;

/// The watch over one direction.
#[derive(Debug, Default)]
pub struct Health {
    window_at_ns: u64,
    packets: u64,
    late: u64,
    lost: u64,
    waited: u64,
    intervals: VecDeque<Interval>,
}

#[derive(Debug)]
struct Interval {
    from_ns: u64,
    until_ns: u64,
    late: u64,
    lost: u64,
}

impl Health {
    /// The latest that a packet may be with this delay.
    #[must_use]
    pub fn bound_ns(delay_ns: u64) -> u64 {
        limits::LATE_NS.max(delay_ns / 10)
    }

    /// Packets left this late.
    pub fn left(&mut self, now_ns: u64, late_ns: u64, bound_ns: u64, packets: u64) {
        self.roll(now_ns);
        self.packets += packets;
        if late_ns > bound_ns {
            self.late += packets;
        }
    }

    /// Packets were lost outside of the model.
    pub fn lost(&mut self, now_ns: u64, packets: u64) {
        self.roll(now_ns);
        self.lost += packets;
    }

    /// Packets may have waited in front of the model for longer than the bound.
    pub fn waited(&mut self, now_ns: u64, packets: u64) {
        self.roll(now_ns);
        self.waited += packets;
    }

    /// Whether the direction is degraded at `now_ns`, and all intervals, as times before now.
    pub fn report(&mut self, now_ns: u64) -> (bool, Vec<Degraded>) {
        self.roll(now_ns);
        let since = |at_ns: u64| now_ns.saturating_sub(at_ns);
        let mut intervals: Vec<Degraded> = self
            .intervals
            .iter()
            .map(|interval| Degraded {
                from_ago_ns: since(interval.from_ns),
                until_ago_ns: since(interval.until_ns),
                late_frames: interval.late,
                lost_frames: interval.lost,
            })
            .collect();
        let is_bad_now = self.is_bad();
        if is_bad_now {
            let from_ago_ns = since(self.window_at_ns);
            let (late_frames, lost_frames) = (self.late, self.lost);
            intervals.push(Degraded { from_ago_ns, until_ago_ns: 0, late_frames, lost_frames });
        }
        let is_recent = intervals.last().is_some_and(|last| last.until_ago_ns < limits::RECENT_NS);
        (is_recent, intervals)
    }

    fn is_bad(&self) -> bool {
        (self.late + self.waited) * 100 > self.packets || self.lost > 0
    }

    /// Ends the window if its time is over.
    fn roll(&mut self, now_ns: u64) {
        if now_ns.saturating_sub(self.window_at_ns) < limits::HEALTH_WINDOW_NS {
            return;
        }
        if self.is_bad() {
            let until_ns = self.window_at_ns + limits::HEALTH_WINDOW_NS;
            match self.intervals.back_mut() {
                Some(last) if self.window_at_ns <= last.until_ns + limits::HEALTH_WINDOW_NS => {
                    last.until_ns = until_ns;
                    last.late += self.late;
                    last.lost += self.lost;
                }
                _ => {
                    let (from_ns, late, lost) = (self.window_at_ns, self.late, self.lost);
                    self.intervals.push_back(Interval { from_ns, until_ns, late, lost });
                }
            }
            if self.intervals.len() > limits::MAX_INTERVALS {
                self.intervals.pop_front();
            }
        }
        self.window_at_ns = now_ns;
        (self.packets, self.late, self.lost, self.waited) = (0, 0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn late_packets_and_losses_make_intervals() {
        let mut health = Health::default();
        let bound = Health::bound_ns(50 * MS);
        assert_eq!(bound, 5 * MS);
        // one in a hundred may be late
        let start = 1000 * MS;
        for n in 0..1000 {
            let late = if n % 100 == 0 { 6 * MS } else { 0 };
            health.left(start + n * MS, late, bound, 1);
        }
        assert_eq!(health.report(start + 1000 * MS), (false, vec![]));
        // a bad stretch of 300 ms, seen while it lasts
        for n in 0..300 {
            health.left(start + (1000 + n) * MS, 6 * MS, bound, 1);
        }
        let (is_degraded, intervals) = health.report(start + 1300 * MS);
        assert!(is_degraded && intervals.len() == 1, "{intervals:?}");
        assert!(intervals[0].late_frames >= 200, "{intervals:?}");
        // long after
        health.left(start + 5000 * MS, 0, bound, 1);
        let (is_degraded, intervals) = health.report(start + 9000 * MS);
        assert!(!is_degraded && intervals.len() == 1);
        health.lost(start + 9100 * MS, 3);
        let (is_degraded, intervals) = health.report(start + 9100 * MS);
        assert_eq!((is_degraded, intervals.len(), intervals[1].lost_frames), (true, 2, 3));
        // one in a hundred may have waited, too
        for n in 0..200 {
            health.left(start + 20_000 * MS + n, 0, bound, 1);
        }
        health.waited(start + 20_001 * MS, 2);
        assert!(!health.report(start + 20_001 * MS).0);
        health.waited(start + 20_001 * MS, 1);
        assert!(health.report(start + 20_001 * MS).0);
    }

    #[test]
    fn intervals_are_bounded() {
        let mut health = Health::default();
        for n in 1..1000 {
            health.lost(n * 1000 * MS, 1);
        }
        assert_eq!(health.report(1_000_000 * MS).1.len(), limits::MAX_INTERVALS);
    }
}
