//! Limits of cpu, memory and number of processes, by making a group with each and removing it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Finding, Options};

/// What a container's profile limits.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// Where a controller's groups are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hierarchy {
    /// The one tree of version 2.
    Unified(PathBuf),
    /// A tree of version 1 with this controller.
    Own(PathBuf),
}

pub(super) fn limits(_: &Options) -> Finding {
    let name = "resource limits";
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let (mut works, mut fails) = (Vec::new(), Vec::new());
    let mut version = "";
    for controller in CONTROLLERS {
        match find(&mounts, controller, &read_controllers) {
            None => fails.push(format!("{controller} is not there")),
            Some(hierarchy) => match attempt(&hierarchy, controller) {
                Ok(()) => {
                    version = if matches!(hierarchy, Hierarchy::Own(_)) { "1" } else { "2" };
                    works.push(controller);
                }
                Err(error) => fails.push(format!("{controller}: {error}")),
            },
        }
    }
    if fails.is_empty() {
        let what =
            format!("containers can be limited in {} (cgroup version {version})", works.join(", "));
        return Finding::ok(name, what);
    }
    let what =
        format!("containers cannot be limited in all of cpu, memory, pids: {}", fails.join("; "));
    let remedy = "mount cgroup2 on /sys/fs/cgroup with these controllers (on some machines the kernel's command line \
        must say cgroup_enable=memory), and run outside of another container";
    Finding::fail(name, what, remedy)
}

/// Where `controller` is, from a mount table; `controllers` reads what a version 2 tree has.
pub(super) fn find(
    mounts: &str,
    controller: &str,
    controllers: &dyn Fn(&Path) -> String,
) -> Option<Hierarchy> {
    let mut unified = None;
    for line in mounts.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let Some(point) = left.split(' ').nth(4).map(PathBuf::from) else { continue };
        let mut right = right.split(' ');
        match right.next() {
            Some("cgroup")
                if right
                    .nth(1)
                    .is_some_and(|options| options.split(',').any(|o| o == controller)) =>
            {
                return Some(Hierarchy::Own(point));
            }
            Some("cgroup2") if controllers(&point).split_whitespace().any(|c| c == controller) => {
                unified = Some(Hierarchy::Unified(point));
            }
            _ => {}
        }
    }
    unified
}

fn read_controllers(point: &Path) -> String {
    fs::read_to_string(point.join("cgroup.controllers")).unwrap_or_default()
}

/// Makes a group, sets a limit where the tree lets one see it, and removes the group.
fn attempt(hierarchy: &Hierarchy, controller: &str) -> io::Result<()> {
    let (Hierarchy::Own(point) | Hierarchy::Unified(point)) = hierarchy;
    let group = point.join(format!("tomato-probe-{controller}-{}", std::process::id()));
    fs::create_dir(&group)?;
    let (file, value) = match (hierarchy, controller) {
        (Hierarchy::Own(_), "cpu") => ("cpu.cfs_quota_us", "50000"),
        (Hierarchy::Own(_), "memory") => ("memory.limit_in_bytes", "67108864"),
        (Hierarchy::Unified(_), "cpu") => ("cpu.max", "50000 100000"),
        (Hierarchy::Unified(_), "memory") => ("memory.max", "67108864"),
        _ => ("pids.max", "64"),
    };
    let file = group.join(file);
    // In a version 2 tree the file is there only once the controller is handed down, which starting a lab does.
    let unified = matches!(hierarchy, Hierarchy::Unified(_));
    let set = if unified && !file.exists() { Ok(()) } else { fs::write(file, value) };
    let removed = fs::remove_dir(&group);
    set.and(removed)
}
