use super::*;
use crate::core::random::{Stage, Streams};

const N: u64 = 400_000;

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "chosen parts of one")]
fn ratio(part: f64) -> Ratio {
    if part >= 1.0 { Ratio::ALWAYS } else { Ratio((part * 2f64.powi(64)) as u64) }
}

fn fates(params: &LinkParams) -> Vec<bool> {
    let streams = Streams::new(11, "l", 0);
    let mut state = LossState::default();
    (0..N)
        .map(|n| {
            let draw = |stage| streams.draw(stage, n);
            let draws = LossDraws {
                loss: draw(Stage::Loss),
                model: draw(Stage::LossModel),
                change: draw(Stage::LossState),
            };
            state.is_lost(params, draws)
        })
        .collect()
}

fn share(fates: &[bool]) -> f64 {
    fates.iter().filter(|lost| **lost).count() as f64 / fates.len() as f64
}

/// How often a loss follows a loss.
fn share_after_loss(fates: &[bool]) -> f64 {
    let after: Vec<bool> = fates.windows(2).filter(|w| w[0]).map(|w| w[1]).collect();
    share(&after)
}

/// Within four standard errors (99.99 %), widened by the runs of a correlated sequence.
#[track_caller]
fn assert_near(found: f64, wanted: f64, samples: f64, correlation: f64) {
    let runs = (1.0 + correlation) / (1.0 - correlation);
    let bound = 4.0 * (wanted * (1.0 - wanted) * runs / samples).sqrt();
    assert!((found - wanted).abs() <= bound, "{found}, expected {wanted} within {bound}");
}

#[test]
fn correlation_changes_the_runs_and_not_the_share() {
    for (p, r) in [(0.01, 0.25), (0.1, 0.5), (0.3, 0.9)] {
        let params =
            LinkParams { loss: ratio(p), loss_correlation: ratio(r), ..LinkParams::default() };
        let fates = fates(&params);
        assert_near(share(&fates), p, N as f64, r);
        assert_near(share_after_loss(&fates), p + r * (1.0 - p), N as f64 * p, 0.0);
    }
    let params =
        LinkParams { loss: Ratio::ALWAYS, loss_correlation: ratio(0.5), ..LinkParams::default() };
    assert!(fates(&params).iter().all(|lost| *lost));
}

/// Gilbert-Elliott: stationary share of bad is p/(p+r), of losses the mixture, mean stay in bad 1/r.
#[test]
fn gilbert_elliott_has_its_stationary_law() {
    let (p, r, good, bad) = (0.02, 0.2, 0.001, 0.7);
    let model = LossModel::GilbertElliott {
        to_bad: ratio(p),
        to_good: ratio(r),
        loss_good: ratio(good),
        loss_bad: ratio(bad),
    };
    let params = LinkParams { loss_model: Some(model), ..LinkParams::default() };
    let fates = fates(&params);
    let in_bad = p / (p + r);
    assert_near(share(&fates), in_bad * bad + (1.0 - in_bad) * good, N as f64, 1.0 - p - r);
    // the simple Gilbert model: runs of losses are geometric with mean 1/r
    let model = LossModel::GilbertElliott {
        to_bad: ratio(p),
        to_good: ratio(r),
        loss_good: Ratio::NEVER,
        loss_bad: Ratio::ALWAYS,
    };
    let params = LinkParams { loss_model: Some(model), ..LinkParams::default() };
    let fates = self::fates(&params);
    assert_near(share_after_loss(&fates), 1.0 - r, N as f64 * in_bad, 0.0);
}

/// The four-state chain's stationary probabilities follow from its balance equations.
#[test]
fn the_markov_model_has_its_stationary_law() {
    let (p13, p31, p32, p23, p14) = (0.02, 0.3, 0.2, 0.4, 0.01);
    let model = LossModel::Markov {
        p13: ratio(p13),
        p31: ratio(p31),
        p32: ratio(p32),
        p23: ratio(p23),
        p14: ratio(p14),
    };
    let params = LinkParams { loss_model: Some(model), ..LinkParams::default() };
    // with state 1 weighing one: what leaves it for 3 comes back from 3
    let third = p13 / p31;
    let second = third * p32 / p23;
    let fourth = p14;
    let wanted = (third + fourth) / (1.0 + second + third + fourth);
    assert_near(share(&fates(&params)), wanted, N as f64, 0.7);
}

#[test]
fn counted_losses_are_exact() {
    let lost = |model| {
        let params = LinkParams { loss_model: Some(model), ..LinkParams::default() };
        fates(&params)[..8].iter().map(|lost| u8::from(*lost)).collect::<Vec<_>>()
    };
    assert_eq!(lost(LossModel::Every(3)), [1, 0, 0, 1, 0, 0, 1, 0]);
    assert_eq!(lost(LossModel::Every(1)), [1; 8]);
    assert_eq!(lost(LossModel::Trace("01100".into())), [0, 1, 1, 0, 0, 0, 1, 1]);
}
