//! Entities: everything with a revision that the backend keeps as JSON.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;
use crate::event::NewEvent;

/// What an entity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntityKind {
    /// A topology without its elements and connections.
    Topology,
    /// An element with its interfaces.
    Element,
    /// A connection.
    Connection,
    /// A job.
    Job,
    /// A resource profile.
    Profile,
    /// An organization, by name.
    Organization,
    /// A message to an account.
    Notification,
    /// Anything there is one of, by name.
    Setting,
    /// A mail that waits, by its notification.
    Mail,
}

impl EntityKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Topology,
        Self::Element,
        Self::Connection,
        Self::Job,
        Self::Profile,
        Self::Organization,
        Self::Notification,
        Self::Setting,
        Self::Mail,
    ];

    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Topology => "topology",
            Self::Element => "element",
            Self::Connection => "connection",
            Self::Job => "job",
            Self::Profile => "profile",
            Self::Organization => "organization",
            Self::Notification => "notification",
            Self::Setting => "setting",
            Self::Mail => "mail",
        }
    }
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is no kind of entity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of entity")]
pub struct EntityKindError(pub String);

impl FromStr for EntityKind {
    type Err = EntityKindError;

    fn from_str(text: &str) -> Result<Self, EntityKindError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| EntityKindError(text.chars().take(32).collect()))
    }
}

/// An entity as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub kind: EntityKind,
    /// Its id, unique within the kind.
    pub id: String,
    /// The topology it belongs to; a topology's row names itself.
    pub topology: Option<String>,
    /// Its revision.
    pub revision: u64,
    /// JSON text.
    pub body: String,
}

impl Row {
    /// The body as a value of the caller's type.
    ///
    /// # Errors
    /// [`StoreError::Decode`] when the body does not fit the type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        serde_json::from_str(&self.body).map_err(|source| StoreError::Decode {
            kind: self.kind,
            id: self.id.clone(),
            source,
        })
    }
}

/// Writes an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// What it is.
    pub kind: EntityKind,
    /// Its id.
    pub id: String,
    /// The topology it belongs to; a topology's row names itself.
    pub topology: Option<String>,
    /// `None`: it must not exist; `Some(n)`: it must exist at revision n.
    pub expected: Option<u64>,
    /// Revision that it has then.
    pub revision: u64,
    /// JSON text.
    pub body: String,
}

impl Put {
    /// A new entity at revision `revision`.
    ///
    /// # Errors
    /// [`StoreError::Encode`] when the value has no JSON form.
    pub fn create<T: Serialize>(
        kind: EntityKind,
        id: impl Into<String>,
        topology: Option<&str>,
        revision: u64,
        value: &T,
    ) -> Result<Self, StoreError> {
        let id = id.into();
        let body = encode(kind, &id, value)?;
        Ok(Self { kind, id, topology: topology.map(str::to_owned), expected: None, revision, body })
    }

    /// A new body of the entity that was read as `row`, moved from its revision to `revision`.
    ///
    /// # Errors
    /// [`StoreError::Encode`] when the value has no JSON form.
    pub fn replace<T: Serialize>(row: &Row, revision: u64, value: &T) -> Result<Self, StoreError> {
        let body = encode(row.kind, &row.id, value)?;
        Ok(Self {
            kind: row.kind,
            id: row.id.clone(),
            topology: row.topology.clone(),
            expected: Some(row.revision),
            revision,
            body,
        })
    }
}

fn encode<T: Serialize>(kind: EntityKind, id: &str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Encode {
        kind,
        id: id.to_owned(),
        source,
    })
}

/// Removes an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// What it is.
    pub kind: EntityKind,
    /// Its id.
    pub id: String,
    /// `None`: whatever it is, even if it is gone already; `Some(n)`: it must exist at revision n.
    pub expected: Option<u64>,
}

/// Changes that happen together; applied in the order deletes, puts, events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Entities to write.
    pub puts: Vec<Put>,
    /// Entities to remove.
    pub deletes: Vec<Delete>,
    /// What to tell those who watch.
    pub events: Vec<NewEvent>,
    /// The commit does not wait until the change outlives a failure of the machine's power, as it outlives the process: either it can be seen
    /// again, or who acknowledges it waits for [`Store::synced`](crate::Store::synced).
    pub is_synced_later: bool,
}
