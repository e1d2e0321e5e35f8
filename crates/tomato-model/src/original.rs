//! The original ToMaTo's words: type names, flat attributes in kbit/s, ms and %, objects and topology files of its versions 3 to 5.
//!
//! Invariant: old names and units are translated here, at the edge of the model, and nowhere else. What the original had and
//! this version does not offer becomes a [placeholder](crate::kind::Kind::Placeholder) that keeps its type and attributes: it is
//! shown and exported as it came and is never prepared.

use serde_json::{Map, Value as Json};

use crate::edit::EditError;
use crate::topology::{Connection, Element, Interface};

pub mod attributes;
pub mod export;
pub mod import;
pub mod link;
pub mod names;
pub mod template;
pub mod view;

/// Client data under which a name is kept that is no host name.
pub const SHOWN_NAME: &str = "_original_name";
/// Client data under which attributes are kept that only the original knows.
pub const KEPT: &str = "_original";

/// Name of the one site and the one organization that always are.
pub const LOCAL_SITE: &str = "local";

/// Why something of the original cannot be taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OriginalError {
    /// A value cannot be.
    #[error("{attribute} {rule}")]
    InvalidValue {
        /// The attribute or argument.
        attribute: String,
        /// The value.
        value: Json,
        /// What it must be.
        rule: String,
    },
    /// There is no such attribute.
    #[error("there is no attribute {attribute:?}; only keys that begin with _ are free")]
    UnknownAttribute {
        /// Its name.
        attribute: String,
    },
    /// The attribute has a meaning that is not offered.
    #[error("{attribute}: {why}")]
    FixedAttribute {
        /// Its name.
        attribute: String,
        /// Why, and what to do.
        why: &'static str,
    },
    /// There is no such type.
    #[error("there is no element type {type_name:?}; use container, switch or hub")]
    UnknownType {
        /// The name.
        type_name: String,
    },
    /// An object that is named does not exist.
    #[error("there is no {entity} {id:?}; leave it out or name another")]
    Missing {
        /// What is missing.
        entity: &'static str,
        /// Its name.
        id: String,
    },
    /// Parts of a file do not fit.
    #[error("{0}")]
    Inconsistent(String),
    /// The model refuses it.
    #[error(transparent)]
    Edit(#[from] EditError),
}

/// The error for a value that cannot be.
pub fn invalid(attribute: &str, value: &Json, rule: impl Into<String>) -> OriginalError {
    OriginalError::InvalidValue {
        attribute: attribute.to_owned(),
        value: value.clone(),
        rule: rule.into(),
    }
}

/// The error for an attribute that does not exist.
pub fn unknown(attribute: &str) -> OriginalError {
    OriginalError::UnknownAttribute { attribute: attribute.to_owned() }
}

/// True and false, as the original's clients send them.
pub fn flag(value: &Json) -> Option<bool> {
    value.as_bool().or_else(|| match value.as_i64()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    })
}

/// Accepts no site and the one there is.
fn site(value: &Json) -> Result<(), OriginalError> {
    match value.as_str() {
        None if value.is_null() => Ok(()),
        Some(text) if text.is_empty() || text == LOCAL_SITE => Ok(()),
        _ => {
            let id = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Err(OriginalError::Missing { entity: "site", id })
        }
    }
}

/// Attributes kept for the original in client data.
fn kept(client: &std::collections::BTreeMap<String, Json>) -> Map<String, Json> {
    client.get(KEPT).and_then(Json::as_object).cloned().unwrap_or_default()
}

/// The interface of an element that is connected itself, as the original's UDP endpoints were.
pub fn own_interface(element: &Element) -> Option<&Interface> {
    let own = element.interfaces.first()?;
    (names::is_self_connected(&element.type_name) && own.type_name == element.type_name)
        .then_some(own)
}

/// Whether a connection leads to an external network, where the original emulated nothing.
fn is_fixed(graph: &crate::graph::Graph, connection: &Connection) -> bool {
    let mut ports = connection.interfaces.iter().filter_map(|end| graph.interface(end));
    ports.any(|(_, interface)| link::is_fixed_end(interface))
}

#[cfg(test)]
mod tests;
