//! The OpenAPI 3.1 document, made from the operation table.
//!
//! Invariant: every operation of the table is in it and nothing else. A copy is kept in the repository (`openapi/tomato.json`);
//! a test compares both and rewrites the copy when `UPDATE_OPENAPI` is set.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};
use tomato_api::error::ApiError;
use tomato_api::operation::{Access, Answer, Body, OPERATIONS, Operation, PREFIX};

/// Where schemas of named types are.
const DEFINITIONS: &str = "/components/schemas";

/// The document.
pub fn openapi() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.definitions_path = DEFINITIONS.into();
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let method = operation.method.name().to_ascii_lowercase();
        let entry = paths.entry(format!("{PREFIX}{}", operation.path)).or_insert_with(|| json!({}));
        if let Some(methods) = entry.as_object_mut() {
            methods.insert(method, describe(operation, &mut generator));
        }
    }
    let problem = problem(&mut generator);
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ToMaTo",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Topologies of containers, switches and emulated links. Errors are problem documents (RFC 9457).",
            "license": {"name": "MIT OR Apache-2.0"}
        },
        "security": [{"password": []}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "password": {"type": "http", "scheme": "basic"},
                "token": {"type": "http", "scheme": "bearer"}
            }
        }
    });
    document.sort_all_objects();
    document
}

/// One operation.
fn describe(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let in_path = operation.path_params().map(
        |name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}),
    );
    let in_query = operation
        .query
        .iter()
        .map(|param| json!({"name": param.name, "in": "query", "required": param.required, "description": param.doc, "schema": {"type": "string"}}));
    let mut parameters: Vec<Value> = in_path.chain(in_query).collect();
    if operation.is_revised() {
        parameters.push(json!({
            "name": "If-Match", "in": "header", "required": false, "schema": {"type": "string"},
            "description": "Revision the change is based on (of an interface: that of its element); conflict is answered when the object has another one."
        }));
    }
    let mut described = json!({
        "operationId": operation.name,
        "tags": [operation.noun],
        "summary": operation.doc,
        "x-access": access(operation.access),
        "responses": responses(operation, generator),
    });
    let Some(members) = described.as_object_mut() else { return described };
    if !parameters.is_empty() {
        members.insert("parameters".to_owned(), Value::Array(parameters));
    }
    if let Some(content) = body(&operation.body, generator) {
        members.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
    }
    if operation.access == Access::Anonymous {
        members.insert("security".to_owned(), json!([]));
    }
    described
}

/// Who may call, in words.
fn access(access: Access) -> Value {
    match access {
        Access::Anonymous => json!("anyone"),
        Access::LoggedIn => json!("any account"),
        Access::Topology(role) => json!(role),
        Access::OrganizationAdmin => json!("administrator, or one of the organization"),
        Access::Admin => json!("administrator"),
    }
}

fn body(body: &Body, generator: &mut SchemaGenerator) -> Option<Value> {
    match body {
        Body::None => None,
        Body::Json(schema) => Some(json!({"application/json": {"schema": schema(generator)}})),
        Body::Text => Some(json!({"text/plain": {"schema": {"type": "string"}}})),
        Body::Stream => Some(json!({"application/octet-stream": {}})),
    }
}

fn responses(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let content = match &operation.answer {
        Answer::None => None,
        Answer::Json(schema) => Some(json!({"application/json": {"schema": schema(generator)}})),
        Answer::Text => Some(json!({"text/plain": {"schema": {"type": "string"}}})),
        Answer::Stream => Some(json!({"application/octet-stream": {}})),
        Answer::Socket => {
            return json!({
                "101": {"description": "The WebSocket begins."},
                "default": {"description": "A problem.", "content": {"application/problem+json": {"schema": {"$ref": format!("#{DEFINITIONS}/Problem")}}}}
            });
        }
        Answer::Events => Some(json!({"text/event-stream": {"schema": {"type": "string"}}})),
    };
    let error = json!({
        "description": "A problem.",
        "content": {"application/problem+json": {"schema": {"$ref": format!("#{DEFINITIONS}/Problem")}}}
    });
    match content {
        Some(content) => {
            let description = if operation.long { "The job that does it." } else { "Done." };
            let mut answers =
                json!({"200": {"description": description, "content": content}, "default": error});
            if matches!(operation.name, "element_modify" | "interface_modify" | "connection_modify")
            {
                let text = "Kept, but the host has not done it yet.";
                answers["202"] = json!({"description": text, "content": content});
            }
            answers
        }
        None => json!({"204": {"description": "Done."}, "default": error}),
    }
}

/// Schema of a problem document: an [`ApiError`] in the form of RFC 9457.
fn problem(generator: &mut SchemaGenerator) -> Value {
    let error = generator.subschema_for::<ApiError>();
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What is wrong and what to do."},
            "code": {"$ref": format!("#{DEFINITIONS}/ErrorCode")},
            "data": {"description": "Context, as in the member of that name here.", "x-of": error}
        }
    })
}

#[cfg(test)]
mod tests;
