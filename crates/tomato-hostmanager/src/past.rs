//! What passed a connection before something happened: asked for, or saved by itself.
//!
//! Invariants: of each connection the newest [`PASTS_SAVED`] are kept, and one is saved by itself no more often than each
//! [`PAST_PAUSE`]; a file under its name is whole. The name says when and why, so that nothing else must be remembered.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::{SaveCause, SavedCapture, WantedConnection, WantedTopology};
use tomato_api::usage::rfc3339;
use tomato_model::id::{ConnectionId, TopologyId};
use tomato_model::lifecycle::State;
use tomato_model::units::Span;
use tomato_wire::config::TopologyConfig;

use crate::archive::spool;
use crate::error::of_host;
use crate::host::{Host, Topology, lock};
use crate::limits::{PAST_PAUSE, PASTS_SAVED};
use crate::traffic::unix_ms;
use crate::wire::WireFault;

const SUFFIX: &str = ".pcapng";

/// When the past of a connection was saved by itself last.
#[derive(Debug, Default)]
pub(crate) struct Pasts {
    saved: Mutex<BTreeMap<ConnectionId, Instant>>,
}

/// Where the pasts of all connections are saved.
pub(crate) fn dir(host: &Host) -> PathBuf {
    host.parts.state_dir.join("pasts")
}

impl Host {
    /// The past of a connection, as far as it is kept.
    ///
    /// # Errors
    /// If it is not kept, or the connection is not in the wire.
    pub(crate) async fn past(&self, id: &ConnectionId) -> Result<File, ApiError> {
        let none = || {
            let message = "recording.past: the past of this connection is not kept; set it, for example to 30s, and start its elements";
            ApiError::new(ErrorCode::NoDataAvailable, message)
        };
        for topology in self.topologies() {
            let wanted = topology.wanted();
            if wanted.connections.iter().any(|connection| connection.id == *id) {
                return match self.written(&topology.id, id).await {
                    Ok(file) => Ok(file),
                    Err(Failed::Wire(WireFault::Refused(_))) => Err(none()),
                    Err(error) => Err(of_host("read the past", &error)),
                };
            }
        }
        Err(none())
    }

    /// The past in a file without a name, to be read from its beginning.
    async fn written(&self, topology: &TopologyId, id: &ConnectionId) -> Result<File, Failed> {
        let mut file = spool(self)?;
        let theirs = OwnedFd::from(file.try_clone()?);
        self.parts.wire.past(topology.as_str(), id.as_str(), theirs).await?;
        file.rewind()?;
        Ok(file)
    }

    /// Those that were saved, the newest first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) fn saved_pasts(&self, id: &ConnectionId) -> Result<Vec<SavedCapture>, ApiError> {
        let found = saved(&dir(self).join(id.as_str()));
        found.map_err(|error| of_host("read the saved pasts", &error))
    }

    /// One of them.
    ///
    /// # Errors
    /// If there is none of that name.
    pub(crate) fn saved_past(&self, id: &ConnectionId, name: &str) -> Result<File, ApiError> {
        let none = || {
            let message = format!("name: nothing was saved as {name:?}; list what was saved");
            ApiError::new(ErrorCode::NoDataAvailable, message)
        };
        parse(name).ok_or_else(none)?;
        let path = dir(self).join(id.as_str()).join(format!("{name}{SUFFIX}"));
        File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => none(),
            _ => of_host("read a saved past", &error),
        })
    }

    /// Saves the past of a connection unless that was done a moment ago.
    async fn save_past(&self, topology: &TopologyId, id: &ConnectionId, cause: SaveCause) {
        let now = Instant::now();
        {
            let mut saved = lock(&self.pasts.saved);
            saved.retain(|_, at| now.duration_since(*at) < PAST_PAUSE);
            if saved.contains_key(id) {
                return;
            }
            saved.insert(id.clone(), now);
        }
        let cause = cause.word();
        match self.keep(topology, id, cause).await {
            Ok(()) => tracing::info!(connection = %id, cause, "the past was saved"),
            Err(error) => tracing::warn!(connection = %id, cause, %error, "cannot save the past"),
        }
    }

    async fn keep(
        &self,
        topology: &TopologyId,
        id: &ConnectionId,
        cause: &str,
    ) -> Result<(), Failed> {
        let mut past = self.written(topology, id).await?;
        let dir = dir(self).join(id.as_str());
        let path = dir.join(format!("{}-{cause}{SUFFIX}", unix_ms()));
        let work = move || {
            std::fs::create_dir_all(&dir)?;
            let mut part = tempfile::NamedTempFile::new_in(&dir)?;
            io::copy(&mut past, &mut part)?;
            part.persist(path).map_err(|error| error.error)?;
            for old in saved(&dir)?.into_iter().skip(PASTS_SAVED) {
                std::fs::remove_file(dir.join(format!("{}{SUFFIX}", old.name)))?;
            }
            Ok(())
        };
        let done: io::Result<()> =
            tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.into()));
        Ok(done?)
    }
}

/// A past could not be had.
#[derive(Debug, thiserror::Error)]
enum Failed {
    /// The wire has none, or does not answer.
    #[error("the wire gives none")]
    Wire(#[from] WireFault),
    /// Its file.
    #[error("cannot write its file")]
    File(#[from] io::Error),
}

/// When and why one was saved, by its name.
fn parse(name: &str) -> Option<(u64, SaveCause)> {
    let (at, word) = name.split_once('-')?;
    let is_number = at.bytes().all(|byte| byte.is_ascii_digit());
    let cause = SaveCause::ALL.into_iter().find(|cause| cause.word() == word)?;
    Some((at.parse().ok().filter(|_| is_number)?, cause))
}

/// Those in a directory, the newest first.
fn saved(dir: &Path) -> io::Result<Vec<SavedCapture>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)) else { continue };
        let Some((at_ms, cause)) = parse(name) else { continue };
        // it may have gone since
        let Ok(about) = entry.metadata() else { continue };
        let (name, time) = (name.to_owned(), rfc3339(at_ms));
        found.push((at_ms, SavedCapture { name, time, cause, bytes: about.len() }));
    }
    found.sort_by_key(|(at_ms, _)| std::cmp::Reverse(*at_ms));
    Ok(found.into_iter().map(|(_, saved)| saved).collect())
}

fn keeps_past(connection: &WantedConnection) -> bool {
    connection.recording.past != Span(0)
}

/// Saves the past of connections that have just been degraded.
pub(crate) async fn save_degraded(
    host: &Host,
    topology: &TopologyId,
    wanted: &WantedTopology,
    degraded: impl Iterator<Item = &str>,
) {
    for key in degraded {
        let found = wanted.connections.iter().find(|one| one.id.as_str() == key);
        if let Some(connection) = found.filter(|connection| keeps_past(connection)) {
            host.save_past(topology, &connection.id, SaveCause::Degraded).await;
        }
    }
}

/// Saves the past of connections that are about to leave the wire because an element ended by itself.
pub(crate) async fn save_those_that_go(
    host: &Host,
    topology: &Topology,
    wanted: &WantedTopology,
    told: &TopologyConfig,
    next: &TopologyConfig,
) {
    let goes = |connection: &&WantedConnection| {
        let key = connection.id.as_str();
        keeps_past(connection) && told.links.contains_key(key) && !next.links.contains_key(key)
    };
    let going: Vec<_> = wanted.connections.iter().filter(goes).collect();
    if going.is_empty() {
        return;
    }
    let ended: Vec<_> = {
        let live = lock(&topology.live);
        let has_ended = |id| live.elements.get(id).is_some_and(|seen| seen.has_ended());
        let elements = wanted.elements.iter();
        elements.filter(|one| one.state == State::Started && has_ended(&one.id)).collect()
    };
    for connection in going {
        let is_at_end = ended.iter().flat_map(|element| &element.interfaces);
        if is_at_end.into_iter().any(|interface| connection.interfaces.contains(&interface.id)) {
            host.save_past(&topology.id, &connection.id, SaveCause::ElementEnded).await;
        }
    }
}

#[cfg(test)]
mod tests;
