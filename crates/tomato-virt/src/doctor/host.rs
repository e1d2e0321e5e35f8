//! What the machine is and has.

use std::fs;
use std::path::Path;

use super::limits::{DATA_DISK, KERNEL, MEMORY, OPEN_FILES, TEMPLATE_DISK};
use super::{Finding, Options, existing};
use crate::limits::DISK_SHORT_PERCENT;

pub(super) fn root(_: &Options) -> Finding {
    let name = "root";
    if rustix::process::geteuid().is_root() {
        Finding::ok(name, "running as root, as starting containers needs")
    } else {
        let what = "not running as root: no container and no virtual network interface can be made";
        Finding::fail(name, what, "run it again with sudo")
    }
}

pub(super) fn kernel(_: &Options) -> Finding {
    let name = "kernel";
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let (oldest, sharing) = KERNEL;
    match version(&release) {
        Some(version) if version >= sharing => Finding::ok(name, format!("Linux {release}")),
        Some(version) if version >= oldest => Finding::warn(
            name,
            format!(
                "Linux {release} cannot share a template's files between containers; they are copied"
            ),
            format!(
                "for quicker starts and less disk use Linux {}.{} or later",
                sharing.0, sharing.1
            ),
        ),
        Some(_) => Finding::fail(
            name,
            format!("Linux {release} is too old"),
            format!("use Linux {}.{} or later", oldest.0, oldest.1),
        ),
        None => Finding::warn(
            name,
            format!("cannot tell how old Linux {release} is"),
            "none needed if all else is well",
        ),
    }
}

/// The first two numbers of a kernel's release.
pub(super) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

pub(super) fn seccomp(_: &Options) -> Finding {
    let name = "system call filter";
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    if actions.split_whitespace().any(|action| action == "errno") {
        Finding::ok(name, "containers are kept from dangerous system calls (seccomp)")
    } else {
        let what = "this kernel has no system call filter (seccomp), so containers cannot be started safely";
        Finding::fail(
            name,
            what,
            "use a kernel with CONFIG_SECCOMP_FILTER, as all distributions have",
        )
    }
}

pub(super) fn data_disk(options: &Options) -> Finding {
    disk("data disk", &options.data_dir, DATA_DISK, "--data-dir")
}

pub(super) fn template_disk(options: &Options) -> Finding {
    disk("template disk", &options.template_dir, TEMPLATE_DISK, "--template-dir")
}

fn disk(name: &str, dir: &Path, (least, enough): (u64, u64), option: &str) -> Finding {
    let shown = dir.display();
    let remedy = || format!("make room, or choose another directory with {option}");
    match rustix::fs::statvfs(existing(dir)) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let what = format!("{} free for {shown}", size(free));
            match free {
                _ if free < least => Finding::fail(name, what, remedy()),
                _ if free < enough => Finding::warn(name, what, remedy()),
                _ => Finding::ok(name, what),
            }
        }
        Err(errno) => Finding::fail(name, format!("cannot look at {shown}: {errno}"), remedy()),
    }
}

/// Nothing to try: it is so on every host.
pub(super) fn disk_limits(options: &Options) -> Finding {
    let what = format!(
        "the disk limit of a profile does not stop a container's writes: use is measured now and then, shown, and a container above its limit is \
         stopped when less than {DISK_SHORT_PERCENT} % of the data disk is free"
    );
    let remedy = format!(
        "for containers that may fill the disk, put {} on a file system of its own",
        options.data_dir.display()
    );
    Finding::warn("disk limits", what, remedy)
}

pub(super) fn memory(_: &Options) -> Finding {
    let name = "memory";
    let table = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    match available(&table) {
        Some(bytes) if bytes >= MEMORY => Finding::ok(name, format!("{} available", size(bytes))),
        Some(bytes) => Finding::warn(
            name,
            format!("only {} available, enough for a few small containers", size(bytes)),
            "end other programs or use a machine with more memory",
        ),
        None => Finding::warn(name, "cannot tell how much memory is available", "mount /proc"),
    }
}

/// Available bytes from the text of `/proc/meminfo`.
pub(super) fn available(table: &str) -> Option<u64> {
    let line = table.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

pub(super) fn open_files(_: &Options) -> Finding {
    let name = "open files";
    // The hard limit counts: the lab raises the soft one itself.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    match limit {
        Some(limit) if limit < OPEN_FILES => Finding::warn(
            name,
            format!("a process may open {limit} files, too few for large topologies"),
            format!("raise the limit, for instance with: ulimit -n {OPEN_FILES}"),
        ),
        Some(limit) => Finding::ok(name, format!("a process may open {limit} files")),
        None => Finding::ok(name, "a process may open any number of files"),
    }
}

/// A number of bytes for people.
pub(super) fn size(bytes: u64) -> String {
    match bytes >> 20 {
        megabytes if megabytes >= 10 * 1024 => format!("{} GB", megabytes >> 10),
        megabytes => format!("{megabytes} MB"),
    }
}
