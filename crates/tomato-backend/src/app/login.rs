//! The proof of who calls: by password, by token, by session.
//!
//! Passwords are kept as argon2id hashes. A password that was verified is remembered as a keyed hash for a short while, so
//! that scripts with basic authentication do not pay for each call. Only wrong passwords count against the limit on
//! logins, and only so many may wait to be checked: a flood of them delays nobody who was known before.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use sha2::{Digest, Sha256};
use tomato_api::account::TokenScope;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::flag::Flag;
use tomato_store::{Store, TokenKind};

use crate::app::account::{LAST_LOGIN, flags_of, organization_of};
use crate::app::commit::store_error;
use crate::app::proof::Proof;
use crate::app::token::{SECRET_PREFIX, hash};
use crate::app::{Answer, App, Caller};
use crate::clock;
use crate::limits::{
    LAST_LOGIN_STEP, LOGIN_FAILURES, LOGIN_FAILURES_OF_ADDRESS, LOGIN_KEYS_MAX, LOGIN_REFILL,
    LOGIN_REFILL_OF_ADDRESS, PASSWORD_CACHE, PASSWORD_CACHE_MAX,
};

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

/// Failed logins: each address, and each account from each address, has so many tries that come back with time.
#[derive(Debug, Default)]
pub(crate) struct LoginLimits {
    /// When all tries will be back.
    full_at: BTreeMap<(Option<IpAddr>, Option<String>), Instant>,
}

impl LoginLimits {
    /// Seconds to wait before the next try, if there is none left now.
    pub(crate) fn wait_s(&self, name: &str, address: Option<IpAddr>, now: Instant) -> Option<u64> {
        let own = self.over(&(address, Some(name.to_owned())), now);
        let all = self.over(&(address, None), now);
        own.max(all)
    }

    fn over(&self, key: &(Option<IpAddr>, Option<String>), now: Instant) -> Option<u64> {
        let (tries, refill) = Self::rule(key);
        let missing = self.full_at.get(key)?.saturating_duration_since(now);
        // one try is left while at least one is not missing
        let most = refill * (tries - 1);
        (missing > most).then(|| (missing - most).as_secs() + 1)
    }

    fn rule(key: &(Option<IpAddr>, Option<String>)) -> (u32, std::time::Duration) {
        if key.1.is_some() {
            (LOGIN_FAILURES, LOGIN_REFILL)
        } else {
            (LOGIN_FAILURES_OF_ADDRESS, LOGIN_REFILL_OF_ADDRESS)
        }
    }

    /// Counts a failure.
    pub(crate) fn failed(&mut self, name: &str, address: Option<IpAddr>, now: Instant) {
        self.full_at.retain(|_, at| *at > now);
        for key in [(address, Some(name.to_owned())), (address, None)] {
            let (_, refill) = Self::rule(&key);
            if self.full_at.len() < LOGIN_KEYS_MAX || self.full_at.contains_key(&key) {
                let full_at = self.full_at.entry(key).or_insert(now);
                *full_at += refill;
            }
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

fn refused() -> ApiError {
    ApiError::new(
        ErrorCode::NotLoggedIn,
        "unknown account, wrong password or ended token: log in again",
    )
}

/// Told to those who ask too often.
pub(crate) fn too_often(what: &str, wait_s: u64) -> ApiError {
    let text = format!("{what}: try again in {wait_s} s");
    ApiError::new(ErrorCode::RateLimited, text).with(serde_json::json!({"retry_after_s": wait_s}))
}

impl App {
    /// The hash of a password, made where it holds up nobody.
    ///
    /// # Errors
    /// [`ErrorCode::RateLimited`] when too many passwords wait.
    pub(crate) async fn hashed(&self, password: &str) -> Answer<String> {
        let password = password.to_owned();
        self.in_password_turn(move || hash_password(&password)).await?
    }

    /// Runs what costs as much as checking a password: so many at once, so many in line.
    async fn in_password_turn<T: Send + 'static>(
        &self,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> Answer<T> {
        let Ok(_place) = self.inner.password_queue.try_acquire() else {
            return Err(too_often("too many passwords wait to be checked", 1));
        };
        let _permit = self
            .inner
            .password_checks
            .acquire()
            .await
            .map_err(|error| crate::app::internal("waiting for a password check", &error))?;
        blocking(run).await
    }

    /// Who proves by password to be `name`.
    ///
    /// # Errors
    /// [`ErrorCode::NotLoggedIn`], or [`ErrorCode::RateLimited`] after too many failures.
    pub async fn login(&self, name: &str, password: &str) -> Answer<Caller> {
        let account = self.account(name);
        let stored = account.as_ref().and_then(|account| account.password_hash.clone());
        if let (Some(account), Some(stored)) = (&account, &stored)
            && self.passwords().knows(stored, password)
        {
            return self.admit(account, TokenScope::default(), Proof::Password(stored.clone()));
        }
        let is_right = self.check_password(name, stored.as_deref(), password).await?;
        match (account, stored) {
            (Some(account), Some(stored)) if is_right => {
                self.passwords().remember(&stored, password);
                let caller =
                    self.admit(&account, TokenScope::default(), Proof::Password(stored))?;
                self.note_login(&account).await?;
                Ok(caller)
            }
            _ => Err(refused()),
        }
    }

    /// Whether the password is the stored one; failures are counted, and audited as those of an operation `login`.
    pub(crate) async fn check_password(
        &self,
        name: &str,
        stored: Option<&str>,
        password: &str,
    ) -> Answer<bool> {
        let address = crate::peer::address();
        if let Some(wait_s) = self.login_limits().wait_s(name, address, Instant::now()) {
            return Err(too_often("too many wrong passwords", wait_s));
        }
        let (stored, given) = (stored.map(str::to_owned), password.to_owned());
        let is_right = self.in_password_turn(move || verify(stored.as_deref(), &given)).await?;
        if !is_right {
            self.login_limits().failed(name, address, Instant::now());
            self.audit_login_failure(name).await;
        }
        Ok(is_right)
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
        self.login_hash(&hash(secret), kind).await
    }

    /// Who holds the secret of that kind with that hash; nobody if it is unknown or over.
    pub(crate) async fn login_hash(&self, hash: &str, kind: TokenKind) -> Answer<Option<Caller>> {
        let token = self.inner.store.token_by_hash(hash).await.map_err(store_error)?;
        let is_valid = |token: &tomato_store::Token| {
            token.kind == kind && token.expires_at_us.is_none_or(|at| at > clock::now_i64())
        };
        let Some(token) = token.filter(is_valid) else { return Ok(None) };
        let Some(account) = self.account(&token.account) else { return Ok(None) };
        let scope = crate::app::token::scope(&token)?;
        Ok(self.admit(&account, scope, Proof::Secret(hash.to_owned(), kind)).ok())
    }

    /// Lets an account in that has proved who it is.
    ///
    /// # Errors
    /// It is disabled or waits for approval.
    pub(crate) fn admit(
        &self,
        account: &tomato_store::Account,
        scope: TokenScope,
        proof: Proof,
    ) -> Answer<Caller> {
        let flags = flags_of(account);
        let barred = [
            (Flag::Disabled, "the account is disabled: ask an administrator"),
            (Flag::NewAccount, "the account waits for the approval of an administrator"),
        ];
        for (flag, text) in barred {
            if flags.contains(&flag) {
                return Err(ApiError::new(ErrorCode::NotLoggedIn, text));
            }
        }
        let organization = organization_of(account);
        let members = if flags.iter().any(|flag| flag.organization_role().is_some()) {
            self.accounts()
                .values()
                .filter(|other| organization_of(other) == organization)
                .map(|other| other.name.clone())
                .collect()
        } else {
            std::collections::BTreeSet::new()
        };
        Ok(Caller {
            account: account.name.clone(),
            admin: flags.contains(&Flag::GlobalAdmin),
            organization: Some(organization),
            flags,
            members: Arc::new(members),
            proof,
            scope,
            address: crate::peer::address(),
        })
    }

    /// Keeps the time of a login, to the hour.
    async fn note_login(&self, account: &tomato_store::Account) -> Answer<()> {
        let now = clock::now_us();
        let last = account.attributes.get(LAST_LOGIN).and_then(|at| at.parse::<u64>().ok());
        let step = u64::try_from(LAST_LOGIN_STEP.as_micros()).unwrap_or(u64::MAX);
        if last.is_some_and(|at| now.saturating_sub(at) < step) {
            return Ok(());
        }
        let at = now.to_string();
        self.account_change(&account.name, |account| {
            account.attributes.insert(LAST_LOGIN.to_owned(), at);
            Ok(())
        })
        .await
        .map(drop)
    }

    fn passwords(&self) -> std::sync::MutexGuard<'_, PasswordCache> {
        self.inner.passwords.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn login_limits(&self) -> std::sync::MutexGuard<'_, LoginLimits> {
        self.inner.login_limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
    tokio::task::spawn_blocking(run)
        .await
        .map_err(|error| crate::app::internal("hashing a password", &error))
}

#[cfg(test)]
mod tests;
