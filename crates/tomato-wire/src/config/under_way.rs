//! What the lines of a topology can hold at once: `docs/adr/0004-over-commit.md`.

use crate::config::bytes_in;
use crate::limits;

/// A direction of a link: how long it is, and what it can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    /// Longest delay, in nanoseconds.
    pub(super) delay_ns: u64,
    /// Highest rate, in bit/s.
    pub(super) rate: u64,
}

/// The most bytes that can be under way on these lines at once, if one data thread carries no more than
/// [`limits::CARRIED_BIT_S`] over all of them: the longest ones are full.
pub(super) fn most_under_way(mut lines: Vec<Line>) -> u64 {
    lines.sort_unstable_by(|a, b| b.cmp(a));
    let mut left = limits::CARRIED_BIT_S;
    let bytes = lines.into_iter().map(|line| {
        let rate = line.rate.min(left);
        left -= rate;
        bytes_in(rate, line.delay_ns)
    });
    bytes.sum()
}
