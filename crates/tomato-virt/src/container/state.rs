//! The recorded state of an element: one small JSON file, replaced as a whole.
//!
//! Invariant: a process is only believed to be ours if its number, its start time and the machine's start match the record.

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ContainerError, ExitReason};

/// How far an element is, as recorded; whether its process lives is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// It has a disk.
    Prepared,
    /// The helper is at work, or was when it died. Recorded only where a process was recorded before: else it is no more than prepared.
    Starting,
    /// It was started.
    Started,
}

/// Process 1 of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Start time in clock ticks since the machine's start.
    pub(crate) start_ticks: u64,
    pub(crate) boot_id: String,
}

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// First id of the element's range.
    pub(crate) id_base: u32,
    pub(crate) phase: Phase,
    /// The template its own layer lies on.
    pub(crate) rootfs: std::path::PathBuf,
    pub(crate) process: Option<Process>,
    pub(crate) last_exit: Option<ExitReason>,
}

impl State {
    /// The record in `path`, `None` if there is none.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>, ContainerError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ContainerError::file("read", path)(error)),
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| ContainerError::ParseState { path: path.to_owned(), source })
    }

    /// Replaces the record.
    pub(crate) fn save(&self, path: &Path) -> Result<(), ContainerError> {
        let bytes = serde_json::to_vec(self).expect("plain data is always written");
        replace_file(path, &bytes).map_err(ContainerError::file("write", path))
    }

    /// The process if it is alive.
    pub(crate) fn alive(&self) -> Option<&Process> {
        self.process.as_ref().filter(|p| p.is_alive())
    }
}

impl Process {
    /// The process of that number as it is now; `None` if there is none.
    pub(crate) fn now(pid: u32) -> Option<Self> {
        Some(Self { pid, start_ticks: process_start(pid)?, boot_id: boot_id() })
    }

    pub(crate) fn is_alive(&self) -> bool {
        process_start(self.pid) == Some(self.start_ticks) && boot_id() == self.boot_id
    }
}

/// Writes a file by temporary file, fsync and rename, so that a reader sees the old or the new one.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let file = beside(path, bytes)?;
    file.as_file().sync_data()?;
    file.persist(path)?;
    Ok(())
}

/// The same without waiting for the disk, for what is written anew after a restart of the machine.
pub(crate) fn replace_unsynced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    beside(path, bytes)?.persist(path)?;
    Ok(())
}

fn beside(path: &Path, bytes: &[u8]) -> std::io::Result<tempfile::NamedTempFile> {
    let dir = path.parent().expect("files of ours are in a directory");
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// Start time of a live process in clock ticks since the machine's start; `None` if it is gone or a zombie.
pub(crate) fn process_start(pid: u32) -> Option<u64> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The start time in a `/proc/<pid>/stat` line. The command name may hold spaces and brackets, so fields count from the last bracket.
fn parse_stat(stat: &str) -> Option<u64> {
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let status = fields.next()?;
    if matches!(status, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// When a process started, in seconds since the epoch.
pub(crate) fn process_started_at(start_ticks: u64) -> u64 {
    /// The unit of times in `/proc` on every architecture.
    const TICKS_PER_SECOND: u64 = 100;
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let boot = stat.lines().find_map(|l| l.strip_prefix("btime ")?.trim().parse::<u64>().ok());
    boot.unwrap_or(0) + start_ticks / TICKS_PER_SECOND
}

/// Another text after each start of the machine; empty if it cannot be told.
pub fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

#[cfg(test)]
mod tests;
