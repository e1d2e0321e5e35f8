//! A YAML or JSON text as a tree in which every value knows its line and column.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Location, Spanned};

use super::Diagnostic;
use crate::limits::{FILE_BYTES_MAX, FILE_DEPTH_MAX, FILE_VALUES_MAX};
use crate::topology::JsonValue;

/// Line and column, both from 1; 0 where unknown.
pub(super) type Position = (u64, u64);

/// A value and where it is.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) value: Value,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

fn position(location: Location) -> Position {
    (location.line(), location.column())
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        Self { at: position(spanned.referenced), value: spanned.value }
    }
}

impl Node {
    /// The value without positions.
    pub(super) fn json(&self) -> JsonValue {
        match &self.value {
            Value::Null => JsonValue::Null,
            Value::Bool(value) => JsonValue::Bool(*value),
            Value::Number(value) => JsonValue::Number(value.clone()),
            Value::Text(value) => JsonValue::String(value.clone()),
            Value::List(values) => values.iter().map(Node::json).collect(),
            Value::Map(entries) => JsonValue::Object(
                entries.iter().map(|(key, node)| (key.clone(), node.json())).collect(),
            ),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(serde_json::Number::from_f64(value)
            .map_or_else(|| Value::Text(value.to_string()), Value::Number))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element::<Spanned<Value>>()? {
            values.push(value.into());
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let mut node: Node = map.next_value::<Spanned<Value>>()?.into();
            // the key is what a reader looks for
            node.at = position(key.referenced);
            entries.push((key.value, node));
        }
        Ok(Value::Map(entries))
    }
}

/// Reads a text.
pub(super) fn read(text: &str) -> Result<Node, Diagnostic> {
    if text.len() > FILE_BYTES_MAX {
        return Err(Diagnostic {
            line: 0,
            column: 0,
            path: String::new(),
            message: format!("the file has {} bytes", text.len()),
            remedy: format!("use at most {FILE_BYTES_MAX} bytes"),
        });
    }
    let options = serde_saphyr::options! {
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_depth: FILE_DEPTH_MAX,
            max_nodes: FILE_VALUES_MAX,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: FILE_VALUES_MAX },
    };
    match serde_saphyr::from_str_with_options::<Spanned<Value>>(text, options) {
        Ok(value) => Ok(value.into()),
        Err(error) => {
            let (line, column) = error.location().map_or((0, 0), position);
            let (message, remedy) = explain(&error);
            Err(Diagnostic { line, column, path: String::new(), message, remedy })
        }
    }
}

/// What is wrong with a text, and what to do, without the place.
fn explain(error: &Error) -> (String, String) {
    let own = |message: &str, remedy: &str| (message.to_owned(), remedy.to_owned());
    match error.without_snippet() {
        Error::DuplicateMappingKey { key, .. } => {
            let what = key.as_ref().map_or_else(|| "a key".to_owned(), |key| format!("{key:?}"));
            (format!("{what} is given twice"), "keep one of the two".to_owned())
        }
        Error::Eof { .. } => own("the file is empty or ends too early", "close what is open"),
        Error::MultipleDocuments { .. } => {
            own("the file holds several documents", "keep one topology per file, without ---")
        }
        Error::UnknownAnchor { .. } => {
            own("an alias names no anchor", "write &NAME before *NAME, or put the text in quotes")
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            let remedy = format!("use at most {FILE_VALUES_MAX} values, {FILE_DEPTH_MAX} deep");
            ("the file is too large or nests too deeply".to_owned(), remedy)
        }
        other => {
            let text = other.to_string();
            // The place is told apart from the message; the library puts it at either end of its first line.
            let first = text.lines().next().unwrap_or_default();
            let what = first.split(" at line ").next().unwrap_or(first);
            let what = match what.strip_prefix("error: line ") {
                Some(rest) => rest.split_once(": ").map_or(rest, |(_, what)| what),
                None => what,
            };
            let remedy = "look at the indentation, at brackets and quotes, and at tabs; \
                          put texts with : # [ { * & in quotes";
            (format!("this is not YAML: {what}"), remedy.to_owned())
        }
    }
}
