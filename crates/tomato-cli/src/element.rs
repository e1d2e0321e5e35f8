//! `tomato exec`: commands in elements.

use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use anyhow::Context;
use futures_util::StreamExt;
use reqwest::Method;
use rustix::event::{PollFd, PollFlags, Timespec};
use serde_json::{Value, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::ExecAnswer;

use crate::args::{Exec, Output};
use crate::client::Client;
use crate::resolve::{self, Named};
use crate::{exit, limits, output};

/// The command's time was over.
const TIMED_OUT: u8 = 124;
/// The element cannot run it.
const NOT_RUN: u8 = 125;
/// The program is there and cannot be begun.
const NOT_BEGUN: u8 = 126;
/// There is no such program.
const NO_PROGRAM: u8 = 127;
/// Programs that want a terminal.
const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "zsh", "vtysh"];

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
    if let ([program], [element]) = (exec.command.as_slice(), elements.as_slice())
        && SHELLS.contains(&program.rsplit('/').next().unwrap_or(program))
        && std::io::stdin().is_terminal()
    {
        let label = &element.label;
        eprintln!("tomato: {program} gets no input here; `tomato console {label}` is a terminal");
    }
    let input = if many { None } else { input(exec.stdin)? };
    let body = body(exec, input.as_deref())?;
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
                let program = exec.command.first().map(String::as_str).unwrap_or_default();
                let (code, text) = refused(&error, &element.label, program);
                let shown = text.clone().unwrap_or_else(|| format!("{error:#}"));
                collected.insert(element.label.clone(), json!({ "error": shown }));
                match text {
                    Some(text) => eprintln!("tomato: {text}"),
                    None => {
                        exit::report(&error.context(element.label));
                    }
                }
                code
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

/// Why a command was not begun, with its exit code; no words for what is no fault of the command.
fn refused(error: &anyhow::Error, label: &str, program: &str) -> (u8, Option<String>) {
    let Some(api) = error.downcast_ref::<ApiError>() else { return (NOT_RUN, None) };
    if api.code != ErrorCode::CommandFailed {
        return (NOT_RUN, None);
    }
    if api.message.contains("(os error 2)") {
        let text = format!("{label}: there is no program {program:?} in it, or no such --cwd");
        return (NO_PROGRAM, Some(text));
    }
    (NOT_BEGUN, Some(format!("{label}: {}", api.message)))
}

/// What standard input holds for the command. A pipe in which nothing comes soon is not waited for unless `patient`:
/// programs that call this one often leave theirs open for ever.
fn input(patient: bool) -> anyhow::Result<Option<String>> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Ok(None);
    }
    if !patient {
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        let soon = Timespec::try_from(limits::STDIN_SOON).context("a wait is too long")?;
        // A closed one is as good as empty.
        if rustix::event::poll(&mut fds, Some(&soon)).unwrap_or(0) == 0 {
            eprintln!(
                "tomato: nothing at standard input yet, so none is sent; --stdin waits for it"
            );
            return Ok(None);
        }
    }
    read_input(stdin.lock())
}

fn read_input(from: impl Read) -> anyhow::Result<Option<String>> {
    let mut bytes = Vec::new();
    if from.take(limits::STDIN_BYTES + 1).read_to_end(&mut bytes).is_err() || bytes.is_empty() {
        return Ok(None);
    }
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits::STDIN_BYTES {
        anyhow::bail!(
            "standard input is longer than {} bytes: bring it as a file by `tomato archive upload`",
            limits::STDIN_BYTES
        );
    }
    let text = String::from_utf8(bytes)
        .context("standard input is not text: bring it as a file by `tomato archive upload`")?;
    Ok(Some(text))
}

fn body(exec: &Exec, input: Option<&str>) -> anyhow::Result<Value> {
    let timeout = std::time::Duration::try_from_secs_f64(exec.timeout)
        .map_err(|error| anyhow::anyhow!("--timeout is not a time: {error}"))?;
    let argv = match exec.command.as_slice() {
        [line] if line.contains(char::is_whitespace) => {
            vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()]
        }
        argv => argv.to_vec(),
    };
    let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    Ok(json!({ "argv": argv, "cwd": exec.cwd, "timeout_ms": timeout_ms, "stdin": input }))
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

#[cfg(test)]
mod tests;
