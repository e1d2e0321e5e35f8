//! Accounts: who may log in and what they may do beside their roles.
//!
//! Invariant: all accounts are in memory, changed there only after the store has kept the change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use serde_json::{Value, json};
use tomato_api::account::{Account, AccountCreate, AccountPatch, AccountRegister, FlagInfo};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::flag::Flag;
use tomato_model::graph::Graph;
use tomato_model::limits::CLIENT_BYTES_MAX;
use tomato_model::role::Role;
use tomato_store::{SqliteStore, Store, StoreError, TokenKind};

use crate::app::commit::{Extra, store_error};
use crate::app::organization::DEFAULT_ORGANIZATION;
use crate::app::{Answer, App, Caller, not_found};
use crate::clock;
use crate::limits::{
    ACCOUNT_NAME_CHARS_MAX, ACCOUNT_TEXT_CHARS_MAX, PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN,
    REGISTRATIONS_MAX,
};

/// Account made at the first start.
pub const ADMIN: &str = "admin";
/// Stored attribute: microseconds since the Unix epoch.
pub(crate) const LAST_LOGIN: &str = "last_login";
const REALNAME: &str = "realname";
const EMAIL: &str = "email";
const ORGANIZATION: &str = "organization";

/// Reads every account.
pub(crate) async fn load(store: &SqliteStore) -> Answer<BTreeMap<String, tomato_store::Account>> {
    let rows = store.account_list().await.map_err(store_error)?;
    Ok(rows.into_iter().map(|account| (account.name.clone(), account)).collect())
}

/// Its flags; names of later versions are passed over.
pub(crate) fn flags_of(account: &tomato_store::Account) -> BTreeSet<Flag> {
    account.flags.iter().filter_map(|name| Flag::find(name)).collect()
}

/// The organization it belongs to.
/// Where mail to an account goes, if anywhere.
pub(crate) fn email_of(account: &tomato_store::Account) -> Option<String> {
    account.attributes.get(EMAIL).filter(|email| !email.is_empty()).cloned()
}

pub(crate) fn organization_of(account: &tomato_store::Account) -> String {
    let named = account.attributes.get(ORGANIZATION).cloned();
    named.unwrap_or_else(|| DEFAULT_ORGANIZATION.to_owned())
}

/// Refuses a new password that is too short or too long.
pub(crate) fn check_password_length(password: &str) -> Answer<()> {
    let chars = password.chars().count();
    if (PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&chars) {
        return Ok(());
    }
    let text =
        format!("password: must have {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters");
    Err(invalid("password", text))
}

fn invalid(attribute: &str, text: String) -> ApiError {
    ApiError::new(ErrorCode::InvalidValue, text).with(json!({"attribute": attribute}))
}

/// Refuses names of accounts, organizations and profiles that would be trouble in paths, headers and lists.
pub(crate) fn check_name(name: &str) -> Answer<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    let is_fine = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().count() <= ACCOUNT_NAME_CHARS_MAX
        && name.chars().all(is_plain);
    if is_fine {
        return Ok(());
    }
    let text = format!(
        "name: use 1 to {ACCOUNT_NAME_CHARS_MAX} letters, digits, '-', '_', '.' and '@', beginning with a letter or digit"
    );
    Err(invalid("name", text))
}

/// Refuses texts that are too long or not for reading.
pub(crate) fn check_text(attribute: &str, text: &str) -> Answer<()> {
    if text.chars().count() <= ACCOUNT_TEXT_CHARS_MAX && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let text = format!("{attribute}: at most {ACCOUNT_TEXT_CHARS_MAX} printable characters");
    Err(invalid(attribute, text))
}

fn check_email(email: &str) -> Answer<()> {
    check_text(EMAIL, email)?;
    let is_fine = email.is_empty()
        || email.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && !host.is_empty() && !email.contains(char::is_whitespace)
        });
    if is_fine {
        return Ok(());
    }
    Err(invalid(EMAIL, "email: must be an address like ada@example.org".to_owned()))
}

/// Writes the plain parts of a patch into an account; who may change what was checked before.
fn apply(account: &mut tomato_store::Account, patch: &AccountPatch) -> Answer<()> {
    for (key, value) in [(REALNAME, &patch.realname), (EMAIL, &patch.email)] {
        if let Some(value) = value {
            check_text(key, value)?;
            account.attributes.insert(key.to_owned(), value.clone());
        }
    }
    if let Some(email) = &patch.email {
        check_email(email)?;
    }
    let mut flags = flags_of(account);
    for (flag, is_set) in &patch.flags {
        if *is_set {
            flags.insert(*flag);
        } else {
            flags.remove(flag);
        }
    }
    account.flags = flags.into_iter().map(|flag| flag.name().to_owned()).collect();
    for (key, value) in &patch.client.0 {
        if value.is_null() {
            account.attributes.remove(key);
        } else {
            account.attributes.insert(key.clone(), value.to_string());
        }
    }
    let client = account.attributes.iter().filter(|(key, _)| key.starts_with('_'));
    if client.map(|(key, value)| key.len() + value.len()).sum::<usize>() > CLIENT_BYTES_MAX {
        let text = format!("client data of an account is at most {CLIENT_BYTES_MAX} bytes");
        return Err(ApiError::new(ErrorCode::InvalidValue, text));
    }
    Ok(())
}

impl App {
    /// An account as it is stored.
    pub(crate) fn account(&self, name: &str) -> Option<tomato_store::Account> {
        self.accounts().get(name).cloned()
    }

    /// All accounts by name.
    pub(crate) fn accounts(
        &self,
    ) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, tomato_store::Account>> {
        self.inner.accounts.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the first account with this password, unless it is there: then it has the password it was given since.
    pub async fn ensure_admin(&self, password: &str) -> Answer<()> {
        if self.account(ADMIN).is_some() {
            return Ok(());
        }
        self.account_set(ADMIN, password, true).await
    }

    /// Makes an account, or gives it this password and rank, without asking who may.
    pub async fn account_set(&self, name: &str, password: &str, admin: bool) -> Answer<()> {
        let hashed = self.hashed(password).await?;
        let existing = self.account(name);
        let is_new = existing.is_none();
        let mut account = existing.unwrap_or_else(|| fresh(name));
        account.password_hash = Some(hashed);
        let flag = BTreeMap::from([(Flag::GlobalAdmin, admin)]);
        apply(&mut account, &AccountPatch { flags: flag, ..AccountPatch::default() })?;
        self.account_put(account, is_new).await.map(drop)
    }

    /// The caller's own account.
    pub fn account_info(&self, caller: &Caller) -> Account {
        match self.account(&caller.account) {
            Some(account) => self.account_full(&account),
            None => {
                Account { name: caller.account.clone(), admin: caller.admin, ..Account::default() }
            }
        }
    }

    /// An account: everything for itself and its administrators, else its names.
    pub fn account_show(&self, caller: &Caller, name: &str) -> Answer<Account> {
        let account = self.account(name).ok_or_else(|| not_found("account", name))?;
        let is_own = caller.account == name;
        if is_own || caller.need_admin_of(Some(&organization_of(&account))).is_ok() {
            return Ok(self.account_full(&account));
        }
        let full = self.account_full(&account);
        Ok(Account { name: full.name, realname: full.realname, ..Account::default() })
    }

    /// Accounts by name: all of them for administrators, those of the own organization for its administrators.
    pub fn account_list(
        &self,
        caller: &Caller,
        organization: Option<&str>,
        flag: Option<&str>,
    ) -> Answer<Vec<Account>> {
        caller.need_admin_of(None)?;
        let organization = match organization {
            Some(name) => Some(name.to_owned()),
            None if caller.need_admin().is_ok() => None,
            None => caller.organization.clone(),
        };
        caller.need_admin_of(organization.as_deref())?;
        let flag = match flag {
            Some(name) => Some(Flag::find(name).ok_or_else(|| {
                invalid("flag", format!("flag: there is no flag {name:?}; see flag_list"))
            })?),
            None => None,
        };
        let accounts: Vec<tomato_store::Account> = self.accounts().values().cloned().collect();
        Ok(accounts
            .iter()
            .filter(|a| organization.as_ref().is_none_or(|name| organization_of(a) == *name))
            .filter(|a| flag.is_none_or(|flag| flags_of(a).contains(&flag)))
            .map(|account| self.account_full(account))
            .collect())
    }

    /// Makes an account.
    pub async fn account_create(&self, caller: &Caller, args: AccountCreate) -> Answer<Account> {
        let own = caller.organization.clone();
        let asked = args.organization.clone().or_else(|| args.set.organization.clone()).or(own);
        let organization = asked.unwrap_or_else(|| DEFAULT_ORGANIZATION.to_owned());
        caller.need_admin_of(Some(&organization))?;
        let flags = args.set.flags.keys();
        check_flags(caller, flags.copied())?;
        check_name(&args.name)?;
        check_password_length(&args.password)?;
        self.organization_must_exist(&organization)?;
        self.account_must_be_new(&args.name)?;
        let mut account = fresh(&args.name);
        account.attributes.insert(ORGANIZATION.to_owned(), organization);
        apply(&mut account, &args.set)?;
        account.password_hash = Some(self.hashed(&args.password).await?);
        let account = self.account_put(account, true).await?;
        Ok(self.account_full(&account))
    }

    /// Asks for an account, which an administrator must approve.
    pub async fn account_register(&self, args: AccountRegister) -> Answer<Account> {
        if !self.settings().registration {
            let text = "registration is closed here: ask an administrator for an account";
            return Err(ApiError::new(ErrorCode::Denied, text));
        }
        check_name(&args.name)?;
        check_password_length(&args.password)?;
        self.organization_must_exist(&args.organization)?;
        if args.email.is_empty() {
            return Err(invalid(
                EMAIL,
                "email: must be an address like ada@example.org".to_owned(),
            ));
        }
        let waiting =
            self.accounts().values().filter(|a| flags_of(a).contains(&Flag::NewAccount)).count();
        if waiting >= REGISTRATIONS_MAX {
            let text = "too many accounts wait for approval: ask an administrator";
            return Err(crate::app::login::too_often(text, 3600));
        }
        self.account_must_be_new(&args.name)?;
        let mut account = fresh(&args.name);
        account.attributes.insert(ORGANIZATION.to_owned(), args.organization.clone());
        let patch = AccountPatch {
            realname: Some(args.realname),
            email: Some(args.email),
            flags: BTreeMap::from([(Flag::NewAccount, true)]),
            ..AccountPatch::default()
        };
        apply(&mut account, &patch)?;
        account.password_hash = Some(self.hashed(&args.password).await?);
        let account = self.account_put(account, true).await?;
        let text = format!(
            "{} asks for an account; clear its flag new_account to approve it.",
            account.name
        );
        let about = Some(["account".to_owned(), account.name.clone()]);
        self.notify_admins(Some(&args.organization), "New account", &text, about, None).await?;
        Ok(self.account_full(&account))
    }

    /// Changes an account: everybody their own, administrators those they are responsible for.
    pub async fn account_modify(
        &self,
        caller: &Caller,
        name: &str,
        patch: AccountPatch,
    ) -> Answer<Account> {
        let before = self.account(name).ok_or_else(|| not_found("account", name))?;
        let is_own = caller.account == name;
        may_modify(caller, &before, &patch)?;
        if let Some(organization) = &patch.organization {
            self.organization_must_exist(organization)?;
        }
        let mut hashed = None;
        if let Some(password) = &patch.password {
            check_password_length(password)?;
            if is_own {
                let current = patch.current_password.as_deref().unwrap_or_default();
                let stored = before.password_hash.as_deref();
                if !self.check_password(name, stored, current).await? {
                    let text = "current_password: must be the password so far";
                    return Err(ApiError::new(ErrorCode::Denied, text));
                }
            }
            hashed = Some(self.hashed(password).await?);
        }
        let is_new_password = hashed.is_some();
        let account = self
            .account_change(name, |account| {
                apply(account, &patch)?;
                if let Some(organization) = &patch.organization {
                    account.attributes.insert(ORGANIZATION.to_owned(), organization.clone());
                }
                if let Some(hash) = hashed {
                    account.password_hash = Some(hash);
                }
                Ok(())
            })
            .await?;
        if is_new_password || patch.flags.get(&Flag::Disabled) == Some(&true) {
            let ended = self.inner.store.token_remove_all(name, TokenKind::Session).await;
            self.proofs_changed();
            ended.map_err(store_error)?;
        }
        Ok(self.account_full(&account))
    }

    /// Removes an account with its sessions, tokens, notifications and roles.
    pub async fn account_remove(&self, caller: &Caller, name: &str) -> Answer<()> {
        // whoever may not ask learns nothing about names
        caller.need_admin_of(None)?;
        let account = self.account(name).ok_or_else(|| not_found("account", name))?;
        caller.need_admin_of(Some(&organization_of(&account)))?;
        if is_above_organization(&account) {
            caller.need_admin()?;
        }
        if caller.account == name {
            let text = "nobody may remove their own account: let another administrator do it";
            return Err(ApiError::new(ErrorCode::Denied, text));
        }
        let _turn = self.inner.account_turn.lock().await;
        self.need_other_owners(name).await?;
        self.inner.store.account_remove(name).await.map_err(store_error)?;
        self.inner.accounts.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.proofs_changed();
        self.notifications_forget(name).await?;
        self.strip_roles(name).await
    }

    /// Refuses to take away the only owner of a topology.
    async fn need_other_owners(&self, name: &str) -> Answer<()> {
        for (_, slot) in self.all_slots() {
            let state = slot.state.lock().await;
            let roles = &state.graph.topology.roles;
            let others = roles.iter().any(|(other, role)| other != name && *role == Role::Owner);
            if !state.is_gone && roles.get(name) == Some(&Role::Owner) && !others {
                let text = format!(
                    "account {name} is the only owner of topology {:?}: give it to another or remove it first",
                    state.graph.topology.name
                );
                return Err(ApiError::new(ErrorCode::NotEmpty, text)
                    .with(json!({"topology": state.graph.topology.id})));
            }
        }
        Ok(())
    }

    /// Takes every role from the name of an account that is gone, or not there yet.
    async fn strip_roles(&self, name: &str) -> Answer<()> {
        for (_, slot) in self.all_slots() {
            let mut state = slot.state.lock().await;
            let mut graph = Graph::clone(&state.graph);
            if !state.is_gone && graph.topology.roles.remove(name).is_some() {
                graph.topology.revision += 1;
                self.commit(&mut state, graph, Extra::default()).await?;
            }
        }
        Ok(())
    }

    /// The flags of accounts.
    pub fn flag_list(&self) -> Vec<FlagInfo> {
        let info = |flag: &Flag| FlagInfo {
            name: *flag,
            category: flag.category(),
            doc: flag.doc().to_owned(),
        };
        Flag::ALL.iter().map(info).collect()
    }

    /// How many accounts there are.
    /// How many accounts there are, and how many of them logged in since a time in microseconds.
    pub(crate) fn account_counts(&self, since: u64) -> (usize, usize) {
        let all = self.accounts();
        let last = |account: &tomato_store::Account| {
            account.attributes.get(LAST_LOGIN).and_then(|at| at.parse::<u64>().ok())
        };
        (all.len(), all.values().filter(|account| last(account) >= Some(since)).count())
    }

    pub(crate) fn account_must_exist(&self, name: &str) -> Answer<()> {
        self.account(name).map(drop).ok_or_else(|| not_found("account", name))
    }

    /// Refuses a name that is taken, before anything costly is done for it; the store has the last word.
    fn account_must_be_new(&self, name: &str) -> Answer<()> {
        if self.account(name).is_none() {
            return Ok(());
        }
        Err(store_error(StoreError::AccountExists(name.to_owned())))
    }

    /// Changes a stored account, one change at a time.
    pub(crate) async fn account_change(
        &self,
        name: &str,
        change: impl FnOnce(&mut tomato_store::Account) -> Answer<()>,
    ) -> Answer<tomato_store::Account> {
        let _turn = self.inner.account_turn.lock().await;
        let mut account = self.account(name).ok_or_else(|| not_found("account", name))?;
        change(&mut account)?;
        if let Some(organization) = account.attributes.get(ORGANIZATION) {
            self.organization_must_exist(organization)?;
        }
        self.inner.store.account_modify(&account).await.map_err(store_error)?;
        self.account_keep(account.clone());
        Ok(account)
    }

    async fn account_put(
        &self,
        account: tomato_store::Account,
        is_new: bool,
    ) -> Answer<tomato_store::Account> {
        let _turn = self.inner.account_turn.lock().await;
        self.organization_must_exist(&organization_of(&account))?;
        if is_new {
            // what a removal that broke off, or one under way, left to an account of this name
            self.strip_roles(&account.name).await?;
            self.inner.store.account_create(&account).await.map_err(store_error)?;
        } else {
            self.inner.store.account_modify(&account).await.map_err(store_error)?;
        }
        self.account_keep(account.clone());
        Ok(account)
    }

    fn account_keep(&self, account: tomato_store::Account) {
        let mut accounts = self.inner.accounts.write().unwrap_or_else(PoisonError::into_inner);
        accounts.insert(account.name.clone(), account);
        drop(accounts);
        self.proofs_changed();
    }

    fn account_full(&self, account: &tomato_store::Account) -> Account {
        let text = |key: &str| account.attributes.get(key).cloned();
        let flags = flags_of(account);
        let client = account.attributes.iter().filter(|(key, _)| key.starts_with('_'));
        let client = client.map(|(key, value)| {
            (
                key.clone(),
                serde_json::from_str(value).unwrap_or_else(|_| Value::from(value.as_str())),
            )
        });
        Account {
            name: account.name.clone(),
            admin: flags.contains(&Flag::GlobalAdmin),
            realname: text(REALNAME).unwrap_or_default(),
            email: email_of(account),
            organization: Some(organization_of(account)),
            flags: Some(flags),
            created_at: u64::try_from(account.created_at_us).ok(),
            last_login: text(LAST_LOGIN).and_then(|at| at.parse().ok()),
            notifications: Some(self.notifications_unread(&account.name)),
            client: client.collect(),
        }
    }
}

/// Whether an account has power that an administrator of its organization could not have given it.
fn is_above_organization(account: &tomato_store::Account) -> bool {
    flags_of(account).iter().any(|flag| !flag.is_of_organization())
}

/// Refuses changes that the caller may not make.
fn may_modify(
    caller: &Caller,
    account: &tomato_store::Account,
    patch: &AccountPatch,
) -> Answer<()> {
    let is_own = caller.account == account.name;
    let is_admin = caller.need_admin().is_ok();
    let is_orga_admin = !is_above_organization(account)
        && caller.need_admin_of(Some(&organization_of(account))).is_ok();
    if !(is_own || is_admin || is_orga_admin) {
        let text = "only the account itself or its administrators may change it";
        return Err(ApiError::new(ErrorCode::Denied, text));
    }
    if patch.organization.is_some() && !is_admin {
        let text = "organization: only an administrator of the lab may change it";
        return Err(ApiError::new(ErrorCode::Denied, text));
    }
    let had = flags_of(account);
    let drops = |flag| patch.flags.get(&flag) == Some(&false) && had.contains(&flag);
    let locks_out = drops(Flag::GlobalAdmin)
        || drops(Flag::OrgaAdmin)
        || patch.flags.get(&Flag::Disabled) == Some(&true)
        || patch.flags.get(&Flag::NewAccount) == Some(&true);
    if is_own && (is_admin || is_orga_admin) && locks_out {
        let text = "flags: nobody may lock themselves out: let another administrator do it";
        return Err(ApiError::new(ErrorCode::Denied, text));
    }
    if is_admin || is_orga_admin {
        return check_flags(caller, patch.flags.keys().copied());
    }
    match patch.flags.keys().find(|flag| !flag.is_own()) {
        Some(flag) => {
            let text = format!("flags: only an administrator may change {}", flag.name());
            Err(ApiError::new(ErrorCode::Denied, text))
        }
        None => Ok(()),
    }
}

fn fresh(name: &str) -> tomato_store::Account {
    tomato_store::Account {
        name: name.to_owned(),
        password_hash: None,
        flags: Vec::new(),
        attributes: BTreeMap::new(),
        created_at_us: clock::now_i64(),
    }
}

/// Refuses flags that the caller may not give or take.
fn check_flags(caller: &Caller, flags: impl Iterator<Item = Flag>) -> Answer<()> {
    if caller.need_admin().is_ok() {
        return Ok(());
    }
    let mut flags = flags;
    match flags.find(|flag| !flag.is_of_organization()) {
        Some(flag) => {
            let text =
                format!("flags: only an administrator of the lab may change {}", flag.name());
            Err(ApiError::new(ErrorCode::Denied, text))
        }
        None => Ok(()),
    }
}
