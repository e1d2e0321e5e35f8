//! Which bits of a packet arrive changed.

use crate::config::{LinkParams, Ratio};
use crate::core::random::{Stage, Streams, mix};

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

/// From this share on, flipped bits are drawn word by word instead of from one to the next: 1/64 as a fraction of 2^64.
const DENSE: Ratio = Ratio(1 << 58);
/// Binary digits of the share that are judged then.
const DIGITS: u32 = 32;

/// The bits that are flipped of a packet of `bits` bits, counted from its first. The work is bounded by its length.
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
        let draw = streams.draw(stages.bit_error, number);
        if params.bit_error < DENSE {
            errors(draw, params.bit_error, bits, &mut flips);
        } else {
            dense_errors(draw, params.bit_error, bits, &mut flips);
        }
    }
    flips
}

/// Goes from one error to the next.
fn errors(mut draw: u64, ratio: Ratio, bits: u64, flips: &mut Vec<u64>) {
    let mut at = gap(draw, ratio);
    while at < bits {
        flips.push(at);
        draw = mix(draw);
        at = at.saturating_add(1).saturating_add(gap(draw, ratio));
    }
}

/// Draws 64 bits at a time: with the digits of the share from the last to the first, each word is joined with (1) or
/// cut down to (0) an even one, so that each of its bits is set with that share.
fn dense_errors(mut draw: u64, ratio: Ratio, bits: u64, flips: &mut Vec<u64>) {
    for first in (0..bits).step_by(64) {
        let mut word = 0;
        for digit in (u64::BITS - DIGITS)..u64::BITS {
            draw = mix(draw);
            word = if ratio.0 >> digit & 1 == 1 { word | draw } else { word & draw };
        }
        if ratio == Ratio::ALWAYS {
            word = u64::MAX;
        }
        flips.extend((0..64).filter(|bit| word >> bit & 1 == 1).map(|bit| first + bit));
    }
    flips.retain(|at| *at < bits);
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
    (libm::log(share) / libm::log1p(-ratio.fraction())) as u64
}

#[cfg(test)]
mod tests;
