//! The names of things in a template directory, checked once when they come in. Each is also a file name, so none
//! holds a slash or begins with a dot.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::limits::{HOLDER_BYTES, NAME_BYTES};

/// A template's name: 1 to 63 of `a-z 0-9 . _ -`, beginning with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TemplateName(String);

/// A template's digest: `sha256-` and 64 lower-case hex digits. The module `manifest`
/// says what it covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// Who uses a template's files, so that they are not removed: 1 to 200 of `A-Z a-z 0-9 . _ -`, beginning with a
/// letter or digit; by convention `<lab>.<element>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder(String);

/// Why a text is not such a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a template's name.
    #[error(
        "template name {0:?} is not valid; use 1 to 63 of a-z, 0-9, '.', '_' and '-', first a letter or digit"
    )]
    Template(String),
    /// Not a digest.
    #[error("template digest {0:?} is not valid; it is sha256- and 64 lower-case hex digits")]
    Digest(String),
    /// Not a holder.
    #[error(
        "template holder {0:?} is not valid; use 1 to 200 of letters, digits, '.', '_' and '-', first a letter or digit"
    )]
    Holder(String),
}

impl FromStr for TemplateName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let good = is_file_name(text, NAME_BYTES) && !text.bytes().any(|b| b.is_ascii_uppercase());
        if good { Ok(Self(text.to_owned())) } else { Err(NameError::Template(shown(text))) }
    }
}

impl FromStr for Digest {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let hex = text.strip_prefix("sha256-").unwrap_or_default();
        if hex.len() == 64 && hex.bytes().all(is_hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Digest(shown(text)))
        }
    }
}

impl FromStr for Holder {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_file_name(text, HOLDER_BYTES) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Holder(shown(text)))
        }
    }
}

impl Digest {
    /// The digest with this SHA-256 sum.
    pub(super) fn of_sum(sum: &[u8]) -> Self {
        Self(format!("sha256-{}", hex::encode(sum)))
    }
}

fn is_file_name(text: &str, longest: usize) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=longest).contains(&text.len())
        && text.bytes().all(plain)
        && text.as_bytes()[0].is_ascii_alphanumeric()
}

/// A rejected text short enough for a message.
fn shown(text: &str) -> String {
    text.chars().take(NAME_BYTES).collect()
}

macro_rules! text_name {
    ($($name:ident),*) => {$(
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    )*};
}

text_name!(TemplateName, Digest, Holder);
