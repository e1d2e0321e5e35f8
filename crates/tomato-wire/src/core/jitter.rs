//! The deviation from the delay, drawn as netem means it.
//!
//! tc-netem(8) takes jitter as half width of an even deviation, or as sigma of a table. The tables come from
//! iproute2 (`netem/normal.c`, `pareto.c`, `paretonormal.c`; NISTnet's): pareto is `(x - 1.5) * 4/3` with `x`
//! Pareto of shape 3 and scale 1, whose mean is 1.5; paretonormal is a quarter normal and three quarters pareto
//! *of the same quantile*; 16 bits at 8192 per sigma cap every table at four sigma. We compute the quantile
//! instead of looking it up, and keep the cap because it is part of the meaning: it shifts the mean of pareto
//! by -0.033 sigma and makes its standard deviation 0.821 sigma.

use crate::config::Distribution;

/// The tables' largest value: `32767 / 8192` sigma.
const CAP: f64 = 32_767.0 / 8192.0;

/// The delay of a frame: `delay_ns` and the deviation that `draw` stands for, never below zero.
#[must_use]
pub fn delay(delay_ns: u64, jitter_ns: u64, distribution: Distribution, draw: u64) -> u64 {
    if jitter_ns == 0 {
        return delay_ns;
    }
    let offset = scaled(deviation(distribution, draw), jitter_ns);
    delay_ns.saturating_add_signed(offset)
}

/// The deviation in units of the jitter.
fn deviation(distribution: Distribution, draw: u64) -> f64 {
    let quantile = quantile(draw);
    match distribution {
        Distribution::Uniform => 2.0 * quantile - 1.0,
        Distribution::Normal => normal(quantile).clamp(-CAP, CAP),
        Distribution::Pareto => pareto(quantile),
        Distribution::Paretonormal => {
            (0.25 * normal(quantile) + 0.75 * pareto(quantile)).clamp(-CAP, CAP)
        }
    }
}

fn pareto(quantile: f64) -> f64 {
    (((1.0 - quantile).cbrt().recip() - 1.5) * (4.0 / 3.0)).min(CAP)
}

/// Quantile function of the standard normal distribution: P. J. Acklam's rational approximation (2003),
/// relative error below 1.2e-9.
fn normal(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    const LOW: f64 = 0.024_25;
    if p < LOW {
        let q = (-2.0 * p.ln()).sqrt();
        horner(&C, q) / horner(&D, q)
    } else if p > 1.0 - LOW {
        let q = (-2.0 * (1.0 - p).ln()).sqrt();
        -horner(&C, q) / horner(&D, q)
    } else {
        let q = p - 0.5;
        q * horner(&A, q * q) / horner(&B, q * q)
    }
}

fn horner(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, c| sum * x + c)
}

#[allow(clippy::cast_precision_loss, reason = "53 bits are exact in a double")]
fn quantile(draw: u64) -> f64 {
    // the middle of one of 2^52 cells: never 0 and never 1
    ((draw >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "jitter is bounded far below 2^53 ns; the conversion saturates"
)]
fn scaled(deviation: f64, jitter_ns: u64) -> i64 {
    (deviation * jitter_ns as f64).round() as i64
}

#[cfg(test)]
mod tests;
