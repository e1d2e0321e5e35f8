//! Copies of the state: made while it is in use, looked at before they are put to use again.

use std::path::{Path, PathBuf};

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::{MIGRATIONS, SqliteStore};
use crate::error::StoreError;
use crate::limits::BUSY_TIMEOUT;

impl SqliteStore {
    /// The state file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the whole state, as it is at one moment, to a file that is not there yet. Changes go on meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Open`], [`StoreError::Statement`], [`StoreError::DiskFull`].
    pub async fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        let mut conn = connect(&self.path, false).await?;
        let done = sqlx::query("VACUUM INTO ?").bind(path.to_string_lossy()).execute(&mut conn);
        done.await.map_err(|e| StoreError::statement("copy the state", e))?;
        conn.close().await.map_err(|e| StoreError::statement("end copying", e))
    }
}

/// Refuses a file that is no state of this program, or a damaged one; nothing is changed in it.
///
/// # Errors
/// [`StoreError::Open`], [`StoreError::NoState`], [`StoreError::Damaged`].
pub async fn check_copy(path: &Path) -> Result<(), StoreError> {
    let mut conn = connect(path, true).await?;
    let foreign = |source| StoreError::NoState { path: PathBuf::from(path), source: Some(source) };
    let query = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE description = ?");
    let known: i64 = query.bind(MIGRATIONS[0].1).fetch_one(&mut conn).await.map_err(foreign)?;
    if known == 0 {
        return Err(StoreError::NoState { path: PathBuf::from(path), source: None });
    }
    let check = sqlx::query_scalar::<_, String>("PRAGMA integrity_check(1)");
    let damaged = |why| StoreError::Damaged { path: PathBuf::from(path), why };
    let told = check.fetch_one(&mut conn).await.map_err(|error| damaged(error.to_string()))?;
    if told != "ok" {
        return Err(damaged(told));
    }
    conn.close().await.map_err(|e| StoreError::statement("end checking", e))
}

async fn connect(path: &Path, immutable: bool) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT);
    // A copy has no log beside it, and none is made for a look.
    let options = if immutable { options.immutable(true).read_only(true) } else { options };
    SqliteConnection::connect_with(&options)
        .await
        .map_err(|source| StoreError::Open { path: PathBuf::from(path), source })
}
