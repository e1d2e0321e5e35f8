//! A lab of a test: a busybox template, directories of its own, everything removed and looked for at the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tomato_model::id::{ElementId, LabId};
use tomato_virt::container::{
    ContainerSpec, Containers, ExecOutput, ExecRequest, HostPaths, LinuxContainers, Options,
    Runtime, purge,
};
use tomato_virt::helper::IdMapping;

static NEXT: AtomicU32 = AtomicU32::new(1);

/// One lab; purged when dropped.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) host: HostPaths,
    pub(crate) options: Options,
    pub(crate) containers: LinuxContainers,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Runtime::Libcontainer, IdMapping::Auto)
    }

    pub(crate) fn with(runtime: Runtime, id_mapping: IdMapping) -> Self {
        let dir = tempfile::Builder::new().prefix("tomato-it-").tempdir().expect("made");
        let number = u64::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let lab = LabId::new(std::process::id(), number);
        make_template(&dir.path().join("template"));
        let mut host = HostPaths::new(dir.path().join("host"), lab.clone());
        host.run_dir = PathBuf::from("/run/tomato-it").join(lab.as_str());
        host.ids_dir = PathBuf::from("/run/tomato-it-ids");
        let options = Options {
            helper_program: PathBuf::from(env!("CARGO_BIN_EXE_tomato-virt-helper")),
            helper_arguments: Vec::new(),
            runtime,
            id_mapping,
        };
        let containers = LinuxContainers::new(host.clone(), options.clone());
        Self { dir, host, options, containers }
    }

    /// What a restarted process would use.
    pub(crate) fn restarted(&self) -> LinuxContainers {
        LinuxContainers::new(self.host.clone(), self.options.clone())
    }

    pub(crate) fn spec(&self, number: u64) -> ContainerSpec {
        ContainerSpec {
            id: ElementId::new(1, number),
            hostname: format!("h{number}"),
            rootfs: self.dir.path().join("template"),
            cpus_milli: 1000,
            memory_bytes: 64 << 20,
            disk_bytes: 1 << 30,
            pids_max: 64,
            boot: Vec::new(),
            main: None,
        }
    }

    pub(crate) async fn started(&self, number: u64) -> ContainerSpec {
        let spec = self.spec(number);
        self.containers.start(&spec).await.unwrap_or_else(|e| panic!("start: {}", chain(&e)));
        spec
    }

    pub(crate) async fn sh(&self, id: &ElementId, script: &str) -> ExecOutput {
        let mut request = ExecRequest::new(["sh", "-c", script]);
        request.timeout = Duration::from_secs(20);
        self.containers.exec(id, request).await.unwrap_or_else(|e| panic!("exec: {}", chain(&e)))
    }

    /// Runs a script that must succeed; gives what it wrote.
    pub(crate) async fn ok(&self, id: &ElementId, script: &str) -> String {
        let output = self.sh(id, script).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.exit_code, Some(0), "{script}: {output:?} {text}");
        text
    }

    /// What of this lab is on the host.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let lab = self.host.lab.as_str();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").expect("listed").flatten() {
            let group = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
            let arguments = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            let status = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let ours = group.contains(lab) || arguments.contains(lab);
            if ours && !status.contains(") Z ") {
                found.push(format!("process {}", entry.path().display()));
            }
        }
        let mounts = fs::read_to_string("/proc/self/mounts").expect("read");
        found.extend(mounts.lines().filter(|m| m.contains(lab)).map(|m| format!("mount {m}")));
        for root in cgroup_roots() {
            let group = root.join("tomato").join(lab);
            if group.exists() {
                found.push(format!("cgroup {}", group.display()));
            }
        }
        for dir in [&self.host.run_dir, &self.host.state_dir] {
            if dir.exists() {
                found.push(format!("directory {}", dir.display()));
            }
        }
        for entry in fs::read_dir(&self.host.ids_dir).into_iter().flatten().flatten() {
            let owner = fs::read_to_string(entry.path()).unwrap_or_default();
            if Path::new(&owner).starts_with(&self.host.state_dir) {
                found.push(format!("id range {}", entry.path().display()));
            }
        }
        found
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let purged = purge(&self.host);
        let left = self.leftovers();
        // Another test may use it.
        fs::remove_dir("/run/tomato-it").ok();
        if !std::thread::panicking() {
            purged.unwrap_or_else(|e| panic!("purge: {}", chain(&e)));
            assert!(left.is_empty(), "left behind: {left:#?}");
        }
    }
}

pub(crate) fn cgroup_roots() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("read");
    let groups = mounts.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        fields[2].starts_with("cgroup").then(|| PathBuf::from(fields[1]))
    });
    groups.collect()
}

fn make_template(root: &Path) {
    for dir in ["bin", "etc", "root", "tmp", "var/log", "run", "proc", "sys", "dev"] {
        fs::create_dir_all(root.join(dir)).expect("made");
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox-static is installed");
    for applet in [
        "sh", "cat", "echo", "ls", "sleep", "ip", "ping", "id", "hostname", "mkdir", "touch", "ln",
        "head", "tail", "dd", "kill", "ps", "stat", "mount", "unshare", "readlink", "seq", "yes",
        "wc", "true", "false", "chmod", "env", "grep", "rm", "tr", "udhcpc", "md5sum", "sync",
    ] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).expect("linked");
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").expect("written");
    fs::write(root.join("etc/group"), "root:x:0:\ntty:x:5:\n").expect("written");
}

/// Waits until `condition` holds; `what` says what was waited for.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let end = Instant::now() + Duration::from_secs(15);
    while !condition().await {
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
