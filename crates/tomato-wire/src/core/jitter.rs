//! The deviation from the delay, drawn as netem means it.
//!
//! tc-netem(8) takes jitter as half width of an even deviation, or as sigma of a table. The tables come from
//! iproute2 (`netem/normal.c`, `pareto.c`, `paretonormal.c`; NISTnet's): pareto is `(x - 1.5) * 4/3` with `x`
//! Pareto of shape 3 and scale 1, whose mean is 1.5; paretonormal is a quarter normal and three quarters pareto
//! *of the same quantile*; 16 bits at 8192 per sigma cap every table at four sigma. We compute the quantile
//! instead of looking it up, and keep the cap because it is part of the meaning: it shifts the mean of pareto
//! by -0.033 sigma and makes its standard deviation 0.821 sigma. Functions are [`libm`]'s own and not the machine's, so
//! that a draw means the same delay everywhere.

use serde::{Deserialize, Serialize};

use crate::config::{Distribution, LinkParams, Ratio};

/// The tables' largest value: `32767 / 8192` sigma.
const CAP: f64 = 32_767.0 / 8192.0;

/// What the jitter of one packet means for the next, if they are correlated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct JitterState {
    /// The Gaussian rank of the last packet.
    #[serde(with = "crate::core::exact::option")]
    rank: Option<f64>,
}

/// The delay of a packet: the delay and the deviation that `draw` stands for, never below zero.
#[must_use]
pub fn delay(params: &LinkParams, state: &mut JitterState, draw: u64) -> u64 {
    if params.jitter_ns == 0 {
        return params.delay_ns;
    }
    let quantile = state.quantile(quantile(draw), params.jitter_correlation);
    let deviation = if params.jitter_table.is_empty() {
        deviation(params.distribution, quantile)
    } else {
        tabled(&params.jitter_table, quantile)
    };
    params.delay_ns.saturating_add_signed(scaled(deviation, params.jitter_ns))
}

impl JitterState {
    /// Correlates neighbours by an autoregressive process of their Gaussian ranks, which leaves the distribution of
    /// each as it is (a Gaussian copula; netem's weighted average narrows it instead).
    fn quantile(&mut self, fresh: f64, correlation: Ratio) -> f64 {
        if correlation == Ratio::NEVER {
            return fresh;
        }
        let share = correlation.fraction();
        let rank = match self.rank {
            None => normal(fresh),
            Some(last) => share * last + (1.0 - share * share).sqrt() * normal(fresh),
        };
        self.rank = Some(rank);
        rank_share(rank)
    }
}

/// The distribution function of the standard normal law: 1 - phi(x) P(t) with Hart's polynomial (Abramowitz and
/// Stegun 26.2.17), absolute error below 7.5e-8.
fn rank_share(rank: f64) -> f64 {
    let t = (1.0 + 0.231_641_9 * rank.abs()).recip();
    const B: [f64; 6] =
        [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_530, 0.0];
    let tail = libm::exp(-0.5 * rank * rank) / (2.0 * std::f64::consts::PI).sqrt() * horner(&B, t);
    let share = if rank > 0.0 { 1.0 - tail } else { tail };
    share.clamp(1e-12, 1.0 - 1e-12)
}

/// The entry of a table of equally likely deviations.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tables are short and the quantile is below one"
)]
fn tabled(table: &[i16], quantile: f64) -> f64 {
    let at = (quantile * table.len() as f64) as usize;
    table.get(at).map_or(0.0, |value| f64::from(*value) / 8192.0)
}

/// The deviation in units of the jitter.
fn deviation(distribution: Distribution, quantile: f64) -> f64 {
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
    ((libm::cbrt(1.0 - quantile).recip() - 1.5) * (4.0 / 3.0)).min(CAP)
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
        let q = (-2.0 * libm::log(p)).sqrt();
        horner(&C, q) / horner(&D, q)
    } else if p > 1.0 - LOW {
        let q = (-2.0 * libm::log(1.0 - p)).sqrt();
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
