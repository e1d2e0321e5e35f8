//! What proved who calls, for what outlives a single call: a stream or a console ends when its proof no longer holds.

use tomato_api::account::TokenScope;
use tomato_store::TokenKind;

use crate::app::{App, Caller};
use crate::limits::PROOF_CHECK;

/// How a caller proved who it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Not at all: nobody, or the lab itself.
    #[default]
    None,
    /// By the password of this stored hash.
    Password(String),
    /// By the secret of this stored hash.
    Secret(String, TokenKind),
}

impl App {
    /// Wakes those who wait for a proof to end; called after each change of accounts, tokens and sessions.
    pub(crate) fn proofs_changed(&self) {
        self.inner.proofs.send_modify(|_| ());
    }

    /// Ends when the caller could no longer come in by what it proved, or would have other rights now.
    pub(crate) async fn until_revoked(&self, caller: &Caller) {
        let mut changes = self.inner.proofs.subscribe();
        while self.still_holds(caller).await {
            // the time is for what ends by itself
            let _changed_or_late = tokio::time::timeout(PROOF_CHECK, changes.changed()).await;
        }
    }

    /// Whether the caller could come in by what it proved, with the same rights.
    pub(crate) async fn still_holds(&self, caller: &Caller) -> bool {
        let now = match &caller.proof {
            Proof::None => return true,
            Proof::Password(stored) => self
                .account(&caller.account)
                .filter(|account| account.password_hash.as_ref() == Some(stored))
                .and_then(|account| {
                    self.admit(&account, TokenScope::default(), caller.proof.clone()).ok()
                }),
            Proof::Secret(hash, kind) => match self.login_hash(hash, *kind).await {
                Ok(now) => now,
                // a store that is busy revokes nothing
                Err(_) => return true,
            },
        };
        now.is_some_and(|now| now.has_rights_of(caller))
    }
}
