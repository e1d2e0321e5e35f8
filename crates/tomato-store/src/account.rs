//! Accounts: who may log in.

use std::collections::BTreeMap;

/// An account.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name, unique.
    pub name: String,
    /// Password hash in PHC form; `None`: no login by password.
    pub password_hash: Option<String>,
    /// Global flags such as `global_admin`; no white space within one.
    pub flags: Vec<String>,
    /// Free attributes such as `realname` and `email`.
    pub attributes: BTreeMap<String, String>,
    /// When it was made, in microseconds since the Unix epoch.
    pub created_at_us: i64,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}
