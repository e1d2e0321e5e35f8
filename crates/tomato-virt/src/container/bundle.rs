//! The OCI configuration of a container: what it may do and how much of it.
//!
//! All of `pid`, `mount`, `uts`, `ipc`, `net`, `cgroup` and `user` namespaces are new. Root inside is nobody outside. The capabilities hold
//! only in the container's own user namespace; mounts, namespaces and modules are refused by the system call filter the keeper installs
//! (`init/seccomp.rs`), which works alike with every runtime. `/proc/sys` is writable: there only settings of the container's own namespaces
//! belong to its root (routers switch forwarding on), the kernel refuses the others.

use std::path::Path;

use serde_json::{Value, json};

use super::layout::{ElementPaths, HostPaths};
use super::spec::{ContainerSpec, MainProcess};
use crate::limits::{
    CPU_PERIOD_US, CPU_QUOTA_MIN_US, IDS_PER_CONTAINER, OPEN_FILES_MAX, SHM_BYTES,
};

/// Where the keeper is seen inside.
const KEEPER: &str = "/.tomato/keeper";
/// The environment every process of a container starts from.
pub(crate) const ENVIRONMENT: [(&str, &str); 4] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("TERM", "linux"),
    ("LANG", "C.UTF-8"),
];

/// Enough for `ip`, `ping`, `tcpdump`, package installation and routing daemons (zebra insists on SYS_ADMIN); not SYS_PTRACE, which would
/// let a process of the container take over its keeper.
const CAPABILITIES: [&str; 16] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_ADMIN",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_ADMIN",
    "CAP_SYS_CHROOT",
];

const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/cgroup",
];

const READ_ONLY: [&str; 4] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger"];

/// The file system as the helper assembles it below `stage`.
pub(crate) mod stage {
    /// The merged root file system.
    pub(crate) const ROOTFS: &str = "rootfs";
    /// The template with mapped ids.
    pub(crate) const LOWER: &str = "lower";
    /// The keeper's program.
    pub(crate) const KEEPER: &str = "keeper";
    /// `/etc/hosts`.
    pub(crate) const HOSTS: &str = "hosts";
    /// `/etc/hostname`.
    pub(crate) const HOSTNAME: &str = "hostname";
}

/// The configuration for the runtime. `open_files` is this process's own hard limit, which cannot be exceeded.
pub(crate) fn config(
    host: &HostPaths,
    paths: &ElementPaths,
    spec: &ContainerSpec,
    id_base: u32,
    open_files: u64,
) -> Value {
    let stage = paths.stage();
    let root =
        MainProcess { argv: spec.boot.clone(), cwd: "/".to_owned(), ..MainProcess::default() };
    let main = spec.main.as_ref().unwrap_or(&root);
    let ids = json!([{ "containerID": 0, "hostID": id_base, "size": IDS_PER_CONTAINER }]);
    let open_files = open_files.min(OPEN_FILES_MAX);
    let namespaces = ["pid", "mount", "uts", "ipc", "network", "cgroup", "user"]
        .map(|kind| json!({ "type": kind }));
    json!({
        "ociVersion": "1.0.2",
        "hostname": spec.hostname,
        "root": { "path": stage.join(stage::ROOTFS), "readonly": false },
        "process": {
            "terminal": false,
            "user": { "uid": 0, "gid": 0 },
            "args": arguments(main),
            "env": environment(main),
            "cwd": "/",
            "noNewPrivileges": false,
            "capabilities": {
                "bounding": CAPABILITIES,
                "effective": CAPABILITIES,
                "permitted": CAPABILITIES,
            },
            "rlimits": [
                { "type": "RLIMIT_CORE", "hard": 0, "soft": 0 },
                { "type": "RLIMIT_NOFILE", "hard": open_files, "soft": open_files },
            ],
        },
        "mounts": mounts(&stage),
        "linux": {
            "namespaces": namespaces,
            "uidMappings": ids,
            "gidMappings": ids,
            "cgroupsPath": Path::new("/").join(host.cgroup(&spec.id)),
            "resources": resources(spec),
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
        },
    })
}

/// The keeper's: who the main process is, where it runs, and itself.
fn arguments(main: &MainProcess) -> Vec<String> {
    let groups: Vec<String> = main.groups.iter().map(u32::to_string).collect();
    let identity = format!("{}:{}:{}", main.uid, main.gid, groups.join(","));
    let mut arguments = vec![KEEPER.to_owned(), identity, main.cwd.clone()];
    arguments.extend(main.argv.iter().cloned());
    arguments
}

/// The usual environment with the main process's own over it; the keeper passes its own on.
fn environment(main: &MainProcess) -> Vec<String> {
    let name = |entry: &str| entry.split_once('=').map_or(entry, |(name, _)| name).to_owned();
    let own: Vec<String> = main.env.iter().map(|entry| name(entry)).collect();
    let usual = ENVIRONMENT.iter().filter(|(name, _)| !own.iter().any(|own| own == name));
    let usual = usual.map(|(name, value)| format!("{name}={value}"));
    usual.chain(main.env.iter().cloned()).collect()
}

fn mounts(stage: &Path) -> Value {
    let bind = |from: &str, to: &str, more: &[&str]| {
        let options = [&["bind"], more].concat();
        json!({
            "destination": to, "type": "bind", "source": stage.join(from), "options": options,
        })
    };
    json!([
        { "destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"] },
        { "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
          "options": ["nosuid", "strictatime", "mode=755", "size=65536k"] },
        { "destination": "/dev/pts", "type": "devpts", "source": "devpts",
          "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"] },
        { "destination": "/dev/shm", "type": "tmpfs", "source": "shm",
          "options": ["nosuid", "noexec", "nodev", "mode=1777", format!("size={SHM_BYTES}")] },
        { "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
          "options": ["nosuid", "noexec", "nodev"] },
        { "destination": "/sys", "type": "sysfs", "source": "sysfs",
          "options": ["nosuid", "noexec", "nodev", "ro"] },
        bind(stage::KEEPER, KEEPER, &["ro", "nosuid", "nodev"]),
        bind(stage::HOSTS, "/etc/hosts", &["rw", "nosuid", "nodev", "noexec"]),
        bind(stage::HOSTNAME, "/etc/hostname", &["ro", "nosuid", "nodev", "noexec"]),
    ])
}

/// Processor time per [`CPU_PERIOD_US`], in microseconds.
pub(super) fn cpu_quota_us(spec: &ContainerSpec) -> i64 {
    i64::try_from(u64::from(spec.cpus_milli) * CPU_PERIOD_US / 1000)
        .unwrap_or(i64::MAX)
        .max(CPU_QUOTA_MIN_US)
}

fn resources(spec: &ContainerSpec) -> Value {
    let quota = cpu_quota_us(spec);
    let device = |kind: &str, major: u32, minor: Option<u32>| json!({ "allow": true, "type": kind, "major": major, "minor": minor, "access": "rwm" });
    json!({
        "cpu": { "quota": quota, "period": CPU_PERIOD_US },
        "memory": { "limit": i64::try_from(spec.memory_bytes).unwrap_or(i64::MAX) },
        "pids": { "limit": spec.pids_max },
        "devices": [
            { "allow": false, "access": "rwm" },
            // null, zero, full, random, urandom, tty, the terminals and their multiplexer.
            device("c", 1, Some(3)),
            device("c", 1, Some(5)),
            device("c", 1, Some(7)),
            device("c", 1, Some(8)),
            device("c", 1, Some(9)),
            device("c", 5, Some(0)),
            device("c", 5, Some(2)),
            { "allow": true, "type": "c", "major": 136, "access": "rwm" },
        ],
    })
}

#[cfg(test)]
mod tests;
