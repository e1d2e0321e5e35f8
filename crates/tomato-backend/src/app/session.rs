//! Sessions of browsers: a secret in a cookie that stands for an account until it ends. Only its hash is kept, in the store, so
//! that sessions go on after a restart.
//!
//! Invariant: a session's secret is no access token and an access token is no session.

use tomato_api::account::Account;
use tomato_api::request::SessionCreate;
use tomato_store::{Store, TokenKind};

use crate::app::commit::store_error;
use crate::app::token::hash;
use crate::app::{Answer, App};
use crate::clock;
use crate::limits::{SESSION_LIFE, SESSIONS_PER_ACCOUNT_MAX};

impl App {
    /// Begins a session for whoever proves by password to be the account; answers who it is and the secret.
    pub async fn session_create(&self, args: SessionCreate) -> Answer<(Account, String)> {
        let caller = self.login(&args.account, &args.password).await?;
        let now = clock::now_i64();
        self.inner.store.token_expire(now).await.map_err(store_error)?;
        let mut others = self.inner.store.token_list(&caller.account).await.map_err(store_error)?;
        others.retain(|token| token.kind == TokenKind::Session);
        let surplus = (others.len() + 1).saturating_sub(SESSIONS_PER_ACCOUNT_MAX);
        // the oldest have the smallest ids
        for old in others.iter().take(surplus) {
            self.inner.store.token_remove(&old.account, &old.id).await.map_err(store_error)?;
        }
        let secret = hex::encode(clock::random::<32>());
        let life = i64::try_from(SESSION_LIFE.as_micros()).unwrap_or(i64::MAX);
        let row = tomato_store::Token {
            id: clock::token_id().as_str().to_owned(),
            kind: TokenKind::Session,
            account: caller.account.clone(),
            secret_hash: hash(&secret),
            label: "browser".to_owned(),
            scope: String::new(),
            created_at_us: now,
            expires_at_us: Some(now.saturating_add(life)),
        };
        self.inner.store.token_create(&row).await.map_err(store_error)?;
        Ok((self.account_info(&caller), secret))
    }

    /// Ends the session with that secret, if there is one.
    pub async fn session_remove(&self, secret: &str) -> Answer<()> {
        let found = self.inner.store.token_by_hash(&hash(secret)).await.map_err(store_error)?;
        if let Some(token) = found.filter(|token| token.kind == TokenKind::Session) {
            self.inner.store.token_remove(&token.account, &token.id).await.map_err(store_error)?;
            self.proofs_changed();
        }
        Ok(())
    }
}
