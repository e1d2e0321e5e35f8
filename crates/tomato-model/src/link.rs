//! What a connection does to frames in one direction.
//!
//! Every parameter is text with a unit or a plain value, so that files, the API and the command line say the same.
//! What the parameters mean, with order of stages and sources, is in `docs/wire.md`.

use serde::{Deserialize, Serialize};

use crate::units::{Bandwidth, ByteCount, Ratio, Span};

mod discipline;
mod loss;
mod preset;
mod range;
mod rule;
pub(crate) mod text;
mod timeline;

pub use discipline::Discipline;
pub use loss::LossModel;
pub use preset::{PRESETS, Preset, preset};
pub use rule::Rule;
pub use text::TextError;
pub use timeline::{Curve, Curves, Point, Step, Timeline};

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

/// What the random draws for a frame depend on.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DrawKey {
    /// Its number in the direction.
    #[default]
    Ordinal,
    /// What it says, and how often that was said before.
    Content,
}

/// Makes [`LinkParams`] and [`LinkPatch`] from one list.
macro_rules! parameters {
    (
        values { $($(#[doc = $doc:literal])+ $name:ident: $kind:ty,)+ }
        options { $($(#[doc = $odoc:literal])+ $oname:ident: $okind:ty,)+ }
    ) => {
        /// One direction of a connection's link emulation.
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct LinkParams {
            $($(#[doc = $odoc])+
            #[serde(skip_serializing_if = "Option::is_none")]
            pub $oname: Option<$okind>,)+
            $($(#[doc = $doc])+
            #[serde(skip_serializing_if = "is_default")]
            pub $name: $kind,)+
        }

        /// Changes to one direction: unnamed values keep theirs; JSON `null` takes a limit away.
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct LinkPatch {
            $($(#[doc = $odoc])+
            #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "some")]
            pub $oname: Option<Option<$okind>>,)+
            $($(#[doc = $doc])+
            #[serde(skip_serializing_if = "Option::is_none")]
            pub $name: Option<$kind>,)+
        }

        impl LinkParams {
            /// The names of all parameters.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($oname),)+ $(stringify!($name),)+];
        }

        impl LinkPatch {
            /// `params` with the named values replaced.
            #[must_use]
            pub fn applied(&self, params: &LinkParams) -> LinkParams {
                LinkParams {
                    $($oname: self.$oname.clone().unwrap_or_else(|| params.$oname.clone()),)+
                    $($name: self.$name.clone().unwrap_or_else(|| params.$name.clone()),)+
                }
            }
        }
    };
}

parameters! {
    values {
        /// What may leave at once after a pause: the depth of a token bucket; 0 means the line never bursts.
        burst: ByteCount,
        /// Added to each frame's way.
        delay: Span,
        /// Variation of the delay; frames keep their order unless `jitter_reorders`.
        jitter: Span,
        /// Shape of the jitter.
        distribution: Distribution,
        /// Shape of the jitter as equally likely deviations in units of 1/8192 of the jitter (the format of netem's
        /// tables); replaces `distribution` if it holds any.
        jitter_table: Vec<i16>,
        /// Correlation of the jitter of neighbouring frames.
        jitter_correlation: Ratio,
        /// Frames leave by their jittered times, even before earlier ones.
        jitter_reorders: bool,
        /// Share of frames that are sent without delay and so overtake those on the way.
        reorder: Ratio,
        /// Share of frames that vanish.
        loss: Ratio,
        /// Correlation of the losses of neighbouring frames; their share stays.
        loss_correlation: Ratio,
        /// Share of frames that arrive twice.
        duplicate: Ratio,
        /// Share of frames that arrive with a changed bit.
        corrupt: Ratio,
        /// Share of bits that arrive changed, each bit by itself.
        bit_error: Ratio,
        /// Which frames the queue drops.
        discipline: Discipline,
        /// Mark frames of ECN-capable flows where the discipline would drop them early.
        ecn: bool,
        /// The line is dead this way: frames are lost and the end they go to has no carrier.
        down: bool,
        /// What the random draws for a frame depend on.
        draws: DrawKey,
        /// Other values for some frames; the first rule that means a frame decides.
        rules: Vec<Rule>,
    }
    options {
        /// Rate of the line, frames and their framing included; none means unlimited.
        bandwidth: Bandwidth,
        /// What the line spends on each frame beside its bytes; none means 24 B, as Ethernet does.
        framing: ByteCount,
        /// Bytes that may wait for the line; none means max(rate × (2 × delay + 25 ms), 64 KiB).
        queue: ByteCount,
        /// Frames that may wait for the line.
        queue_packets: u64,
        /// Longest wait for the line.
        queue_time: Span,
        /// A further cause of loss, with memory.
        loss_model: LossModel,
        /// Longest packet behind the Ethernet header that passes, in bytes.
        mtu: u32,
        /// Changes over time, from the start of the connection.
        timeline: Timeline,
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

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests;
