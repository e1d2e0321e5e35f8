//! The contract of a store. Every implementation passes the same conformance suite.

use async_trait::async_trait;

use crate::account::Account;
use crate::audit::{Audit, AuditQuery};
use crate::entity::{Batch, EntityKind, Row};
use crate::error::StoreError;
use crate::event::Event;
use crate::token::{Token, TokenKind};

/// Entities, events, accounts, tokens and the audit log.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug + 'static {
    /// The entity, if it exists.
    async fn get(&self, kind: EntityKind, id: &str) -> Result<Option<Row>, StoreError>;

    /// All entities of a kind ordered by id, those of one topology if named.
    async fn list(&self, kind: EntityKind, topology: Option<&str>) -> Result<Vec<Row>, StoreError>;

    /// Applies all puts, deletes and events or none; returns the sequence numbers of the events in their order. What was changed outlives
    /// the process, and unless the batch is synced later also a failure of the machine's power.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when an expectation does not hold, with the row as it is.
    /// [`StoreError::Sync`] when the change is made but not sure to be on disk.
    async fn commit(&self, batch: Batch) -> Result<Vec<u64>, StoreError>;

    /// Waits until everything committed so far outlives a failure of the machine's power.
    ///
    /// # Errors
    /// [`StoreError::Sync`].
    async fn synced(&self) -> Result<(), StoreError>;

    /// Events with a greater sequence number, ordered, at most `limit` (and [`crate::limits::EVENTS_PAGE_MAX`]).
    async fn events_after(&self, sequence: u64, limit: usize) -> Result<Vec<Event>, StoreError>;

    /// Sequence number of the newest event ever recorded, 0 if there was none.
    async fn last_event(&self) -> Result<u64, StoreError>;

    /// Sequence number of the oldest event still there, if any.
    async fn first_event(&self) -> Result<Option<u64>, StoreError>;

    /// All accounts ordered by name.
    async fn account_list(&self) -> Result<Vec<Account>, StoreError>;

    /// Adds an account.
    ///
    /// # Errors
    /// [`StoreError::AccountExists`] when the name is taken.
    async fn account_create(&self, account: &Account) -> Result<(), StoreError>;

    /// Replaces everything of an account but its name and time of creation; false if there is none.
    async fn account_modify(&self, account: &Account) -> Result<bool, StoreError>;

    /// Removes an account with its tokens; false if there was none.
    async fn account_remove(&self, name: &str) -> Result<bool, StoreError>;

    /// Adds a token.
    ///
    /// # Errors
    /// [`StoreError::TokenExists`] when its id or secret is there already, [`StoreError::AccountUnknown`].
    async fn token_create(&self, token: &Token) -> Result<(), StoreError>;

    /// The token whose secret has this hash, expired or not.
    async fn token_by_hash(&self, secret_hash: &str) -> Result<Option<Token>, StoreError>;

    /// Tokens of an account ordered by id.
    async fn token_list(&self, account: &str) -> Result<Vec<Token>, StoreError>;

    /// Removes a token of an account; false if there was none.
    async fn token_remove(&self, account: &str, id: &str) -> Result<bool, StoreError>;

    /// Removes all tokens of one kind that an account has; returns how many there were.
    async fn token_remove_all(&self, account: &str, kind: TokenKind) -> Result<u64, StoreError>;

    /// Removes the tokens that expired before `now_us`; returns how many.
    async fn token_expire(&self, now_us: i64) -> Result<u64, StoreError>;

    /// Adds entries to the audit log, in order, without waiting for the disk: beside each change there is one.
    async fn audit_add(&self, entries: &[Audit]) -> Result<(), StoreError>;

    /// Entries of the audit log, the newest first.
    async fn audit_list(&self, query: &AuditQuery) -> Result<Vec<Audit>, StoreError>;
}
