//! Organizations: owners of accounts. The first one is made with the lab.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use serde_json::json;
use tomato_api::account::{Organization, OrganizationCreate, OrganizationPatch};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::limits::CLIENT_BYTES_MAX;
use tomato_store::{Batch, Delete, EntityKind, Put, SqliteStore, Store};

use crate::app::account::{check_name, organization_of};
use crate::app::commit::store_error;
use crate::app::topology::check_revision;
use crate::app::{Answer, App, Caller, not_found};
use crate::limits::ACCOUNT_TEXT_CHARS_MAX;

/// The organization of accounts that name none, as in the original.
pub const DEFAULT_ORGANIZATION: &str = "others";

/// Reads every organization; [`DEFAULT_ORGANIZATION`] is always there.
pub(crate) async fn load(store: &SqliteStore) -> Answer<BTreeMap<String, Organization>> {
    let mut all = BTreeMap::new();
    for row in store.list(EntityKind::Organization, None).await.map_err(store_error)? {
        let organization: Organization = row.decode().map_err(store_error)?;
        all.insert(organization.name.clone(), organization);
    }
    if !all.contains_key(DEFAULT_ORGANIZATION) {
        let others = Organization {
            name: DEFAULT_ORGANIZATION.to_owned(),
            revision: 1,
            label: "Others".to_owned(),
            ..Organization::default()
        };
        put(store, &others, None).await?;
        all.insert(others.name.clone(), others);
    }
    Ok(all)
}

async fn put(store: &SqliteStore, it: &Organization, expected: Option<u64>) -> Answer<()> {
    let mut put = Put::create(EntityKind::Organization, it.name.as_str(), None, it.revision, it)
        .map_err(store_error)?;
    put.expected = expected;
    let batch = Batch { puts: vec![put], ..Batch::default() };
    store.commit(batch).await.map(drop).map_err(store_error)
}

fn apply(it: &mut Organization, patch: &OrganizationPatch) -> Answer<()> {
    let texts = [&patch.label, &patch.description, &patch.homepage_url, &patch.image_url];
    if texts.iter().any(|t| t.as_ref().is_some_and(|t| t.chars().count() > ACCOUNT_TEXT_CHARS_MAX))
    {
        let text =
            format!("texts of an organization have at most {ACCOUNT_TEXT_CHARS_MAX} characters");
        return Err(ApiError::new(ErrorCode::InvalidValue, text));
    }
    for url in [&patch.homepage_url, &patch.image_url].into_iter().flatten() {
        // shown as links: never a script
        if !url.is_empty() && !url.starts_with("https://") && !url.starts_with("http://") {
            let text = "homepage_url, image_url: addresses of pages begin with https:// or http://";
            return Err(ApiError::new(ErrorCode::InvalidValue, text));
        }
    }
    let optional = |url: &String| Some(url.clone()).filter(|url| !url.is_empty());
    it.label = patch.label.clone().unwrap_or_else(|| it.label.clone());
    it.description = patch.description.clone().unwrap_or_else(|| it.description.clone());
    if let Some(url) = &patch.homepage_url {
        it.homepage_url = optional(url);
    }
    if let Some(url) = &patch.image_url {
        it.image_url = optional(url);
    }
    patch.client.apply(&mut it.client);
    if json!(it.client).to_string().len() > CLIENT_BYTES_MAX {
        let text = format!("client data of an organization is at most {CLIENT_BYTES_MAX} bytes");
        return Err(ApiError::new(ErrorCode::InvalidValue, text));
    }
    Ok(())
}

impl App {
    fn organizations(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Organization>> {
        self.inner.organizations.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// All organizations by name.
    pub fn organization_list(&self) -> Vec<Organization> {
        self.organizations().values().cloned().collect()
    }

    /// An organization.
    pub fn organization_info(&self, name: &str) -> Answer<Organization> {
        self.organizations().get(name).cloned().ok_or_else(|| not_found("organization", name))
    }

    pub(crate) fn organization_must_exist(&self, name: &str) -> Answer<()> {
        self.organization_info(name).map(drop)
    }

    /// Makes an organization.
    pub async fn organization_create(
        &self,
        caller: &Caller,
        args: OrganizationCreate,
    ) -> Answer<Organization> {
        caller.need_admin()?;
        check_name(&args.name)?;
        if self.organizations().contains_key(&args.name) {
            let text = format!("organization {:?} exists already: choose another name", args.name);
            return Err(ApiError::new(ErrorCode::AlreadyExists, text));
        }
        let mut made = Organization {
            label: args.name.clone(),
            name: args.name,
            revision: 1,
            ..Organization::default()
        };
        apply(&mut made, &args.set)?;
        self.organization_put(made, None).await
    }

    /// Changes an organization.
    pub async fn organization_modify(
        &self,
        caller: &Caller,
        name: &str,
        patch: OrganizationPatch,
        expected: Option<u64>,
    ) -> Answer<Organization> {
        caller.need_admin_of(Some(name))?;
        let mut changed = self.organization_info(name)?;
        check_revision(expected, changed.revision, &changed)?;
        apply(&mut changed, &patch)?;
        let before = changed.revision;
        changed.revision += 1;
        self.organization_put(changed, Some(before)).await
    }

    /// Removes an organization to which no account belongs.
    pub async fn organization_remove(&self, caller: &Caller, name: &str) -> Answer<()> {
        caller.need_admin()?;
        let gone = self.organization_info(name)?;
        if name == DEFAULT_ORGANIZATION {
            let text = "accounts without an organization belong to this one: it stays";
            return Err(ApiError::new(ErrorCode::UnsupportedAction, text));
        }
        let _turn = self.inner.account_turn.lock().await;
        let members = self.accounts().values().filter(|a| organization_of(a) == name).count();
        if members > 0 {
            let text =
                format!("organization {name} has {members} accounts: move or remove them first");
            return Err(ApiError::new(ErrorCode::NotEmpty, text));
        }
        let delete = Delete {
            kind: EntityKind::Organization,
            id: name.to_owned(),
            expected: Some(gone.revision),
        };
        let batch = Batch { deletes: vec![delete], ..Batch::default() };
        self.inner.store.commit(batch).await.map_err(store_error)?;
        self.inner.organizations.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        Ok(())
    }

    async fn organization_put(
        &self,
        organization: Organization,
        expected: Option<u64>,
    ) -> Answer<Organization> {
        put(&self.inner.store, &organization, expected).await?;
        let mut all = self.inner.organizations.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(organization.name.clone(), organization.clone());
        Ok(organization)
    }
}
