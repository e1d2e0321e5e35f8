//! `tomato backup` and `tomato restore`: the whole state of a lab in one file, and back.

use std::path::Path;

use anyhow::{Context, bail};
use tomato_backend::fault::FaultPoints;
use tomato_backend::restore::restore as put_in_place;

use crate::args::{Global, Restore};
use crate::client::Client;
use crate::lab::Lab;
use crate::process::{self, Process};
use crate::{capture, output, supervisor};

/// Writes the state of a running lab to a file that only its owner can read.
pub(crate) async fn backup(client: &Client, file: &Path) -> anyhow::Result<()> {
    // Whoever reads it can act as everybody in the lab.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    capture::to_file(client, "/server/backup", Some(file)).await?;
    output::line("not in it: files and disks of elements, templates, captures, certificates");
    Ok(())
}

/// Puts a backup in the place of the state of a lab that does not run.
pub(crate) fn restore(global: &Global, options: &Restore) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("`tomato restore` writes files of another account: try `sudo tomato restore`");
    }
    let Some(lab) = Lab::load(&global.data_dir)? else {
        bail!(
            "there is no lab in {}: make one by `tomato up --detach` and `tomato down` first",
            global.data_dir.display()
        );
    };
    let _lock = supervisor::lock(&lab)?;
    for role in ["backend", "hostmanager"] {
        if Process::recorded(&process::file(&lab.run_dir(), role)).is_some() {
            bail!("the {role} of the lab still runs: stop the lab with `tomato down` first");
        }
    }
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let store = lab.store();
    let owner = Some(lab.backend_uid);
    let never = FaultPoints::default();
    let work = put_in_place(&options.file, &store, owner, &never);
    let restored = runtime.block_on(work).context("the lab is as it was")?;
    output::line(&format!(
        "{} accounts and {} topologies are in place; `tomato up` runs them, and starts what ran when the backup was made",
        restored.accounts, restored.topologies
    ));
    Ok(())
}
