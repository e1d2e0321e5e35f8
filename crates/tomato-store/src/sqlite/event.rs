//! Events in SQLite. `AUTOINCREMENT` keeps the greatest number ever given, so none is given twice after pruning.

use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};

use super::{column, number};
use crate::error::StoreError;
use crate::event::{Event, NewEvent};

const READ: &str = "read events";
const WRITE: &str = "record an event";

pub(super) async fn record(
    conn: &mut SqliteConnection,
    events: &[NewEvent],
) -> Result<Vec<u64>, StoreError> {
    let mut sequences = Vec::with_capacity(events.len());
    for event in events {
        let done = sqlx::query("INSERT INTO event (topology, at_us, body) VALUES (?, ?, ?)")
            .bind(&event.topology)
            .bind(event.at_us)
            .bind(&event.body)
            .execute(&mut *conn)
            .await
            .map_err(|e| StoreError::statement(WRITE, e))?;
        sequences.push(number("event number", done.last_insert_rowid())?);
    }
    Ok(sequences)
}

/// Removes all but the newest `kept` events, once there are `slack` more.
pub(super) async fn prune(
    conn: &mut SqliteConnection,
    newest: u64,
    kept: u64,
    slack: u64,
) -> Result<(), StoreError> {
    let oldest: Option<i64> = sqlx::query_scalar("SELECT MIN(seq) FROM event")
        .fetch_one(&mut *conn)
        .await
        .map_err(|e| StoreError::statement(READ, e))?;
    let oldest = oldest.map_or(Ok(newest), |seq| number("event number", seq))?;
    if newest.saturating_sub(oldest) < kept.saturating_add(slack) {
        return Ok(());
    }
    sqlx::query("DELETE FROM event WHERE seq <= ?")
        .bind(column("event number", newest.saturating_sub(kept))?)
        .execute(conn)
        .await
        .map_err(|e| StoreError::statement("prune events", e))?;
    Ok(())
}

pub(super) async fn after(
    pool: &SqlitePool,
    sequence: u64,
    limit: usize,
) -> Result<Vec<Event>, StoreError> {
    // Numbers beyond the column's range are beyond every event.
    let Ok(sequence) = i64::try_from(sequence) else { return Ok(Vec::new()) };
    let rows = sqlx::query(
        "SELECT seq, topology, at_us, body FROM event WHERE seq > ? ORDER BY seq LIMIT ?",
    )
    .bind(sequence)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await
    .map_err(|e| StoreError::statement(READ, e))?;
    rows.iter().map(decode).collect()
}

pub(super) async fn last(pool: &SqlitePool) -> Result<u64, StoreError> {
    let last: Option<i64> =
        sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'event'")
            .fetch_optional(pool)
            .await
            .map_err(|e| StoreError::statement(READ, e))?;
    number("event number", last.unwrap_or(0))
}

pub(super) async fn first(pool: &SqlitePool) -> Result<Option<u64>, StoreError> {
    let first: Option<i64> = sqlx::query_scalar("SELECT MIN(seq) FROM event")
        .fetch_one(pool)
        .await
        .map_err(|e| StoreError::statement(READ, e))?;
    first.map(|seq| number("event number", seq)).transpose()
}

fn decode(row: &SqliteRow) -> Result<Event, StoreError> {
    let failed = |e| StoreError::statement(READ, e);
    Ok(Event {
        sequence: number("event number", row.try_get("seq").map_err(failed)?)?,
        topology: row.try_get("topology").map_err(failed)?,
        at_us: row.try_get("at_us").map_err(failed)?,
        body: row.try_get("body").map_err(failed)?,
    })
}
