//! What the user sees: tables, JSON, logs.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::Value;
use tracing_subscriber::EnvFilter;

/// Logs of this process go to standard error, from `level` up unless `TOMATO_LOG` says otherwise.
pub(crate) fn log_to_stderr(level: &str) {
    tracing_subscriber::fmt()
        .with_env_filter(filter(level))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

/// Logs of this process go to a file.
pub(crate) fn log_to_file(file: File) {
    tracing_subscriber::fmt()
        .with_env_filter(filter("info"))
        .with_writer(Mutex::new(file))
        .with_ansi(false)
        .init();
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::try_from_env("TOMATO_LOG").unwrap_or_else(|_| EnvFilter::new(level))
}

/// Writes to standard output; a reader that went away is no error.
pub(crate) fn text(text: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}

/// Writes a line to standard output.
pub(crate) fn line(line: &str) {
    text(&format!("{line}\n"));
}

/// Writes an object as JSON.
pub(crate) fn json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(json) => line(&json),
        Err(error) => eprintln!("tomato: cannot write the answer: {error}"),
    }
}

/// Writes a table.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(|title| title.to_uppercase()));
    table.add_rows(rows);
    for row in table.to_string().lines() {
        line(row.trim_end());
    }
}

/// Writes any answer for people: lists of objects as a table, an object as lines.
pub(crate) fn value(value: &Value) {
    match value {
        Value::Null => {}
        Value::Array(items) if items.iter().all(Value::is_object) => objects(items),
        Value::Array(items) => items.iter().for_each(|item| line(&cell(item))),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::Array(items)
                        if !items.is_empty() && items.iter().all(Value::is_object) =>
                    {
                        line(&format!("{name}:"));
                        objects(items);
                    }
                    _ => line(&format!("{name}: {}", cell(field))),
                }
            }
        }
        other => line(&cell(other)),
    }
}

/// Columns that tell most, if there are any of them.
const COLUMNS: [&str; 31] = [
    "id",
    "name",
    "title",
    "kind",
    "type_name",
    "template",
    "profile",
    "state",
    "wanted",
    "action",
    "label",
    "cpu_milli",
    "memory_bytes",
    "disk_bytes",
    "pids_max",
    "ready",
    "digest",
    "account",
    "operation",
    "object",
    "outcome",
    "address",
    "category",
    "doc",
    "admin",
    "realname",
    "email",
    "organization",
    "description",
    "error",
    "secret",
];

/// The columns of a table of these objects.
fn columns(items: &[Value]) -> Vec<&'static str> {
    let has = |name: &str| items.iter().any(|item| item.get(name).is_some_and(|v| !v.is_null()));
    COLUMNS.into_iter().filter(|name| has(name)).collect()
}

fn objects(items: &[Value]) {
    let columns = columns(items);
    let cells = |item: &Value| {
        columns.iter().map(|name| item.get(*name).map_or_else(String::new, cell)).collect()
    };
    table(&columns, items.iter().map(cells).collect());
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
