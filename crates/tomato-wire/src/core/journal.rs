//! What a direction tells of each packet while somebody captures it.
//!
//! A note is made where the fate of a packet is decided, in the order of decisions; [`crate::verify`] makes
//! them again from the packets that came in. Nothing is noted, and nothing costs, while nobody wants it.

use serde::{Deserialize, Serialize};

use crate::config::LinkParams;
use crate::core::codel::FlowMemory;
use crate::core::direction::DropCause;
use crate::core::jitter::JitterState;
use crate::core::line::Line;
use crate::core::loss::LossState;
use crate::core::order::Order;
use crate::core::split::Train;
use crate::limits;

/// What is wanted of a direction.
#[allow(clippy::struct_excessive_bools, reason = "four independent wishes")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// Packets as they came.
    pub entered: bool,
    /// Packets as they left.
    pub left: bool,
    /// Packets that were lost on the way.
    pub lost: bool,
    /// The settings in force, and from time to time what is remembered of earlier packets.
    pub settings: bool,
}

impl Wants {
    /// What either wants.
    #[must_use]
    pub fn or(self, other: Wants) -> Wants {
        Wants {
            entered: self.entered || other.entered,
            left: self.left || other.left,
            lost: self.lost || other.lost,
            settings: self.settings || other.settings,
        }
    }
}

/// Which packet of its direction, and what was done to it. The same where it came in and where it went out.
#[allow(clippy::struct_excessive_bools, reason = "four independent facts")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tag {
    /// The ordinal of the first packet of the frame it is of, wrapping: that of packet `n` is `base + n`.
    pub base: u64,
    /// The settings that decided, counted from 0.
    pub epoch: u32,
    /// It is the second of a doubled packet.
    pub is_copy: bool,
    /// Bits of it were flipped.
    pub is_corrupted: bool,
    /// It was marked as having met congestion.
    pub is_marked: bool,
    /// It was sent without delay, before others.
    pub overtakes: bool,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is due at the far end then.
    Due(u64),
    /// It waits in a queue that decides when it leaves.
    Waits,
    /// It is lost.
    Lost(DropCause),
}

/// Where a packet was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// Coming in; its fate is that of the original if it was doubled.
    Entered,
    /// Going out.
    Left,
    /// Nowhere any more.
    Lost,
}

/// One packet at one spot.
#[derive(Debug)]
pub struct Seen {
    /// Where.
    pub spot: Spot,
    /// When, by the clock of the data path.
    pub at_ns: u64,
    /// The packet; a train of one.
    pub train: Train,
    /// Its number in its direction; none if it was refused before it got one.
    pub ordinal: Option<u64>,
    /// More about it.
    pub tag: Tag,
    /// What became of it.
    pub fate: Fate,
    /// Bytes that waited for the rate when it came; for packets that left and were lost later, when they did.
    pub queue_bytes: u64,
}

/// What a direction remembers of packets that came before, as far as it decides about those to come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The number of the next packet.
    pub ordinal: u64,
    /// Digest of the verdicts so far.
    pub verdict_hash: u64,
    /// The latest due times given.
    pub order: Order,
    /// Up to when queues that decide late have decided.
    pub settled_ns: u64,
    /// States of the loss models, of the direction and then of each rule; none if draws depend on the content of
    /// earlier packets, so that nothing can be recomputed from here on.
    pub losses: Option<Vec<LossState>>,
    /// State of the jitter.
    pub jitter: Option<JitterState>,
    /// When the timeline began, or one would have.
    pub start_ns: u64,
    /// The rate and its queue; none if packets wait in it that are not told here, or its flows remember too much, so
    /// that what depends on the queue cannot be recomputed from here on.
    pub line: Option<Line>,
    /// What the flows of a discipline that decides late remember.
    pub flows: FlowMemory,
}

/// What a direction tells.
#[derive(Debug)]
pub enum Note {
    /// A packet.
    Seen(Seen),
    /// The settings from here on, and what is remembered.
    Settings {
        /// Their number.
        epoch: u32,
        /// Since when.
        at_ns: u64,
        /// None: emulation is off.
        params: Option<Box<LinkParams>>,
        /// See [`Memory`].
        memory: Box<Memory>,
    },
    /// What is remembered here.
    Memory {
        /// When.
        at_ns: u64,
        /// See [`Memory`].
        memory: Box<Memory>,
    },
    /// The cable was cut; everything on it is lost.
    Cut {
        /// When.
        at_ns: u64,
    },
    /// So many notes are missing here.
    Missing(u64),
}

/// Notes not yet taken.
#[derive(Debug, Default)]
pub struct Journal {
    wants: Wants,
    notes: Vec<Note>,
    missing: u64,
    /// Packets since the memory was told last.
    since_memory: u64,
    memory_at_ns: u64,
}

impl Journal {
    /// An empty one.
    #[must_use]
    pub fn new(wants: Wants) -> Self {
        Self { wants, ..Self::default() }
    }

    /// What is wanted.
    #[must_use]
    pub fn wants(&self) -> Wants {
        self.wants
    }

    /// Adds a note, unless too many wait already.
    pub fn push(&mut self, note: Note) {
        if let Note::Seen(seen) = &note
            && !self.is_wanted(seen.spot)
        {
            return;
        }
        if matches!(note, Note::Settings { .. } | Note::Memory { .. }) {
            self.since_memory = 0;
        }
        if self.notes.len() >= limits::MAX_NOTES {
            self.missing += 1;
            return;
        }
        if self.missing > 0 {
            self.notes.push(Note::Missing(std::mem::take(&mut self.missing)));
        }
        self.notes.push(note);
    }

    /// Whether it is time to tell the memory again, after so many packets more.
    pub fn is_memory_due(&mut self, now_ns: u64, packets: u64) -> bool {
        self.since_memory += packets;
        let is_due = self.wants.settings
            && self.wants.entered
            && (self.since_memory >= limits::MEMORY_PACKETS
                || now_ns.saturating_sub(self.memory_at_ns) >= limits::MEMORY_NS);
        if is_due {
            self.memory_at_ns = now_ns;
        }
        is_due
    }

    /// The last packets that left, by their number, have not: nobody took them.
    pub fn fail_last(&mut self, count: usize, cause: DropCause) {
        let mut failed = Vec::new();
        while failed.len() < count {
            match self.notes.pop() {
                Some(Note::Seen(seen)) if seen.spot == Spot::Left => failed.push(seen),
                other => {
                    self.notes.extend(other);
                    break;
                }
            }
        }
        for seen in failed.into_iter().rev() {
            self.push(Note::Seen(Seen { spot: Spot::Lost, fate: Fate::Lost(cause), ..seen }));
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// Takes all notes.
    pub fn take(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    fn is_wanted(&self, spot: Spot) -> bool {
        match spot {
            Spot::Entered => self.wants.entered,
            // what left may turn out to be lost
            Spot::Left => self.wants.left || self.wants.lost,
            Spot::Lost => self.wants.lost,
        }
    }
}
