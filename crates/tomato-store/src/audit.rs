//! The audit log: who did what.

/// An entry; its number is 0 until it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Its number, greater than those of all earlier entries.
    pub sequence: u64,
    /// When, in microseconds since the Unix epoch.
    pub at_us: i64,
    /// Who; empty: nobody who was logged in.
    pub account: String,
    /// What was asked.
    pub operation: String,
    /// On what.
    pub object: String,
    /// How it ended.
    pub outcome: String,
    /// Address of the client, where it is known.
    pub address: Option<String>,
}

/// Which entries are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditQuery {
    /// Only what this account did.
    pub account: Option<String>,
    /// Only what was done to this object.
    pub object: Option<String>,
    /// Only entries with a smaller number.
    pub before: Option<u64>,
    /// At most this many, and [`crate::limits::AUDIT_PAGE_MAX`].
    pub limit: usize,
}
