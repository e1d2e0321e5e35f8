//! Whether a packet is lost: one state machine per direction, fed by draws.
//!
//! Correlated Bernoulli losses are a two-state Markov chain with the wanted probability and lag-one correlation,
//! `P(loss | lost) = p + r (1 - p)` and `P(loss | passed) = p (1 - r)`, so that correlation does not change how much
//! is lost (netem's weighted average does).

use serde::{Deserialize, Serialize};

use crate::config::{LinkParams, LossModel, Ratio};

/// What earlier packets mean for the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossState {
    was_lost: Option<bool>,
    /// State of the Markov models, from 0.
    state: u8,
    /// Packets since the model came into force.
    count: u64,
}

/// The draws that decide about a packet, one each.
#[derive(Debug, Clone, Copy)]
pub struct LossDraws {
    /// For the probability.
    pub loss: u64,
    /// For the model's verdict.
    pub model: u64,
    /// For the model's change of state.
    pub change: u64,
}

impl LossState {
    /// The fate of the next packet.
    pub fn is_lost(&mut self, params: &LinkParams, draws: LossDraws) -> bool {
        let ratio = match self.was_lost {
            Some(was_lost) if params.loss_correlation != Ratio::NEVER => {
                correlated(params.loss, params.loss_correlation, was_lost)
            }
            _ => params.loss,
        };
        let is_lost = ratio.hits(draws.loss);
        self.was_lost = Some(is_lost);
        let is_lost_too = match &params.loss_model {
            None => false,
            Some(model) => self.step(model, draws),
        };
        is_lost || is_lost_too
    }

    fn step(&mut self, model: &LossModel, draws: LossDraws) -> bool {
        let count = self.count;
        self.count += 1;
        match model {
            LossModel::GilbertElliott { to_bad, to_good, loss_good, loss_bad } => {
                let is_bad = self.state == 1;
                let (loss, leave) = if is_bad { (loss_bad, to_good) } else { (loss_good, to_bad) };
                if leave.hits(draws.change) {
                    self.state = u8::from(!is_bad);
                }
                loss.hits(draws.model)
            }
            LossModel::Markov { p13, p31, p32, p23, p14 } => {
                self.state = match self.state {
                    0 => choose(draws.change, [(*p13, 2), (*p14, 3)], 0),
                    1 => choose(draws.change, [(*p23, 2), (Ratio::NEVER, 2)], 1),
                    2 => choose(draws.change, [(*p31, 0), (*p32, 1)], 2),
                    _ => 0,
                };
                self.state >= 2
            }
            LossModel::Every(n) => count.is_multiple_of(*n),
            LossModel::Trace(trace) => {
                let len = u64::try_from(trace.len()).unwrap_or(u64::MAX).max(1);
                let at = usize::try_from(count % len).unwrap_or(0);
                trace.as_bytes().get(at) == Some(&b'1')
            }
        }
    }
}

/// The state whose share of the draws holds this one.
fn choose(draw: u64, ways: [(Ratio, u8); 2], stay: u8) -> u8 {
    let [(first, a), (second, b)] = ways;
    if first.hits(draw) {
        return a;
    }
    let both = first.0.saturating_add(second.0);
    if second != Ratio::NEVER && Ratio(both).hits(draw) { b } else { stay }
}

fn correlated(loss: Ratio, correlation: Ratio, was_lost: bool) -> Ratio {
    if loss == Ratio::NEVER || loss == Ratio::ALWAYS {
        return loss;
    }
    let part = |of: u64, share: u64| -> u64 {
        u64::try_from((u128::from(of) * u128::from(share)) >> 64).unwrap_or(u64::MAX)
    };
    if was_lost {
        Ratio(loss.0.saturating_add(part(u64::MAX - loss.0, correlation.0)))
    } else {
        Ratio(part(loss.0, u64::MAX - correlation.0))
    }
}

#[cfg(test)]
mod tests;
