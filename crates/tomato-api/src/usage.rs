//! What elements and connections use, as it is measured on the host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What passes one direction of a connection.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Rates {
    /// Bits of delivered frames, from the Ethernet header on.
    pub bits_per_second: u64,
    /// Delivered frames.
    pub packets_per_second: u64,
    /// Dropped frames, whatever the cause.
    pub drops_per_second: u64,
}

/// What passes a connection.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct ConnectionRates {
    /// From its first end to its second.
    pub forward: Rates,
    /// From its second end to its first.
    pub backward: Rates,
}

/// What passes the connections of a topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Traffic {
    /// When it was measured (RFC 3339).
    pub time: String,
    /// By connection; those that are as they were told last may be missing.
    pub connections: BTreeMap<String, ConnectionRates>,
}

/// What an element used at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ElementPoint {
    /// When (RFC 3339).
    pub time: String,
    /// Thousandths of a processor, since the point before.
    pub cpu_milli: u64,
    /// Memory, page cache included, in bytes.
    pub memory_bytes: u64,
    /// What its own layer takes on disk, in bytes, as measured last.
    pub disk_bytes: u64,
    /// What left it through its connections.
    pub sent_bits_per_second: u64,
    /// What reached it through its connections.
    pub received_bits_per_second: u64,
}

/// What passed a connection at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ConnectionPoint {
    /// When (RFC 3339).
    pub time: String,
    /// Since the point before.
    #[serde(flatten)]
    pub rates: ConnectionRates,
}

/// What an element used in the last hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ElementUsage {
    /// Between two points, in seconds.
    pub period_s: u64,
    /// The oldest first; none while it does not run.
    pub points: Vec<ElementPoint>,
}

/// What passed a connection in the last hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ConnectionUsage {
    /// Between two points, in seconds.
    pub period_s: u64,
    /// The oldest first; none while it passes no frames.
    pub points: Vec<ConnectionPoint>,
}

/// What an element has used since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElementFigures {
    /// Processor time, in nanoseconds.
    pub cpu_ns: u64,
    /// Memory now, page cache included, in bytes.
    pub memory_bytes: u64,
    /// What its own layer takes on disk, in bytes, as measured last.
    pub disk_bytes: u64,
}

/// What passed one direction of a connection since the wire's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectionFigures {
    /// Delivered frames.
    pub frames: u64,
    /// Delivered bytes, from the Ethernet header on.
    pub bytes: u64,
    /// Dropped frames, whatever the cause.
    pub drops: u64,
}

/// What passed a connection since the wire's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionFigures {
    /// From its first end to its second.
    pub forward: DirectionFigures,
    /// From its second end to its first.
    pub backward: DirectionFigures,
    /// What it did in the last second is not to be trusted.
    pub degraded: bool,
}

/// What one thread of the data path does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerFigures {
    /// Processor time since its start, in nanoseconds.
    pub cpu_ns: u64,
    /// The share of the last second or longer that it took a processor for, in thousandths.
    pub busy_permille: u64,
    /// Topologies it has.
    pub topologies: u64,
    /// Their connections.
    pub connections: u64,
}

/// Everything a host measures, as it was at its last look.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostFigures {
    /// The hostmanager's own process.
    pub process: crate::process::ProcessFigures,
    /// The wire's, if it lives.
    #[serde(default)]
    pub wire: Option<crate::process::ProcessFigures>,
    /// The wire's threads that move frames.
    #[serde(default)]
    pub workers: Vec<WorkerFigures>,
    /// By element that runs.
    pub elements: BTreeMap<String, ElementFigures>,
    /// By connection that passes frames.
    pub connections: BTreeMap<String, ConnectionFigures>,
}

/// What a machine is and how busy it is; empty or 0 where that cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MachineFigures {
    /// Its clock, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Seconds since it was started.
    pub uptime_s: f64,
    /// Release of its kernel.
    pub kernel: String,
    /// Its architecture, such as `x86_64`.
    pub processor: String,
    /// Name, version and code name of its distribution.
    pub distribution: [String; 3],
    /// How many processors it has.
    pub cpus: u32,
    /// What the first of them is called.
    pub cpu_model: String,
    /// The kernel's measure of their speed, the mean.
    pub bogomips: f64,
    /// Its memory.
    pub memory_bytes: u64,
    /// Of that, what programs cannot get any more.
    pub memory_used_bytes: u64,
    /// Processes that want a processor: means of 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// The file system of its root directory.
    pub disk_root: DiskFigures,
    /// The one with the files of elements.
    pub disk_data: DiskFigures,
}

/// A file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskFigures {
    /// Its size.
    pub total_bytes: u64,
    /// What is taken.
    pub used_bytes: u64,
    /// What may still be written by others than root.
    pub free_bytes: u64,
}

/// One line of a host's stream about a topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// What passes now.
    Traffic(Traffic),
    /// The newest points of its elements.
    Usage(BTreeMap<String, ElementPoint>),
}

/// A time in seconds and milliseconds since 1970 as RFC 3339, in UTC.
pub fn rfc3339(unix_ms: u64) -> String {
    let (seconds, ms) = (unix_ms / 1000, unix_ms % 1000);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March here, so that a leap day is the last of its year; eras have 400 years.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * month + 2) / 5 + 1;
    let is_next = month >= 10;
    let month = if is_next { month - 9 } else { month + 3 };
    let year = era * 400 + year + u64::from(is_next);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests;
