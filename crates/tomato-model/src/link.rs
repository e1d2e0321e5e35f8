//! What a connection does to frames in one direction.

use serde::{Deserialize, Serialize};

use crate::units::{Bandwidth, ByteCount, Ratio, Span};

/// The distribution of the jitter around the delay.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Uniform in delay ± jitter.
    #[default]
    Uniform,
    /// Normal, the jitter being the standard deviation.
    Normal,
    /// Pareto of shape 3, as netem's table.
    Pareto,
    /// A quarter normal and three quarters Pareto, as netem's table.
    Paretonormal,
}

/// One direction of a connection's link emulation.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(default, deny_unknown_fields)]
pub struct LinkParams {
    /// Rate of the line, frames and their framing included; none means unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
    /// Added to each frame's way.
    #[serde(skip_serializing_if = "is_zero")]
    pub delay: Span,
    /// Variation of the delay; frames keep their order.
    #[serde(skip_serializing_if = "is_zero")]
    pub jitter: Span,
    /// Shape of the jitter.
    #[serde(skip_serializing_if = "is_default")]
    pub distribution: Distribution,
    /// Share of frames that vanish.
    #[serde(skip_serializing_if = "is_never")]
    pub loss: Ratio,
    /// Share of frames that arrive twice.
    #[serde(skip_serializing_if = "is_never")]
    pub duplicate: Ratio,
    /// Share of frames that arrive with a changed bit.
    #[serde(skip_serializing_if = "is_never")]
    pub corrupt: Ratio,
    /// Bytes that may wait for the line; none means max(rate × (2 × delay + 25 ms), 64 KiB).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<ByteCount>,
}

/// Changes to one direction: unnamed values keep theirs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(default, deny_unknown_fields)]
pub struct LinkPatch {
    /// New bandwidth; JSON `null` lifts the limit.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::link::some")]
    pub bandwidth: Option<Option<Bandwidth>>,
    /// New delay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// New jitter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Span>,
    /// New distribution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
    /// New loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Ratio>,
    /// New duplication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<Ratio>,
    /// New corruption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrupt: Option<Ratio>,
    /// New queue limit; JSON `null` means the default again.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::link::some")]
    pub queue: Option<Option<ByteCount>>,
}

impl LinkPatch {
    /// `params` with the named values replaced.
    #[must_use]
    pub fn applied(&self, params: LinkParams) -> LinkParams {
        LinkParams {
            bandwidth: self.bandwidth.unwrap_or(params.bandwidth),
            delay: self.delay.unwrap_or(params.delay),
            jitter: self.jitter.unwrap_or(params.jitter),
            distribution: self.distribution.unwrap_or(params.distribution),
            loss: self.loss.unwrap_or(params.loss),
            duplicate: self.duplicate.unwrap_or(params.duplicate),
            corrupt: self.corrupt.unwrap_or(params.corrupt),
            queue: self.queue.unwrap_or(params.queue),
        }
    }
}

/// Keeps apart "not named" and "named as null" in patches.
pub(crate) fn some<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

fn is_zero(span: &Span) -> bool {
    span.0 == 0
}

fn is_never(ratio: &Ratio) -> bool {
    ratio.0 == 0
}

fn is_default(distribution: &Distribution) -> bool {
    *distribution == Distribution::default()
}
