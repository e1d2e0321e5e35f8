//! The audit log in SQLite.

use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{QueryBuilder, Row as _};

use super::{column, number};
use crate::audit::{Audit, AuditQuery};
use crate::error::StoreError;
use crate::limits::{AUDIT_KEPT, AUDIT_PAGE_MAX, AUDIT_SLACK};

const READ: &str = "read the audit log";
const WRITE: &str = "write the audit log";

pub(super) async fn add(pool: &SqlitePool, entries: &[Audit]) -> Result<(), StoreError> {
    let failed = |e| StoreError::statement(WRITE, e);
    let mut tx = pool.begin().await.map_err(failed)?;
    let mut newest = 0;
    for entry in entries {
        let done = sqlx::query(
            "INSERT INTO audit (at_us, account, operation, object, outcome, address) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(entry.at_us)
        .bind(&entry.account)
        .bind(&entry.operation)
        .bind(&entry.object)
        .bind(&entry.outcome)
        .bind(&entry.address)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        newest = number("audit number", done.last_insert_rowid())?;
    }
    // now and then only, so that not each entry deletes
    if newest % AUDIT_SLACK == 0 || entries.len() > 1 {
        sqlx::query("DELETE FROM audit WHERE seq <= ?")
            .bind(column("audit number", newest.saturating_sub(AUDIT_KEPT))?)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
    }
    tx.commit().await.map_err(failed)
}

pub(super) async fn list(pool: &SqlitePool, asked: &AuditQuery) -> Result<Vec<Audit>, StoreError> {
    let mut query = QueryBuilder::new(
        "SELECT seq, at_us, account, operation, object, outcome, address FROM audit WHERE seq < ",
    );
    let before = asked.before.and_then(|seq| i64::try_from(seq).ok()).unwrap_or(i64::MAX);
    query.push_bind(before);
    if let Some(account) = &asked.account {
        query.push(" AND account = ").push_bind(account);
    }
    if let Some(object) = &asked.object {
        query.push(" AND object = ").push_bind(object);
    }
    let limit = i64::try_from(asked.limit.min(AUDIT_PAGE_MAX)).unwrap_or(i64::MAX);
    query.push(" ORDER BY seq DESC LIMIT ").push_bind(limit);
    let rows = query.build().fetch_all(pool).await.map_err(|e| StoreError::statement(READ, e))?;
    rows.iter().map(decode).collect()
}

fn decode(row: &SqliteRow) -> Result<Audit, StoreError> {
    let failed = |e| StoreError::statement(READ, e);
    Ok(Audit {
        sequence: number("audit number", row.try_get("seq").map_err(failed)?)?,
        at_us: row.try_get("at_us").map_err(failed)?,
        account: row.try_get("account").map_err(failed)?,
        operation: row.try_get("operation").map_err(failed)?,
        object: row.try_get("object").map_err(failed)?,
        outcome: row.try_get("outcome").map_err(failed)?,
        address: row.try_get("address").map_err(failed)?,
    })
}
