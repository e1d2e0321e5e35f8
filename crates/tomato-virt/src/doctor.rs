//! Probes of the host: what will work here, what will not, and what to do about it.
//!
//! Each probe tries the thing itself where that is possible, in a child, a thread or a namespace of its own, and leaves
//! nothing: what it makes dies with it or is removed. Each is bounded in time; one that does not answer is reported as
//! such and the others go on. The texts are for people who never heard of namespaces.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::chain;

mod cgroup;
mod host;
mod kvm;
mod limits;
mod namespaces;
mod overlay;
#[cfg(test)]
mod tests;
mod tools;

/// What is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where the lab keeps its data; need not exist yet.
    pub data_dir: PathBuf,
    /// Where templates are kept; need not exist yet.
    pub template_dir: PathBuf,
    /// A Linux kernel to try in a virtual machine; `None`: the newest in `/boot`.
    pub kernel: Option<PathBuf>,
}

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It works, or is not needed.
    Ok,
    /// The lab runs, but something of it does not, or not well.
    Warn,
    /// No lab with containers can run.
    Fail,
}

/// What one probe found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was probed, in one or two words.
    pub name: String,
    /// How good it is.
    pub status: Status,
    /// What works, or will not.
    pub what: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// One probe.
type Probe = fn(&Options) -> Finding;

const PROBES: &[(&str, Probe)] = &[
    ("root", host::root),
    ("kernel", host::kernel),
    ("user namespace", namespaces::user),
    ("network namespace", namespaces::network),
    ("process namespace", namespaces::pid),
    ("mount namespace", namespaces::mount),
    ("hostname namespace", namespaces::uts),
    ("ipc namespace", namespaces::ipc),
    ("cgroup namespace", namespaces::cgroup),
    ("container namespaces", namespaces::together),
    ("network interfaces", namespaces::tap),
    ("overlay", overlay::plain),
    ("shared templates", overlay::mapped),
    ("resource limits", cgroup::limits),
    ("system call filter", host::seccomp),
    ("virtual machines", kvm::kvm),
    ("netem", namespaces::netem),
    ("runc", tools::runc),
    ("mmdebstrap", tools::mmdebstrap),
    ("tshark", tools::tshark),
    ("package sources", tools::sources),
    ("data disk", host::data_disk),
    ("template disk", host::template_disk),
    ("disk limits", host::disk_limits),
    ("memory", host::memory),
    ("open files", host::open_files),
];

/// Runs all probes, at the same time, and gives their findings in a fixed order. Blocks up to half a minute.
pub fn probe(options: &Options) -> Vec<Finding> {
    let running: Vec<_> =
        PROBES.iter().map(|(name, probe)| (*name, start(*probe, options))).collect();
    let started = Instant::now();
    let is_root = rustix::process::geteuid().is_root();
    running
        .into_iter()
        .map(|(name, answer)| {
            let left = limits::PROBE_DEADLINE.saturating_sub(started.elapsed());
            answer.recv_timeout(left).unwrap_or_else(|_| {
                let what = "the probe gave no answer; whether this works is not known";
                Finding::warn(name, what, "run the probe again, and look into the kernel's log")
            })
        })
        .map(|finding| finding.without_root(is_root))
        .collect()
}

/// The worst status of all.
pub fn worst(findings: &[Finding]) -> Status {
    findings.iter().map(|finding| finding.status).max().unwrap_or(Status::Ok)
}

fn start(probe: Probe, options: &Options) -> mpsc::Receiver<Finding> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let options = options.clone();
    std::thread::spawn(move || {
        // The receiver is gone only when the answer came too late to be of use.
        sender.send(probe(&options)).ok();
    });
    receiver
}

impl Finding {
    /// Without root most probes fail for that reason alone, and say nothing of the machine.
    fn without_root(self, is_root: bool) -> Self {
        if is_root || self.status == Status::Ok || self.name == "root" {
            return self;
        }
        Self::warn(&self.name, "not tested without root", "run `sudo tomato doctor`")
    }

    fn ok(name: &str, what: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status: Status::Ok, what: what.into(), remedy: None }
    }

    fn warn(name: &str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Self { name: name.to_owned(), status: Status::Warn, what: what.into(), remedy }
    }

    fn fail(name: &str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status: Status::Fail, ..Self::warn(name, what, remedy) }
    }
}

/// The directory itself, or the nearest one above it that exists.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|dir| dir.is_dir()).unwrap_or_else(|| Path::new("/"))
}
