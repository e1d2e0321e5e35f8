//! Parameters with several values as one text: a word, then `name=value` pairs, such as `codel target=5ms`.

use std::collections::BTreeMap;
use std::str::FromStr;

/// A text of that kind could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}; write it like {example}")]
pub struct TextError {
    /// The text given.
    pub text: String,
    /// What was expected.
    pub what: &'static str,
    /// A right example.
    pub example: &'static str,
}

/// The parts of such a text.
pub(crate) struct Words<'a> {
    pub(crate) name: &'a str,
    /// Words without `=`.
    pub(crate) plain: Vec<&'a str>,
    values: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default();
        let (mut plain, mut values) = (Vec::new(), BTreeMap::new());
        for word in words {
            match word.split_once('=') {
                Some((key, value)) => {
                    values.insert(key, value);
                }
                None => plain.push(word),
            }
        }
        Self { name, plain, values }
    }

    /// Takes a value out; outer none: it is there and wrong.
    pub(crate) fn take<T: FromStr>(&mut self, key: &str) -> Option<Option<T>> {
        match self.values.remove(key) {
            None => Some(None),
            Some(text) => text.parse().ok().map(Some),
        }
    }

    /// Takes a value out, or this one.
    pub(crate) fn take_or<T: FromStr>(&mut self, key: &str, usual: T) -> Option<T> {
        Some(self.take(key)?.unwrap_or(usual))
    }

    /// Whether everything was taken and no plain word is left.
    pub(crate) fn is_done(&self) -> bool {
        self.values.is_empty() && self.plain.is_empty()
    }

    /// The first word and the others, if there are no values.
    pub(crate) fn plainly(self) -> Option<(&'a str, Vec<&'a str>)> {
        self.values.is_empty().then_some((self.name, self.plain))
    }
}

/// Reading, writing and the schema of a type that is text.
macro_rules! as_text {
    ($name:ident, $what:literal, $example:literal) => {
        impl std::str::FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                Self::read(Words::of(text)).ok_or_else(|| TextError {
                    text: text.chars().take(64).collect(),
                    what: $what,
                    example: $example,
                })
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextError;

            fn try_from(text: String) -> Result<Self, TextError> {
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

pub(crate) use as_text;
