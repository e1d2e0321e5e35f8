//! Processes of a lab: started, recorded in a file by number and start time, found again, waited for, ended.
//!
//! Invariant: a process is only signalled through a descriptor of it that was opened before its start time was compared,
//! so never another one that got its number.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// What a process file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    pid: i32,
    /// In clock ticks since the machine's start.
    started: u64,
}

/// A running process.
#[derive(Debug)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) pid: i32,
    descriptor: OwnedFd,
    /// Present if it is a child of this process.
    child: Option<Child>,
}

impl Process {
    /// The process that a file names, if it still runs.
    pub(crate) fn recorded(file: &Path) -> Option<Self> {
        let record: Record = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
        let descriptor = pidfd_open(Pid::from_raw(record.pid)?, PidfdFlags::empty()).ok()?;
        (started(record.pid)? == record.started).then_some(Self {
            pid: record.pid,
            descriptor,
            child: None,
        })
    }

    /// Starts a program and records it.
    pub(crate) fn spawn(command: &mut Command, file: &Path) -> anyhow::Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
        let pid = i32::try_from(child.id()).context("the process has an impossible number")?;
        let raw = Pid::from_raw(pid).context("the process has no number")?;
        let descriptor = pidfd_open(raw, PidfdFlags::empty())
            .context("cannot watch the process; a kernel from 5.4 on is needed")?;
        record(pid, file)?;
        Ok(Self { pid, descriptor, child: Some(child) })
    }

    /// Waits at most `timeout` and says whether the process has ended.
    pub(crate) fn ended_within(&self, timeout: Duration) -> bool {
        let timeout = Timespec::try_from(timeout).ok();
        let mut ready = [PollFd::new(&self.descriptor, PollFlags::IN)];
        // Interrupted is like too early.
        poll(&mut ready, timeout.as_ref()).is_ok_and(|count| count > 0)
    }

    /// How it ended, in words, and frees its number. Only for one that has ended.
    pub(crate) fn reap(&mut self) -> String {
        match self.child.as_mut().map(Child::wait) {
            Some(Ok(status)) => status.to_string(),
            Some(Err(_)) | None => "ended".to_owned(),
        }
    }

    /// Sends a signal. Does nothing if it has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Err(error) = pidfd_send_signal(&self.descriptor, signal) {
            tracing::debug!(pid = self.pid, %error, "signal");
        }
    }

    /// Asks it to end, kills it after `grace`, and frees its number.
    pub(crate) fn stop(&mut self, grace: Duration) -> String {
        self.signal(Signal::TERM);
        if !self.ended_within(grace) {
            tracing::warn!(pid = self.pid, "does not end by itself and is killed");
            self.signal(Signal::KILL);
            let begun = Instant::now();
            while !self.ended_within(grace) && begun.elapsed() < grace {}
        }
        self.reap()
    }
}

/// Records a process in a file.
pub(crate) fn record(pid: i32, file: &Path) -> anyhow::Result<()> {
    let started = started(pid).context("the process ended at once")?;
    let text = serde_json::to_vec(&Record { pid, started }).context("cannot record a process")?;
    crate::lab::write_file(file, &text, 0o644)
}

/// The file that records a role's process.
pub(crate) fn file(run_dir: &Path, role: &str) -> PathBuf {
    run_dir.join(format!("{role}.pid"))
}

/// When a process started, in clock ticks since the machine's start; none for one that has ended.
fn started(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, also spaces and brackets.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests;
