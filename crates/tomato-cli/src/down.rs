//! `tomato down`: ends everything of a lab, and with `--purge` removes it.
//!
//! Order: supervisor (which ends backend and hostmanager), then whatever of them is left, then elements, then the wire. Each
//! step may be run again after it stopped anywhere.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use tomato_virt::container::{Containers, LinuxContainers, Observed, Options, purge};
use tomato_virt::template::{Holder, TemplateStore};

use crate::args::{Down, Global};
use crate::lab::Lab;
use crate::process::{self, Process};
use crate::{limits, output};

/// Runs `tomato down`.
pub(crate) fn down(global: &Global, down: &Down) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!(
            "`tomato down` ends processes of several accounts and must be run as root: try `sudo tomato down`"
        );
    }
    let Some(lab) = Lab::load(&global.data_dir)? else {
        output::line(&format!("there is no lab in {}", global.data_dir.display()));
        return Ok(());
    };
    end(&lab, "supervisor", limits::SUPERVISOR_GRACE);
    end(&lab, "backend", limits::ROLE_GRACE);
    end(&lab, "hostmanager", limits::ROLE_GRACE);
    let stopped = stop_elements(&lab);
    end(&lab, "wire", limits::ROLE_GRACE);
    if down.purge {
        // What could not be stopped is killed with the rest.
        if let Err(error) = stopped {
            output::line(&format!("{error:#}"));
        }
        remove(&lab)?;
        output::line("the lab is removed");
        return Ok(());
    }
    let stopped = stopped.context("all else is stopped; try again, or `tomato down --purge`")?;
    output::line(&match stopped {
        0 => "the lab is stopped; no element ran".to_owned(),
        1 => "the lab is stopped, and 1 element that ran".to_owned(),
        count => format!("the lab is stopped, and {count} elements that ran"),
    });
    if stopped > 0 {
        output::line("after `tomato up` they are started again by `tomato start TOPOLOGY`");
    }
    Ok(())
}

fn end(lab: &Lab, role: &str, grace: std::time::Duration) {
    let file = process::file(&lab.run_dir(), role);
    if let Some(mut process) = Process::recorded(&file) {
        process.stop(grace);
    }
    fs::remove_file(file).ok();
}

/// Stops every running container, several at once, whether or not others can be; gives their number.
fn stop_elements(lab: &Lab) -> anyhow::Result<usize> {
    use futures_util::StreamExt;
    let options = Options { runtime: lab.runtime(), ..Options::default() };
    let containers = LinuxContainers::new(lab.paths(), options);
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(async {
        let elements = containers.list().await.context("cannot look for elements")?;
        let containers = &containers;
        let stopped: Vec<anyhow::Result<usize>> = futures_util::stream::iter(elements)
            .map(|id| async move {
                match containers.observe(&id).await {
                    Ok(Observed::Absent | Observed::Prepared { .. }) => Ok(0),
                    Ok(Observed::Started { .. }) | Err(_) => containers
                        .stop(&id, limits::ELEMENT_GRACE)
                        .await
                        .map(|()| 1)
                        .with_context(|| format!("cannot stop element {id}")),
                }
            })
            .buffer_unordered(limits::ELEMENTS_AT_ONCE)
            .collect()
            .await;
        let mut count = 0;
        let mut failed = Vec::new();
        for one in stopped {
            match one {
                Ok(one) => count += one,
                Err(error) => failed.push(format!("{error:#}")),
            }
        }
        if failed.is_empty() { Ok(count) } else { Err(anyhow::anyhow!(failed.join("; "))) }
    })
}

/// Removes all that a lab has made, only files it knows, so that a wrong directory loses nothing.
fn remove(lab: &Lab) -> anyhow::Result<()> {
    purge(&lab.paths()).context("cannot remove the elements")?;
    if lab.template_dir.is_dir() && lab.template_dir_given {
        unpin(lab)?;
    }
    for name in ["backend", "host", "log", "tls"] {
        remove_dir(&lab.dir.join(name))?;
    }
    if !lab.template_dir_given {
        remove_dir(&lab.dir.join("templates"))?;
    }
    remove_dir(&lab.run_dir())?;
    // Others may have a lab.
    fs::remove_dir("/run/tomato").ok();
    for name in ["admin-password", "supervisor.lock", "lab.new", "admin-password.new", "lab.json"] {
        match fs::remove_file(lab.dir.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {name}"));
            }
            _ => {}
        }
    }
    // The user may keep files there.
    fs::remove_dir(&lab.dir).ok();
    Ok(())
}

fn unpin(lab: &Lab) -> anyhow::Result<()> {
    let store = TemplateStore::open(&lab.template_dir).context("cannot open the templates")?;
    let holder: Holder = lab.id.as_str().parse().context("the lab's id cannot hold templates")?;
    store.unpin_all(&holder).context("cannot give the templates back")
}

fn remove_dir(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
