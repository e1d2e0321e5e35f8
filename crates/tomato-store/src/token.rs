//! Tokens: access without the password, by a secret of which only the hash is known.

/// An access token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Its public handle.
    pub id: String,
    /// The account it acts for.
    pub account: String,
    /// SHA-256 of the secret in lower-case hex, unique.
    pub secret_hash: String,
    /// What its owner calls it.
    pub label: String,
    /// When it was made, in microseconds since the Unix epoch.
    pub created_at_us: i64,
    /// When it ends, in microseconds since the Unix epoch; `None`: never.
    pub expires_at_us: Option<i64>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("id", &self.id)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
