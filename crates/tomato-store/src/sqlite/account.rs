//! Accounts in SQLite; flags and attributes are JSON text.

use sqlx::Row as _;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use crate::account::Account;
use crate::error::StoreError;

const READ: &str = "read an account";
const WRITE: &str = "write an account";

pub(super) async fn list(pool: &SqlitePool) -> Result<Vec<Account>, StoreError> {
    let rows = sqlx::query(
        "SELECT name, password_hash, flags, attributes, created_at_us FROM account ORDER BY name",
    )
    .fetch_all(pool)
    .await
    .map_err(|e| StoreError::statement(READ, e))?;
    rows.iter().map(decode).collect()
}

pub(super) async fn create(pool: &SqlitePool, account: &Account) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO account (name, password_hash, flags, attributes, created_at_us) \
         VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
    )
    .bind(&account.name)
    .bind(&account.password_hash)
    .bind(flags(account))
    .bind(attributes(account))
    .bind(account.created_at_us)
    .execute(pool)
    .await
    .map_err(|e| StoreError::statement(WRITE, e))?;
    if done.rows_affected() == 0 {
        return Err(StoreError::AccountExists(account.name.clone()));
    }
    Ok(())
}

pub(super) async fn modify(pool: &SqlitePool, account: &Account) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE account SET password_hash = ?, flags = ?, attributes = ? WHERE name = ?",
    )
    .bind(&account.password_hash)
    .bind(flags(account))
    .bind(attributes(account))
    .bind(&account.name)
    .execute(pool)
    .await
    .map_err(|e| StoreError::statement(WRITE, e))?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn remove(pool: &SqlitePool, name: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM account WHERE name = ?")
        .bind(name)
        .execute(pool)
        .await
        .map_err(|e| StoreError::statement("remove an account", e))?;
    Ok(done.rows_affected() > 0)
}

fn flags(account: &Account) -> String {
    serde_json::Value::from(account.flags.as_slice()).to_string()
}

fn attributes(account: &Account) -> String {
    serde_json::json!(account.attributes).to_string()
}

fn decode(row: &SqliteRow) -> Result<Account, StoreError> {
    let failed = |e| StoreError::statement(READ, e);
    let flags: String = row.try_get("flags").map_err(failed)?;
    let attributes: String = row.try_get("attributes").map_err(failed)?;
    Ok(Account {
        name: row.try_get("name").map_err(failed)?,
        password_hash: row.try_get("password_hash").map_err(failed)?,
        flags: serde_json::from_str(&flags)
            .map_err(|e| failed(sqlx::Error::Decode(Box::new(e))))?,
        attributes: serde_json::from_str(&attributes)
            .map_err(|e| failed(sqlx::Error::Decode(Box::new(e))))?,
        created_at_us: row.try_get("created_at_us").map_err(failed)?,
    })
}
