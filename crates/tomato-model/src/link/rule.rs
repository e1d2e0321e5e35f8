//! Rules: other values for the frames that a filter means.

use serde::{Deserialize, Serialize};
use tomato_filter::Filter;

use crate::limits;
use crate::link::LossModel;
use crate::link::range::loss_problem;
use crate::units::{Ratio, Span};

/// Other values for the frames that a filter means; unnamed ones are the direction's. Of several rules the first that
/// means a frame decides.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which frames, in the language of `tcpdump`.
    #[serde(rename = "match")]
    #[schemars(extend("examples" = ["udp port 53", "icmp or icmp6"]))]
    pub filter: String,
    /// Delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// Jitter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Span>,
    /// Share of frames that are sent without delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reorder: Option<Ratio>,
    /// Share of frames that vanish. A rule that names this, `loss_correlation` or `loss_model` has losses of its own
    /// in place of the direction's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Ratio>,
    /// Correlation of the losses of neighbouring frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_correlation: Option<Ratio>,
    /// A further cause of loss, with memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_model: Option<LossModel>,
    /// Share of frames that arrive twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<Ratio>,
    /// Share of frames that arrive with a changed bit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrupt: Option<Ratio>,
    /// Share of bits that arrive changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bit_error: Option<Ratio>,
}

/// What is wrong with a list of rules, and what to do.
pub(super) fn problem(rules: &[Rule]) -> Option<(String, String)> {
    if rules.len() > limits::RULES_MAX {
        let message = format!("are {}, at most {}", rules.len(), limits::RULES_MAX);
        return Some((message, "join some of them by \"or\"".to_owned()));
    }
    rules.iter().zip(1..).find_map(|(rule, n)| {
        let (what, remedy) = rule.problem()?;
        Some((format!("rule {n} ({}): {what}", rule.filter), remedy))
    })
}

impl Rule {
    fn problem(&self) -> Option<(String, String)> {
        if let Err(error) = Filter::compile(&self.filter) {
            let remedy = "write match as for tcpdump, such as \"udp port 53\"";
            return Some((error.to_string(), remedy.to_owned()));
        }
        let unchanged = Self { filter: self.filter.clone(), ..Self::default() };
        if *self == unchanged {
            let remedy = "name what to change for its frames, such as loss: 5%";
            return Some(("changes nothing".to_owned(), remedy.to_owned()));
        }
        let longest = self.delay.max(self.jitter).unwrap_or_default();
        if longest.0 > limits::DELAY_MAX_NS {
            return Some((format!("{longest} is too long"), "use at most 10min".to_owned()));
        }
        let (what, remedy) = self.loss_model.as_ref().and_then(loss_problem)?;
        Some((format!("loss_model {what}"), remedy.to_owned()))
    }
}
