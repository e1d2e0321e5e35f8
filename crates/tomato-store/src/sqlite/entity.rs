//! Entities in SQLite.

use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{QueryBuilder, Row as _};

use super::{column, number};
use crate::entity::{Batch, Delete, EntityKind, Put, Row};
use crate::error::StoreError;

const READ: &str = "read an entity";
const WRITE: &str = "write an entity";

pub(super) async fn get(
    conn: &mut SqliteConnection,
    kind: EntityKind,
    id: &str,
) -> Result<Option<Row>, StoreError> {
    let row =
        sqlx::query("SELECT id, topology, revision, body FROM entity WHERE kind = ? AND id = ?")
            .bind(kind.as_str())
            .bind(id)
            .fetch_optional(conn)
            .await
            .map_err(|e| StoreError::statement(READ, e))?;
    row.map(|row| decode(kind, &row)).transpose()
}

pub(super) async fn list(
    pool: &SqlitePool,
    kind: EntityKind,
    topology: Option<&str>,
) -> Result<Vec<Row>, StoreError> {
    let mut query =
        QueryBuilder::new("SELECT id, topology, revision, body FROM entity WHERE kind = ");
    query.push_bind(kind.as_str());
    if let Some(topology) = topology {
        query.push(" AND topology = ").push_bind(topology);
    }
    query.push(" ORDER BY id");
    let rows = query.build().fetch_all(pool).await.map_err(|e| StoreError::statement(READ, e))?;
    rows.iter().map(|row| decode(kind, row)).collect()
}

/// Deletes, then puts; the first expectation that does not hold ends it.
pub(super) async fn apply(conn: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
    for delete in &batch.deletes {
        remove(conn, delete).await?;
    }
    for put in &batch.puts {
        write(conn, put).await?;
    }
    Ok(())
}

async fn remove(conn: &mut SqliteConnection, delete: &Delete) -> Result<(), StoreError> {
    let mut query = QueryBuilder::new("DELETE FROM entity WHERE kind = ");
    query.push_bind(delete.kind.as_str()).push(" AND id = ").push_bind(&delete.id);
    if let Some(revision) = delete.expected {
        query.push(" AND revision = ").push_bind(column("revision", revision)?);
    }
    let done =
        query.build().execute(&mut *conn).await.map_err(|e| StoreError::statement(WRITE, e))?;
    if done.rows_affected() == 0 && delete.expected.is_some() {
        return Err(conflict(conn, delete.kind, &delete.id).await?);
    }
    Ok(())
}

async fn write(conn: &mut SqliteConnection, put: &Put) -> Result<(), StoreError> {
    let revision = column("revision", put.revision)?;
    let done =
        match put.expected {
            None => sqlx::query(
                "INSERT INTO entity (kind, id, topology, revision, body) VALUES (?, ?, ?, ?, ?) \
                 ON CONFLICT (kind, id) DO NOTHING",
            )
            .bind(put.kind.as_str())
            .bind(&put.id)
            .bind(&put.topology)
            .bind(revision)
            .bind(&put.body)
            .execute(&mut *conn)
            .await,
            Some(expected) => {
                sqlx::query(
                    "UPDATE entity SET topology = ?, revision = ?, body = ? \
                 WHERE kind = ? AND id = ? AND revision = ?",
                )
                .bind(&put.topology)
                .bind(revision)
                .bind(&put.body)
                .bind(put.kind.as_str())
                .bind(&put.id)
                .bind(column("revision", expected)?)
                .execute(&mut *conn)
                .await
            }
        };
    if done.map_err(|e| StoreError::statement(WRITE, e))?.rows_affected() == 0 {
        return Err(conflict(conn, put.kind, &put.id).await?);
    }
    Ok(())
}

async fn conflict(
    conn: &mut SqliteConnection,
    kind: EntityKind,
    id: &str,
) -> Result<StoreError, StoreError> {
    let current = get(conn, kind, id).await?.map(Box::new);
    Ok(StoreError::Conflict { kind, id: id.to_owned(), current })
}

fn decode(kind: EntityKind, row: &SqliteRow) -> Result<Row, StoreError> {
    let failed = |e| StoreError::statement(READ, e);
    Ok(Row {
        kind,
        id: row.try_get("id").map_err(failed)?,
        topology: row.try_get("topology").map_err(failed)?,
        revision: number("revision", row.try_get("revision").map_err(failed)?)?,
        body: row.try_get("body").map_err(failed)?,
    })
}
