//! The real containers: what they are made with, and each operation on a thread of its own.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tomato_model::id::ElementId;

use super::layout::HostPaths;
use super::{ContainerError, ContainerSpec, Observed};
use crate::helper::IdMapping;
use crate::limits::{ARCHIVES_MAX, CONTROL_MAX, DISK_RESERVE_BYTES, DISK_SHORT_PERCENT, EXECS_MAX};

/// Who makes the containers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Runtime {
    /// The built-in `libcontainer`.
    #[default]
    Libcontainer,
    /// `runc`, or a program with its command line.
    Runc {
        /// The program file.
        program: PathBuf,
    },
}

/// Choices that hold for all containers of a lab on a host.
#[derive(Debug, Clone)]
pub struct Options {
    /// Program of the helper process, which must call [`crate::helper::helper_main`].
    pub helper_program: PathBuf,
    /// Arguments put before those of [`crate::helper::helper_main`].
    pub helper_arguments: Vec<String>,
    /// Who makes the containers.
    pub runtime: Runtime,
    /// How templates are given to the containers' id ranges.
    pub id_mapping: IdMapping,
}

impl Default for Options {
    /// The hidden subcommand `virt-helper` of the running program, the built-in runtime.
    fn default() -> Self {
        Self {
            helper_program: PathBuf::from("/proc/self/exe"),
            helper_arguments: vec!["virt-helper".to_owned()],
            runtime: Runtime::default(),
            id_mapping: IdMapping::default(),
        }
    }
}

/// Containers on this host. Cheap to clone; two of them (in two processes too) may serve the same directories.
#[derive(Debug, Clone)]
pub struct LinuxContainers {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) host: HostPaths,
    pub(super) options: Options,
    /// Places of operations that are soon done; what may last long has places of its own, so that these never wait for it.
    control: Arc<Semaphore>,
    execs: Arc<Semaphore>,
    archives: Arc<Semaphore>,
}

impl LinuxContainers {
    /// The containers of the lab whose files are in `host`. Touches nothing before the first operation.
    pub fn new(host: HostPaths, options: Options) -> Self {
        let places = |max| Arc::new(Semaphore::new(max));
        let (control, execs, archives) =
            (places(CONTROL_MAX), places(EXECS_MAX), places(ARCHIVES_MAX));
        Self { inner: Arc::new(Inner { host, options, control, execs, archives }) }
    }

    /// Runs a blocking operation on a thread of its own: it may wait long and may change the thread's namespaces.
    /// It goes on to its end when its caller goes away.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Inner) -> Result<T, ContainerError> + Send + 'static,
    ) -> Result<T, ContainerError> {
        let place = place(&self.inner.control).await;
        self.run_at(place, operation).await
    }

    /// The same for what lasts as long as somebody wants it to: the operation gets a descriptor that is hung up when its caller goes away.
    async fn run_long<T: Send + 'static>(
        &self,
        places: &Arc<Semaphore>,
        operation: impl FnOnce(&Inner, OwnedFd) -> Result<T, ContainerError> + Send + 'static,
    ) -> Result<T, ContainerError> {
        let place = place(places).await;
        let (cancelled, caller) = io::pipe().map_err(ContainerError::RunThread)?;
        let result = self.run_at(place, move |inner| operation(inner, cancelled.into())).await;
        drop(caller);
        result
    }

    /// The place is held until the operation has ended, whoever still waits for it.
    async fn run_at<T: Send + 'static>(
        &self,
        place: OwnedSemaphorePermit,
        operation: impl FnOnce(&Inner) -> Result<T, ContainerError> + Send + 'static,
    ) -> Result<T, ContainerError> {
        let (tell, told) = tokio::sync::oneshot::channel();
        let inner = Arc::clone(&self.inner);
        std::thread::Builder::new()
            .name("container".to_owned())
            .spawn(move || {
                let result = operation(&inner);
                drop(place);
                // Whoever asked may have gone away.
                tell.send(result).ok();
            })
            .map_err(ContainerError::RunThread)?;
        told.await.map_err(|e| ContainerError::RunThread(io::Error::other(e)))?
    }
}

async fn place(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed")
}

impl Inner {
    fn statvfs(&self) -> Result<rustix::fs::StatVfs, ContainerError> {
        let dir = &self.host.state_dir;
        rustix::fs::statvfs(dir)
            .map_err(|errno| ContainerError::file("look at the disk of", dir)(errno.into()))
    }

    /// Bytes that one archive may take of the disk: what is free but for a reserve.
    pub(super) fn room(&self) -> Result<u64, ContainerError> {
        let disk = self.statvfs()?;
        let all = disk.f_blocks.saturating_mul(disk.f_frsize);
        let reserve = (all / 100 * DISK_SHORT_PERCENT).min(DISK_RESERVE_BYTES);
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize).saturating_sub(reserve))
    }
}

#[async_trait::async_trait]
impl super::Containers for LinuxContainers {
    async fn prepare(&self, spec: &ContainerSpec) -> Result<(), ContainerError> {
        let spec = spec.clone();
        self.run(move |inner| inner.prepare(&spec)).await
    }

    async fn start(&self, spec: &ContainerSpec) -> Result<(), ContainerError> {
        let spec = spec.clone();
        self.run(move |inner| inner.start(&spec)).await
    }

    async fn stop(&self, id: &ElementId, grace: Duration) -> Result<(), ContainerError> {
        let id = id.clone();
        self.run(move |inner| inner.stop(&id, grace)).await
    }

    async fn destroy(&self, id: &ElementId) -> Result<(), ContainerError> {
        let id = id.clone();
        self.run(move |inner| inner.destroy(&id)).await
    }

    async fn observe(&self, id: &ElementId) -> Result<Observed, ContainerError> {
        let id = id.clone();
        self.run(move |inner| inner.observe(&id)).await
    }

    async fn list(&self) -> Result<Vec<ElementId>, ContainerError> {
        self.run(|inner| inner.list()).await
    }

    async fn plug(
        &self,
        id: &ElementId,
        interface: &super::InterfaceSpec,
    ) -> Result<OwnedFd, ContainerError> {
        let (id, interface) = (id.clone(), interface.clone());
        self.run(move |inner| inner.plug(&id, &interface)).await
    }

    async fn unplug(&self, id: &ElementId, name: &str) -> Result<(), ContainerError> {
        let (id, name) = (id.clone(), name.to_owned());
        self.run(move |inner| inner.unplug(&id, &name)).await
    }

    async fn plugged(&self, id: &ElementId) -> Result<Vec<String>, ContainerError> {
        let id = id.clone();
        self.run(move |inner| inner.plugged(&id)).await
    }

    async fn configure(
        &self,
        id: &ElementId,
        network: &super::NetworkSpec,
    ) -> Result<(), ContainerError> {
        let (id, network) = (id.clone(), network.clone());
        self.run(move |inner| inner.configure(&id, &network)).await
    }

    async fn exec(
        &self,
        id: &ElementId,
        request: super::ExecRequest,
    ) -> Result<super::ExecOutput, ContainerError> {
        let id = id.clone();
        let execs = &self.inner.execs;
        self.run_long(execs, move |inner, gone| inner.exec(&id, &request, Some(&gone))).await
    }

    async fn spawn(
        &self,
        id: &ElementId,
        request: super::SpawnRequest,
    ) -> Result<super::ProcessId, ContainerError> {
        let id = id.clone();
        self.run(move |inner| inner.spawn(&id, &request)).await
    }

    async fn wait(
        &self,
        id: &ElementId,
        process: super::ProcessId,
        timeout: Duration,
    ) -> Result<super::ProcessState, ContainerError> {
        let id = id.clone();
        let execs = &self.inner.execs;
        self.run_long(execs, move |inner, gone| inner.wait(&id, process, timeout, &gone)).await
    }

    async fn kill(
        &self,
        id: &ElementId,
        process: super::ProcessId,
        signal: i32,
    ) -> Result<(), ContainerError> {
        let id = id.clone();
        self.run(move |inner| inner.kill(&id, process, signal)).await
    }

    async fn console(
        &self,
        id: &ElementId,
        request: super::SpawnRequest,
    ) -> Result<super::Terminal, ContainerError> {
        let id = id.clone();
        self.run(move |inner| inner.console(&id, &request)).await
    }

    async fn pack(
        &self,
        id: &ElementId,
        dir: &str,
        mut to: Box<dyn io::Write + Send>,
        limit_bytes: u64,
    ) -> Result<(), ContainerError> {
        let (id, dir) = (id.clone(), dir.to_owned());
        let work = move |inner: &Inner, gone| inner.pack(&id, &dir, &mut to, limit_bytes, gone);
        self.run_long(&self.inner.archives, work).await
    }

    async fn unpack(
        &self,
        id: &ElementId,
        dir: &str,
        mut from: Box<dyn io::Read + Send>,
        limit_bytes: u64,
    ) -> Result<(), ContainerError> {
        let (id, dir) = (id.clone(), dir.to_owned());
        let work = move |inner: &Inner, gone| inner.unpack(&id, &dir, &mut from, limit_bytes, gone);
        self.run_long(&self.inner.archives, work).await
    }

    async fn tails(
        &self,
        id: &ElementId,
        dir: &str,
        files: &[(&str, u64)],
    ) -> Result<BTreeMap<String, Vec<u8>>, ContainerError> {
        let (id, dir) = (id.clone(), dir.to_owned());
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)).collect();
        let work = move |inner: &Inner, gone| inner.tails(&id, &dir, files, gone);
        self.run_long(&self.inner.execs, work).await
    }

    async fn empty(&self, id: &ElementId, dir: &str) -> Result<(), ContainerError> {
        let (id, dir) = (id.clone(), dir.to_owned());
        let work = move |inner: &Inner, gone| inner.empty(&id, &dir, gone);
        self.run_long(&self.inner.archives, work).await
    }

    async fn read_files(
        &self,
        id: &ElementId,
        path: &str,
        offset: u64,
        mut to: Box<dyn io::Write + Send>,
    ) -> Result<(), ContainerError> {
        let (id, path) = (id.clone(), path.to_owned());
        let work = move |inner: &Inner, gone| inner.read_files(&id, (&path, offset), &mut to, gone);
        self.run_long(&self.inner.archives, work).await
    }

    async fn write_files(
        &self,
        id: &ElementId,
        path: &str,
        mut from: Box<dyn io::Read + Send>,
        limit_bytes: u64,
    ) -> Result<(), ContainerError> {
        let (id, path) = (id.clone(), path.to_owned());
        let work = move |inner: &Inner, gone| {
            inner.write_files(&id, (&path, limit_bytes), &mut from, gone)
        };
        self.run_long(&self.inner.archives, work).await
    }

    async fn usage(&self, id: &ElementId) -> Result<super::ContainerUsage, ContainerError> {
        let id = id.clone();
        self.run(move |inner| inner.usage(&id)).await
    }

    async fn main_process(
        &self,
        id: &ElementId,
    ) -> Result<Option<super::ProcessState>, ContainerError> {
        let id = id.clone();
        self.run(move |inner| inner.main_process(&id)).await
    }

    async fn set_limits(&self, spec: &ContainerSpec) -> Result<(), ContainerError> {
        let spec = spec.clone();
        self.run(move |inner| inner.set_limits(&spec)).await
    }

    async fn disk(&self, id: &ElementId) -> Result<super::DiskUse, ContainerError> {
        let id = id.clone();
        self.run(move |inner| inner.disk(&id)).await
    }

    async fn is_disk_short(&self) -> Result<bool, ContainerError> {
        self.run(|inner| {
            let disk = inner.statvfs()?;
            let is_short = |free: u64, all: u64| free < all / 100 * DISK_SHORT_PERCENT;
            Ok(is_short(disk.f_bavail, disk.f_blocks) || is_short(disk.f_favail, disk.f_files))
        })
        .await
    }

    async fn disk_room(&self) -> Result<u64, ContainerError> {
        self.run(Inner::room).await
    }
}
