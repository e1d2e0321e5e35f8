//! Compares what elements take on disk with their limits, see `docs/adr/0003-disk-limit.md`.
//!
//! An element above its limit is told so. When the disk of all is nearly full, it is stopped.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::WantedElement;
use tomato_model::lifecycle::State;
use tomato_virt::container::DiskUse;

use crate::archive;
use crate::error::chain;
use crate::host::{Host, Topology, lock};
use crate::ledger::Failure;
use crate::limits::{DISK_CHECK, DISK_CHECK_PAUSE, STOP_GRACE};

/// An element takes more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DiskOver {
    used: DiskUse,
    limit: u64,
}

impl fmt::Display for DiskOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
        let (used, limit) = (megabytes(self.used.bytes), megabytes(self.limit));
        if self.used.is_whole {
            write!(
                f,
                "it takes {used} MB of disk and may take {limit} MB; remove files or give it a larger profile"
            )
        } else {
            write!(
                f,
                "it has too many or too deeply nested files to be measured (more than {used} MB of disk); remove some"
            )
        }
    }
}

/// Measures every element for ever.
pub(crate) async fn watch(host: Arc<Host>) {
    let mut pause = DISK_CHECK;
    loop {
        tokio::select! {
            () = host.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let begun = Instant::now();
        check(&host).await;
        pause = DISK_CHECK.max(begun.elapsed() * DISK_CHECK_PAUSE);
    }
}

/// Measures every element once.
pub(crate) async fn check(host: &Host) {
    let is_short = match host.parts.containers.is_disk_short().await {
        Ok(is_short) => is_short,
        Err(error) => {
            tracing::warn!(error = chain(&error), "cannot tell how full the disk is");
            false
        }
    };
    for topology in host.topologies() {
        let record = topology.record();
        for wanted in &record.wanted.elements {
            if record.elements.contains_key(&wanted.id) {
                check_one(host, &topology, wanted, is_short).await;
            }
        }
        host.publish(&topology);
    }
}

async fn check_one(host: &Host, topology: &Topology, wanted: &WantedElement, is_short: bool) {
    let Some(limit) = wanted.container.as_ref().map(|container| container.disk_bytes) else {
        return;
    };
    // One that is not prepared yet takes nothing.
    let mut used = host.parts.containers.disk(&wanted.id).await.unwrap_or_default();
    used.bytes += archive::kept_bytes(host, &wanted.id).await;
    let over = DiskOver { used, limit };
    let is_over = used.bytes > limit || (!used.is_whole && used.bytes > 0);
    let is_running = {
        let mut live = lock(&topology.live);
        let Some(element) = live.elements.get_mut(&wanted.id) else { return };
        element.disk = is_over.then_some(over);
        element.disk_bytes = used.bytes;
        element.state == Some(State::Started)
    };
    if is_over && is_short && is_running {
        stop(host, topology, wanted, over).await;
    }
}

/// Stops an element until something else is wanted of it.
async fn stop(host: &Host, topology: &Topology, wanted: &WantedElement, over: DiskOver) {
    let message = format!(
        "{} was stopped because the disk of the host is nearly full and {over}, then start it again",
        wanted.name
    );
    tracing::error!(id = %wanted.id, message);
    let id = wanted.id.clone();
    let error = ApiError::new(ErrorCode::NoResources, message);
    let failure = Failure { error, wanted: wanted.clone() };
    // First, so that a look in between does not begin anew.
    let noted = topology.note(&host.ledger, &id, |record| record.failure = Some(failure));
    if let Err(error) = noted.await {
        tracing::warn!(error = chain(&error), "cannot note why an element is stopped");
    }
    if let Err(error) = host.parts.containers.stop(&id, STOP_GRACE).await {
        tracing::error!(%id, error = chain(&error), "cannot stop an element");
    }
    lock(&topology.live).recheck = true;
    topology.wake.notify_one();
}
