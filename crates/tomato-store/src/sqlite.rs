//! The store in one SQLite file: write-ahead log, one writer connection, a few readers.

mod account;
mod audit;
mod copy;
mod entity;
mod event;
mod log;
mod token;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::Connection as _;
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};

use crate::account::Account;
use crate::audit::{Audit, AuditQuery};
use crate::entity::{Batch, EntityKind, Row};
use crate::error::StoreError;
use crate::event::Event;
use crate::limits::{
    ACQUIRE_TIMEOUT, BUSY_TIMEOUT, EVENTS_KEPT, EVENTS_PAGE_MAX, EVENTS_SLACK, READERS,
};
use crate::sqlite::log::Log;
use crate::store::Store;
use crate::token::{Token, TokenKind};

/// Schema steps in order; a shipped one is never changed.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "initial", include_str!("../migrations/sqlite/0001_initial.sql")),
    (2, "session", include_str!("../migrations/sqlite/0002_session.sql")),
    (3, "audit", include_str!("../migrations/sqlite/0003_audit.sql")),
];

pub use copy::check_copy;

/// A store in one file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    writer: SqlitePool,
    readers: SqlitePool,
    log: Arc<Log>,
    events_kept: u64,
    events_slack: u64,
}

impl SqliteStore {
    /// Opens the file, making it and bringing its schema up to date where needed.
    ///
    /// # Errors
    /// [`StoreError::Open`] and [`StoreError::Migrate`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, EVENTS_KEPT, EVENTS_SLACK).await
    }

    /// [`SqliteStore::open`] with other bounds on the events.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub async fn open_with(
        path: &Path,
        events_kept: u64,
        events_slack: u64,
    ) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Open { path: PathBuf::from(path), source };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("wal_autocheckpoint", "0")
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options.clone())
            .await
            .map_err(failed)?;
        migrate(path, &writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options.clone().pragma("query_only", "ON"))
            .await
            .map_err(failed)?;
        let newest = event::last(&readers).await?;
        tracing::info!(path = %path.display(), newest, "opened the state file");
        let log = Log::open(path, &options, writer.clone()).await?;
        Ok(Self { path: path.to_owned(), writer, readers, log, events_kept, events_slack })
    }

    async fn apply(
        &self,
        conn: &mut SqliteConnection,
        batch: &Batch,
    ) -> Result<Vec<u64>, StoreError> {
        let mut tx = conn
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(|e| StoreError::statement("begin a change", e))?;
        entity::apply(&mut tx, batch).await?;
        let sequences = event::record(&mut tx, &batch.events).await?;
        if let Some(&newest) = sequences.last() {
            event::prune(&mut tx, newest, self.events_kept, self.events_slack).await?;
        }
        tx.commit().await.map_err(|e| StoreError::statement("commit a change", e))?;
        Ok(sequences)
    }

    /// What a change ended with, once it is on disk.
    async fn synced_after<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        let value = done?;
        self.log.note();
        self.log.synced().await?;
        Ok(value)
    }

    /// Waits for running statements and closes the file.
    pub async fn close(&self) {
        self.log.close().await;
        self.readers.close().await;
        self.writer.close().await;
    }
}

async fn migrate(path: &Path, writer: &SqlitePool) -> Result<(), StoreError> {
    let steps = MIGRATIONS
        .iter()
        .map(|&(version, name, sql)| {
            Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
        })
        .collect();
    Migrator::with_migrations(steps).run(writer).await.map_err(|source| StoreError::Migrate {
        path: PathBuf::from(path),
        source: Box::new(source),
    })
}

/// A number as a column holds it.
fn column(what: &'static str, value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_outside| StoreError::Range { what })
}

/// A number out of a column.
fn number(what: &'static str, value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_outside| StoreError::Range { what })
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, kind: EntityKind, id: &str) -> Result<Option<Row>, StoreError> {
        let mut conn = self
            .readers
            .acquire()
            .await
            .map_err(|e| StoreError::statement("get a connection", e))?;
        entity::get(&mut conn, kind, id).await
    }

    async fn list(&self, kind: EntityKind, topology: Option<&str>) -> Result<Vec<Row>, StoreError> {
        entity::list(&self.readers, kind, topology).await
    }

    async fn commit(&self, batch: Batch) -> Result<Vec<u64>, StoreError> {
        let failed = |e| StoreError::statement("begin a change", e);
        let mut conn = self.writer.acquire().await.map_err(failed)?;
        let done = self.apply(&mut conn, &batch).await;
        if matches!(done, Err(StoreError::DiskFull(_) | StoreError::Statement { .. })) {
            // SQLite may have rolled back by itself, which sqlx does not notice: begin anew on another connection.
            conn.close_on_drop();
        }
        drop(conn);
        let sequences = done?;
        self.log.note();
        if !batch.is_synced_later {
            self.log.synced().await?;
        }
        Ok(sequences)
    }

    async fn synced(&self) -> Result<(), StoreError> {
        self.log.synced().await
    }

    async fn events_after(&self, sequence: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        event::after(&self.readers, sequence, limit.min(EVENTS_PAGE_MAX)).await
    }

    async fn last_event(&self) -> Result<u64, StoreError> {
        event::last(&self.readers).await
    }

    async fn first_event(&self) -> Result<Option<u64>, StoreError> {
        event::first(&self.readers).await
    }

    async fn account_list(&self) -> Result<Vec<Account>, StoreError> {
        account::list(&self.readers).await
    }

    async fn account_create(&self, account: &Account) -> Result<(), StoreError> {
        self.synced_after(account::create(&self.writer, account).await).await
    }

    async fn account_modify(&self, account: &Account) -> Result<bool, StoreError> {
        self.synced_after(account::modify(&self.writer, account).await).await
    }

    async fn account_remove(&self, name: &str) -> Result<bool, StoreError> {
        self.synced_after(account::remove(&self.writer, name).await).await
    }

    async fn token_create(&self, token: &Token) -> Result<(), StoreError> {
        self.synced_after(token::create(&self.writer, token).await).await
    }

    async fn token_by_hash(&self, secret_hash: &str) -> Result<Option<Token>, StoreError> {
        token::by_hash(&self.readers, secret_hash).await
    }

    async fn token_list(&self, account: &str) -> Result<Vec<Token>, StoreError> {
        token::list(&self.readers, account).await
    }

    async fn token_remove(&self, account: &str, id: &str) -> Result<bool, StoreError> {
        self.synced_after(token::remove(&self.writer, account, id).await).await
    }

    async fn token_remove_all(&self, account: &str, kind: TokenKind) -> Result<u64, StoreError> {
        self.synced_after(token::remove_all(&self.writer, account, kind).await).await
    }

    async fn audit_add(&self, entries: &[Audit]) -> Result<(), StoreError> {
        audit::add(&self.writer, entries).await?;
        self.log.note();
        Ok(())
    }

    async fn audit_list(&self, query: &AuditQuery) -> Result<Vec<Audit>, StoreError> {
        audit::list(&self.readers, query).await
    }

    async fn token_expire(&self, now_us: i64) -> Result<u64, StoreError> {
        self.synced_after(token::expire(&self.writer, now_us).await).await
    }
}

#[cfg(test)]
mod tests;
