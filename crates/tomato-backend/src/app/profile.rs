//! Resource profiles: four that come with the product, and those of the administrators.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLockWriteGuard};

use serde_json::json;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::request::{Profile, ProfileCreate, ProfilePatch};
use tomato_model::flag::Flag;
use tomato_model::graph::Graph;
use tomato_model::id::ProfileId;
use tomato_store::{Batch, Delete, EntityKind, Put, SqliteStore, Store};

use crate::app::account::{check_name, check_text};
use crate::app::commit::store_error;
use crate::app::topology::check_revision;
use crate::app::{Answer, App, Caller, internal, not_found};

/// Profile of a container that names none.
pub const DEFAULT_PROFILE: &str = "normal";

/// Name, title, thousandths of a processor, MB of memory, GB of disk, processes.
const BUILTIN: [(&str, &str, u32, u64, u64, u32); 4] = [
    ("tiny", "Tiny", 100, 64, 1, 64),
    ("small", "Small", 500, 256, 4, 256),
    ("normal", "Normal", 1000, 512, 10, 512),
    ("large", "Large", 2000, 2000, 40, 2048),
];

fn builtin() -> impl Iterator<Item = Profile> {
    (1u64..).zip(BUILTIN).map(|(number, (name, label, cpu_milli, memory, disk, pids_max))| {
        Profile {
            id: ProfileId::new(0, number),
            name: name.to_owned(),
            revision: 1,
            label: label.to_owned(),
            cpu_milli,
            memory_bytes: memory * 1_000_000,
            disk_bytes: disk * 1_000_000_000,
            pids_max,
            builtin: true,
            restricted: false,
        }
    })
}

/// Names of the profiles that come with the product.
pub fn shipped_names() -> impl Iterator<Item = &'static str> {
    BUILTIN.iter().map(|(name, ..)| *name)
}

/// All profiles by name.
pub(crate) async fn load(store: &SqliteStore) -> Answer<BTreeMap<String, Profile>> {
    let mut profiles: BTreeMap<String, Profile> = builtin().map(|p| (p.name.clone(), p)).collect();
    for row in store.list(EntityKind::Profile, None).await.map_err(store_error)? {
        let profile: Profile = row.decode().map_err(store_error)?;
        profiles.entry(profile.name.clone()).or_insert(profile);
    }
    Ok(profiles)
}

/// Refuses a graph in which an element is given a profile that is unknown, or restricted and not for the caller; one that
/// it had before it may keep.
pub(crate) fn check_given(
    caller: &Caller,
    profiles: &BTreeMap<String, Profile>,
    before: Option<&Graph>,
    after: &Graph,
) -> Answer<()> {
    if before.is_some_and(|before| before.elements.shares_all(&after.elements)) {
        return Ok(());
    }
    let before = before.iter().flat_map(|graph| &graph.elements);
    let had: BTreeMap<_, _> = before.map(|element| (&element.id, &element.profile)).collect();
    for element in &after.elements {
        if had.get(&element.id) != Some(&&element.profile) {
            check_known(caller, profiles, element.profile.as_deref())?;
        }
    }
    Ok(())
}

fn check_known(
    caller: &Caller,
    profiles: &BTreeMap<String, Profile>,
    name: Option<&str>,
) -> Answer<()> {
    match name {
        Some(name) if profiles.get(name).is_some_and(|profile| profile.restricted) => {
            if caller.admin || caller.flags.contains(&Flag::RestrictedProfiles) {
                return Ok(());
            }
            let text = format!("profile {name:?} needs the flag restricted_profiles: use another");
            Err(ApiError::new(ErrorCode::Denied, text)
                .with(json!({"missing_flag": Flag::RestrictedProfiles})))
        }
        Some(name) if !profiles.contains_key(name) => {
            let known: Vec<&str> = profiles.keys().map(String::as_str).collect();
            let text = format!("profile: there is no profile {name:?}, only {}", known.join(", "));
            Err(ApiError::new(ErrorCode::InvalidValue, text)
                .with(json!({"attribute": "profile", "value": name})))
        }
        _ => Ok(()),
    }
}

impl App {
    /// All profiles by name.
    pub fn profile_list(&self) -> Vec<Profile> {
        self.profiles().values().cloned().collect()
    }

    /// Adds a profile.
    pub async fn profile_create(&self, caller: &Caller, args: ProfileCreate) -> Answer<Profile> {
        caller.need_admin()?;
        check_name(&args.name)?;
        let _turn = self.inner.profile_turn.lock().await;
        if self.profiles().contains_key(&args.name) {
            let text = format!("profile {:?} exists already: choose another name", args.name);
            return Err(ApiError::new(ErrorCode::AlreadyExists, text));
        }
        let profile = Profile {
            id: crate::clock::profile_id(),
            label: args.label.unwrap_or_else(|| args.name.clone()),
            name: args.name,
            revision: 1,
            cpu_milli: args.cpu_milli,
            memory_bytes: args.memory_bytes,
            disk_bytes: args.disk_bytes,
            pids_max: args.pids_max,
            builtin: false,
            restricted: args.restricted,
        };
        self.profile_put(&profile, None).await?;
        Ok(profile)
    }

    /// Changes a profile.
    pub async fn profile_modify(
        &self,
        caller: &Caller,
        id: &ProfileId,
        patch: ProfilePatch,
        expected: Option<u64>,
    ) -> Answer<Profile> {
        caller.need_admin()?;
        let _turn = self.inner.profile_turn.lock().await;
        let mut profile = self.own_profile(id)?;
        check_revision(expected, profile.revision, &profile)?;
        let before = profile.revision;
        profile.revision += 1;
        profile.label = patch.label.unwrap_or(profile.label);
        profile.cpu_milli = patch.cpu_milli.unwrap_or(profile.cpu_milli);
        profile.memory_bytes = patch.memory_bytes.unwrap_or(profile.memory_bytes);
        profile.disk_bytes = patch.disk_bytes.unwrap_or(profile.disk_bytes);
        profile.pids_max = patch.pids_max.unwrap_or(profile.pids_max);
        profile.restricted = patch.restricted.unwrap_or(profile.restricted);
        self.profile_put(&profile, Some(before)).await?;
        Ok(profile)
    }

    /// Removes a profile that no element uses.
    pub async fn profile_remove(&self, caller: &Caller, id: &ProfileId) -> Answer<()> {
        caller.need_admin()?;
        let _turn = self.inner.profile_turn.lock().await;
        // A topology under way is either seen below or finds the profile gone.
        let _creating = self.inner.imports.lock().await;
        let profile = self.own_profile(id)?;
        Arc::make_mut(&mut self.profiles_kept()).remove(&profile.name);
        let removed = self.profile_remove_unused(&profile).await;
        if removed.is_err() {
            Arc::make_mut(&mut self.profiles_kept()).insert(profile.name.clone(), profile);
        }
        removed
    }

    async fn profile_remove_unused(&self, profile: &Profile) -> Answer<()> {
        for (_, slot) in self.all_slots() {
            let state = slot.state.lock().await;
            if state
                .graph
                .elements
                .iter()
                .any(|e| e.profile.as_deref() == Some(profile.name.as_str()))
            {
                let text = format!(
                    "profile {:?} is used in topology {:?}: change its elements first",
                    profile.name, state.graph.topology.name
                );
                return Err(ApiError::new(ErrorCode::NotEmpty, text));
            }
        }
        let delete = Delete {
            kind: EntityKind::Profile,
            id: profile.id.as_str().to_owned(),
            expected: Some(profile.revision),
        };
        let batch = Batch { deletes: vec![delete], ..Batch::default() };
        self.inner.store.commit(batch).await.map(drop).map_err(store_error)
    }

    fn profiles_kept(&self) -> RwLockWriteGuard<'_, Arc<BTreeMap<String, Profile>>> {
        self.inner.profiles.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn own_profile(&self, id: &ProfileId) -> Answer<Profile> {
        let profile = self.profiles().values().find(|p| p.id == *id).cloned();
        let profile = profile.ok_or_else(|| not_found("profile", id.as_str()))?;
        if profile.builtin {
            let text =
                format!("profile {:?} comes with the product: make one of your own", profile.name);
            return Err(ApiError::new(ErrorCode::UnsupportedAction, text));
        }
        Ok(profile)
    }

    async fn profile_put(&self, profile: &Profile, expected: Option<u64>) -> Answer<()> {
        if profile.cpu_milli == 0 || profile.memory_bytes == 0 || profile.pids_max == 0 {
            return Err(ApiError::new(
                ErrorCode::InvalidValue,
                "cpu_milli, memory_bytes and pids_max must be above zero",
            ));
        }
        check_text("label", &profile.label)?;
        let mut put =
            Put::create(EntityKind::Profile, profile.id.as_str(), None, profile.revision, profile)
                .map_err(|error| internal("writing a profile", &error))?;
        put.expected = expected;
        self.inner
            .store
            .commit(Batch { puts: vec![put], ..Batch::default() })
            .await
            .map_err(store_error)?;
        Arc::make_mut(&mut self.profiles_kept()).insert(profile.name.clone(), profile.clone());
        Ok(())
    }
}
