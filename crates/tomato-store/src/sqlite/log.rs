//! The write-ahead log: how a change comes to be on disk, and from the log into the file.
//!
//! Commits do not wait for the disk. Who has to know that a change outlives a failure of the machine's power calls [`Log::synced`], and all
//! who wait at the same time share one wait. Moving the log into the file is work of a connection of its own, so that no change waits for it.
//!
//! Invariant: that connection is open as long as the store is. SQLite removes the log with the last connection, and what is synced
//! here would be a file without a name.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tokio::sync::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::error::StoreError;
use crate::limits::{LOG_PAGES_MAX, LOG_PERIOD};

/// Moves what is in the log into the file, as far as nobody is in the way.
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// The log of an open store.
#[derive(Debug)]
pub(super) struct Log {
    file: Arc<File>,
    /// Moves the log into the file; gone once the store is closed.
    mover: Mutex<Option<SqliteConnection>>,
    /// Counts changes.
    written: AtomicU64,
    /// How many of them are on disk.
    synced: Mutex<u64>,
}

impl Log {
    /// The log of the state file at `path`, in which something was read already. `writer` makes the changes.
    pub(super) async fn open(
        path: &Path,
        options: &SqliteConnectOptions,
        writer: SqlitePool,
    ) -> Result<Arc<Self>, StoreError> {
        let failed = |source| StoreError::Open { path: PathBuf::from(path), source };
        let mut mover = options.connect().await.map_err(failed)?;
        move_into_file(&mut mover).await?;
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        let file = File::open(&name).map_err(|error| failed(sqlx::Error::Io(error)))?;
        let log = Arc::new(Self {
            file: Arc::new(file),
            mover: Mutex::new(Some(mover)),
            written: AtomicU64::new(0),
            synced: Mutex::new(0),
        });
        tokio::spawn(keep_short(Arc::downgrade(&log), writer));
        Ok(log)
    }

    /// A change was made.
    pub(super) fn note(&self) {
        self.written.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until every change made so far is on disk.
    pub(super) async fn synced(&self) -> Result<(), StoreError> {
        let mine = self.written.load(Ordering::SeqCst);
        let mut synced = self.synced.lock().await;
        if *synced >= mine {
            return Ok(());
        }
        // what came while this one waited for its turn goes along
        let all = self.written.load(Ordering::SeqCst);
        let file = Arc::clone(&self.file);
        let done = tokio::task::spawn_blocking(move || file.sync_data()).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(StoreError::Sync)?;
        *synced = all;
        Ok(())
    }

    /// Ends the moving, before the store's other connections are closed.
    pub(super) async fn close(&self) {
        if let Some(mover) = self.mover.lock().await.take()
            && let Err(error) = mover.close().await
        {
            tracing::warn!(%error, "a connection to the state file did not end in order");
        }
    }

    /// Moves the log into the file. One that has grown large all the same is moved while no change is made, so that it begins anew.
    pub(super) async fn shorten(&self, writer: &SqlitePool) -> Result<(), StoreError> {
        let mut mover = self.mover.lock().await;
        let Some(mover) = mover.as_mut() else { return Ok(()) };
        if move_into_file(mover).await? <= LOG_PAGES_MAX {
            return Ok(());
        }
        let failed = |e| StoreError::statement("get a connection", e);
        let _nobody_writes = writer.acquire().await.map_err(failed)?;
        move_into_file(mover).await.map(drop)
    }
}

#[cfg(test)]
impl Log {
    /// How many changes were made, and how many of them are on disk.
    pub(super) async fn counts(&self) -> (u64, u64) {
        (self.written.load(Ordering::SeqCst), *self.synced.lock().await)
    }
}

/// Moves what can be moved; answers how many pages the log has.
async fn move_into_file(mover: &mut SqliteConnection) -> Result<i64, StoreError> {
    let failed = |e| StoreError::statement("move changes from the log", e);
    let row = sqlx::query(CHECKPOINT).fetch_one(mover).await.map_err(failed)?;
    row.try_get(1).map_err(failed)
}

/// Moves the log into the file now and then, while there is a store that is written to.
async fn keep_short(log: Weak<Log>, writer: SqlitePool) {
    let mut timer = interval_at(Instant::now() + LOG_PERIOD, LOG_PERIOD);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut moved = 0;
    loop {
        timer.tick().await;
        let Some(log) = log.upgrade() else { return };
        let written = log.written.load(Ordering::SeqCst);
        if written == moved {
            continue;
        }
        match log.shorten(&writer).await {
            Ok(()) => moved = written,
            Err(error) => tracing::warn!(%error, "the log of the state file could not be moved"),
        }
    }
}
