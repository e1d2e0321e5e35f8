//! The three roles of a lab as processes.

use std::os::fd::AsFd;
use std::process::ExitCode;

use anyhow::Context;
use nix::sys::signal::SigSet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tomato_virt::container::Runtime;
use tomato_wire::process;

use crate::args::{BackendRole, HostmanagerRole, WireRole};
use crate::output;

/// Runs the wire; must be called before any thread exists.
pub(crate) fn wire(role: &WireRole) -> anyhow::Result<ExitCode> {
    prepare()?;
    let workers = role.workers.unwrap_or_else(process::default_workers);
    process::run(&role.socket, workers, || tracing::info!("ready"))
        .context("the wire cannot run")?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the backend on the listening socket at standard input.
pub(crate) fn backend(role: BackendRole) -> anyhow::Result<ExitCode> {
    prepare()?;
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files })
        .context("cannot allow as many connections as there may be")?;
    let listener = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .context("the listening socket is missing at standard input")?;
    let config = tomato_backend::Config {
        store_path: role.store,
        listen: Some(role.listen),
        listener: Some(listener.into()),
        host_socket: role.host_socket,
        grant_listen: role.grant_listen,
        fault: tomato_backend::fault::FaultPoints::default(),
        tls: role
            .tls_cert
            .zip(role.tls_key)
            .map(|(cert, key)| tomato_backend::tls::TlsFiles { cert, key }),
        admin_password: std::env::var("TOMATO_ADMIN_PASSWORD").ok(),
    };
    runtime()?.block_on(async {
        let shutdown = shutdown()?;
        Box::pin(tomato_backend::serve(config, shutdown)).await.context("the backend cannot run")
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the hostmanager.
pub(crate) fn hostmanager(role: HostmanagerRole) -> anyhow::Result<ExitCode> {
    prepare()?;
    let runtime = match role.runc {
        Some(program) => Runtime::Runc { program },
        None => Runtime::Libcontainer,
    };
    let config = tomato_hostmanager::Config {
        state_dir: role.state_dir,
        run_dir: role.run_dir,
        lab: role.lab,
        template_dir: role.template_dir,
        backend_socket: role.backend_socket,
        wire_socket: role.wire_socket,
        wire_uid: Some(role.wire_uid),
        runtime,
    };
    self::runtime()?.block_on(async {
        let shutdown = shutdown()?;
        Box::pin(tomato_hostmanager::serve(config, shutdown))
            .await
            .context("the hostmanager cannot run")
    })?;
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Runtime::new().context("cannot start the runtime")
}

/// Ready when the role is asked to end.
fn shutdown() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot await signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot await signals")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The supervisor's signal mask is inherited; a role has its own.
fn prepare() -> anyhow::Result<()> {
    SigSet::empty().thread_set_mask().context("cannot unblock signals")?;
    output::log_to_stderr("info");
    Ok(())
}
