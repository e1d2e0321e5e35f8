//! Which packets wait for which.
//!
//! The packets of a direction keep their order, and so do those of each rule that names a delay or a jitter among
//! themselves: a rule that delays some packets holds up no others. Each such rule has a lane; all else shares the
//! direction's own.
//!
//! Invariants: due times given in a lane never fall but for packets that may pass others; that holds for a lane and
//! the one that its packets came from by a change of the rules, too.

use serde::{Deserialize, Serialize};

use crate::config::Rule;

/// How a packet keeps order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lane {
    /// The rule that decides about it.
    pub rule: Option<usize>,
    /// It may leave before earlier ones.
    pub may_pass: bool,
}

/// The latest due times given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// In the direction's own lane, in nanoseconds.
    own_ns: u64,
    /// In the lanes of the rules, by place; none of a rule that shares the direction's.
    rules_ns: Vec<Option<u64>>,
}

impl Order {
    /// When a packet leaves that could at `due_ns`: not before those of its lane unless it may pass them.
    pub fn join(&mut self, lane: Lane, due_ns: u64) -> u64 {
        let Self { own_ns, rules_ns } = self;
        let of_rule = lane.rule.and_then(|rule| rules_ns.get_mut(rule)?.as_mut());
        let last_ns = of_rule.unwrap_or(own_ns);
        let due_ns = if lane.may_pass { due_ns } else { due_ns.max(*last_ns) };
        *last_ns = due_ns.max(*last_ns);
        due_ns
    }

    /// The latest due time of all.
    #[must_use]
    pub fn until_ns(&self) -> u64 {
        self.rules_ns.iter().flatten().fold(self.own_ns, |latest, at| latest.max(*at))
    }

    /// Nothing is under way any more that is due later than this.
    pub fn cut(&mut self, at_ns: u64) {
        for last_ns in self.rules_ns.iter_mut().flatten().chain([&mut self.own_ns]) {
            *last_ns = at_ns.min(*last_ns);
        }
    }

    /// Other rules come into force. A lane stays with the filter that stands where it did; the packets of one that
    /// goes away are waited for by all, and a new one begins behind what is under way.
    pub fn change(&mut self, old: &[Rule], new: &[Rule]) {
        let stays = |n: usize| {
            let pair = old.get(n).zip(new.get(n));
            pair.is_some_and(|(old, new)| old.filter == new.filter && new.has_lane())
        };
        let before = std::mem::take(&mut self.rules_ns);
        let gone = before.iter().enumerate().filter(|(n, _)| !stays(*n));
        self.own_ns = gone.filter_map(|(_, at)| *at).fold(self.own_ns, u64::max);
        let lane = |(n, rule): (usize, &Rule)| {
            let kept = before.get(n).copied().flatten().filter(|_| stays(n));
            rule.has_lane().then(|| kept.unwrap_or(self.own_ns))
        };
        self.rules_ns = new.iter().enumerate().map(lane).collect();
    }
}
