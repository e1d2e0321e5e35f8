//! Which bits of a packet arrive changed.

use crate::config::{LinkParams, Ratio};
use crate::core::random::{Stage, Streams, mix};
use crate::limits;

/// The stages that decide about an original or about its copy.
#[derive(Debug, Clone, Copy)]
pub(super) struct FlipStages {
    /// Whether one bit is flipped.
    pub(super) corrupt: Stage,
    /// Which.
    pub(super) corrupt_bit: Stage,
    /// Which bits errors flip.
    pub(super) bit_error: Stage,
}

/// The bits that are flipped of a packet of `bits` bits, counted from its first; at most [`limits::MAX_FLIPS`] and
/// one.
pub(super) fn flips(
    streams: Streams,
    number: u64,
    bits: u64,
    params: &LinkParams,
    stages: FlipStages,
) -> Vec<u64> {
    let mut flips = Vec::new();
    if params.corrupt != Ratio::NEVER && params.corrupt.hits(streams.draw(stages.corrupt, number)) {
        let draw = u128::from(streams.draw(stages.corrupt_bit, number));
        let bit = u64::try_from((draw * u128::from(bits)) >> 64);
        flips.push(bit.expect("below the number of bits of a frame"));
    }
    if params.bit_error != Ratio::NEVER {
        let mut draw = streams.draw(stages.bit_error, number);
        let mut at = gap(draw, params.bit_error);
        while at < bits && flips.len() < limits::MAX_FLIPS {
            flips.push(at);
            draw = mix(draw);
            at = at.saturating_add(1).saturating_add(gap(draw, params.bit_error));
        }
    }
    flips
}

/// Flips these bits.
pub(super) fn apply(packet: &mut [u8], bits: &[u64]) {
    for bit in bits {
        if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|n| packet.get_mut(n)) {
            *byte ^= 1 << (bit % 8);
        }
    }
}

/// Bits that pass before the next error: the quantile of a geometric distribution.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the quotient is positive and the conversion saturates"
)]
fn gap(draw: u64, ratio: Ratio) -> u64 {
    let share = ((draw >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    (share.ln() / (-ratio.fraction()).ln_1p()) as u64
}
