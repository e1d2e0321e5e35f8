//! What a process of the lab uses itself, as the kernel tells it.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// Clock ticks of a second in `/proc`: the same on every Linux machine that this runs on.
const TICKS_PER_SECOND: u64 = 100;

/// What a process uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessFigures {
    /// Processor time since its start, in seconds.
    pub cpu_s: f64,
    /// Memory that is its own or shared, in bytes (`VmRSS`).
    pub memory_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open files, sockets included.
    pub open_files: u64,
}

/// The figures of this process; what cannot be read is zero.
pub fn own() -> ProcessFigures {
    let mut figures = read(Path::new("/proc/self")).unwrap_or_default();
    // The one that counts them is among them.
    figures.open_files = figures.open_files.saturating_sub(1);
    figures
}

/// The figures of another process; none if there is none of that number.
pub fn of(pid: u32) -> Option<ProcessFigures> {
    read(&Path::new("/proc").join(pid.to_string()))
}

fn read(dir: &Path) -> Option<ProcessFigures> {
    let text = |name| std::fs::read_to_string(dir.join(name)).ok();
    let files = std::fs::read_dir(dir.join("fd")).map_or(0, Iterator::count);
    let mut figures = parse(&text("stat")?, &text("status").unwrap_or_default());
    figures.open_files = u64::try_from(files).unwrap_or(u64::MAX);
    Some(figures)
}

fn parse(stat: &str, status: &str) -> ProcessFigures {
    // The name may hold anything, also spaces and brackets: fields are counted behind it.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    let ms = ticks.saturating_mul(1000 / TICKS_PER_SECOND);
    ProcessFigures {
        cpu_s: std::time::Duration::from_millis(ms).as_secs_f64(),
        memory_bytes: field("VmRSS").unwrap_or_default().saturating_mul(1024),
        threads: field("Threads").unwrap_or_default(),
        open_files: 0,
    }
}

#[cfg(test)]
mod tests;
