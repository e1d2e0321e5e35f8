//! Rules: other values for the packets that a filter means.

use serde::{Deserialize, Serialize};
use tomato_filter::Filter;

use crate::config::{ConfigError, LinkParams, LossModel, Ratio, range};
use crate::limits;

/// What is done to packets that a filter means, in place of what the direction does to the others. Unnamed values are
/// the direction's. Of several rules the first whose filter means a packet decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// In the language of `tcpdump`, see [`tomato_filter`]; it looks at each wire packet, complete with checksums.
    pub filter: String,
    /// Propagation delay in nanoseconds.
    pub delay_ns: Option<u64>,
    /// Spread of the delay in nanoseconds.
    pub jitter_ns: Option<u64>,
    /// Probability that a packet is sent without delay.
    pub reorder: Option<Ratio>,
    /// Probability that a packet is lost. A rule that names this, `loss_correlation` or `loss_model` has a loss of its
    /// own in place of the direction's, with a memory of its own; what it does not name of the three is nothing.
    pub loss: Option<Ratio>,
    /// See [`LinkParams::loss_correlation`].
    pub loss_correlation: Option<Ratio>,
    /// See [`LinkParams::loss_model`].
    pub loss_model: Option<LossModel>,
    /// Probability that a packet is sent twice.
    pub duplicate: Option<Ratio>,
    /// Probability that one bit of a packet is flipped.
    pub corrupt: Option<Ratio>,
    /// Probability that a bit is flipped.
    pub bit_error: Option<Ratio>,
}

impl Rule {
    /// Whether losses are its own.
    #[must_use]
    pub fn loses(&self) -> bool {
        self.loss.is_some() || self.loss_correlation.is_some() || self.loss_model.is_some()
    }

    /// Whether its packets keep order among themselves alone: it names how long they take.
    #[must_use]
    pub fn has_lane(&self) -> bool {
        self.delay_ns.is_some() || self.jitter_ns.is_some()
    }

    /// Puts its values in place of those of `params`.
    pub fn overlay(&self, params: &mut LinkParams) {
        params.delay_ns = self.delay_ns.unwrap_or(params.delay_ns);
        params.jitter_ns = self.jitter_ns.unwrap_or(params.jitter_ns);
        params.reorder = self.reorder.unwrap_or(params.reorder);
        if self.loses() {
            params.loss = self.loss.unwrap_or_default();
            params.loss_correlation = self.loss_correlation.unwrap_or_default();
            params.loss_model.clone_from(&self.loss_model);
        }
        params.duplicate = self.duplicate.unwrap_or(params.duplicate);
        params.corrupt = self.corrupt.unwrap_or(params.corrupt);
        params.bit_error = self.bit_error.unwrap_or(params.bit_error);
    }

    pub(super) fn check(&self, field: &str) -> Result<(), ConfigError> {
        let named = |name: &str| format!("{field}.{name}");
        Filter::compile(&self.filter).map_err(|source| ConfigError::Filter {
            field: named("filter"),
            problem: source.to_string(),
        })?;
        for (name, ns) in [("delay_ns", self.delay_ns), ("jitter_ns", self.jitter_ns)] {
            range(|| named(name), ns.unwrap_or(0), 0, limits::MAX_DELAY_NS)?;
        }
        self.loss_model.as_ref().map_or(Ok(()), |model| model.check(&named("loss_model")))
    }
}
