//! The hostmanager as a process: its parts, and dialling the backend to serve it on that connection.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tomato_model::id::LabId;
use tomato_virt::container::{HostPaths, LinuxContainers, Options, Runtime};
use tomato_virt::template::{TemplateError, TemplateStore};

use crate::host::{Host, Parts};
use crate::http;
use crate::ledger::LedgerError;
use crate::limits::{DIAL_FIRST, DIAL_MAX};
use crate::templates::StoreTemplates;
use crate::wire::SocketWire;

/// What the process must be told.
#[derive(Debug, Clone)]
pub struct Config {
    /// What must survive a restart of the machine.
    pub state_dir: PathBuf,
    /// Sockets of the containers; short.
    pub run_dir: PathBuf,
    /// The lab.
    pub lab: LabId,
    /// Templates, may be shared by several labs.
    pub template_dir: PathBuf,
    /// Where the backend listens for hostmanagers.
    pub backend_socket: PathBuf,
    /// Where the wire listens.
    pub wire_socket: PathBuf,
    /// User id of the wire; capture directories are handed to it.
    pub wire_uid: Option<u32>,
    /// Who makes containers.
    pub runtime: Runtime,
}

/// The hostmanager could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The ledger.
    #[error("open the ledger")]
    OpenLedger(#[source] LedgerError),
    /// The template directory.
    #[error("open the template directory")]
    OpenTemplates(#[source] TemplateError),
}

/// Runs until `shutdown`; elements run on after it.
///
/// # Errors
/// If it cannot start; an absent backend or wire is waited for.
pub async fn serve(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    // Every container, terminal and port is some.
    tomato_wire::process::raise_open_files();
    let mut paths = HostPaths::new(&config.state_dir, config.lab.clone());
    paths.run_dir.clone_from(&config.run_dir);
    let options = Options { runtime: config.runtime, ..Options::default() };
    let store = TemplateStore::open(&config.template_dir).map_err(ServeError::OpenTemplates)?;
    let parts = Parts {
        containers: Arc::new(LinuxContainers::new(paths, options)),
        wire: Arc::new(SocketWire::new(config.wire_socket)),
        templates: Arc::new(StoreTemplates::new(store, config.lab)),
        state_dir: config.state_dir,
        wire_uid: config.wire_uid,
    };
    let host = Host::open(parts).map_err(ServeError::OpenLedger)?;
    tokio::select! {
        () = dial(&host, &config.backend_socket) => {}
        () = shutdown => {}
    }
    host.shut_down();
    Ok(())
}

/// Dials the backend for ever and serves it, with growing waits between tries.
async fn dial(host: &Arc<Host>, socket: &std::path::Path) {
    let mut wait = DIAL_FIRST;
    let mut is_told = false;
    loop {
        match UnixStream::connect(socket).await {
            Ok(stream) => {
                tracing::info!(socket = %socket.display(), "connected to the backend");
                let served = serve_on(Arc::clone(host), stream).await;
                tracing::info!(?served, "the backend has hung up");
                (wait, is_told) = (DIAL_FIRST, false);
            }
            Err(error) => {
                if !is_told {
                    tracing::warn!(%error, socket = %socket.display(), "the backend is away");
                }
                is_told = true;
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(DIAL_MAX);
    }
}

/// Serves the host protocol over HTTP/2 on one connection until it ends.
///
/// # Errors
/// If the connection breaks.
pub async fn serve_on(
    host: Arc<Host>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<(), hyper::Error> {
    let service = TowerToHyperService::new(http::router(host));
    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await
}
