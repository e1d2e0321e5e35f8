//! What this machine is and how busy it is, for users of the original who look at hosts.
//!
//! What cannot be read is left empty: none of it decides anything.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use tomato_api::usage::{DiskFigures, MachineFigures};

/// Measures now; `data` is where the files of elements lie.
pub(crate) fn measure(data: &Path) -> MachineFigures {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let uname = rustix::system::uname();
    let mut figures = MachineFigures {
        time_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        kernel: uname.release().to_string_lossy().into_owned(),
        processor: uname.machine().to_string_lossy().into_owned(),
        uptime_s: numbers(&read("/proc/uptime")).next().unwrap_or_default(),
        disk_root: disk(Path::new("/")),
        disk_data: disk(data),
        ..MachineFigures::default()
    };
    for (part, load) in figures.load.iter_mut().zip(numbers(&read("/proc/loadavg"))) {
        *part = load;
    }
    processors(&mut figures, &read("/proc/cpuinfo"));
    memory(&mut figures, &read("/proc/meminfo"));
    figures.distribution = distribution(&read("/etc/os-release"));
    figures
}

/// The numbers that a line begins with.
fn numbers(text: &str) -> impl Iterator<Item = f64> + '_ {
    text.split_whitespace().map_while(|word| word.parse().ok())
}

/// From `/proc/cpuinfo`: a paragraph for each processor.
fn processors(figures: &mut MachineFigures, text: &str) {
    let of = |name: &str| {
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        let named = fields.filter(|(key, _)| key.trim() == name);
        named.map(|(_, value)| value.trim().to_owned()).collect::<Vec<_>>()
    };
    figures.cpus = u32::try_from(of("processor").len()).unwrap_or(u32::MAX);
    figures.cpu_model = of("model name").into_iter().next().unwrap_or_default();
    let speeds: Vec<f64> = of("bogomips").iter().filter_map(|text| text.parse().ok()).collect();
    if figures.cpus > 0 {
        figures.bogomips = speeds.iter().sum::<f64>() / f64::from(figures.cpus);
    }
}

/// From `/proc/meminfo`, which counts in KiB; what programs could still get is not used.
fn memory(figures: &mut MachineFigures, text: &str) {
    let of = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        number.unwrap_or_default().saturating_mul(1024)
    };
    figures.memory_bytes = of("MemTotal:");
    figures.memory_used_bytes = figures.memory_bytes.saturating_sub(of("MemAvailable:"));
}

/// Name, version and code name, from `/etc/os-release`.
fn distribution(text: &str) -> [String; 3] {
    ["ID", "VERSION_ID", "VERSION_CODENAME"].map(|name| {
        let fields = text.lines().filter_map(|line| line.split_once('='));
        let value = fields.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value);
        value.unwrap_or_default().trim_matches('"').to_owned()
    })
}

fn disk(path: &Path) -> DiskFigures {
    let Ok(found) = rustix::fs::statvfs(path) else { return DiskFigures::default() };
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    DiskFigures {
        total_bytes: bytes(found.f_blocks),
        used_bytes: bytes(found.f_blocks.saturating_sub(found.f_bfree)),
        free_bytes: bytes(found.f_bavail),
    }
}

#[cfg(test)]
mod tests;
