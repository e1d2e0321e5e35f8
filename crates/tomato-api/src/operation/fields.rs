//! The fields of a call's body, from its schema, for help texts.

use schemars::SchemaGenerator;
use serde_json::Value;

use super::{Body, Operation};

/// A field of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name; a field of a field has both with a dot between.
    pub name: String,
    /// What it means.
    pub doc: String,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it is text and nothing else, so that `12` is two digits and no number.
    pub is_text: bool,
}

impl Operation {
    /// The fields of the body in the order of their names, with those of objects inside; none without a body of JSON.
    pub fn fields(&self) -> Vec<Field> {
        let Body::Json(schema) = self.body else { return Vec::new() };
        let mut generator = SchemaGenerator::default();
        let schema = schema(&mut generator).to_value();
        let definitions = Value::Object(generator.definitions().clone());
        let mut fields = Vec::new();
        collect("", &schema, &definitions, &mut fields);
        fields
    }
}

fn collect(prefix: &str, schema: &Value, definitions: &Value, fields: &mut Vec<Field>) {
    let schema = resolved(schema, definitions);
    let required = schema["required"].as_array();
    let Some(properties) = schema["properties"].as_object() else { return };
    for (name, property) in properties {
        let inner = resolved(property, definitions);
        let path = format!("{prefix}{name}");
        // One level deep is what can be typed.
        if prefix.is_empty() && inner["properties"].is_object() {
            collect(&format!("{path}."), inner, definitions, fields);
            continue;
        }
        let doc = property["description"].as_str().or_else(|| inner["description"].as_str());
        fields.push(Field {
            doc: doc.unwrap_or_default().lines().next().unwrap_or_default().to_owned(),
            required: required.is_some_and(|all| all.iter().any(|one| one == name.as_str())),
            is_text: is_text(inner),
            name: path,
        });
    }
}

/// Whether a value of the schema can only be text, or missing.
fn is_text(schema: &Value) -> bool {
    let types = match &schema["type"] {
        Value::Array(types) => types.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut types =
        types.iter().filter_map(Value::as_str).filter(|name| *name != "null").peekable();
    types.peek().is_some() && types.all(|name| name == "string")
}

/// What a reference, also a nullable one, stands for.
fn resolved<'a>(schema: &'a Value, definitions: &'a Value) -> &'a Value {
    let choices = schema["anyOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = std::iter::once(schema).chain(choices).find_map(|one| one["$ref"].as_str());
    let found = named.and_then(|path| definitions.get(path.rsplit('/').next()?));
    found.unwrap_or(schema)
}

#[cfg(test)]
mod tests;
