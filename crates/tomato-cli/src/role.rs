//! The three roles of a lab as processes.

use std::process::ExitCode;

use anyhow::Context;
use nix::sys::signal::SigSet;

use crate::args::{BackendRole, HostmanagerRole, WireRole};
use crate::output;

/// Runs the wire; must be called before any thread exists.
pub(crate) fn wire(role: &WireRole) -> anyhow::Result<ExitCode> {
    prepare()?;
    tomato_wire::process::run(&role.socket, || tracing::info!("ready"))
        .context("the wire cannot run")?;
    Ok(ExitCode::SUCCESS)
}

/// The supervisor's signal mask is inherited; a role has its own.
fn prepare() -> anyhow::Result<()> {
    SigSet::empty().thread_set_mask().context("cannot unblock signals")?;
    output::log_to_stderr("info");
    Ok(())
}

/// Runs the backend.
pub(crate) fn backend(_role: &BackendRole) -> anyhow::Result<ExitCode> {
    prepare()?;
    anyhow::bail!("this build has no backend")
}

/// Runs the hostmanager.
pub(crate) fn hostmanager(_role: HostmanagerRole) -> anyhow::Result<ExitCode> {
    prepare()?;
    anyhow::bail!("this build has no hostmanager")
}
