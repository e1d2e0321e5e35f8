//! Packets on their way over a direction, by when they are due.
//!
//! Those that come in the order they leave stand in a line, which costs nothing to join or leave. Those that overtake
//! lie in a heap beside it, so that each costs the logarithm of how many there are, however many are under way.
//!
//! Invariants: packets leave by due time, those of one due time in the order they came; the counts are those of
//! all that is here.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use crate::core::journal::Tag;
use crate::core::split::Train;

/// Room that an empty line keeps, in entries.
const KEPT_CAPACITY: usize = 64;

/// Packets that leave together.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) train: Train,
    pub(super) tag: Tag,
    /// When, in nanoseconds.
    pub(super) due_ns: u64,
    /// How many came before it.
    sequence: u64,
}

/// One that overtakes; the greatest leaves first.
#[derive(Debug)]
struct Early(Entry);

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Transit {
    /// By rising due time.
    in_order: VecDeque<Entry>,
    early: BinaryHeap<Early>,
    /// The last due time in `early`, if there is any.
    early_until_ns: u64,
    sequence: u64,
    packets: u64,
    bytes: u64,
}

impl Entry {
    fn key(&self) -> (u64, u64) {
        (self.due_ns, self.sequence)
    }

    fn goes_on_with(&self, next: &Entry) -> bool {
        self.due_ns == next.due_ns && self.tag == next.tag && self.train.extends_to(&next.train)
    }
}

impl Ord for Early {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.key().cmp(&self.0.key())
    }
}

impl PartialOrd for Early {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Early {}

impl PartialEq for Early {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Transit {
    /// Wire packets under way.
    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    /// Their bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Places they take.
    pub(super) fn len(&self) -> usize {
        self.in_order.len() + self.early.len()
    }

    /// Lets packets join the line, which are due no earlier than any in it. They share the last place if they go on
    /// with its frame and leave with it.
    pub(super) fn push(&mut self, due_ns: u64, train: Train, tag: Tag) {
        let entry = self.admit(due_ns, train, tag);
        let may_share = self.early.is_empty() || self.early_until_ns < due_ns;
        match self.in_order.back_mut() {
            Some(last) if may_share && last.goes_on_with(&entry) => {
                last.train.count += entry.train.count;
            }
            _ => self.in_order.push_back(entry),
        }
    }

    /// Lets packets overtake those that are due later; true if there are any.
    pub(super) fn overtake(&mut self, due_ns: u64, train: Train, tag: Tag) -> bool {
        let in_order_until_ns = self.in_order.back().map(|entry| entry.due_ns);
        let early_until_ns = (!self.early.is_empty()).then_some(self.early_until_ns);
        let until_ns = in_order_until_ns.max(early_until_ns);
        self.early_until_ns = early_until_ns.map_or(due_ns, |until| until.max(due_ns));
        let entry = self.admit(due_ns, train, tag);
        self.early.push(Early(entry));
        until_ns.is_some_and(|until| until > due_ns)
    }

    fn admit(&mut self, due_ns: u64, train: Train, tag: Tag) -> Entry {
        self.packets += u64::from(train.count);
        self.bytes += train.bytes();
        self.sequence += 1;
        Entry { train, tag, due_ns, sequence: self.sequence }
    }

    /// What leaves next.
    pub(super) fn next(&self) -> Option<&Entry> {
        match (self.in_order.front(), self.early.peek()) {
            (Some(first), Some(Early(early))) if early.key() < first.key() => Some(early),
            (None, Some(Early(early))) => Some(early),
            (first, _) => first,
        }
    }

    /// Takes out what leaves next, if it is due at `until_ns`.
    pub(super) fn pop(&mut self, until_ns: u64) -> Option<Entry> {
        let next = self.next().filter(|next| next.due_ns <= until_ns)?.sequence;
        let is_first = self.in_order.front().is_some_and(|first| first.sequence == next);
        let entry = if is_first { self.in_order.pop_front()? } else { self.early.pop()?.0 };
        self.packets -= u64::from(entry.train.count);
        self.bytes -= entry.train.bytes();
        if self.len() == 0 {
            self.in_order.shrink_to(KEPT_CAPACITY);
            self.early.shrink_to(KEPT_CAPACITY);
        }
        Some(entry)
    }

    /// Takes out all that is due later than `at_ns`, in order.
    pub(super) fn split_off(&mut self, at_ns: u64) -> Vec<Entry> {
        let mut kept = Self { sequence: self.sequence, ..Self::default() };
        while let Some(Entry { train, tag, due_ns, .. }) = self.pop(at_ns) {
            kept.push(due_ns, train, tag);
        }
        let mut later = std::mem::replace(self, kept);
        std::iter::from_fn(|| later.pop(u64::MAX)).collect()
    }
}

#[cfg(test)]
mod tests;
