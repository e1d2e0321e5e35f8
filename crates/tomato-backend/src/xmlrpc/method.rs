//! The methods offered, their arguments, and how positions, names and defaults become one set of arguments.

use serde_json::{Map, Value as Json};

use super::codec::{Call, CallFault};
use super::fault;

mod table;

pub(crate) use table::METHODS;

/// A method of the original's API.
#[derive(Debug)]
pub(crate) struct Method {
    /// `name(arg, arg=default)`: a default in Python's notation makes an argument optional.
    pub(crate) signature: &'static str,
    /// May be called without credentials.
    pub(crate) anonymous: bool,
    /// What it does and answers.
    pub(crate) doc: &'static str,
}

/// The method of that name.
pub(crate) fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name() == name)
}

impl Method {
    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        self.signature.split_once('(').map_or(self.signature, |(name, _)| name)
    }

    /// Its arguments in order with their defaults.
    pub(crate) fn args(&self) -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
        let inside = self.signature.split_once('(').map_or("", |(_, rest)| rest);
        let args = inside.trim_end_matches(')').split(", ").filter(|arg| !arg.is_empty());
        args.map(|arg| arg.split_once('=').map_or((arg, None), |(name, value)| (name, Some(value))))
    }

    /// Every argument under its name; defaults are null.
    pub(crate) fn bind(&self, call: Call) -> Result<Map<String, Json>, CallFault> {
        let wrong = |text: String| CallFault { code: fault::UNEXPECTED, text };
        if call.args.len() > self.args().count() {
            return Err(wrong(format!("too many arguments: {}", self.signature)));
        }
        let mut bound = Map::new();
        for ((name, _), value) in self.args().zip(call.args) {
            bound.insert(name.to_owned(), value);
        }
        for (name, value) in call.named {
            if !self.args().any(|(known, _)| known == name) {
                return Err(wrong(format!("unknown argument {name:?}: {}", self.signature)));
            }
            if bound.insert(name.clone(), value).is_some() {
                return Err(wrong(format!("argument {name:?} given twice: {}", self.signature)));
            }
        }
        for (name, default) in self.args() {
            if !bound.contains_key(name) {
                if default.is_none() {
                    return Err(wrong(format!("argument {name:?} is missing: {}", self.signature)));
                }
                bound.insert(name.to_owned(), Json::Null);
            }
        }
        Ok(bound)
    }
}

#[cfg(test)]
mod tests;
