//! Access tokens: a secret that stands for an account. Only its hash is kept.

use serde_json::json;
use sha2::{Digest, Sha256};
use tomato_api::account::TokenScope;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::request::{Token, TokenCreate, TokenCreated};
use tomato_model::id::TokenId;
use tomato_store::{Store, TokenKind};

use crate::app::commit::store_error;
use crate::app::{Answer, App, Caller, internal, not_found};
use crate::clock;
use crate::limits::TOKENS_PER_ACCOUNT_MAX;

/// Begin of each secret, so that people and scanners know what they found.
pub(crate) const SECRET_PREFIX: &str = "tomato_";

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// What is kept of a secret. The secret is random, so a fast hash is enough.
pub(crate) fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

impl App {
    /// Makes a token; its secret is shown this once.
    pub async fn token_create(&self, caller: &Caller, args: TokenCreate) -> Answer<TokenCreated> {
        let count = self.token_list(caller).await?.len();
        if count >= TOKENS_PER_ACCOUNT_MAX {
            let text = format!(
                "account {} has {count} tokens, which is the most: remove one",
                caller.account
            );
            return Err(ApiError::new(ErrorCode::NoResources, text));
        }
        let secret = format!("{SECRET_PREFIX}{}", hex::encode(clock::random::<24>()));
        let id = clock::token_id();
        let now = i64::try_from(clock::now_us()).unwrap_or(i64::MAX);
        let row = tomato_store::Token {
            id: id.as_str().to_owned(),
            kind: TokenKind::Access,
            account: caller.account.clone(),
            secret_hash: hash(&secret),
            label: args.label.unwrap_or_default(),
            scope: if args.scope.is_full() { String::new() } else { json!(args.scope).to_string() },
            created_at_us: now,
            expires_at_us: args
                .days
                .map(|days| now.saturating_add(DAY_US.saturating_mul(i64::from(days)))),
        };
        self.inner.store.token_create(&row).await.map_err(store_error)?;
        Ok(TokenCreated { token: shown(row, id)?, secret })
    }

    /// The caller's tokens.
    pub async fn token_list(&self, caller: &Caller) -> Answer<Vec<Token>> {
        let rows = self.inner.store.token_list(&caller.account).await.map_err(store_error)?;
        rows.into_iter()
            .filter(|row| row.kind == TokenKind::Access)
            .filter_map(|row| row.id.parse().ok().map(|id| shown(row, id)))
            .collect()
    }

    /// Removes a token of the caller.
    pub async fn token_remove(&self, caller: &Caller, id: &TokenId) -> Answer<()> {
        let was_there = self
            .inner
            .store
            .token_remove(&caller.account, id.as_str())
            .await
            .map_err(store_error)?;
        self.proofs_changed();
        if was_there { Ok(()) } else { Err(not_found("token", id.as_str())) }
    }
}

/// What narrows a token.
pub(crate) fn scope(row: &tomato_store::Token) -> Answer<TokenScope> {
    if row.scope.is_empty() {
        return Ok(TokenScope::default());
    }
    serde_json::from_str(&row.scope).map_err(|error| internal("reading a token's scope", &error))
}

fn shown(row: tomato_store::Token, id: TokenId) -> Answer<Token> {
    Ok(Token {
        scope: scope(&row)?,
        id,
        account: row.account,
        label: row.label,
        created_at: u64::try_from(row.created_at_us).unwrap_or_default(),
        expires_at: row.expires_at_us.and_then(|at| u64::try_from(at).ok()),
    })
}
