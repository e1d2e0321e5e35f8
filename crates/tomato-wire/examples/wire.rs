//! A wire alone: `wire SOCKET` runs until SIGTERM. The host tests and measurements run it as a process of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use tomato_wire::process;

fn main() -> ExitCode {
    let Some(socket) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return fail("usage: wire SOCKET");
    };
    match process::run(&socket, || {}) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

#[allow(clippy::print_stderr, reason = "an example may talk")]
fn fail(problem: &str) -> ExitCode {
    eprintln!("{problem}");
    ExitCode::FAILURE
}
