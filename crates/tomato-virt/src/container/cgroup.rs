//! Control groups, version 1 (also beside an empty version 2 tree) and version 2: reading use, counting kills, removal.
//!
//! The runtime makes an element's groups and writes its first limits (see `bundle.rs`); this module reads, changes and removes them.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::limits::{CPU_PERIOD_US, POLL_INTERVAL};

/// A group could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// Mounted hierarchies could not be listed.
    #[error("read the list of mounts")]
    ListMounts(#[source] io::Error),
    /// A file could not be read.
    #[error("read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A limit could not be set.
    #[error("write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A limit could not be changed.
    #[error(
        "write {value} to {path}; a limit below what is in use takes effect when the element is stopped and started"
    )]
    Limit {
        /// The file.
        path: PathBuf,
        /// What it should say.
        value: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A group could not be removed.
    #[error("remove cgroup {path}")]
    Remove {
        /// Its directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// Where it is mounted.
    pub(crate) root: PathBuf,
    /// Its controllers; `None` for version 2, which has all.
    pub(crate) controllers: Option<Vec<String>>,
}

/// The hierarchies mounted on this host.
pub(crate) fn hierarchies() -> Result<Vec<Hierarchy>, CgroupError> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").map_err(CgroupError::ListMounts)?;
    Ok(parse_mounts(&mounts))
}

fn parse_mounts(mounts: &str) -> Vec<Hierarchy> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (_, root, kind, options) =
                (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
            let controllers = match kind {
                "cgroup" => Some(options.split(',').map(str::to_owned).collect()),
                "cgroup2" => None,
                _ => return None,
            };
            Some(Hierarchy { root: PathBuf::from(root), controllers })
        })
        .collect()
}

/// What the groups of one element tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) cpu_ns: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) oom_kills: u64,
}

/// Reads the groups at `path` (relative to each root); what is not there counts as zero.
pub(crate) fn read(path: &Path) -> Result<Reading, CgroupError> {
    let mut reading = Reading::default();
    for hierarchy in hierarchies()? {
        let dir = hierarchy.root.join(path);
        if !dir.is_dir() {
            continue;
        }
        match hierarchy.controllers {
            None => {
                let stat = read_text(&dir.join("cpu.stat"))?;
                reading.cpu_ns += value_of(&stat, "usage_usec").unwrap_or(0) * 1000;
                reading.memory_bytes += number(&read_text(&dir.join("memory.current"))?);
                let events = read_text(&dir.join("memory.events"))?;
                reading.oom_kills += value_of(&events, "oom_kill").unwrap_or(0);
            }
            Some(controllers) => {
                let has = |name: &str| controllers.iter().any(|c| c == name);
                if has("cpuacct") {
                    reading.cpu_ns = number(&read_text(&dir.join("cpuacct.usage"))?);
                }
                if has("memory") {
                    reading.memory_bytes = number(&read_text(&dir.join("memory.usage_in_bytes"))?);
                    let control = read_text(&dir.join("memory.oom_control"))?;
                    reading.oom_kills = value_of(&control, "oom_kill").unwrap_or(0);
                }
            }
        }
    }
    Ok(reading)
}

/// Keeps the groups at `path` from taking swap beyond their memory limit, where the kernel counts it.
pub(crate) fn limit_swap(path: &Path, memory_bytes: u64) -> Result<(), CgroupError> {
    for hierarchy in hierarchies()? {
        let dir = hierarchy.root.join(path);
        let (file, value) = match hierarchy.controllers {
            None => (dir.join("memory.swap.max"), "0".to_owned()),
            // Version 1 limits both together.
            Some(_) => (dir.join("memory.memsw.limit_in_bytes"), memory_bytes.to_string()),
        };
        if file.exists() {
            std::fs::write(&file, value)
                .map_err(|source| CgroupError::Write { path: file, source })?;
        }
    }
    Ok(())
}

/// What the processes of a container may use together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Processor time per [`CPU_PERIOD_US`], in microseconds.
    pub(crate) cpu_quota_us: i64,
    pub(crate) memory_bytes: u64,
    pub(crate) pids_max: u32,
}

/// Writes limits into the groups at `path`; a controller that is not there limits nothing.
pub(crate) fn set_limits(path: &Path, limits: &Limits) -> Result<(), CgroupError> {
    let Limits { cpu_quota_us, memory_bytes, pids_max } = limits;
    for hierarchy in hierarchies()? {
        let dir = hierarchy.root.join(path);
        // What may be refused comes first.
        let cpu = if hierarchy.controllers.is_none() {
            limit_memory(&dir, *memory_bytes)?;
            ("cpu.max", format!("{cpu_quota_us} {CPU_PERIOD_US}"))
        } else {
            limit_memory_and_swap(&dir, *memory_bytes)?;
            ("cpu.cfs_quota_us", cpu_quota_us.to_string())
        };
        for (file, value) in [cpu, ("pids.max", pids_max.to_string())] {
            write_limit(&dir.join(file), &value)?;
        }
    }
    Ok(())
}

/// Version 2 takes a limit below what is in use and kills processes until they fit, so that is refused here. What they take between the
/// look and the change is seconds' worth at most.
fn limit_memory(dir: &Path, bytes: u64) -> Result<(), CgroupError> {
    let used = || read_text(&dir.join("memory.current")).map(|text| number(&text));
    let over = used()?.saturating_sub(bytes);
    let reclaim = dir.join("memory.reclaim");
    if over > 0 && reclaim.exists() {
        // Since Linux 5.19 caches can be asked back. What could not be is seen below.
        std::fs::write(reclaim, over.to_string()).ok();
    }
    let (path, value, used) = (dir.join("memory.max"), bytes.to_string(), used()?);
    if used > bytes {
        let why = format!("{used} bytes are in use");
        let source = io::Error::new(io::ErrorKind::ResourceBusy, why);
        return Err(CgroupError::Limit { path, value, source });
    }
    write_limit(&path, &value)
}

/// Version 1 refuses a limit below what is in use, and keeps the sum of memory and swap above the memory: that goes out of the way first,
/// and back when the other is refused.
fn limit_memory_and_swap(dir: &Path, bytes: u64) -> Result<(), CgroupError> {
    let memory = dir.join("memory.limit_in_bytes");
    let sum = dir.join("memory.memsw.limit_in_bytes");
    let former = [(&memory, read_text(&memory)?), (&sum, read_text(&sum)?)];
    let value = bytes.to_string();
    let set = write_limit(&sum, "-1")
        .and_then(|()| write_limit(&memory, &value))
        .and_then(|()| write_limit(&sum, &value));
    if set.is_err() {
        for (path, value) in former {
            if let Err(error) = write_limit(path, value.trim()) {
                tracing::warn!(%error, path = %path.display(), "cannot put a limit back");
            }
        }
    }
    set
}

/// Writes one limit if its controller is there.
fn write_limit(path: &Path, value: &str) -> Result<(), CgroupError> {
    if !path.exists() {
        return Ok(());
    }
    std::fs::write(path, value).map_err(|source| CgroupError::Limit {
        path: path.to_owned(),
        value: value.to_owned(),
        source,
    })
}

/// The text of a control file, empty if the controller is not there.
fn read_text(path: &Path) -> Result<String, CgroupError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)) => {
            Ok(String::new())
        }
        Err(source) => Err(CgroupError::Read { path: path.to_owned(), source }),
    }
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or(0)
}

fn value_of(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Numbers of the processes in the groups at `path` and below.
pub(crate) fn processes(path: &Path) -> Result<Vec<u32>, CgroupError> {
    let mut found = Vec::new();
    for hierarchy in hierarchies()? {
        for dir in tree(&hierarchy.root.join(path)) {
            let text = read_text(&dir.join("cgroup.procs"))?;
            found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
        }
    }
    found.sort_unstable();
    found.dedup();
    // Version 1 shows processes of other pid namespaces as 0.
    found.retain(|pid| *pid != 0);
    Ok(found)
}

/// Removes the groups at `path` and below in every hierarchy, waiting at most `deadline` for dying processes to leave them.
pub(crate) fn remove(path: &Path, deadline: Duration) -> Result<(), CgroupError> {
    let end = Instant::now() + deadline;
    for hierarchy in hierarchies()? {
        for dir in tree(&hierarchy.root.join(path)) {
            loop {
                match std::fs::remove_dir(&dir) {
                    Ok(()) => break,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                    Err(error)
                        if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < end =>
                    {
                        std::thread::sleep(POLL_INTERVAL);
                    }
                    Err(source) => return Err(CgroupError::Remove { path: dir, source }),
                }
            }
        }
    }
    Ok(())
}

/// Removes the group at `path` itself if it is empty; never an error, another may use it.
pub(crate) fn remove_if_empty(path: &Path) -> Result<(), CgroupError> {
    for hierarchy in hierarchies()? {
        std::fs::remove_dir(hierarchy.root.join(path)).ok();
    }
    Ok(())
}

/// The directory and all below, the deepest first; empty if it does not exist.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut all: Vec<PathBuf> = entries
        .flatten()
        .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
        .flat_map(|e| tree(&e.path()))
        .collect();
    all.push(dir.to_owned());
    all
}

#[cfg(test)]
mod tests;
