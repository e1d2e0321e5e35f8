//! The lab: start, kill and start again its processes, which here are runtimes.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tomato_backend::fault::FaultPoints;
use tomato_backend::hostlink::HostLink;
use tomato_backend::{App, Config};
use tomato_hostmanager::fake::{FakeTemplates, FakeWire};
use tomato_hostmanager::host::{Host, Parts};
use tomato_hostmanager::serve_on;
use tomato_virt::container::{FakeContainers, FakeOptions};

use crate::client::Client;
use crate::limits::{KILL_WAIT, THREADS, WAIT_STEP};

/// The account that may do everything.
pub const ADMIN: &str = "admin";

/// The other accounts of each lab, besides [`ADMIN`].
pub const ACCOUNTS: [&str; 5] = ["owner", "manager", "user", "stranger", "guest"];

/// The password of an account.
pub fn password(account: &str) -> String {
    format!("password of {account}")
}

/// A runtime that is thrown away with everything in it.
#[derive(Debug)]
struct Process(Option<Runtime>);

impl Process {
    fn new(name: &str) -> anyhow::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(THREADS).thread_name(name).enable_all();
        Ok(Self(Some(builder.build()?)))
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            drop(runtime.spawn(work));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(runtime) = self.0.take() else { return };
        // Work on files under way is not cut off as by SIGKILL: it must be over before the next process begins.
        let waiting = std::thread::spawn(move || runtime.shutdown_timeout(KILL_WAIT));
        drop(waiting.join());
    }
}

/// A backend and a host.
#[derive(Debug)]
pub struct Lab {
    /// What runs on the host; outlives [`Lab::kill_host`].
    pub containers: FakeContainers,
    /// The host's wire; outlives [`Lab::kill_host`].
    pub wire: FakeWire,
    /// The host's templates.
    pub templates: FakeTemplates,
    backend: Option<Process>,
    host: Option<Process>,
    /// Kept over restarts of the backend, as the supervisor keeps it.
    listener: TcpListener,
    url: String,
    dir: tempfile::TempDir,
}

impl Lab {
    /// A lab with a backend and a host that are connected. Each step of a container takes `delay`.
    pub async fn start(delay: Duration) -> anyhow::Result<Self> {
        Self::start_with(delay, FaultPoints::default()).await
    }

    /// The same with places at which its first backend stops.
    pub async fn start_with(delay: Duration, fault: FaultPoints) -> anyhow::Result<Self> {
        let options = FakeOptions { delay, ..FakeOptions::default() };
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut lab = Self {
            containers: FakeContainers::new(options),
            wire: FakeWire::default(),
            templates: FakeTemplates::default(),
            backend: None,
            host: None,
            url: format!("http://{}", listener.local_addr()?),
            listener,
            dir: tempfile::tempdir()?,
        };
        make_accounts(&lab.store_path()).await?;
        lab.start_host()?;
        lab.start_backend_with(fault).await?;
        Ok(lab)
    }

    /// The backend's state file.
    pub fn store_path(&self) -> PathBuf {
        self.dir.path().join("tomato.db")
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("hosts.sock")
    }

    /// Starts the backend on what it left on disk, and waits until it answers and, if there is one, the host is connected.
    pub async fn start_backend(&mut self) -> anyhow::Result<()> {
        self.start_backend_with(FaultPoints::default()).await
    }

    async fn start_backend_with(&mut self, fault: FaultPoints) -> anyhow::Result<()> {
        let config = Config {
            store_path: self.store_path(),
            listener: Some(self.listener.try_clone()?),
            host_socket: self.socket(),
            fault,
            admin_password: Some(password(ADMIN)),
            ..Config::default()
        };
        let process = Process::new("backend")?;
        let (failed, failure) = tokio::sync::oneshot::channel();
        process.spawn(async move {
            if let Err(error) = tomato_backend::serve(config, std::future::pending()).await {
                drop(failed.send(error));
            }
        });
        self.backend = Some(process);
        let is_hosted = self.host.is_some();
        let nobody = self.client(None);
        let ready = nobody.wait("/server", "the backend", |server| {
            !is_hosted || server["hosts"].as_array().is_some_and(|hosts| !hosts.is_empty())
        });
        tokio::select! {
            ready = ready => ready.map(drop),
            Ok(error) = failure => bail!("the backend ended: {error:?}"),
        }
    }

    /// Ends the backend as SIGKILL would.
    pub fn kill_backend(&mut self) {
        self.backend = None;
    }

    /// Starts the host on what it left on disk; it dials the backend until that answers.
    pub fn start_host(&mut self) -> anyhow::Result<()> {
        let parts = Parts {
            containers: Arc::new(self.containers.clone()),
            wire: Arc::new(self.wire.clone()),
            templates: Arc::new(self.templates.clone()),
            state_dir: self.dir.path().join("host"),
            wire_uid: None,
        };
        let process = Process::new("host")?;
        let runtime = process.0.as_ref().context("it was just made")?;
        let host = {
            let _inside = runtime.enter();
            Host::open(parts)?
        };
        let socket = self.socket();
        process.spawn(async move {
            loop {
                if let Ok(stream) = UnixStream::connect(&socket).await {
                    drop(serve_on(Arc::clone(&host), stream).await);
                }
                tokio::time::sleep(WAIT_STEP).await;
            }
        });
        self.host = Some(process);
        Ok(())
    }

    /// Ends the host as SIGKILL would; containers and wire go on.
    pub fn kill_host(&mut self) {
        self.host = None;
    }

    /// Where the backend answers, also while it is away.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Calls as an account, or as nobody.
    pub fn client(&self, account: Option<&str>) -> Client {
        Client::new(self.url.clone(), account)
    }
}

/// Accounts are made before the first start, all at once.
async fn make_accounts(store_path: &Path) -> anyhow::Result<()> {
    let store = tomato_store::SqliteStore::open(store_path).await?;
    let app = App::open(store, HostLink::default()).await?;
    for account in ACCOUNTS {
        app.account_set(account, &password(account), false).await?;
    }
    Ok(())
}
