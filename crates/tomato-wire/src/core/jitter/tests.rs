use super::*;
use crate::core::random::{Stage, Streams};

const N: u32 = 200_000;
const DELAY: u64 = 100_000_000;
const JITTER: u64 = 10_000_000;

fn jittered(distribution: Distribution) -> LinkParams {
    LinkParams { delay_ns: DELAY, jitter_ns: JITTER, distribution, ..LinkParams::default() }
}

/// Mean and standard deviation of the deviation in units of the jitter, and the extremes.
fn sample(distribution: Distribution) -> (f64, f64, f64, f64) {
    let streams = Streams::new(11, "jitter", 0);
    let values: Vec<f64> = (0..u64::from(N))
        .map(|i| {
            let draw = streams.draw(Stage::Jitter, i);
            let ns = delay(&jittered(distribution), &mut JitterState::default(), draw);
            (ns as f64 - DELAY as f64) / JITTER as f64
        })
        .collect();
    let mean = values.iter().sum::<f64>() / f64::from(N);
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / f64::from(N);
    let min = values.iter().copied().fold(f64::MAX, f64::min);
    let max = values.iter().copied().fold(f64::MIN, f64::max);
    (mean, variance.sqrt(), min, max)
}

/// Four standard errors of the mean: `4 * sd / sqrt(N)`, below 0.01 for each of them.
#[track_caller]
fn check(distribution: Distribution, mean: f64, sd: f64) {
    let (m, s, min, max) = sample(distribution);
    let bound = 4.0 * sd / f64::from(N).sqrt();
    assert!((m - mean).abs() < bound, "{distribution:?} mean {m}, expected {mean} within {bound}");
    assert!((s - sd).abs() < 0.01, "{distribution:?} sd {s}, expected {sd}");
    assert!(min >= -CAP - 1e-6 && max <= CAP + 1e-6, "{distribution:?} in {min}..{max}");
}

#[test]
fn uniform_has_half_width() {
    check(Distribution::Uniform, 0.0, 1.0 / 3f64.sqrt());
    let (_, _, min, max) = sample(Distribution::Uniform);
    assert!(min >= -1.0 && max <= 1.0);
}

#[test]
fn normal_has_sigma() {
    check(Distribution::Normal, 0.0, 1.0);
}

#[test]
fn pareto_has_the_capped_moments() {
    // E[min(x,c)] = 1.5 - 1/(2c^2), E[min(x,c)^2] = 3 - 2/c with c = 1.5 + 3/4 * cap
    let c = 1.5 + 0.75 * CAP;
    let mean = 1.5 - 1.0 / (2.0 * c * c);
    let sd = (3.0 - 2.0 / c - mean * mean).sqrt();
    check(Distribution::Pareto, (mean - 1.5) * 4.0 / 3.0, sd * 4.0 / 3.0);
}

#[test]
fn paretonormal_is_comonotone() {
    // numeric integral over the quantile, midpoint rule
    let cells = 1_000_000;
    let (mut sum, mut squares) = (0.0, 0.0);
    for i in 0..cells {
        let q = (f64::from(i) + 0.5) / f64::from(cells);
        let z = (0.25 * normal(q) + 0.75 * pareto(q)).clamp(-CAP, CAP);
        sum += z;
        squares += z * z;
    }
    let mean = sum / f64::from(cells);
    check(Distribution::Paretonormal, mean, (squares / f64::from(cells) - mean * mean).sqrt());
}

#[test]
fn normal_quantiles_are_right() {
    for (p, z) in [
        (0.5, 0.0),
        (0.975, 1.959_963_984_540_054),
        (0.001, -3.090_232_306_167_813),
        (0.841_344_746_068_542_9, 1.0),
    ] {
        assert!((normal(p) - z).abs() < 1e-7, "{p} gives {}", normal(p));
    }
}

#[test]
fn delay_never_goes_below_zero_and_no_jitter_is_exact() {
    let mut params = jittered(Distribution::Uniform);
    params.delay_ns = 5;
    assert_eq!(delay(&params, &mut JitterState::default(), 0), 0);
    params.jitter_ns = 0;
    assert_eq!(delay(&params, &mut JitterState::default(), 77), 5);
}

/// Neighbours correlate as asked and the distribution stays; bounds are four standard errors, widened for the
/// dependence of the samples.
#[test]
fn correlation_keeps_the_distribution() {
    let mut params = jittered(Distribution::Normal);
    params.jitter_correlation = Ratio(u64::MAX / 10 * 8);
    let streams = Streams::new(5, "jitter", 0);
    let mut state = JitterState::default();
    let values: Vec<f64> = (0..u64::from(N))
        .map(|n| {
            let ns = delay(&params, &mut state, streams.draw(Stage::Jitter, n));
            (ns as f64 - DELAY as f64) / JITTER as f64
        })
        .collect();
    let mean = values.iter().sum::<f64>() / f64::from(N);
    let variance = values.iter().map(|v| v * v).sum::<f64>() / f64::from(N);
    let product = values.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / f64::from(N);
    let error = 4.0 * 3.0 / f64::from(N).sqrt();
    assert!(mean.abs() < error, "{mean}");
    assert!((variance.sqrt() - 1.0).abs() < 2.0 * error, "{variance}");
    assert!((product / variance - 0.8).abs() < error, "{product}");
}

#[test]
fn a_table_gives_its_entries_evenly() {
    let mut params = jittered(Distribution::Uniform);
    params.jitter_table = vec![-8192, 0, 0, 16_384];
    let streams = Streams::new(5, "jitter", 0);
    let mut counts = std::collections::BTreeMap::new();
    for n in 0..u64::from(N) {
        let draw = streams.draw(Stage::Jitter, n);
        *counts.entry(delay(&params, &mut JitterState::default(), draw)).or_insert(0u32) += 1;
    }
    let keys: Vec<u64> = counts.keys().copied().collect();
    assert_eq!(keys, [DELAY - JITTER, DELAY, DELAY + 2 * JITTER]);
    let share = f64::from(counts[&DELAY]) / f64::from(N);
    assert!((share - 0.5).abs() < 4.0 * 0.5 / f64::from(N).sqrt(), "{share}");
}

#[test]
fn shares_undo_quantiles() {
    for p in [0.001, 0.2, 0.5, 0.9, 0.9999] {
        assert!((rank_share(normal(p)) - p).abs() < 1e-7, "{p}");
    }
}

/// The delays of four packets, by themselves and correlated by half, computed elsewhere from the formulas: they must be
/// the same on every machine.
#[test]
fn known_delays_stay() {
    use Distribution::{Normal, Pareto, Paretonormal, Uniform};
    let streams = Streams::new(11, "jitter", 0);
    let delays = |distribution, jitter_correlation| {
        let params = LinkParams { jitter_correlation, ..jittered(distribution) };
        let mut state = JitterState::default();
        [0, 1, 2, 3].map(|n| delay(&params, &mut state, streams.draw(Stage::Jitter, n)))
    };
    for (distribution, alone, correlated) in [
        (
            Uniform,
            [90_920_919, 108_230_970, 100_209_054, 99_176_894],
            [90_920_919, 102_564_886, 101_477_881, 100_029_118],
        ),
        (
            Normal,
            [83_155_355, 113_503_523, 100_262_040, 98_966_553],
            [83_155_352, 103_272_069, 101_862_969, 100_036_494],
        ),
        (
            Pareto,
            [93_544_498, 109_925_195, 96_917_669, 96_361_813],
            [93_544_498, 98_543_265, 97_718_741, 96_815_284],
        ),
        (
            Paretonormal,
            [90_947_212, 110_819_777, 97_753_762, 97_012_998],
            [90_947_212, 99_725_466, 98_754_798, 97_620_586],
        ),
    ] {
        assert_eq!(delays(distribution, Ratio::NEVER), alone, "{distribution:?}");
        assert_eq!(delays(distribution, Ratio(1 << 63)), correlated, "{distribution:?}");
    }
}
