//! Containers that exist in memory only, for tests of everything above this crate. Kept as true to [`super::LinuxContainers`] as its users can see:
//! the same states, the same errors, the same idempotence. Clones share their containers, so a clone is what a restarted process finds.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tomato_model::id::ElementId;

use super::{
    ContainerError, ContainerSpec, ContainerUsage, Containers, DiskUse, ExecOutput, ExecRequest,
    ExitReason, InterfaceSpec, NetworkSpec, Observed, ProcessId, ProcessState, SpawnRequest,
    Terminal,
};
use crate::resume::{FilesHead, Rest};

/// A held call looks this often whether it may go on.
const HOLD_STEP: Duration = Duration::from_millis(5);

/// Answers commands in place of a container.
pub type OnExec = Arc<dyn Fn(&ElementId, &ExecRequest) -> ExecOutput + Send + Sync>;

/// Is told of every changing call before it does anything.
pub type OnCall = Arc<dyn Fn(&str, &ElementId) + Send + Sync>;

/// How the fake behaves.
#[derive(Clone, Default)]
pub struct FakeOptions {
    /// Every operation that changes something takes this long.
    pub delay: Duration,
    /// Answers commands; without it each exits with 0 and writes nothing.
    pub on_exec: Option<OnExec>,
    /// Is told of calls.
    pub on_call: Option<OnCall>,
    /// The operation that never ends.
    pub hangs: Option<String>,
}

impl fmt::Debug for FakeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeOptions").field("delay", &self.delay).finish_non_exhaustive()
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub struct FakeContainers {
    options: FakeOptions,
    world: Arc<Mutex<World>>,
}

#[derive(Debug, Default)]
struct World {
    containers: BTreeMap<ElementId, Container>,
    /// Operation to the messages its next calls fail with.
    failures: BTreeMap<String, Vec<String>>,
    calls: Vec<(String, ElementId)>,
    /// The changing call with this number waits for ever.
    hold_at: Option<usize>,
    is_held: bool,
    next_pid: u32,
    is_disk_short: bool,
}

#[derive(Debug, Default)]
struct Container {
    last_exit: Option<ExitReason>,
    /// Process 1, if it runs.
    pid: Option<u32>,
    interfaces: BTreeMap<String, Interface>,
    network: Option<NetworkSpec>,
    /// Directory to the archive unpacked there last.
    archives: BTreeMap<String, Vec<u8>>,
    /// Files that a test has written, by path.
    files: BTreeMap<String, Vec<u8>>,
    processes: BTreeMap<u64, ProcessState>,
    disk_bytes: u64,
    oom_kills: u64,
    /// The terminal and its process.
    terminal: Option<(ProcessId, nix::pty::OpenptyResult)>,
}

#[derive(Debug)]
struct Interface {
    ours: OwnedFd,
    peer: OwnedFd,
}

impl FakeContainers {
    /// No containers yet.
    pub fn new(options: FakeOptions) -> Self {
        Self { options, world: Arc::default() }
    }

    /// Makes a later call of the operation (its name in [`Containers`]) fail with this message; several add up.
    pub fn fail_next(&self, operation: &str, message: &str) {
        let mut world = self.world();
        world.failures.entry(operation.to_owned()).or_default().push(message.to_owned());
    }

    /// A running container dies by itself.
    pub fn die(&self, id: &ElementId, how: ExitReason) {
        if let Some(container) = self.world().containers.get_mut(id) {
            container.end(how);
        }
    }

    /// What the element's layer takes on disk from now on.
    pub fn set_disk(&self, id: &ElementId, bytes: u64) {
        if let Some(container) = self.world().containers.get_mut(id) {
            container.disk_bytes = bytes;
        }
    }

    /// Whether the disk of the host is nearly full from now on.
    pub fn set_disk_short(&self, is_short: bool) {
        self.world().is_disk_short = is_short;
    }

    /// The kernel has killed a process of a running container, which goes on.
    pub fn kill_for_memory(&self, id: &ElementId) {
        if let Some(container) = self.world().containers.get_mut(id) {
            container.oom_kills += 1;
        }
    }

    /// A process of the container writes a file.
    pub fn write_file(&self, id: &ElementId, path: &str, content: &[u8]) {
        if let Some(container) = self.world().containers.get_mut(id) {
            container.files.insert(path.to_owned(), content.to_vec());
        }
    }

    /// What was unpacked last in a directory that was not emptied since.
    pub fn unpacked(&self, id: &ElementId, dir: &str) -> Option<Vec<u8>> {
        self.world().containers.get(id)?.archives.get(dir).cloned()
    }

    /// A background process ends.
    pub fn end_process(&self, id: &ElementId, process: ProcessId, how: ProcessState) {
        if let Some(container) = self.world().containers.get_mut(id) {
            container.processes.insert(process.0, how);
            if container.terminal.as_ref().is_some_and(|(on, _)| *on == process) {
                container.terminal = None;
            }
        }
    }

    /// The processes' side of the terminal that was opened last, to write as they would.
    pub fn terminal_side(&self, id: &ElementId) -> Option<OwnedFd> {
        self.world().containers.get(id)?.terminal.as_ref()?.1.slave.try_clone().ok()
    }

    /// The guest's side of an interface: a packet socket whose packets are what the element sends and receives.
    pub fn guest_side(&self, id: &ElementId, interface: &str) -> Option<OwnedFd> {
        self.world().containers.get(id)?.interfaces.get(interface)?.peer.try_clone().ok()
    }

    /// What the container was configured with last.
    pub fn network(&self, id: &ElementId) -> Option<NetworkSpec> {
        self.world().containers.get(id)?.network.clone()
    }

    /// Makes the changing call that would be the one with this number, counted from 0, wait, as if its caller had died right
    /// before it; `None` lets it go on.
    pub fn hold_at(&self, number: Option<usize>) {
        let mut world = self.world();
        (world.hold_at, world.is_held) = (number, false);
    }

    /// Whether a call waits so.
    pub fn is_held(&self) -> bool {
        self.world().is_held
    }

    /// Every changing call so far: operation and element, in order.
    pub fn calls(&self) -> Vec<(String, ElementId)> {
        self.world().calls.clone()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        // A test that panicked has its own message; the data is only a test's.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn begin(&self, operation: &str, id: &ElementId) -> Result<(), ContainerError> {
        if !self.options.delay.is_zero() {
            tokio::time::sleep(self.options.delay).await;
        }
        if let Some(tell) = &self.options.on_call {
            tell(operation, id);
        }
        if self.options.hangs.as_deref() == Some(operation) {
            std::future::pending::<()>().await;
        }
        if self.holds() {
            while self.is_held() {
                tokio::time::sleep(HOLD_STEP).await;
            }
        }
        self.world().calls.push((operation.to_owned(), id.clone()));
        self.fails(operation)
    }

    /// The failure that was ordered next for an operation, if any.
    fn fails(&self, operation: &str) -> Result<(), ContainerError> {
        match self.world().failures.get_mut(operation) {
            Some(messages) if !messages.is_empty() => {
                Err(ContainerError::Helper { action: "the fake", message: messages.remove(0) })
            }
            _ => Ok(()),
        }
    }

    fn holds(&self) -> bool {
        let mut world = self.world();
        let is_now = world.hold_at == Some(world.calls.len());
        world.is_held |= is_now;
        is_now
    }

    fn with_started<T>(
        &self,
        id: &ElementId,
        work: impl FnOnce(&mut Container) -> Result<T, ContainerError>,
    ) -> Result<T, ContainerError> {
        let mut world = self.world();
        let container = world.prepared(id)?;
        if container.pid.is_none() {
            return Err(ContainerError::NotStarted(id.clone()));
        }
        work(container)
    }
}

impl World {
    fn prepared(&mut self, id: &ElementId) -> Result<&mut Container, ContainerError> {
        self.containers.get_mut(id).ok_or_else(|| ContainerError::NotPrepared(id.clone()))
    }
}

impl Container {
    fn end(&mut self, how: ExitReason) {
        if self.pid.take().is_some() {
            self.last_exit = Some(how);
            self.interfaces.clear();
            self.processes.clear();
            self.network = None;
            self.oom_kills = 0;
            self.terminal = None;
        }
    }

    fn start_process(&mut self) -> ProcessId {
        let next = self.processes.keys().last().map_or(1, |last| last + 1);
        self.processes.insert(next, ProcessState::Running);
        ProcessId(next)
    }
}

#[async_trait]
impl Containers for FakeContainers {
    async fn prepare(&self, spec: &ContainerSpec) -> Result<(), ContainerError> {
        self.begin("prepare", &spec.id).await?;
        self.world().containers.entry(spec.id.clone()).or_default();
        Ok(())
    }

    async fn start(&self, spec: &ContainerSpec) -> Result<(), ContainerError> {
        self.begin("start", &spec.id).await?;
        let mut world = self.world();
        world.next_pid += 1;
        let pid = world.next_pid;
        let container = world.containers.entry(spec.id.clone()).or_default();
        if container.pid.is_none() {
            container.pid = Some(pid);
            container.last_exit = None;
        }
        Ok(())
    }

    async fn stop(&self, id: &ElementId, _grace: Duration) -> Result<(), ContainerError> {
        self.begin("stop", id).await?;
        if let Some(container) = self.world().containers.get_mut(id) {
            container.end(ExitReason::Stopped);
        }
        Ok(())
    }

    async fn destroy(&self, id: &ElementId) -> Result<(), ContainerError> {
        self.begin("destroy", id).await?;
        self.world().containers.remove(id);
        Ok(())
    }

    async fn observe(&self, id: &ElementId) -> Result<Observed, ContainerError> {
        self.fails("observe")?;
        Ok(match self.world().containers.get(id) {
            None => Observed::Absent,
            Some(Container { pid: Some(pid), oom_kills, .. }) => {
                Observed::Started { pid: *pid, started_at: 0, oom_kills: *oom_kills }
            }
            Some(container) => Observed::Prepared { last_exit: container.last_exit },
        })
    }

    async fn list(&self) -> Result<Vec<ElementId>, ContainerError> {
        Ok(self.world().containers.keys().cloned().collect())
    }

    async fn plug(
        &self,
        id: &ElementId,
        interface: &InterfaceSpec,
    ) -> Result<OwnedFd, ContainerError> {
        self.begin("plug", id).await?;
        let failed = |source| ContainerError::MakeTap {
            id: id.clone(),
            name: interface.name.clone(),
            source,
        };
        self.with_started(id, |container| {
            if let Some(there) = container.interfaces.get(&interface.name) {
                return there.ours.try_clone().map_err(failed);
            }
            let (ours, peer) = rustix::net::socketpair(
                rustix::net::AddressFamily::UNIX,
                rustix::net::SocketType::SEQPACKET,
                rustix::net::SocketFlags::CLOEXEC,
                None,
            )
            .map_err(|e| failed(e.into()))?;
            let fd = ours.try_clone().map_err(failed)?;
            container.interfaces.insert(interface.name.clone(), Interface { ours, peer });
            Ok(fd)
        })
    }

    async fn unplug(&self, id: &ElementId, name: &str) -> Result<(), ContainerError> {
        self.begin("unplug", id).await?;
        self.with_started(id, |container| {
            container.interfaces.remove(name);
            Ok(())
        })
    }

    async fn plugged(&self, id: &ElementId) -> Result<Vec<String>, ContainerError> {
        self.with_started(id, |container| Ok(container.interfaces.keys().cloned().collect()))
    }

    async fn configure(&self, id: &ElementId, network: &NetworkSpec) -> Result<(), ContainerError> {
        self.begin("configure", id).await?;
        self.with_started(id, |container| {
            let missing =
                network.interfaces.iter().find(|i| !container.interfaces.contains_key(&i.name));
            if let Some(interface) = missing {
                let name = interface.name.clone();
                return Err(ContainerError::NoInterface { id: id.clone(), name });
            }
            container.network = Some(network.clone());
            Ok(())
        })
    }

    async fn exec(
        &self,
        id: &ElementId,
        request: ExecRequest,
    ) -> Result<ExecOutput, ContainerError> {
        self.begin("exec", id).await?;
        self.with_started(id, |_| Ok(()))?;
        Ok(match &self.options.on_exec {
            Some(answer) => answer(id, &request),
            None => ExecOutput { exit_code: Some(0), ..ExecOutput::default() },
        })
    }

    async fn spawn(
        &self,
        id: &ElementId,
        _request: SpawnRequest,
    ) -> Result<ProcessId, ContainerError> {
        self.begin("spawn", id).await?;
        self.with_started(id, |container| Ok(container.start_process()))
    }

    async fn wait(
        &self,
        id: &ElementId,
        process: ProcessId,
        _timeout: Duration,
    ) -> Result<ProcessState, ContainerError> {
        self.with_started(id, |container| {
            Ok(container.processes.get(&process.0).copied().unwrap_or(ProcessState::Unknown))
        })
    }

    async fn kill(
        &self,
        id: &ElementId,
        process: ProcessId,
        signal: i32,
    ) -> Result<(), ContainerError> {
        self.begin("kill", id).await?;
        self.with_started(id, |container| {
            if let Some(state @ ProcessState::Running) = container.processes.get_mut(&process.0) {
                *state = ProcessState::Signalled(signal);
            }
            Ok(())
        })
    }

    async fn console(
        &self,
        id: &ElementId,
        _request: SpawnRequest,
    ) -> Result<Terminal, ContainerError> {
        self.begin("console", id).await?;
        self.with_started(id, |container| {
            let failed = |e: std::io::Error| ContainerError::RunThread(e);
            if let Some((process, pty)) = &container.terminal
                && container.processes.get(&process.0) == Some(&ProcessState::Running)
            {
                let master = pty.master.try_clone().map_err(failed)?;
                return Ok(Terminal { process: *process, master, is_new: false });
            }
            // What is typed comes back, as from a terminal nobody reads.
            let pty = nix::pty::openpty(None, None).map_err(|e| failed(e.into()))?;
            let master = pty.master.try_clone().map_err(failed)?;
            let process = container.start_process();
            container.terminal = Some((process, pty));
            Ok(Terminal { process, master, is_new: true })
        })
    }

    async fn pack(
        &self,
        id: &ElementId,
        dir: &str,
        mut to: Box<dyn Write + Send>,
        _limit_bytes: u64,
    ) -> Result<(), ContainerError> {
        self.begin("pack", id).await?;
        let archive = self.world().prepared(id)?.archives.get(dir).cloned();
        let archive = archive.ok_or_else(|| ContainerError::Missing {
            action: "packing",
            message: format!("open directory {dir}: No such file or directory (os error 2)"),
        })?;
        to.write_all(&archive).map_err(ContainerError::CopyArchive)
    }

    async fn unpack(
        &self,
        id: &ElementId,
        dir: &str,
        mut from: Box<dyn Read + Send>,
        _limit_bytes: u64,
    ) -> Result<(), ContainerError> {
        self.begin("unpack", id).await?;
        let mut archive = Vec::new();
        from.read_to_end(&mut archive).map_err(ContainerError::CopyArchive)?;
        self.world().prepared(id)?.archives.insert(dir.to_owned(), archive);
        Ok(())
    }

    async fn tails(
        &self,
        id: &ElementId,
        dir: &str,
        files: &[(&str, u64)],
    ) -> Result<BTreeMap<String, Vec<u8>>, ContainerError> {
        self.begin("tails", id).await?;
        let mut world = self.world();
        let container = world.prepared(id)?;
        let is_there = container.files.keys().any(|path| path.starts_with(&format!("{dir}/")));
        if !is_there {
            let message = format!("{dir} is no directory");
            return Err(ContainerError::Refused { action: "reading files", message });
        }
        let ends = files.iter().filter_map(|(name, bytes)| {
            let content = container.files.get(&format!("{dir}/{name}"))?;
            let skip = content.len().saturating_sub(usize::try_from(*bytes).unwrap_or(usize::MAX));
            Some(((*name).to_owned(), content[skip..].to_vec()))
        });
        Ok(ends.collect())
    }

    async fn empty(&self, id: &ElementId, dir: &str) -> Result<(), ContainerError> {
        self.begin("empty", id).await?;
        let mut world = self.world();
        let container = world.prepared(id)?;
        container.archives.remove(dir);
        container.files.retain(|path, _| !path.starts_with(&format!("{dir}/")));
        Ok(())
    }

    async fn read_files(
        &self,
        id: &ElementId,
        path: &str,
        offset: u64,
        to: Box<dyn Write + Send>,
    ) -> Result<(), ContainerError> {
        let archive = {
            self.begin("read_files", id).await?;
            self.world().prepared(id)?.archives.get(path).cloned()
        };
        let archive = archive.ok_or_else(|| ContainerError::Missing {
            action: "packing",
            message: format!("open {path}: No such file or directory (os error 2)"),
        })?;
        let bytes = archive.len() as u64;
        let head = FilesHead { version: Sha256::digest(&archive).into(), bytes, tar_bytes: bytes };
        let mut to = to;
        let written = tokio::task::spawn_blocking(move || {
            to.write_all(&head.to_bytes())?;
            let mut rest = Rest::new(to, offset);
            rest.write_all(&archive)
        });
        written
            .await
            .map_err(std::io::Error::other)
            .and_then(|done| done)
            .map_err(ContainerError::CopyArchive)
    }

    async fn write_files(
        &self,
        id: &ElementId,
        path: &str,
        from: Box<dyn Read + Send>,
        limit_bytes: u64,
    ) -> Result<(), ContainerError> {
        self.begin("write_files", id).await?;
        let mut from = from;
        let read = tokio::task::spawn_blocking(move || {
            let mut archive = Vec::new();
            from.read_to_end(&mut archive).map(|_| archive)
        });
        let archive = read.await.map_err(std::io::Error::other).and_then(|read| read);
        let archive = archive.map_err(ContainerError::CopyArchive)?;
        if archive.len() as u64 > limit_bytes {
            let message = format!("more than the {limit_bytes} bytes there is room for");
            return Err(ContainerError::Refused { action: "unpacking", message });
        }
        self.world().prepared(id)?.archives.insert(path.to_owned(), archive);
        Ok(())
    }

    async fn usage(&self, id: &ElementId) -> Result<ContainerUsage, ContainerError> {
        self.world().prepared(id).map(|_| ContainerUsage::default())
    }

    async fn main_process(&self, id: &ElementId) -> Result<Option<ProcessState>, ContainerError> {
        self.with_started(id, |_| Ok(None))
    }

    async fn set_limits(&self, spec: &ContainerSpec) -> Result<(), ContainerError> {
        self.begin("set_limits", &spec.id).await
    }

    async fn disk(&self, id: &ElementId) -> Result<DiskUse, ContainerError> {
        let bytes = self.world().prepared(id)?.disk_bytes;
        Ok(DiskUse { bytes, is_whole: true })
    }

    async fn is_disk_short(&self) -> Result<bool, ContainerError> {
        Ok(self.world().is_disk_short)
    }

    async fn disk_room(&self) -> Result<u64, ContainerError> {
        Ok(if self.world().is_disk_short { 0 } else { u64::MAX })
    }
}

#[cfg(test)]
mod tests;
