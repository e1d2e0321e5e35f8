//! What a store refuses or cannot do.

use std::path::PathBuf;

use crate::entity::{EntityKind, Row};

/// A refused or failed call.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An entity is not at the revision that the batch expected; nothing was changed.
    #[error("{kind} {id} was changed by somebody else: read it again and repeat the change")]
    Conflict {
        /// What it is.
        kind: EntityKind,
        /// Its id.
        id: String,
        /// As it is now, `None` if it does not exist.
        current: Option<Box<Row>>,
    },
    /// The file system is full; nothing was changed.
    #[error(
        "the disk with the state file is full, nothing was changed: free some space and repeat"
    )]
    DiskFull(#[source] sqlx::Error),
    /// The account's name is taken.
    #[error("account {0:?} exists already: choose another name")]
    AccountExists(String),
    /// There is no such account.
    #[error("account {0:?} does not exist: create it first")]
    AccountUnknown(String),
    /// The token's id or secret is there already.
    #[error("token {0} exists already: make a new one")]
    TokenExists(String),
    /// The state file cannot be opened.
    #[error("cannot open the state file {}: check its directory, owner and mode", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The file holds something else.
    #[error("{} is no state of this program: name a file made by `tomato backup`", path.display())]
    NoState {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Option<sqlx::Error>,
    },
    /// The file cannot be read to its end.
    #[error("{} is damaged ({why}): use another backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// In the words of SQLite.
        why: String,
    },
    /// The schema cannot be brought to this version.
    #[error("cannot migrate the state file {}: it may have been written by a newer version", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<sqlx::migrate::MigrateError>,
    },
    /// A stored body does not fit its type.
    #[error("the stored {kind} {id} is unreadable")]
    Decode {
        /// What it is.
        kind: EntityKind,
        /// Its id.
        id: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A value has no JSON form.
    #[error("{kind} {id} cannot be stored")]
    Encode {
        /// What it is.
        kind: EntityKind,
        /// Its id.
        id: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A stored or given value is outside the range of its column.
    #[error("{what} is out of range in the state file")]
    Range {
        /// Which value.
        what: &'static str,
    },
    /// The disk did not confirm what was written to it.
    #[error("what was changed is not sure to be on the disk: look at the disk of the state file")]
    Sync(#[source] std::io::Error),
    /// A statement failed.
    #[error("cannot {action} in the state file")]
    Statement {
        /// What was tried.
        action: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
}

/// Primary result code of SQLite for a full disk or an exhausted quota.
const SQLITE_FULL: i32 = 13;

impl StoreError {
    /// The error for a failed statement; a full disk is told apart.
    pub(crate) fn statement(action: &'static str, source: sqlx::Error) -> Self {
        let code =
            source.as_database_error().and_then(|e| e.code()).and_then(|c| c.parse::<i32>().ok());
        if code.is_some_and(|c| c & 0xff == SQLITE_FULL) {
            Self::DiskFull(source)
        } else {
            Self::Statement { action, source }
        }
    }
}
