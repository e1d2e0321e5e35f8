//! Removing everything a lab's containers left on a host.

use std::path::Path;

use super::host::{Inner, LinuxContainers, Options};
use super::layout::HostPaths;
use super::life::remove_tree;
use super::{ContainerError, cgroup, ids};
use crate::limits::KILL_DEADLINE;

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Elements of which something was there.
    pub elements: usize,
}

/// Removes every process, namespace, mount, cgroup, interface, id claim and file of the lab's containers; blocks until all is gone.
/// Idempotent. Errors: [`ContainerError`] of the first thing that could not be removed, after all others were.
pub fn purge(host: &HostPaths) -> Result<Purged, ContainerError> {
    let containers = LinuxContainers::new(host.clone(), Options::default());
    let inner: &Inner = &containers.inner;
    let elements = inner.list()?;
    let mut failure = None;
    for id in &elements {
        if let Err(error) = inner.destroy(id) {
            tracing::warn!(element = %id, error = %error, "purge");
            failure.get_or_insert(error);
        }
    }
    if let Some(error) = failure {
        return Err(error);
    }
    let failed = |source| ContainerError::Cgroup {
        id: elements.first().cloned().unwrap_or_else(|| tomato_model::id::ElementId::new(0, 0)),
        source,
    };
    cgroup::remove(&host.lab_cgroup(), KILL_DEADLINE).map_err(failed)?;
    cgroup::remove_if_empty(Path::new("tomato")).map_err(failed)?;
    remove_tree(&host.elements())?;
    remove_tree(&host.run_dir)?;
    if let Some(parent) = host.run_dir.parent().filter(|p| p.ends_with("tomato")) {
        // Other labs may be there.
        std::fs::remove_dir(parent).ok();
    }
    remove_keepers(host)?;
    ids::release_all(&host.ids_dir, &host.elements()).map_err(|source| {
        ContainerError::ClaimIds { id: tomato_model::id::ElementId::new(0, 0), source }
    })?;
    // Others may keep files there.
    std::fs::remove_dir(&host.state_dir).ok();
    Ok(Purged { elements: elements.len() })
}

fn remove_keepers(host: &HostPaths) -> Result<(), ContainerError> {
    let Ok(entries) = std::fs::read_dir(&host.state_dir) else { return Ok(()) };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with("keeper-") {
            std::fs::remove_file(entry.path())
                .map_err(ContainerError::file("remove", entry.path()))?;
        }
    }
    Ok(())
}
