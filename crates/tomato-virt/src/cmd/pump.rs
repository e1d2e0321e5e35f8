//! Follows one running child: feeds its input, keeps its output, watches its end, its deadline and its caller.
//!
//! One thread, one poll loop. The child's end is seen by its pid descriptor and not by the end of its pipes, because
//! a background process may hold those open for ever.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::limits::{KILL_WAIT, LINE_BYTES, STREAM_TURN_BYTES};
use super::{Output, Stream, Streams};
use crate::limits::PIPE_BYTES_MAX;

/// How following a child came to its end. The child is reaped in each case.
pub(super) enum End {
    Exited(Output),
    Deadline(Output),
    Cancelled,
    /// The caller's side of a stream failed.
    Data(io::Error),
    /// More was written than a stream may take.
    TooMuch,
}

pub(super) struct Pump<'a> {
    child: Child,
    group: Pid,
    exit: OwnedFd,
    stdin: Option<ChildStdin>,
    input: VecDeque<u8>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    kept_out: Kept,
    kept_err: Kept,
    cancelled: Option<OwnedFd>,
    streams: Option<Streams<'a>>,
    /// No input comes after what is in `input`.
    is_fed: bool,
    /// Bytes the streams' output took.
    written: u64,
}

/// What became of a piece of a stream's output.
enum Passed {
    /// So many bytes; more may be there.
    Some(usize),
    Nothing,
    End(End),
}

/// What woke the loop.
#[derive(Default)]
struct Ready {
    exit: bool,
    cancelled: bool,
    input: bool,
}

impl<'a> Pump<'a> {
    /// Takes over a child just started; kills it when that fails.
    pub(super) fn new(
        mut child: Child,
        input: Vec<u8>,
        keep: usize,
        cancelled: Option<OwnedFd>,
    ) -> io::Result<Self> {
        let group = Pid::from_child(&child);
        let prepared = pidfd_open(group, PidfdFlags::empty())
            .map_err(io::Error::from)
            .and_then(|exit| nonblocking(&child).map(|()| exit));
        let exit = match prepared {
            Ok(exit) => exit,
            Err(error) => {
                end_group(&mut child, group)?;
                return Err(error);
            }
        };
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (kept_out, kept_err) =
            (Kept::new(Stream::Stdout, keep), Kept::new(Stream::Stderr, keep));
        let input = input.into();
        Ok(Self {
            child,
            group,
            exit,
            stdin,
            input,
            stdout,
            stderr,
            kept_out,
            kept_err,
            cancelled,
            streams: None,
            is_fed: true,
            written: 0,
        })
    }

    /// Moves the child's input and output from and to the caller instead of keeping them.
    pub(super) fn through(mut self, streams: Option<Streams<'a>>) -> Self {
        self.is_fed = streams.is_none();
        self.streams = streams;
        self
    }

    /// Follows the child to its end.
    pub(super) fn until(
        mut self,
        deadline: Duration,
        line: &mut dyn FnMut(Stream, &str),
    ) -> io::Result<End> {
        match self.follow(deadline, line) {
            Ok(end) => Ok(end),
            Err(error) => {
                end_group(&mut self.child, self.group)?;
                Err(error)
            }
        }
    }

    fn follow(
        &mut self,
        deadline: Duration,
        line: &mut dyn FnMut(Stream, &str),
    ) -> io::Result<End> {
        let started = Instant::now();
        loop {
            let left = deadline.saturating_sub(started.elapsed());
            let ready = self.wait(left)?;
            let moved = self.move_data(&ready, line)?;
            drain(&mut self.stderr, &mut self.kept_err, line)?;
            if let Some(end) = moved {
                end_group(&mut self.child, self.group)?;
                return Ok(end);
            }
            if ready.exit {
                let status = self.child.wait()?;
                return Ok(End::Exited(self.output(status, line)));
            }
            if ready.cancelled {
                end_group(&mut self.child, self.group)?;
                return Ok(End::Cancelled);
            }
            if left.is_zero() {
                let status = end_group(&mut self.child, self.group)?;
                drain(&mut self.stdout, &mut self.kept_out, line)?;
                drain(&mut self.stderr, &mut self.kept_err, line)?;
                return Ok(End::Deadline(self.output(status, line)));
            }
        }
    }

    /// Feeds the child and takes what it wrote; says so when the caller's side ends the run.
    fn move_data(
        &mut self,
        ready: &Ready,
        line: &mut dyn FnMut(Stream, &str),
    ) -> io::Result<Option<End>> {
        if ready.input {
            if let Err(error) = self.refill() {
                return Ok(Some(End::Data(error)));
            }
            self.feed()?;
        }
        if self.streams.is_none() {
            drain(&mut self.stdout, &mut self.kept_out, line)?;
            return Ok(None);
        }
        let mut left = PIPE_BYTES_MAX;
        loop {
            match self.pass_on()? {
                Passed::End(end) => return Ok(Some(end)),
                Passed::Nothing => return Ok(None),
                // After the child's end no more than the pipe holds; before, the clock is looked at in between.
                Passed::Some(count) if ready.exit && left > count => left -= count,
                Passed::Some(_) => return Ok(None),
            }
        }
    }

    /// Takes the next piece of a stream's input when the last one is fed.
    fn refill(&mut self) -> io::Result<()> {
        let Some(streams) = self.streams.as_mut().filter(|_| !self.is_fed) else { return Ok(()) };
        if self.input.is_empty() {
            let mut chunk = vec![0; STREAM_TURN_BYTES];
            match streams.input.read(&mut chunk) {
                Ok(0) => self.is_fed = true,
                Ok(count) => self.input.extend(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Hands one piece of the child's output to the stream.
    fn pass_on(&mut self) -> io::Result<Passed> {
        let (Some(open), Some(streams)) = (&mut self.stdout, &mut self.streams) else {
            return Ok(Passed::Nothing);
        };
        let mut chunk = vec![0; STREAM_TURN_BYTES];
        let count = match open.read(&mut chunk) {
            Ok(0) => {
                self.stdout = None;
                return Ok(Passed::Nothing);
            }
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Passed::Nothing),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Passed::Some(0)),
            Err(error) => return Err(error),
        };
        self.written += u64::try_from(count).unwrap_or(u64::MAX);
        if self.written > streams.output_max {
            return Ok(Passed::End(End::TooMuch));
        }
        Ok(match streams.output.write_all(&chunk[..count]) {
            Ok(()) => Passed::Some(count),
            Err(error) => Passed::End(End::Data(error)),
        })
    }

    /// Sleeps until something can be read or written, the child ended, or `left` passed.
    fn wait(&self, left: Duration) -> io::Result<Ready> {
        let sources = [
            (Some(self.exit.as_fd()), PollFlags::IN),
            (self.cancelled.as_ref().map(AsFd::as_fd), PollFlags::IN),
            (self.stdin.as_ref().map(AsFd::as_fd), PollFlags::OUT),
            (self.stdout.as_ref().map(AsFd::as_fd), PollFlags::IN),
            (self.stderr.as_ref().map(AsFd::as_fd), PollFlags::IN),
        ];
        let present = sources.map(|(fd, _)| fd.is_some());
        let mut polled: Vec<PollFd<'_>> = sources
            .into_iter()
            .filter_map(|(fd, flags)| fd.map(|fd| PollFd::from_borrowed_fd(fd, flags)))
            .collect();
        let timeout = Timespec::try_from(left).ok();
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Ready::default()),
            Err(errno) => return Err(errno.into()),
        }
        let mut flags = polled.iter().map(|fd| !fd.revents().is_empty());
        let [exit, cancelled, input, _, _] =
            present.map(|there| there && flags.next().unwrap_or(false));
        Ok(Ready { exit, cancelled, input })
    }

    fn feed(&mut self) -> io::Result<()> {
        let Some(stdin) = &mut self.stdin else { return Ok(()) };
        let (chunk, _) = self.input.as_slices();
        match stdin.write(chunk) {
            Ok(written) => {
                self.input.drain(..written);
            }
            // The program does not want to read on; its exit status says whether that is well.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.input.clear();
                self.is_fed = true;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if self.input.is_empty() && self.is_fed {
            self.stdin = None;
        }
        Ok(())
    }

    fn output(&mut self, status: ExitStatus, line: &mut dyn FnMut(Stream, &str)) -> Output {
        self.kept_out.flush(line);
        self.kept_err.flush(line);
        Output {
            status,
            truncated: self.kept_out.truncated || self.kept_err.truncated,
            stdout: std::mem::take(&mut self.kept_out.bytes),
            stderr: std::mem::take(&mut self.kept_err.bytes),
        }
    }
}

/// Reads what is there now, but no more than a pipe holds, as processes in the background may fill it for ever; closes it at its end.
fn drain<R: Read>(
    pipe: &mut Option<R>,
    kept: &mut Kept,
    line: &mut dyn FnMut(Stream, &str),
) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    let mut left = PIPE_BYTES_MAX;
    while let Some(open) = pipe.as_mut().filter(|_| left > 0) {
        match open.read(&mut buffer) {
            Ok(0) => *pipe = None,
            Ok(count) => {
                kept.add(&buffer[..count], line);
                left = left.saturating_sub(count);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// One output: the kept start of it, and the line that is not complete yet.
struct Kept {
    stream: Stream,
    limit: usize,
    bytes: Vec<u8>,
    truncated: bool,
    partial: Vec<u8>,
}

impl Kept {
    fn new(stream: Stream, limit: usize) -> Self {
        Self { stream, limit, bytes: Vec::new(), truncated: false, partial: Vec::new() }
    }

    fn add(&mut self, bytes: &[u8], line: &mut dyn FnMut(Stream, &str)) {
        let room = self.limit.saturating_sub(self.bytes.len()).min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..room]);
        self.truncated |= room < bytes.len();
        for &byte in bytes {
            if byte == b'\n' || byte == b'\r' {
                self.flush(line);
            } else {
                self.partial.push(byte);
                if self.partial.len() >= LINE_BYTES {
                    self.flush(line);
                }
            }
        }
    }

    fn flush(&mut self, line: &mut dyn FnMut(Stream, &str)) {
        if !self.partial.is_empty() {
            line(self.stream, &String::from_utf8_lossy(&self.partial));
            self.partial.clear();
        }
    }
}

fn nonblocking(child: &Child) -> io::Result<()> {
    let pipes = [
        child.stdin.as_ref().map(AsFd::as_fd),
        child.stdout.as_ref().map(AsFd::as_fd),
        child.stderr.as_ref().map(AsFd::as_fd),
    ];
    for pipe in pipes.into_iter().flatten() {
        fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK)?;
    }
    Ok(())
}

/// Kills the child's process group and reaps the child.
fn end_group(child: &mut Child, group: Pid) -> io::Result<ExitStatus> {
    // The group still exists: its leader is not reaped before the wait below.
    match kill_process_group(group, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(errno) => return Err(errno.into()),
    }
    let exit = pidfd_open(group, PidfdFlags::empty())?;
    let limit = Timespec::try_from(KILL_WAIT).ok();
    let mut polled = [PollFd::new(&exit, PollFlags::IN)];
    if poll(&mut polled, limit.as_ref())? == 0 {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "the killed process does not end"));
    }
    child.wait()
}
