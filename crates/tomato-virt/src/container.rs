//! Containers: real Linux containers on this host, made from a template's root file system.
//!
//! [`Containers`] is what the rest of the product sees; [`LinuxContainers`] does it, [`FakeContainers`] pretends in memory.
//! Invariants:
//! - nothing needed to go on is only in memory: whatever a process knew is found again in the element's directory, in `/proc` and by asking
//!   the container's keeper, so any process may die at any time and another go on;
//! - every operation is idempotent and may be run again after it stopped anywhere;
//! - a process is only signalled after its start time was compared, never by number alone;
//! - no mount is made in the host's mount namespace, so none can be left there.
//!
//! Read first: `life.rs` (the operations), `crate::helper` (what happens in the helper process), `crate::keeper` (process 1).

mod bundle;
mod cgroup;
mod error;
mod exec;
mod fake;
mod host;
mod ids;
mod layout;
mod life;
mod lock;
mod netlink;
mod network;
mod purge;
mod spec;
mod state;
mod tap;
pub(crate) mod tree;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use async_trait::async_trait;
use tomato_model::id::ElementId;

pub(crate) use bundle::stage;
pub use error::ContainerError;
pub use fake::{FakeContainers, FakeOptions, OnCall, OnExec};
pub use host::{LinuxContainers, Options, Runtime};
pub(crate) use layout::ElementPaths;
pub use layout::HostPaths;
pub(crate) use lock::Lock;
pub use purge::{Purged, purge};
pub use spec::{
    Cidr, CidrError, ContainerSpec, InterfaceNet, InterfaceSpec, MainProcess, NetworkSpec, Route,
};
pub use state::boot_id;
pub(crate) use state::{Phase, State, process_start, process_started_at};
pub use tree::DiskUse;
pub(crate) use tree::remove as remove_tree;

/// What was seen of a container. Seen, not remembered: it may have changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// Nothing of it is on this host.
    Absent,
    /// Its disk exists, no process runs.
    Prepared {
        /// How it came to an end last; `None` if it never ran since it was prepared.
        last_exit: Option<ExitReason>,
    },
    /// Its process 1 runs.
    Started {
        /// Process 1, as the host numbers it.
        pid: u32,
        /// When it started, in seconds since the Unix epoch.
        started_at: u64,
        /// Processes the kernel has killed because the container's memory limit was reached, since it started.
        oom_kills: u64,
    },
}

/// Why a container ran no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitReason {
    /// It was stopped and its processes ended by themselves.
    Stopped,
    /// It was stopped and had to be killed when its grace time was over.
    Killed,
    /// The kernel killed it at its memory limit.
    OutOfMemory,
    /// It died and nobody of ours did it: killed from outside, or the machine was restarted.
    Died,
}

/// A command to run in a started container.
#[derive(Debug, Clone)]
pub struct ExecRequest {
    /// Program and arguments; the program is searched in `PATH` of `env` if it has no slash.
    pub argv: Vec<String>,
    /// Added to (or replacing parts of) the default environment `PATH`, `HOME`, `TERM`.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub cwd: String,
    /// What it reads; `None` is an empty input.
    pub stdin: Option<Vec<u8>>,
    /// The command and its process group are killed after this time.
    pub timeout: Duration,
    /// Bytes kept of stdout and of stderr each; the rest is read and thrown away.
    pub output_limit_bytes: usize,
}

impl ExecRequest {
    /// `argv` in `/` with no input, 60 s and 1 MiB of output.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            cwd: "/".to_owned(),
            stdin: None,
            timeout: Duration::from_secs(60),
            output_limit_bytes: 1 << 20,
        }
    }
}

/// How a command ended and what it wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// Exit code, if it exited.
    pub exit_code: Option<i32>,
    /// Signal, if it was killed by one.
    pub signal: Option<i32>,
    /// What it wrote until it ended, at most the limit.
    pub stdout: Vec<u8>,
    /// The same for its errors.
    pub stderr: Vec<u8>,
    /// It was killed because its time was over.
    pub timed_out: bool,
    /// More was written than the limit.
    pub truncated: bool,
}

/// A process started in the background.
#[derive(Debug, Clone)]
pub struct SpawnRequest {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Added to the default environment.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub cwd: String,
    /// File inside the container that takes stdout and stderr (made new, or appended to if it exists); `None` throws them away.
    pub output: Option<String>,
}

/// A process a container's keeper started, numbered by the keeper; never used twice while the container runs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct ProcessId(pub u64);

/// A terminal in a container.
#[derive(Debug)]
pub struct Terminal {
    /// The process it was made for.
    pub process: ProcessId,
    /// Its master side; what is read is what the container's processes write.
    pub master: OwnedFd,
    /// The process was just started.
    pub is_new: bool,
}

/// Whether and how a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessState {
    /// It runs.
    Running,
    /// It exited with this code.
    Exited(i32),
    /// It was killed by this signal.
    Signalled(i32),
    /// The keeper knows it no longer (or never did): the container was restarted, or 1024 others ended since.
    Unknown,
}

/// What a container uses now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerUsage {
    /// Processor time since it started, in nanoseconds.
    pub cpu_ns: u64,
    /// Memory charged to it, in bytes, page cache included.
    pub memory_bytes: u64,
    /// Frames that the kernel dropped because nobody read them in time, by interface, since it was plugged in.
    pub unread_frames: BTreeMap<String, u64>,
}

/// The containers of one lab on one host.
#[async_trait]
pub trait Containers: Send + Sync + std::fmt::Debug {
    /// Gives the element an id range and an empty own layer. Errors: [`ContainerError`] says which step failed.
    async fn prepare(&self, spec: &ContainerSpec) -> Result<(), ContainerError>;

    /// Starts the container; returns when its keeper answers. Does nothing if it runs. Prepares first if needed.
    async fn start(&self, spec: &ContainerSpec) -> Result<(), ContainerError>;

    /// Asks every process to end, kills what is left after `grace`, and removes all but the disk.
    async fn stop(&self, id: &ElementId, grace: Duration) -> Result<(), ContainerError>;

    /// Kills and removes everything of the element, its disk too, in whatever state it is.
    async fn destroy(&self, id: &ElementId) -> Result<(), ContainerError>;

    /// What is there now.
    async fn observe(&self, id: &ElementId) -> Result<Observed, ContainerError>;

    /// Every element of this lab of which anything is on this host, half-made ones too.
    async fn list(&self) -> Result<Vec<ElementId>, ContainerError>;

    /// The descriptor of the TAP of that name in the started container, with virtio-net headers; made (and brought up) if it does not exist.
    /// The keeper keeps a duplicate, so the carrier stays when the caller's copies are closed.
    async fn plug(
        &self,
        id: &ElementId,
        interface: &InterfaceSpec,
    ) -> Result<OwnedFd, ContainerError>;

    /// Removes an interface. Does nothing if there is none of that name.
    async fn unplug(&self, id: &ElementId, name: &str) -> Result<(), ContainerError>;

    /// Names of the interfaces the keeper holds.
    async fn plugged(&self, id: &ElementId) -> Result<Vec<String>, ContainerError>;

    /// Makes addresses, routes, host names and DHCP clients of the started container match. Touches only what an earlier call set.
    /// The boot command waits for the end of the first call, whether all could be set or not, so that daemons find their interfaces.
    async fn configure(&self, id: &ElementId, network: &NetworkSpec) -> Result<(), ContainerError>;

    /// Runs a command and returns when it ends, even if processes it left behind keep its output open.
    async fn exec(
        &self,
        id: &ElementId,
        request: ExecRequest,
    ) -> Result<ExecOutput, ContainerError>;

    /// Starts a process that lives on by itself.
    async fn spawn(
        &self,
        id: &ElementId,
        request: SpawnRequest,
    ) -> Result<ProcessId, ContainerError>;

    /// Waits at most `timeout` (zero: not at all) for a process to end.
    async fn wait(
        &self,
        id: &ElementId,
        process: ProcessId,
        timeout: Duration,
    ) -> Result<ProcessState, ContainerError>;

    /// Sends a signal to a process's group. Does nothing if it has ended.
    async fn kill(
        &self,
        id: &ElementId,
        process: ProcessId,
        signal: i32,
    ) -> Result<(), ContainerError>;

    /// The terminal of the container: the one the keeper holds if its process still runs, else a new one with this process on it.
    /// It and its process outlive whoever opened it.
    async fn console(
        &self,
        id: &ElementId,
        request: SpawnRequest,
    ) -> Result<Terminal, ContainerError>;

    /// Writes a directory of the prepared or started container as tar.gz. Special files and other file systems are left out.
    /// More than `limit_bytes` of files, or of packed data, or than the disk of the containers has room for, is refused.
    async fn pack(
        &self,
        id: &ElementId,
        dir: &str,
        to: Box<dyn Write + Send>,
        limit_bytes: u64,
    ) -> Result<(), ContainerError>;

    /// Unpacks a tar, tar.gz or tar.zst into a directory (made if missing) of the prepared or started container, as its root user.
    /// One whose files take more than `limit_bytes` on disk, or than the disk has room for, is refused; what was unpacked until then stays.
    async fn unpack(
        &self,
        id: &ElementId,
        dir: &str,
        from: Box<dyn Read + Send>,
        limit_bytes: u64,
    ) -> Result<(), ContainerError>;

    /// The ends of files of a directory of the prepared or started container, by name: of each file at most as many bytes as are named with it.
    /// What is not there, or no regular file, is left out.
    async fn tails(
        &self,
        id: &ElementId,
        dir: &str,
        files: &[(&str, u64)],
    ) -> Result<BTreeMap<String, Vec<u8>>, ContainerError>;

    /// Removes what is in a directory of the prepared or started container; none is fine.
    async fn empty(&self, id: &ElementId, dir: &str) -> Result<(), ContainerError>;

    /// Writes a [`FilesHead`](crate::resume::FilesHead), then a file or directory of the prepared or started container under its own name as
    /// tar, uncompressed, without the tar's first `offset` bytes. Special files and other file systems are left out.
    async fn read_files(
        &self,
        id: &ElementId,
        path: &str,
        offset: u64,
        to: Box<dyn Write + Send>,
    ) -> Result<(), ContainerError>;

    /// Unpacks a tar (plain, gzip, zstd) into a directory of the prepared or started container, as its root user; where the path is no
    /// directory, the one thing in the archive gets that name. Files that take more than `limit_bytes` on disk, or than the disk has room
    /// for, are refused.
    async fn write_files(
        &self,
        id: &ElementId,
        path: &str,
        from: Box<dyn Read + Send>,
        limit_bytes: u64,
    ) -> Result<(), ContainerError>;

    /// What the container uses now; all zero if it does not run. Its disk is measured by [`Self::disk`].
    async fn usage(&self, id: &ElementId) -> Result<ContainerUsage, ContainerError>;

    /// How the container's main process is; `None` if it has not begun or there is none. Its output is in `/.tomato/boot.log` inside.
    async fn main_process(&self, id: &ElementId) -> Result<Option<ProcessState>, ContainerError>;

    /// Gives a started container the processor, memory and process limits of `spec` without disturbing it. Does nothing if it does not run.
    async fn set_limits(&self, spec: &ContainerSpec) -> Result<(), ContainerError>;

    /// What the element's own layer takes on disk.
    async fn disk(&self, id: &ElementId) -> Result<DiskUse, ContainerError>;

    /// Whether the file system of the elements' layers is nearly full, so that one that takes more than its share endangers all others.
    async fn is_disk_short(&self) -> Result<bool, ContainerError>;

    /// Bytes that one archive may take of that file system.
    async fn disk_room(&self) -> Result<u64, ContainerError>;
}
