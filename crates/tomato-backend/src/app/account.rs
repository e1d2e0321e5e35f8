//! Accounts and the proof of who calls.
//!
//! Passwords are kept as argon2id hashes. A password that was verified is remembered as a keyed hash for a short while, so
//! that scripts with basic authentication do not pay for each call.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Instant;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use sha2::{Digest, Sha256};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::request::Account;
use tomato_store::{Store, TokenKind};

use crate::app::commit::store_error;
use crate::app::token::{SECRET_PREFIX, hash};
use crate::app::{Answer, App, Caller, not_found};
use crate::clock;
use crate::limits::{PASSWORD_CACHE, PASSWORD_CACHE_MAX};

/// Account made at the first start.
pub const ADMIN: &str = "admin";
/// Flag of accounts that may do everything.
const ADMIN_FLAG: &str = "global_admin";

/// Passwords verified lately, as keyed hashes.
#[derive(Debug)]
pub(crate) struct PasswordCache {
    key: [u8; 32],
    verified: BTreeMap<[u8; 32], Instant>,
}

impl PasswordCache {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key, verified: BTreeMap::new() }
    }

    /// The stored hash is part of it, so a changed password is not accepted any more.
    fn digest(&self, stored: &str, password: &str) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.key);
        hasher.update(Sha256::digest(stored.as_bytes()));
        hasher.update(password.as_bytes());
        hasher.finalize().into()
    }

    fn knows(&self, stored: &str, password: &str) -> bool {
        self.verified
            .get(&self.digest(stored, password))
            .is_some_and(|at| at.elapsed() < PASSWORD_CACHE)
    }

    fn remember(&mut self, stored: &str, password: &str) {
        self.verified.retain(|_, at| at.elapsed() < PASSWORD_CACHE);
        if self.verified.len() < PASSWORD_CACHE_MAX {
            self.verified.insert(self.digest(stored, password), Instant::now());
        }
    }
}

/// The hash under which a password is stored.
fn hash_password(password: &str) -> Answer<String> {
    let hashed = Argon2::default().hash_password(password.as_bytes());
    hashed.map(|hash| hash.to_string()).map_err(|error| {
        ApiError::new(ErrorCode::Internal, format!("hashing the password failed: {error}"))
    })
}

/// Whether `password` is the one of `stored`; as slow as a right one when there is none stored.
fn verify(stored: Option<&str>, password: &str) -> bool {
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let Ok(parsed) = PasswordHash::new(stored.unwrap_or(NOBODY)) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && stored.is_some()
}

pub(crate) fn refused() -> ApiError {
    ApiError::new(
        ErrorCode::NotLoggedIn,
        "unknown account, wrong password or ended token: log in again",
    )
}

fn caller(account: &tomato_store::Account) -> Caller {
    Caller {
        account: account.name.clone(),
        admin: account.flags.iter().any(|flag| flag == ADMIN_FLAG),
    }
}

impl App {
    /// Makes the first account, or gives it this password if it has another one.
    pub async fn ensure_admin(&self, password: &str) -> Answer<()> {
        let existing = self.inner.store.account_get(ADMIN).await.map_err(store_error)?;
        if existing.is_some() && self.login(ADMIN, password).await.is_ok() {
            return Ok(());
        }
        self.account_set(ADMIN, password, true).await
    }

    /// Makes an account, or gives it this password and rank.
    pub async fn account_set(&self, name: &str, password: &str, admin: bool) -> Answer<()> {
        let password = password.to_owned();
        let hashed = blocking(move || hash_password(&password)).await??;
        let account = tomato_store::Account {
            name: name.to_owned(),
            password_hash: Some(hashed),
            flags: if admin { vec![ADMIN_FLAG.to_owned()] } else { Vec::new() },
            attributes: BTreeMap::new(),
            created_at_us: i64::try_from(clock::now_us()).unwrap_or(i64::MAX),
        };
        if !self.inner.store.account_modify(&account).await.map_err(store_error)? {
            self.inner.store.account_create(&account).await.map_err(store_error)?;
        }
        Ok(())
    }

    /// Who proves by password to be `name`.
    pub async fn login(&self, name: &str, password: &str) -> Answer<Caller> {
        let account = self.inner.store.account_get(name).await.map_err(store_error)?;
        let stored = account.as_ref().and_then(|a| a.password_hash.clone());
        if let (Some(account), Some(stored)) = (&account, &stored)
            && self
                .inner
                .passwords
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .knows(stored, password)
        {
            return Ok(caller(account));
        }
        let is_right = {
            let _permit =
                self.inner.password_checks.acquire().await.map_err(|error| {
                    crate::app::internal("waiting for a password check", &error)
                })?;
            let (stored, password) = (stored.clone(), password.to_owned());
            blocking(move || verify(stored.as_deref(), &password)).await?
        };
        match (account, stored) {
            (Some(account), Some(stored)) if is_right => {
                self.inner
                    .passwords
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remember(&stored, password);
                Ok(caller(&account))
            }
            _ => Err(refused()),
        }
    }

    /// Who holds a token.
    pub async fn login_token(&self, secret: &str) -> Answer<Caller> {
        if !secret.starts_with(SECRET_PREFIX) {
            return Err(refused());
        }
        self.login_secret(secret, TokenKind::Access).await?.ok_or_else(refused)
    }

    /// Who holds a secret of that kind; nobody if it is unknown or over.
    pub(crate) async fn login_secret(
        &self,
        secret: &str,
        kind: TokenKind,
    ) -> Answer<Option<Caller>> {
        let token = self.inner.store.token_by_hash(&hash(secret)).await.map_err(store_error)?;
        let is_valid = |token: &tomato_store::Token| {
            token.kind == kind && token.expires_at_us.is_none_or(|at| at > clock::now_i64())
        };
        let Some(token) = token.filter(is_valid) else { return Ok(None) };
        let account = self.inner.store.account_get(&token.account).await.map_err(store_error)?;
        Ok(account.as_ref().map(caller))
    }

    /// The caller's own account.
    pub fn account_info(&self, caller: &Caller) -> Account {
        Account { name: caller.account.clone(), admin: caller.admin }
    }

    /// How many accounts there are.
    pub(crate) async fn account_count(&self) -> Answer<usize> {
        Ok(self.inner.store.account_list().await.map_err(store_error)?.len())
    }

    pub(crate) async fn account_must_exist(&self, name: &str) -> Answer<()> {
        let account = self.inner.store.account_get(name).await.map_err(store_error)?;
        account.map(drop).ok_or_else(|| not_found("account", name))
    }
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
    tokio::task::spawn_blocking(run)
        .await
        .map_err(|error| crate::app::internal("hashing a password", &error))
}
