//! What a capture says about its packets beside their bytes: an option of each packet block, and blocks about directions.
//!
//! Both carry the private enterprise number [`ENTERPRISE`], which RFC 5612 reserves for examples: the project has none
//! of its own. A magic of ours follows, so that nobody else's data is taken for ours. The layout is documented in
//! `docs/captures.md`; all numbers are little-endian.

use serde::{Deserialize, Serialize};

use crate::config::LinkParams;
use crate::core::direction::DropCause;
use crate::core::journal::{Fate, Memory, Note, Seen, Spot};

/// RFC 5612: "Enterprise Number for Documentation Use".
pub const ENTERPRISE: u32 = 32_473;
/// Begins the data of our option.
const OPTION_MAGIC: [u8; 4] = *b"TMT\x01";
/// Begins the data of our block.
const BLOCK_MAGIC: [u8; 8] = *b"ToMaTo\x01\0";
/// Begins the data of our option of an interface.
const INTERFACE_MAGIC: [u8; 4] = *b"TMI\x01";
/// Bytes of a trail.
pub const TRAIL_BYTES: usize = 48;

/// The way of a packet, as far as it is known where it is recorded.
#[allow(clippy::struct_excessive_bools, reason = "four independent facts")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trail {
    /// Where it was seen.
    pub spot: Spot,
    /// What became of it.
    pub fate: Fate,
    /// The settings that decided.
    pub epoch: u32,
    /// The packet's number in its direction, the same at every spot; none if it was refused before it got one.
    pub ordinal: Option<u64>,
    /// It is the second of a doubled packet.
    pub is_copy: bool,
    /// Bits of it were flipped.
    pub is_corrupted: bool,
    /// It was marked as having met congestion.
    pub is_marked: bool,
    /// It was sent without delay, before others.
    pub overtakes: bool,
    /// When it was there, by the clock of the data path, in nanoseconds.
    pub at_ns: u64,
    /// Bytes in the queue when it came.
    pub queue_bytes: u64,
}

/// A block about a direction rather than a packet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Told {
    /// What is in force from here on.
    Settings {
        /// 0 forward, 1 backward.
        side: usize,
        /// What the draws of the link depend on, see [`LinkConfig::draw_key`](crate::config::LinkConfig::draw_key).
        link: String,
        /// Seed of the topology.
        seed: u64,
        /// Counts the changes.
        epoch: u32,
        /// Since when, by the clock of the data path, in nanoseconds.
        at_ns: u64,
        /// Whether anything is emulated.
        emulated: bool,
        /// The parameters; none also if they are too long for a block.
        params: Option<Box<LinkParams>>,
        /// What is remembered of earlier packets.
        memory: Box<Memory>,
    },
    /// What is remembered here.
    Memory {
        /// 0 forward, 1 backward.
        side: usize,
        /// When, in nanoseconds.
        at_ns: u64,
        /// See [`Memory`].
        memory: Box<Memory>,
    },
    /// The cable was cut.
    Cut {
        /// 0 forward, 1 backward.
        side: usize,
        /// When, in nanoseconds.
        at_ns: u64,
    },
}

impl Trail {
    /// That of a packet that was seen.
    #[must_use]
    pub fn of(seen: &Seen) -> Self {
        let &Seen { spot, at_ns, ordinal, tag, fate, queue_bytes, .. } = seen;
        Self {
            spot,
            fate,
            epoch: tag.epoch,
            ordinal,
            is_copy: tag.is_copy,
            is_corrupted: tag.is_corrupted,
            is_marked: tag.is_marked,
            overtakes: tag.overtakes,
            at_ns,
            queue_bytes,
        }
    }

    /// As data of our option.
    #[must_use]
    pub fn bytes(&self) -> [u8; TRAIL_BYTES] {
        let (verdict, cause, due_ns) = match self.fate {
            Fate::Due(due_ns) => (0, 0, due_ns),
            Fate::Waits => (1, 0, 0),
            Fate::Lost(cause) => (2, cause_number(cause), 0),
        };
        let flags = [
            self.is_copy,
            self.is_corrupted,
            self.is_marked,
            self.overtakes,
            self.ordinal.is_some(),
        ];
        let flags = flags.iter().rev().fold(0, |bits, &flag| bits << 1 | u8::from(flag));
        let mut out = [0; TRAIL_BYTES];
        out[..4].copy_from_slice(&OPTION_MAGIC);
        out[4..8].copy_from_slice(&[spot_number(self.spot), verdict, cause, flags]);
        out[8..12].copy_from_slice(&self.epoch.to_le_bytes());
        let numbers = [self.ordinal.unwrap_or(0), self.at_ns, due_ns, self.queue_bytes];
        for (room, number) in out[16..].chunks_mut(8).zip(numbers) {
            room.copy_from_slice(&number.to_le_bytes());
        }
        out
    }

    /// Reads what [`Trail::bytes`] wrote; none if it is something else.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<Self> {
        let data: &[u8; TRAIL_BYTES] = data.try_into().ok()?;
        if data[..4] != OPTION_MAGIC {
            return None;
        }
        let number = |at: usize| data[at..at + 8].try_into().ok().map(u64::from_le_bytes);
        let flag = |bit: u8| data[7] & 1 << bit != 0;
        let fate = match (data[5], data[6]) {
            (0, 0) => Fate::Due(number(32)?),
            (1, 0) => Fate::Waits,
            (2, cause) => Fate::Lost(CAUSES.into_iter().find(|c| cause_number(*c) == cause)?),
            _ => return None,
        };
        Some(Self {
            spot: SPOTS.into_iter().nth(data[4].into())?,
            fate,
            epoch: u32::from_le_bytes(data[8..12].try_into().ok()?),
            ordinal: flag(4).then_some(number(16)?),
            is_copy: flag(0),
            is_corrupted: flag(1),
            is_marked: flag(2),
            overtakes: flag(3),
            at_ns: number(24)?,
            queue_bytes: number(40)?,
        })
    }

    /// For people, of a packet that is lost.
    #[must_use]
    pub fn comment(&self) -> Option<String> {
        let Fate::Lost(cause) = self.fate else { return None };
        let which = match (self.ordinal, self.is_copy) {
            (None, _) => String::new(),
            (Some(ordinal), false) => format!("packet {ordinal}, "),
            (Some(ordinal), true) => format!("copy of packet {ordinal}, "),
        };
        let Self { queue_bytes, epoch, .. } = self;
        let cause = cause_name(cause);
        Some(format!("lost: {cause}; {which}{queue_bytes} bytes in the queue, settings {epoch}"))
    }
}

/// What is recorded at an interface, as data of our option.
#[must_use]
pub fn interface_bytes(side: usize, spot: Spot) -> [u8; 8] {
    let [a, b, c, d] = INTERFACE_MAGIC;
    [a, b, c, d, u8::from(side == 1), spot_number(spot), 0, 0]
}

/// Side and spot of an interface; none if the data is something else.
#[must_use]
pub fn parse_interface(data: &[u8]) -> Option<(usize, Spot)> {
    let [a, b, c, d, side @ 0..=1, spot, 0, 0] = *data else { return None };
    if [a, b, c, d] != INTERFACE_MAGIC {
        return None;
    }
    Some((side.into(), SPOTS.into_iter().nth(spot.into())?))
}

impl Told {
    /// What a note about a direction says; none of one about a packet.
    #[must_use]
    pub fn of(note: &Note, side: usize, link: &str, seed: u64) -> Option<Self> {
        match note {
            Note::Seen(_) | Note::Missing(_) => None,
            Note::Settings { epoch, at_ns, params, memory } => Some(Self::Settings {
                side,
                link: link.to_owned(),
                seed,
                epoch: *epoch,
                at_ns: *at_ns,
                emulated: params.is_some(),
                params: params.clone(),
                memory: memory.clone(),
            }),
            Note::Memory { at_ns, memory } => {
                Some(Self::Memory { side, at_ns: *at_ns, memory: memory.clone() })
            }
            Note::Cut { at_ns } => Some(Self::Cut { side, at_ns: *at_ns }),
        }
    }

    /// As data of our block, at most `max` bytes: without parameters if those are longer, none if all is.
    #[must_use]
    pub fn bytes(&self, max: usize) -> Option<Vec<u8>> {
        let whole = self.data();
        if whole.len() <= max {
            return Some(whole);
        }
        let Self::Settings { .. } = self else { return None };
        let mut short = self.clone();
        if let Self::Settings { params, .. } = &mut short {
            *params = None;
        }
        Some(short.data()).filter(|short| short.len() <= max)
    }

    fn data(&self) -> Vec<u8> {
        let mut out = BLOCK_MAGIC.to_vec();
        out.extend([0; 4]);
        serde_json::to_writer(&mut out, self).expect("plain data can be written as JSON");
        let len = u32::try_from(out.len() - 12).unwrap_or(u32::MAX);
        out[8..12].copy_from_slice(&len.to_le_bytes());
        out
    }

    /// Reads what [`Told::bytes`] wrote; none if it is something else.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<Self> {
        let (head, rest) = data.split_first_chunk::<12>()?;
        if head[..8] != BLOCK_MAGIC {
            return None;
        }
        let len = usize::try_from(u32::from_le_bytes(head[8..].try_into().ok()?)).ok()?;
        let told: Self = serde_json::from_slice(rest.get(..len)?).ok()?;
        (told.side() < 2).then_some(told)
    }

    /// 0 forward, 1 backward.
    #[must_use]
    pub fn side(&self) -> usize {
        match self {
            Self::Settings { side, .. } | Self::Memory { side, .. } | Self::Cut { side, .. } => {
                *side
            }
        }
    }
}

/// By their numbers in files.
const SPOTS: [Spot; 3] = [Spot::Entered, Spot::Left, Spot::Lost];

const CAUSES: [DropCause; 9] = [
    DropCause::Loss,
    DropCause::Queue,
    DropCause::Early,
    DropCause::Mtu,
    DropCause::Disconnected,
    DropCause::Overload,
    DropCause::Detached,
    DropCause::Port,
    DropCause::Malformed,
];

/// Numbers of causes in files: never change them.
fn cause_number(cause: DropCause) -> u8 {
    match cause {
        DropCause::Loss => 1,
        DropCause::Queue => 2,
        DropCause::Early => 3,
        DropCause::Mtu => 4,
        DropCause::Disconnected => 5,
        DropCause::Overload => 6,
        DropCause::Detached => 7,
        DropCause::Port => 8,
        DropCause::Malformed => 9,
    }
}

/// The word for a cause, as in the counters of drops.
#[must_use]
pub fn cause_name(cause: DropCause) -> &'static str {
    match cause {
        DropCause::Loss => "loss",
        DropCause::Queue => "queue",
        DropCause::Early => "early",
        DropCause::Mtu => "mtu",
        DropCause::Disconnected => "disconnected",
        DropCause::Overload => "overload",
        DropCause::Detached => "detached",
        DropCause::Port => "port",
        DropCause::Malformed => "malformed",
    }
}

fn spot_number(spot: Spot) -> u8 {
    match spot {
        Spot::Entered => 0,
        Spot::Left => 1,
        Spot::Lost => 2,
    }
}

#[cfg(test)]
mod tests;
