//! A wire alone: `wire SOCKET [WORKERS]` runs until SIGTERM, with one data thread unless told otherwise. The host tests and measurements run it as a process of its own.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use tomato_wire::process;

fn main() -> ExitCode {
    let Some(socket) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return fail("usage: wire SOCKET [WORKERS]");
    };
    let workers = std::env::args().nth(2).map_or(Ok(NonZeroUsize::MIN), |word| word.parse());
    let Ok(workers) = workers else { return fail("WORKERS is a number from 1") };
    match process::run(&socket, workers, || {}) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

#[allow(clippy::print_stderr, reason = "an example may talk")]
fn fail(problem: &str) -> ExitCode {
    eprintln!("{problem}");
    ExitCode::FAILURE
}
