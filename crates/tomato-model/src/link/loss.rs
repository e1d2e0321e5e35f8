//! Losses that depend on what came before.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::link::text::{TextError, Words, as_text};
use crate::units::Ratio;

/// Losses with memory; as text `gilbert-elliott to_bad=1% to_good=10% loss_good=0% loss_bad=100%`,
/// `markov p13=1% p31=20% p32=0% p23=0% p14=0%`, `every 100`, `trace 0010` (again and again; 1 is lost).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("examples" = ["gilbert-elliott to_bad=1% to_good=10%", "every 100"]))]
pub enum LossModel {
    /// Two states with a loss each.
    GilbertElliott {
        /// From good to bad.
        to_bad: Ratio,
        /// From bad to good.
        to_good: Ratio,
        /// Loss while good.
        loss_good: Ratio,
        /// Loss while bad.
        loss_bad: Ratio,
    },
    /// Four states: 1 received, 2 received within a burst, 3 lost within a burst, 4 lost alone.
    Markov {
        /// From 1 to 3.
        p13: Ratio,
        /// From 3 to 1.
        p31: Ratio,
        /// From 3 to 2.
        p32: Ratio,
        /// From 2 to 3.
        p23: Ratio,
        /// From 1 to 4.
        p14: Ratio,
    },
    /// Every n-th frame.
    Every(u64),
    /// By a list of fates.
    Trace(String),
}

impl LossModel {
    /// What is not named is as netem has it (iproute2, `tc/q_netem.c`).
    fn read(mut words: Words<'_>) -> Option<Self> {
        let value = match words.name {
            "gilbert-elliott" => LossModel::GilbertElliott {
                to_bad: words.take("to_bad")??,
                to_good: words.take("to_good")??,
                loss_good: words.take_or("loss_good", Ratio::NEVER)?,
                loss_bad: words.take_or("loss_bad", Ratio::ALWAYS)?,
            },
            "markov" => {
                let p13: Ratio = words.take("p13")??;
                LossModel::Markov {
                    p31: words.take_or("p31", Ratio(Ratio::ALWAYS.0 - p13.0))?,
                    p32: words.take_or("p32", Ratio::NEVER)?,
                    p23: words.take_or("p23", Ratio::ALWAYS)?,
                    p14: words.take_or("p14", Ratio::NEVER)?,
                    p13,
                }
            }
            "every" if words.plain.len() == 1 => LossModel::Every(words.plain.pop()?.parse().ok()?),
            "trace" if words.plain.len() == 1 => LossModel::Trace(words.plain.pop()?.to_owned()),
            _ => return None,
        };
        words.is_done().then_some(value)
    }
}

as_text!(
    LossModel,
    "a loss model",
    "gilbert-elliott to_bad=1% to_good=10%, every 100 or trace 0010"
);

impl fmt::Display for LossModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LossModel::GilbertElliott { to_bad, to_good, loss_good, loss_bad } => {
                write!(f, "gilbert-elliott to_bad={to_bad} to_good={to_good}")?;
                write!(f, " loss_good={loss_good} loss_bad={loss_bad}")
            }
            LossModel::Markov { p13, p31, p32, p23, p14 } => {
                write!(f, "markov p13={p13} p31={p31} p32={p32} p23={p23} p14={p14}")
            }
            LossModel::Every(n) => write!(f, "every {n}"),
            LossModel::Trace(trace) => write!(f, "trace {trace}"),
        }
    }
}
