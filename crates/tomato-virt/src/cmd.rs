//! The one place that starts other programs.
//!
//! Invariants: never a shell; every run is logged and has a deadline; a command that passes its deadline, or whose
//! async caller went away, is killed with its whole process group; what it writes is read to the end but kept only
//! up to a bound; a background child that holds the pipes open does not hold up the end of the run.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

mod limits;
mod pump;
#[cfg(test)]
mod tests;

pub use limits::{DEADLINE_DEFAULT, OUTPUT_BYTES_DEFAULT};

/// A program to run, with all that belongs to it. Nothing happens before [`Cmd::run`].
#[derive(Clone, Debug)]
pub struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    environment: Environment,
    dir: Option<PathBuf>,
    stdin: Vec<u8>,
    deadline: Duration,
    output_bytes: usize,
    accept: Accept,
}

/// Whether the program sees our own environment variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Environment {
    Inherited,
    Cleared,
}

/// Which exit statuses are a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accept {
    Zero,
    Any,
}

/// What a finished command left.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// The kept start of its standard output.
    pub stdout: Vec<u8>,
    /// The kept start of its standard error.
    pub stderr: Vec<u8>,
    /// Whether something of either was dropped because it passed the bound.
    pub truncated: bool,
}

impl Output {
    /// Standard output as text, wrong UTF-8 replaced.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text, wrong UTF-8 replaced.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// Which of its two outputs a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Why a command has no good result.
#[derive(Debug, thiserror::Error)]
pub enum CmdError {
    /// There is no such program in the search path.
    #[error("cannot find the program {program}; install it or add its directory to PATH")]
    Find {
        /// The program's name.
        program: String,
    },
    /// The program is there but could not be started.
    #[error("cannot start {program}")]
    Start {
        /// The program's name.
        program: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Reading from or writing to the running program failed; it was killed.
    #[error("cannot follow the run of {program}")]
    Follow {
        /// The program's name.
        program: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// It ran longer than it may; its process group was killed.
    #[error("{program} did not end within {} s and was killed", deadline.as_secs_f32())]
    Deadline {
        /// The program's name.
        program: String,
        /// What it was given.
        deadline: Duration,
        /// The end of its standard error.
        stderr: String,
    },
    /// The caller went away; its process group was killed.
    #[error("{program} was killed because its result is no longer wanted")]
    Cancelled {
        /// The program's name.
        program: String,
    },
    /// The data it was to be given could not be read, or its output not be written; its process group was killed.
    #[error("copy the data of {program}")]
    Data {
        /// The program's name.
        program: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// It wrote more than it may; its process group was killed.
    #[error("{program} wrote more than {limit_bytes} bytes and was killed")]
    TooMuch {
        /// The program's name.
        program: String,
        /// What it may write.
        limit_bytes: u64,
    },
    /// It ended with another status than zero.
    #[error("{program} failed with {}{}", describe(*status), tail_of(stderr))]
    Exit {
        /// The program's name.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its standard error.
        stderr: String,
    },
}

/// Data of any size that goes through a program, see [`Cmd::stream`].
pub struct Streams<'a> {
    /// What the program reads. Reading it may block, and counts as the program's time.
    pub input: &'a mut dyn Read,
    /// Takes what the program writes to its standard output.
    pub output: &'a mut dyn Write,
    /// How much that may be, in bytes.
    pub output_max: u64,
    /// When this becomes readable or its other end is closed, nobody wants the result any more.
    pub cancelled: Option<OwnedFd>,
}

impl fmt::Debug for Streams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("output_max", &self.output_max).finish_non_exhaustive()
    }
}

impl Cmd {
    /// The program, by name (looked up in `PATH`) or by path.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            environment: Environment::Inherited,
            dir: None,
            stdin: Vec::new(),
            deadline: DEADLINE_DEFAULT,
            output_bytes: OUTPUT_BYTES_DEFAULT,
            accept: Accept::Zero,
        }
    }

    /// Adds one argument, as it is.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments, as they are.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Keeps our own environment from the program; what [`Cmd::env`] sets stays.
    #[must_use]
    pub fn clear_env(mut self) -> Self {
        self.environment = Environment::Cleared;
        self
    }

    /// The working directory.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// What the program reads on standard input; nothing by default.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// How long it may run; [`DEADLINE_DEFAULT`] if not said.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How much of each output is kept, in bytes; [`OUTPUT_BYTES_DEFAULT`] if not said.
    #[must_use]
    pub fn output_bytes(mut self, bytes: usize) -> Self {
        self.output_bytes = bytes;
        self
    }

    /// Takes every exit status as a result instead of an error.
    #[must_use]
    pub fn any_status(mut self) -> Self {
        self.accept = Accept::Any;
        self
    }

    /// The program's name as messages show it.
    pub fn name(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    /// Runs it to its end, blocking this thread.
    ///
    /// # Errors
    /// When it cannot be started, passes its deadline, or (unless [`Cmd::any_status`]) ends with another status than
    /// zero.
    pub fn run(self) -> Result<Output, CmdError> {
        self.run_with(None, None, &mut |_, _| ())
    }

    /// Runs it to its end, blocking this thread, while data of any size goes through it; a program that does not want to
    /// read all of it is left to say why by its exit status. What [`Cmd::stdin`] was given is not used.
    ///
    /// # Errors
    /// As [`Cmd::run`]; [`CmdError::Data`] when the caller's side breaks, [`CmdError::TooMuch`] when it writes too much,
    /// [`CmdError::Cancelled`] when its caller went away.
    pub fn stream(self, mut streams: Streams<'_>) -> Result<Output, CmdError> {
        let cancelled = streams.cancelled.take();
        self.run_with(cancelled, Some(streams), &mut |_, _| ())
    }

    /// Runs it to its end, blocking this thread, and gives every line it writes to `line` at once, without its end.
    ///
    /// # Errors
    /// As [`Cmd::run`].
    pub fn lines(self, mut line: impl FnMut(Stream, &str)) -> Result<Output, CmdError> {
        self.run_with(None, None, &mut line)
    }

    fn run_with(
        self,
        cancelled: Option<OwnedFd>,
        streams: Option<Streams<'_>>,
        line: &mut dyn FnMut(Stream, &str),
    ) -> Result<Output, CmdError> {
        let program = self.name();
        tracing::debug!(program, args = ?self.args, deadline = ?self.deadline, "run");
        let child = self.start(&program, streams.is_some())?;
        let limit_bytes = streams.as_ref().map_or(u64::MAX, |streams| streams.output_max);
        let pumped = pump::Pump::new(child, self.stdin, self.output_bytes, cancelled)
            .and_then(|pump| pump.through(streams).until(self.deadline, line))
            .map_err(|source| CmdError::Follow { program: program.clone(), source })?;
        let output = match pumped {
            pump::End::Exited(output) => output,
            pump::End::Deadline(output) => {
                tracing::debug!(program, "killed at its deadline");
                let stderr = tail(&output.stderr);
                return Err(CmdError::Deadline { program, deadline: self.deadline, stderr });
            }
            pump::End::Cancelled => return Err(CmdError::Cancelled { program }),
            pump::End::Data(source) => return Err(CmdError::Data { program, source }),
            pump::End::TooMuch => return Err(CmdError::TooMuch { program, limit_bytes }),
        };
        tracing::debug!(program, status = %describe(output.status), "ended");
        if self.accept == Accept::Any || output.status.success() {
            Ok(output)
        } else {
            let stderr = tail(&output.stderr);
            Err(CmdError::Exit { program, status: output.status, stderr })
        }
    }

    fn start(&self, program: &str, has_input: bool) -> Result<Child, CmdError> {
        #[allow(clippy::disallowed_methods, reason = "the one place that starts programs")]
        let mut command = Command::new(&self.program);
        if self.environment == Environment::Cleared {
            command.env_clear();
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        let is_mute = self.stdin.is_empty() && !has_input;
        let stdin = if is_mute { Stdio::null() } else { Stdio::piped() };
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        command.spawn().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound if self.dir.as_ref().is_none_or(|dir| dir.is_dir()) => {
                CmdError::Find { program: program.to_owned() }
            }
            _ => CmdError::Start { program: program.to_owned(), source },
        })
    }
}

/// Where `program` is in the search path (and `/usr/sbin`, `/sbin`, which a plain user's path lacks), if it is.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|file| is_program(file))
}

fn is_program(file: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn describe(status: ExitStatus) -> impl fmt::Display {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    }
}

fn tail(bytes: &[u8]) -> String {
    let from = bytes.len().saturating_sub(limits::ERROR_TAIL_BYTES);
    String::from_utf8_lossy(&bytes[from..]).trim().to_owned()
}

fn tail_of(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}
