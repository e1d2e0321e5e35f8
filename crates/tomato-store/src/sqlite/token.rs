//! Tokens in SQLite.

use sqlx::Row as _;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use crate::error::StoreError;
use crate::token::{Token, TokenKind};

const READ: &str = "read a token";
const WRITE: &str = "write a token";

pub(super) async fn create(pool: &SqlitePool, token: &Token) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO token (id, kind, account, hash, label, scope, created_at_us, expires_at_us) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(&token.id)
    .bind(token.kind.as_str())
    .bind(&token.account)
    .bind(&token.secret_hash)
    .bind(&token.label)
    .bind(&token.scope)
    .bind(token.created_at_us)
    .bind(token.expires_at_us)
    .execute(pool)
    .await
    .map_err(|e| match e.as_database_error() {
        Some(refused) if refused.is_foreign_key_violation() => {
            StoreError::AccountUnknown(token.account.clone())
        }
        _ => StoreError::statement(WRITE, e),
    })?;
    if done.rows_affected() == 0 {
        return Err(StoreError::TokenExists(token.id.clone()));
    }
    Ok(())
}

pub(super) async fn by_hash(pool: &SqlitePool, hash: &str) -> Result<Option<Token>, StoreError> {
    let row = sqlx::query(
        "SELECT id, kind, account, hash, label, scope, created_at_us, expires_at_us FROM token \
         WHERE hash = ?",
    )
    .bind(hash)
    .fetch_optional(pool)
    .await
    .map_err(|e| StoreError::statement(READ, e))?;
    row.as_ref().map(decode).transpose()
}

pub(super) async fn list(pool: &SqlitePool, account: &str) -> Result<Vec<Token>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, kind, account, hash, label, scope, created_at_us, expires_at_us FROM token \
         WHERE account = ? ORDER BY id",
    )
    .bind(account)
    .fetch_all(pool)
    .await
    .map_err(|e| StoreError::statement(READ, e))?;
    rows.iter().map(decode).collect()
}

pub(super) async fn remove(pool: &SqlitePool, account: &str, id: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM token WHERE account = ? AND id = ?")
        .bind(account)
        .bind(id)
        .execute(pool)
        .await
        .map_err(|e| StoreError::statement("remove a token", e))?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn remove_all(
    pool: &SqlitePool,
    account: &str,
    kind: TokenKind,
) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM token WHERE account = ? AND kind = ?")
        .bind(account)
        .bind(kind.as_str())
        .execute(pool)
        .await
        .map_err(|e| StoreError::statement("remove tokens", e))?;
    Ok(done.rows_affected())
}

pub(super) async fn expire(pool: &SqlitePool, now_us: i64) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM token WHERE expires_at_us < ?")
        .bind(now_us)
        .execute(pool)
        .await
        .map_err(|e| StoreError::statement("remove expired tokens", e))?;
    Ok(done.rows_affected())
}

fn decode(row: &SqliteRow) -> Result<Token, StoreError> {
    let failed = |e| StoreError::statement(READ, e);
    let kind: String = row.try_get("kind").map_err(failed)?;
    let kind = match kind.as_str() {
        "access" => TokenKind::Access,
        "session" => TokenKind::Session,
        _ => return Err(StoreError::Range { what: "kind of a token" }),
    };
    Ok(Token {
        kind,
        scope: row.try_get("scope").map_err(failed)?,
        id: row.try_get("id").map_err(failed)?,
        account: row.try_get("account").map_err(failed)?,
        secret_hash: row.try_get("hash").map_err(failed)?,
        label: row.try_get("label").map_err(failed)?,
        created_at_us: row.try_get("created_at_us").map_err(failed)?,
        expires_at_us: row.try_get("expires_at_us").map_err(failed)?,
    })
}
