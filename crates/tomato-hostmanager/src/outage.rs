//! Watches the wire, and measures for how long the traffic of each topology stopped when it was lost.
//!
//! The wire's death is seen at once, at the end of a connection to it; its return by asking. What was missed because the hostmanager was
//! away too is bounded by the last sign of life it left.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tomato_api::host::ObservedOutage;
use tomato_model::id::ConnectionId;
use tomato_model::topology::Outage;
use tomato_virt::boot_id;

use crate::host::{Host, Live, lock};
use crate::ledger::replace_sign;
use crate::limits::{OUTAGES_MAX, WIRE_PING, WIRE_RETRY};

/// Traffic that has stopped.
#[derive(Debug, Clone)]
pub(crate) struct Lost {
    since: Instant,
    at_most: bool,
    connections: Vec<ConnectionId>,
}

/// The last sign of life of a hostmanager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alive {
    /// When, in microseconds since the epoch.
    at_us: u64,
    /// The wire's start id then.
    wire_instance: u64,
    /// Names the start of the machine.
    boot: String,
}

impl Alive {
    fn file(dir: &Path) -> PathBuf {
        dir.join("alive")
    }

    /// What the process before this one left, if the machine was not restarted since.
    pub(crate) fn read(dir: &Path) -> Option<Self> {
        let alive: Self = serde_json::from_slice(&std::fs::read(Self::file(dir)).ok()?).ok()?;
        Some(alive).filter(|alive| alive.boot == boot_id())
    }

    fn write(&self, dir: &Path) -> std::io::Result<()> {
        replace_sign(&Self::file(dir), &serde_json::to_vec(self)?)
    }
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Notes that the traffic of a topology stopped, if any passed.
pub(crate) fn lose(live: &mut Live, since: Instant, at_most: bool) {
    if live.lost.is_none() && !live.connections.is_empty() {
        live.lost = Some(Lost { since, at_most, connections: live.connections.clone() });
    }
}

/// Notes that traffic, which passes again, stopped while the hostmanager was away: the wire is another one than before.
pub(crate) fn compare(live: &mut Live, before: &Alive) {
    if live.wire_instance.is_none_or(|now| now == before.wire_instance) {
        return;
    }
    let away = Duration::from_micros(now_us().saturating_sub(before.at_us));
    if let Some(since) = Instant::now().checked_sub(away) {
        lose(live, since, true);
    }
}

/// Ends the outage of a topology once all of its connections pass again that shall.
pub(crate) fn end_outage(live: &mut Live, shall_pass: impl Fn(&ConnectionId) -> bool) {
    let Some(lost) = &mut live.lost else { return };
    lost.connections.retain(shall_pass);
    if !lost.connections.iter().all(|id| live.connections.contains(id)) {
        return;
    }
    let Some(lost) = live.lost.take().filter(|lost| !lost.connections.is_empty()) else { return };
    let length = lost.since.elapsed();
    let us = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
    let outage = Outage {
        began_us: now_us().saturating_sub(us),
        ms: us.div_ceil(1000),
        at_most: lost.at_most,
    };
    tracing::warn!(connections = lost.connections.len(), "{outage}");
    live.outages.push(ObservedOutage { outage, connections: lost.connections });
    let excess = live.outages.len().saturating_sub(OUTAGES_MAX);
    live.outages.drain(..excess);
}

/// Wakes every topology when the wire was lost or replaced.
pub(crate) async fn watch_wire(host: Arc<Host>) {
    let mut last: Option<u64> = None;
    let mut seen = Instant::now();
    let mut lost: Option<Instant> = None;
    let mut end = None;
    let mut pause = Duration::ZERO;
    loop {
        tokio::select! {
            () = host.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            () = wait(&mut end) => {
                end = None;
                tracing::warn!("the wire has ended");
                lost = Some(Instant::now());
                lose_all(&host, Instant::now(), false);
            }
        }
        match host.parts.wire.instance().await {
            Ok(instance) => {
                if let Some(former) = last.filter(|former| *former != instance) {
                    tracing::warn!(
                        former,
                        instance,
                        "the wire is another one; links are made again"
                    );
                    lose_all(&host, lost.unwrap_or(seen), lost.is_none());
                    wake_all(&host);
                } else if lost.is_some() {
                    wake_all(&host);
                }
                (last, lost, seen) = (Some(instance), None, Instant::now());
                end.get_or_insert_with(|| host.parts.wire.ended());
                let alive = Alive { at_us: now_us(), wire_instance: instance, boot: boot_id() };
                if let Err(error) = alive.write(&host.parts.state_dir.join("host")) {
                    tracing::warn!(%error, "cannot leave a sign of life");
                }
            }
            Err(error) if lost.is_none() => {
                tracing::warn!(%error, "the wire is lost");
                lost = Some(Instant::now());
                lose_all(&host, Instant::now(), false);
                wake_all(&host);
            }
            Err(_) => {}
        }
        pause = if lost.is_some() { WIRE_RETRY } else { WIRE_PING };
    }
}

/// Ready when the future is, never if there is none.
async fn wait(future: &mut Option<impl Future<Output = ()> + Unpin>) {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

fn lose_all(host: &Host, since: Instant, at_most: bool) {
    for topology in host.topologies() {
        let mut live = lock(&topology.live);
        lose(&mut live, since, at_most);
        // The wire is to be told everything again.
        live.wire_instance = None;
    }
}

fn wake_all(host: &Host) {
    for topology in host.topologies() {
        topology.wake.notify_one();
    }
}
