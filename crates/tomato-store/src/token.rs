//! Tokens: access without the password, by a secret of which only the hash is known.

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenKind {
    /// Shown to its owner, sent by programs.
    Access,
    /// Held by a browser in a cookie.
    Session,
}

impl TokenKind {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Session => "session",
        }
    }
}

/// An access token or a session.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Its public handle.
    pub id: String,
    /// What it is for.
    pub kind: TokenKind,
    /// The account it acts for.
    pub account: String,
    /// SHA-256 of the secret in lower-case hex, unique.
    pub secret_hash: String,
    /// What its owner calls it.
    pub label: String,
    /// What narrows it, in the words of the caller; empty: nothing.
    pub scope: String,
    /// When it was made, in microseconds since the Unix epoch.
    pub created_at_us: i64,
    /// When it ends, in microseconds since the Unix epoch; `None`: never.
    pub expires_at_us: Option<i64>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
