//! `tomato exec`: commands in elements.

use std::process::ExitCode;

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use tomato_api::host::ExecAnswer;

use crate::args::{Exec, Output};
use crate::client::Client;
use crate::resolve::{self, Named};
use crate::{exit, limits, output};

/// The command's time was over.
const TIMED_OUT: u8 = 124;
/// It could not be run.
const NOT_RUN: u8 = 125;

/// Runs a command in all named elements at once and ends with the first code that is not zero.
pub(crate) async fn exec(client: &Client, exec: &Exec, form: Output) -> anyhow::Result<ExitCode> {
    let elements = match resolve::elements(client, &exec.elements).await {
        Ok(elements) => elements,
        Err(error) => {
            exit::report(&error);
            return Ok(ExitCode::from(NOT_RUN));
        }
    };
    let many = elements.len() > 1;
    let body = body(exec)?;
    let mut answers = futures_util::stream::iter(elements)
        .map(|element| {
            let body = body.clone();
            async move {
                let path = format!("/elements/{}/exec", element.id);
                let answer = client.call::<ExecAnswer>(Method::POST, &path, &body).await;
                (element, answer)
            }
        })
        .buffered(limits::CALLS_AT_ONCE);
    let mut worst = 0;
    let mut collected = serde_json::Map::new();
    while let Some((element, answer)) = answers.next().await {
        let code = match answer {
            Ok(answer) => {
                if form == Output::Json {
                    collected.insert(element.label.clone(), serde_json::to_value(&answer)?);
                } else {
                    print(&element, &answer, many);
                }
                code(&answer)
            }
            Err(error) => {
                collected.insert(element.label.clone(), json!({ "error": format!("{error:#}") }));
                exit::report(&error.context(element.label));
                NOT_RUN
            }
        };
        if worst == 0 {
            worst = code;
        }
    }
    if form == Output::Json {
        output::json(&collected);
    }
    Ok(ExitCode::from(worst))
}

fn body(exec: &Exec) -> anyhow::Result<Value> {
    let timeout = std::time::Duration::try_from_secs_f64(exec.timeout)
        .map_err(|error| anyhow::anyhow!("--timeout is not a time: {error}"))?;
    let argv = match exec.command.as_slice() {
        [line] if line.contains(char::is_whitespace) => {
            vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()]
        }
        argv => argv.to_vec(),
    };
    let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    Ok(json!({ "argv": argv, "cwd": exec.cwd, "timeout_ms": timeout_ms }))
}

fn print(element: &Named, answer: &ExecAnswer, many: bool) {
    if many {
        let prefix = |text: &str| -> String {
            text.lines().map(|line| format!("{}: {line}\n", element.name)).collect()
        };
        output::text(&prefix(&answer.stdout));
        eprint!("{}", prefix(&answer.stderr));
    } else {
        output::text(&answer.stdout);
        eprint!("{}", answer.stderr);
    }
    if answer.timed_out {
        eprintln!("tomato: {}: its time was over", element.label);
    }
    if answer.truncated {
        eprintln!("tomato: {}: output beyond the limit was cut", element.label);
    }
}

fn code(answer: &ExecAnswer) -> u8 {
    if answer.timed_out {
        return TIMED_OUT;
    }
    match (answer.exit_code, answer.signal) {
        (Some(code), _) => u8::try_from(code).unwrap_or(1),
        (None, Some(signal)) => u8::try_from(128 + signal).unwrap_or(1),
        (None, None) => NOT_RUN,
    }
}
