//! Counter-based random streams: a draw depends on its coordinates alone, not on earlier draws.
//!
//! The coordinates are seed, link key, direction, stage and frame number, so switching one effect on does not
//! shift another, and batching, restarts of other parts or the order of links change nothing.
//! The mixing is the finalizer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
//! Generators, OOPSLA 2014), applied once per coordinate.

/// An effect with a stream of its own. The values are part of what a seed means: never change them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Whether a frame is lost.
    Loss,
    /// Whether a frame is doubled.
    Duplicate,
    /// Whether a bit is flipped.
    Corrupt,
    /// Which bit.
    CorruptBit,
    /// The deviation from the delay.
    Jitter,
    /// [`Stage::Corrupt`] for the copy of a doubled frame.
    CopyCorrupt,
    /// [`Stage::CorruptBit`] for the copy.
    CopyCorruptBit,
    /// [`Stage::Jitter`] for the copy.
    CopyJitter,
    /// The verdict of a loss model.
    LossModel,
    /// Its change of state.
    LossState,
    /// The verdict of a queue discipline.
    Queue,
    /// Whether a frame overtakes others.
    Reorder,
    /// Which bits are flipped by bit errors.
    BitError,
    /// [`Stage::Queue`] for the copy.
    CopyQueue,
    /// [`Stage::Reorder`] for the copy.
    CopyReorder,
    /// [`Stage::BitError`] for the copy.
    CopyBitError,
}

impl Stage {
    fn number(self) -> u64 {
        match self {
            Stage::Loss => 1,
            Stage::Duplicate => 2,
            Stage::Corrupt => 3,
            Stage::CorruptBit => 4,
            Stage::Jitter => 5,
            Stage::CopyCorrupt => 6,
            Stage::CopyCorruptBit => 7,
            Stage::CopyJitter => 8,
            Stage::LossModel => 9,
            Stage::LossState => 10,
            Stage::Queue => 11,
            Stage::Reorder => 12,
            Stage::BitError => 13,
            Stage::CopyQueue => 14,
            Stage::CopyReorder => 15,
            Stage::CopyBitError => 16,
        }
    }
}

/// The streams of one direction of one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    base: u64,
}

impl Streams {
    /// Streams of direction `side` (0 or 1) of link `key`.
    #[must_use]
    pub fn new(seed: u64, key: &str, side: usize) -> Self {
        let side = if side == 0 { 0x5bd1 } else { 0x9e37 };
        Self { base: mix(mix(mix(seed) ^ hash_key(key)) ^ side) }
    }

    /// The draw of a stage for a frame, even over all of `u64`.
    #[must_use]
    pub fn draw(self, stage: Stage, ordinal: u64) -> u64 {
        mix(mix(self.base ^ stage.number().wrapping_mul(GOLDEN)) ^ ordinal)
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A bijection of `u64` whose every output bit depends on every input bit.
#[must_use]
pub fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(GOLDEN);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// FNV-1a, stable over machines and versions.
fn hash_key(key: &str) -> u64 {
    key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
