//! What was used, on disk, so that the last hour outlives this process.
//!
//! A line is one look: its time, and of each element and connection the milliseconds since then and its figures, without the zeros at their
//! end. Each file holds the looks of [`USAGE_FILE`]; those of which nothing is wanted any more are removed. Nothing waits for the disk.
//! Invariant: what is on disk is bounded; a line that is not whole, as after a crash, is as if it were not there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tomato_api::usage::{ConnectionRates, Rates};
use tomato_model::id::{ConnectionId, ElementId};

use super::{Looked, Passed, Points, Used};
use crate::limits::{USAGE_FILE, USAGE_FILE_BYTES, USAGE_PERIOD, USAGE_POINTS};

/// Milliseconds before or after the time of the line, then figures.
type Figures = (i64, Vec<u64>);

/// A look as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// Milliseconds of the epoch.
    #[serde(rename = "t")]
    at: u64,
    #[serde(rename = "e", default)]
    elements: BTreeMap<ElementId, Figures>,
    #[serde(rename = "c", default)]
    connections: BTreeMap<ConnectionId, Figures>,
}

fn without_zeros(figures: &[u64]) -> Vec<u64> {
    let last = figures.iter().rposition(|figure| *figure != 0);
    figures[..last.map_or(0, |last| last + 1)].to_vec()
}

fn used_row(now: u64, used: Used) -> Figures {
    let Used { unix_ms, cpu_milli, memory_bytes, disk_bytes, sent, received } = used;
    let figures = [cpu_milli.into(), memory_bytes, disk_bytes, sent, received];
    (unix_ms.cast_signed().wrapping_sub_unsigned(now), without_zeros(&figures))
}

fn used(at: u64, figures: &[u64]) -> Used {
    let figure = |n: usize| figures.get(n).copied().unwrap_or(0);
    Used {
        unix_ms: at,
        cpu_milli: u32::try_from(figure(0)).unwrap_or(u32::MAX),
        memory_bytes: figure(1),
        disk_bytes: figure(2),
        sent: figure(3),
        received: figure(4),
    }
}

fn passed_row(now: u64, (at, rates): Passed) -> Figures {
    let figures = |r: Rates| [r.bits_per_second, r.packets_per_second, r.drops_per_second];
    let figures = [figures(rates.forward), figures(rates.backward)].concat();
    (at.cast_signed().wrapping_sub_unsigned(now), without_zeros(&figures))
}

fn passed(at: u64, figures: &[u64]) -> Passed {
    let figure = |n: usize| figures.get(n).copied().unwrap_or(0);
    let rates = |first: usize| Rates {
        bits_per_second: figure(first),
        packets_per_second: figure(first + 1),
        drops_per_second: figure(first + 2),
    };
    (at, ConnectionRates { forward: rates(0), backward: rates(3) })
}

impl Line {
    fn new(now: u64, looked: &Looked) -> Self {
        let elements = looked.elements.iter();
        let connections = looked.connections.iter();
        Self {
            at: now,
            elements: elements.map(|(id, used)| (id.clone(), used_row(now, *used))).collect(),
            connections: connections.map(|(id, at)| (id.clone(), passed_row(now, *at))).collect(),
        }
    }

    /// What was looked at, as far as `is_wanted` takes its time.
    fn looked(self, is_wanted: impl Fn(u64) -> bool) -> Looked {
        let time = |after: i64| self.at.saturating_add_signed(after);
        let elements = self.elements.into_iter();
        let connections = self.connections.into_iter();
        Looked {
            elements: elements
                .map(|(id, (after, figures))| (id, used(time(after), &figures)))
                .filter(|(_, used)| is_wanted(used.unix_ms))
                .collect(),
            connections: connections
                .map(|(id, (after, figures))| (id, passed(time(after), &figures)))
                .filter(|(_, passed)| is_wanted(passed.0))
                .collect(),
        }
    }
}

/// A look at `now`, in milliseconds of the epoch, as a line; nothing if there was nothing to see. The line before may have been broken
/// off: this one begins on its own.
pub(super) fn line(now: u64, looked: &Looked) -> Vec<u8> {
    if looked.elements.is_empty() && looked.connections.is_empty() {
        return Vec::new();
    }
    let mut line = vec![b'\n'];
    // numbers and ids always have a JSON form
    line.extend(serde_json::to_vec(&Line::new(now, looked)).unwrap_or_default());
    line
}

/// The files of a directory.
#[derive(Debug)]
pub(crate) struct Journal {
    dir: PathBuf,
    /// Something could not be written; it is told once.
    is_broken: bool,
}

impl Journal {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, is_broken: false }
    }

    /// What was used in the hour before `now`, in milliseconds of the epoch.
    pub(super) async fn read(&self, now: u64) -> Points {
        let dir = self.dir.clone();
        off_thread(move || read(&dir, now)).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "what was used before is not known");
            Points::default()
        })
    }

    /// Keeps a line that was made at `now`.
    pub(super) async fn write(&mut self, now: u64, line: Vec<u8>) {
        if line.is_empty() {
            return;
        }
        let dir = self.dir.clone();
        match off_thread(move || write(&dir, now, &line)).await {
            Ok(()) => self.is_broken = false,
            Err(error) if !self.is_broken => {
                self.is_broken = true;
                tracing::warn!(%error, "what is used cannot be kept for the time after this process");
            }
            Err(_) => {}
        }
    }
}

/// Runs work that waits for files where it holds up nothing else.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn in_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Beginning of the time that is kept at `now`.
fn oldest(now: u64) -> u64 {
    now.saturating_sub(in_ms(USAGE_PERIOD) * u64::try_from(USAGE_POINTS).unwrap_or(u64::MAX))
}

/// The files with their numbers, the oldest first.
fn files(dir: &Path) -> io::Result<BTreeMap<u64, PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let mut files = BTreeMap::new();
    for entry in entries {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        files.extend(number.map(|number| (number, path)));
    }
    Ok(files)
}

fn read(dir: &Path, now: u64) -> io::Result<Points> {
    let mut points = Points::default();
    let is_wanted = |at: u64| (oldest(now)..=now).contains(&at);
    for path in files(dir)?.into_values() {
        for line in BufReader::new(File::open(path)?).split(b'\n') {
            let Ok(line) = serde_json::from_slice::<Line>(&line?) else { continue };
            points.add(line.looked(is_wanted), &mut Points::default());
        }
    }
    Ok(points)
}

fn write(dir: &Path, now: u64, line: &[u8]) -> io::Result<()> {
    let number = now / in_ms(USAGE_FILE);
    let path = dir.join(format!("{number}.jsonl"));
    if !path.exists() {
        fs::create_dir_all(dir)?;
        let kept = oldest(now) / in_ms(USAGE_FILE)..=number;
        for (_, old) in files(dir)?.into_iter().filter(|(other, _)| !kept.contains(other)) {
            fs::remove_file(old)?;
        }
    }
    let mut file = File::options().create(true).append(true).mode(0o600).open(path)?;
    let bytes =
        file.metadata()?.len().saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
    if bytes > USAGE_FILE_BYTES {
        return Err(io::Error::other(format!(
            "there are more than {USAGE_FILE_BYTES} bytes of it"
        )));
    }
    file.write_all(line)
}

#[cfg(test)]
mod tests;
