//! Exit codes, and the one place that prints an error.

use std::process::ExitCode;

use serde_json::Value;
use tomato_api::error::{ApiError, ErrorCode};

/// What the help says about exit codes.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  failed
  2  the command line is wrong
  3  there is no such object
  4  conflict: busy, changed meanwhile, or not in this state
  5  not logged in, or not allowed
  6  no lab answers
  7  an element of the action failed
`tomato exec` ends with the command's own code, 124 if its time was over, 128+N for signal N, 127 if there is no such program,
126 if it cannot be begun, 125 if the element cannot run it.";

/// A command could not be carried out, with the exit code that says why.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// No backend answers.
    #[error("no lab answers at {url}; start one with `tomato up`, or name another with --url")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The job ended with an error.
    #[error("{action} {state}: {message}")]
    Job {
        /// What it did.
        action: String,
        /// failed or cancelled.
        state: String,
        /// The first error.
        message: String,
    },
    /// No object has this name.
    #[error("there is no {noun} {name:?}; `tomato {list}` shows what there is")]
    Unknown {
        /// What was looked for.
        noun: &'static str,
        /// The name.
        name: String,
        /// The command that lists them.
        list: &'static str,
    },
    /// Something of it runs.
    #[error(
        "{running} elements of {name} run: stop it first by `tomato stop {name}`, or use --force"
    )]
    Runs {
        /// The topology.
        name: String,
        /// How many.
        running: usize,
    },
    /// Several objects have this name.
    #[error("{count} topologies are called {name:?}: use the id instead ({ids})")]
    Ambiguous {
        /// How many.
        count: usize,
        /// The name.
        name: String,
        /// Their ids.
        ids: String,
    },
}

/// Prints the error with its causes and gives the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // In one piece: Wireshark shows what it has read when a plugin ends.
    let text = format!("tomato: {}\n", told(error));
    eprint!("{text}");
    if error.downcast_ref::<ApiError>().is_some_and(|api| api.code == ErrorCode::NotLoggedIn) {
        eprintln!(
            "  run `tomato login` or set TOMATO_TOKEN; on the lab's own machine `sudo tomato ...` needs neither"
        );
    }
    if let Some(api) = error.downcast_ref::<ApiError>() {
        for line in details(&api.data) {
            eprintln!("  {line}");
        }
    }
    ExitCode::from(code(error))
}

/// What the data of an error says beyond its message: each fault of a file with its place and remedy, else each value by name.
fn details(data: &Value) -> Vec<String> {
    let Value::Object(fields) = data else {
        return if data.is_null() { Vec::new() } else { vec![plain(data)] };
    };
    let mut lines = Vec::new();
    for (name, value) in fields {
        match value {
            Value::Array(faults) if faults.iter().all(|fault| fault["message"].is_string()) => {
                lines.extend(faults.iter().flat_map(fault));
            }
            Value::Object(_) => {}
            _ => lines.push(format!("{name}: {}", plain(value))),
        }
    }
    lines
}

/// A fault of a topology: `line 7, elements.alice.mtu: what` and below it what to do.
fn fault(fault: &Value) -> Vec<String> {
    let text = |name: &str| fault[name].as_str().filter(|text| !text.is_empty());
    let line = fault["line"].as_u64().filter(|line| *line > 0).map(|line| format!("line {line}"));
    let place: Vec<String> = line.into_iter().chain(text("path").map(str::to_owned)).collect();
    let place = if place.is_empty() { String::new() } else { format!("{}: ", place.join(", ")) };
    let what = format!("{place}{}", text("message").unwrap_or("no reason was given"));
    std::iter::once(what).chain(text("remedy").map(|remedy| format!("  {remedy}"))).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The error with its causes; why nobody can be reached is told only to who asks for logs.
fn told(error: &anyhow::Error) -> String {
    let debug = std::env::var("TOMATO_LOG").is_ok_and(|level| level.contains("debug"));
    match error.downcast_ref::<CliError>() {
        Some(unreachable @ CliError::Unreachable { .. }) if !debug => unreachable.to_string(),
        _ => chain(error),
    }
}

fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // Some crates repeat their cause in their own text.
        if !text.ends_with(&cause) {
            text = if text.is_empty() { cause } else { format!("{text}: {cause}") };
        }
    }
    text
}

/// The exit code that fits the error.
pub(crate) fn code(error: &anyhow::Error) -> u8 {
    if let Some(cli) = error.downcast_ref::<CliError>() {
        return match cli {
            CliError::Unreachable { .. } => 6,
            CliError::Job { .. } => 7,
            CliError::Unknown { .. } => 3,
            CliError::Ambiguous { .. } => 2,
            CliError::Runs { .. } => 4,
        };
    }
    match error.downcast_ref::<ApiError>().map(|api| api.code) {
        Some(ErrorCode::EntityDoesNotExist) => 3,
        Some(ErrorCode::Denied | ErrorCode::NotLoggedIn) => 5,
        Some(
            ErrorCode::Conflict
            | ErrorCode::EntityBusy
            | ErrorCode::InvalidState
            | ErrorCode::AlreadyExists
            | ErrorCode::AlreadyConnected
            | ErrorCode::NotEmpty,
        ) => 4,
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
