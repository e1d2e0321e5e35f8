//! Puts a backup in the place of the state, while no backend runs.
//!
//! Invariant: whenever this ends, the state file is the old one or the new one, whole; only a name is changed for it, and neither has
//! a log beside it then.

use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use tomato_model::topology::Element;
use tomato_store::{Batch, EntityKind, Put, SqliteStore, Store, StoreError};

use crate::app::slot::TopologyRow;
use crate::clock;
use crate::fault::FaultPoints;

/// Name of the new state beside the old one until it takes its place.
const FILE: &str = "restored.part";

/// What was put in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Accounts in it.
    pub accounts: usize,
    /// Topologies in it.
    pub topologies: usize,
}

/// Why a backup was not put in place.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup, or the state as which it is to serve, cannot be used.
    #[error("the backup cannot be used")]
    UseBackup(#[source] StoreError),
    /// A file cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RestoreError {
    let path = path.to_owned();
    move |source| RestoreError::File { action, path, source }
}

/// Makes the backup in `from` the state in `store`, owned by `owner` if named. No backend may run on it.
///
/// # Errors
/// The old state is as it was.
pub async fn restore(
    from: &Path,
    store: &Path,
    owner: Option<u32>,
    fault: &FaultPoints,
) -> Result<Restored, RestoreError> {
    let new = store.with_file_name(FILE);
    remove_all(&new)?;
    copy(from, &new)?;
    fault.reached("copied").await;
    let restored = prepare(&new).await.map_err(RestoreError::UseBackup);
    let restored = match restored {
        Ok(restored) => restored,
        Err(error) => {
            remove_all(&new)?;
            return Err(error);
        }
    };
    if owner.is_some() {
        chown(&new, owner, owner).map_err(file("give away", &new))?;
    }
    sync(&new)?;
    fault.reached("prepared").await;
    settle(store).await?;
    fault.reached("settled").await;
    fs::rename(&new, store).map_err(file("replace", store))?;
    fault.reached("renamed").await;
    sync(store.parent().unwrap_or_else(|| Path::new(".")))?;
    Ok(restored)
}

/// Copies the backup, readable for nobody else.
fn copy(from: &Path, to: &Path) -> Result<(), RestoreError> {
    let mut source = fs::File::open(from).map_err(file("open", from))?;
    let mut target = fs::OpenOptions::new();
    let target = target.write(true).create_new(true).mode(0o600).open(to);
    let mut target = target.map_err(file("write", to))?;
    io::copy(&mut source, &mut target).map(drop).map_err(file("copy the backup to", to))
}

fn sync(path: &Path) -> Result<(), RestoreError> {
    fs::File::open(path).and_then(|opened| opened.sync_all()).map_err(file("sync", path))
}

/// Checks a copy, brings it up to date, and makes what is wanted in it newer than anything that a host knows.
async fn prepare(path: &Path) -> Result<Restored, StoreError> {
    tomato_store::check_copy(path).await?;
    let store = SqliteStore::open(path).await?;
    let restored = renew(&store).await;
    store.close().await;
    restored
}

/// A host ignores what is older than what it knows, and starts nothing that it was told to start before.
async fn renew(store: &SqliteStore) -> Result<Restored, StoreError> {
    let now = clock::now_us();
    let mut puts = Vec::new();
    let topologies = store.list(EntityKind::Topology, None).await?;
    for row in &topologies {
        let mut topology: TopologyRow = row.decode()?;
        topology.generation = topology.generation.max(now);
        puts.push(Put::replace(row, row.revision, &topology)?);
    }
    for row in store.list(EntityKind::Element, None).await? {
        let mut element: Element = row.decode()?;
        element.start_count = element.start_count.max(now);
        puts.push(Put::replace(&row, row.revision, &element)?);
    }
    store.commit(Batch { puts, ..Batch::default() }).await?;
    let accounts = store.account_list().await?.len();
    Ok(Restored { accounts, topologies: topologies.len() })
}

/// Brings the old state into its one file. One that cannot be read any more is as good as its file alone.
async fn settle(store: &Path) -> Result<(), RestoreError> {
    if !store.exists() {
        return Ok(());
    }
    match SqliteStore::open(store).await {
        Ok(old) => old.close().await,
        Err(error) => tracing::warn!(%error, "the state before the backup cannot be read"),
    }
    for log in logs(store) {
        remove(&log)?;
    }
    Ok(())
}

/// What SQLite keeps beside a file while it is open.
fn logs(path: &Path) -> [PathBuf; 2] {
    ["-wal", "-shm"].map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    })
}

fn remove_all(path: &Path) -> Result<(), RestoreError> {
    remove(path)?;
    logs(path).iter().try_for_each(|log| remove(log))
}

fn remove(path: &Path) -> Result<(), RestoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file("remove", path)(error)),
        _ => Ok(()),
    }
}
