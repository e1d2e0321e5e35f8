//! Typed ids: 24 lower-case hex digits, time-ordered, opaque.
//!
//! The first eight digits are seconds since the Unix epoch, the other sixteen are random, so ids sort by time of creation
//! and can be made without coordination. Clock and randomness are arguments: this crate has neither.
//! Anything that is not 24 lower-case hex digits is no id and must be answered like an unknown one (not found).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Number of hex digits of an id.
pub const ID_DIGITS: usize = 24;

/// The text is not an id (24 lower-case hex digits).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an id: ids are {ID_DIGITS} lower-case hex digits")]
pub struct IdError(pub String);

fn check(text: &str) -> Result<(), IdError> {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if text.len() == ID_DIGITS && text.bytes().all(is_hex) {
        Ok(())
    } else {
        Err(IdError(text.chars().take(64).collect()))
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String", extend("pattern" = "^[0-9a-f]{24}$"))]
        pub struct $name(String);

        impl $name {
            /// An id made at `unix_s` (seconds since the epoch) from 64 random bits.
            pub fn new(unix_s: u32, random: u64) -> Self {
                Self(format!("{unix_s:08x}{random:016x}"))
            }

            /// The 24 hex digits.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                check(&text).map(|()| Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )*};
}

ids! {
    /// A topology.
    TopologyId;
    /// An element of a topology.
    ElementId;
    /// An interface of an element.
    InterfaceId;
    /// A connection between two interfaces.
    ConnectionId;
    /// Work in flight.
    JobId;
    /// A login session or access token (the public handle, not the secret).
    TokenId;
    /// Id of a notification.
    NotificationId;
    /// A stored template.
    TemplateId;
    /// A resource profile.
    ProfileId;
    /// One installation of the product with its own data directory.
    LabId;
}

#[cfg(test)]
mod tests;
