//! Quantities with units. Inside they are integers (bit/s, nanoseconds, bytes, fractions of 2^64); in files and in the
//! API they are text with a unit such as `10Mbit/s`, `20ms`, `64KiB` and `1%`, read tolerantly and written in one canonical way,
//! so that writing and reading again gives the same value.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A quantity could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}; write it like {example} (units: {units})")]
pub struct UnitError {
    /// The text given.
    pub text: String,
    /// What was expected.
    pub what: &'static str,
    /// A right example.
    pub example: &'static str,
    /// The units that are read.
    pub units: &'static str,
}

/// Decimal digits after the point that are read at the most.
const FRACTION_DIGITS_MAX: usize = 18;

/// Splits `text` into a decimal number, as (digits without point, number of fraction digits), and a unit.
fn split(text: &str) -> Option<(u128, u32, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || whole.len() > 20 || fraction.len() > FRACTION_DIGITS_MAX {
        return None;
    }
    let value: u128 = format!("{whole}{fraction}").parse().ok()?;
    Some((value, u32::try_from(fraction.len()).ok()?, unit.trim()))
}

/// `value / 10^fraction * scale`, rounded to the nearest integer.
fn scaled(value: u128, fraction: u32, scale: u128) -> Option<u64> {
    let divisor = 10u128.checked_pow(fraction)?;
    let product = value.checked_mul(scale)?;
    u64::try_from(product.checked_add(divisor / 2)? / divisor).ok()
}

/// Writes `value` in the largest unit that needs at most three fraction digits.
fn write_scaled(f: &mut fmt::Formatter<'_>, value: u64, units: &[(u64, &str)]) -> fmt::Result {
    for (scale, unit) in units {
        if value >= *scale {
            let thousandths = u128::from(value) * 1000;
            if thousandths % u128::from(*scale) == 0 {
                let thousandths = thousandths / u128::from(*scale);
                let (whole, rest) = (thousandths / 1000, thousandths % 1000);
                if rest == 0 {
                    return write!(f, "{whole}{unit}");
                }
                let digits = format!("{rest:03}");
                return write!(f, "{whole}.{}{unit}", digits.trim_end_matches('0'));
            }
        }
    }
    let unit = units.last().map_or("", |(_, unit)| unit);
    write!(f, "{value}{unit}")
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $what:literal, $example:literal, units $units:literal, read $read:expr, write $write:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String", extend("examples" = [$example]))]
        pub struct $name(pub u64);

        impl FromStr for $name {
            type Err = UnitError;

            fn from_str(text: &str) -> Result<Self, UnitError> {
                let units: &[(&str, u128)] = &$read;
                split(text)
                    .and_then(|(value, fraction, unit)| {
                        let known = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
                        // bytes are not bits
                        if unit.contains('B') && !known.0.contains('B') {
                            return None;
                        }
                        scaled(value, fraction, known.1)
                    })
                    .map(Self)
                    .ok_or_else(|| UnitError { text: text.chars().take(64).collect(), what: $what, example: $example, units: $units })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_scaled(f, self.0, &$write)
            }
        }

        impl TryFrom<String> for $name {
            type Error = UnitError;

            fn try_from(text: String) -> Result<Self, UnitError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

quantity! {
    /// Bits per second.
    Bandwidth, "a bandwidth", "10Mbit/s", units "bit/s, kbit/s, Mbit/s, Gbit/s",
    read [("bit/s", 1), ("kbit/s", 1_000), ("Mbit/s", 1_000_000), ("Gbit/s", 1_000_000_000), ("bps", 1), ("kbps", 1_000), ("Mbps", 1_000_000), ("Gbps", 1_000_000_000),
        ("kbit", 1_000), ("Mbit", 1_000_000), ("Gbit", 1_000_000_000)],
    write [(1_000_000_000, "Gbit/s"), (1_000_000, "Mbit/s"), (1_000, "kbit/s"), (1, "bit/s")]
}

quantity! {
    /// A span of time in nanoseconds.
    Span, "a time", "20ms", units "ns, us, ms, s, min, h",
    read [("ns", 1), ("us", 1_000), ("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("min", 60_000_000_000), ("h", 3_600_000_000_000)],
    write [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")]
}

quantity! {
    /// A number of bytes.
    ByteCount, "a size", "64KiB", units "B, kB, MB, GB, TB, KiB, MiB, GiB, TiB",
    read [("B", 1), ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)],
    write [(1_000_000_000, "GB"), (1 << 30, "GiB"), (1_000_000, "MB"), (1 << 20, "MiB"), (1_000, "kB"), (1 << 10, "KiB"), (1, "B")]
}

/// A probability as a fraction of 2^64; `u64::MAX` means always, exactly, and 0 never.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("examples" = ["1%"]))]
pub struct Ratio(pub u64);

impl Ratio {
    /// Never.
    pub const NEVER: Ratio = Ratio(0);
    /// Always.
    pub const ALWAYS: Ratio = Ratio(u64::MAX);

    /// The ratio in percent, rounded to a double.
    #[allow(
        clippy::cast_precision_loss,
        reason = "meant for people and for the old API, which uses doubles"
    )]
    pub fn percent(self) -> f64 {
        if self == Self::ALWAYS {
            100.0
        } else {
            self.0 as f64 / 18_446_744_073_709_551_616.0 * 100.0
        }
    }

    fn from_decimal(value: u128, fraction: u32) -> Option<Self> {
        let full = 100u128.checked_mul(10u128.checked_pow(fraction)?)?;
        if value >= full {
            return (value == full).then_some(Self::ALWAYS);
        }
        // value < full <= 10^20, so value << 57 fits; the rest of the shift follows the division's first digits.
        let high = (value << 60) / full;
        let low = (((value << 60) % full) << 4) / full;
        u64::try_from((high << 4) + low).ok().map(Self)
    }
}

impl FromStr for Ratio {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        split(text)
            .filter(|(_, _, unit)| *unit == "%")
            .and_then(|(value, fraction, _)| Self::from_decimal(value, fraction))
            .ok_or_else(|| UnitError {
                text: text.chars().take(64).collect(),
                what: "a percentage from 0% to 100%",
                example: "1%",
                units: "%",
            })
    }
}

impl fmt::Display for Ratio {
    /// The shortest decimal that reads back to the same value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALWAYS {
            return f.write_str("100%");
        }
        for digits in 0..=FRACTION_DIGITS_MAX {
            let scale = 10u128.pow(u32::try_from(digits).unwrap_or(0));
            // ceil, because reading truncates
            let value = (u128::from(self.0) * 100).checked_mul(scale).map(|v| v.div_ceil(1 << 64));
            let Some(value) = value else { break };
            if Self::from_decimal(value, u32::try_from(digits).unwrap_or(0)) == Some(*self) {
                let (whole, rest) = (value / scale, value % scale);
                return if digits == 0 {
                    write!(f, "{whole}%")
                } else {
                    write!(f, "{whole}.{rest:0digits$}%")
                };
            }
        }
        write!(f, "{:.15}%", self.percent())
    }
}

impl TryFrom<String> for Ratio {
    type Error = UnitError;

    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

impl From<Ratio> for String {
    fn from(value: Ratio) -> Self {
        value.to_string()
    }
}

#[cfg(test)]
mod tests;
