//! Settings of the lab, changed while it runs.

use std::sync::PoisonError;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tomato_api::account::{MailSettings, Settings, SettingsPatch, TimeoutSettings};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_store::{Batch, EntityKind, Put, SqliteStore, Store};

use crate::app::commit::store_error;
use crate::app::{Answer, App, Caller, read};

/// Id of the settings in the store.
const ID: &str = "settings";

/// The settings as they are stored, with their revision there; 0: not yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stored {
    settings: Settings,
    revision: u64,
}

/// Reads the settings.
pub(crate) async fn load(store: &SqliteStore) -> Answer<Stored> {
    match store.get(EntityKind::Setting, ID).await.map_err(store_error)? {
        Some(row) => {
            Ok(Stored { settings: row.decode().map_err(store_error)?, revision: row.revision })
        }
        None => Ok(Stored::default()),
    }
}

impl App {
    /// The settings.
    pub fn settings(&self) -> Settings {
        self.inner.settings.read().unwrap_or_else(PoisonError::into_inner).settings.clone()
    }

    /// The settings as somebody may see them: where mail goes is for administrators.
    pub fn setting_info(&self, caller: &Caller) -> Settings {
        let settings = self.settings();
        let mail = if caller.sees_all() { settings.mail } else { MailSettings::default() };
        Settings { mail, ..settings }
    }

    /// Changes settings.
    pub async fn setting_modify(&self, caller: &Caller, patch: SettingsPatch) -> Answer<Settings> {
        caller.need_admin()?;
        let mut stored = self.inner.settings.read().unwrap_or_else(PoisonError::into_inner).clone();
        let before = stored.revision;
        stored.settings.registration = patch.registration.unwrap_or(stored.settings.registration);
        if let Some(most) = patch.topologies_per_account {
            stored.settings.topologies_per_account = most;
        }
        if let Some(timeouts) = patch.timeouts {
            stored.settings.timeouts = merged(&stored.settings.timeouts, timeouts)?;
            check(&stored.settings.timeouts)?;
        }
        if let Some(mail) = patch.mail {
            stored.settings.mail = merged(&stored.settings.mail, mail)?;
            crate::app::mail::check(&stored.settings.mail)?;
        }
        stored.revision += 1;
        let mut put = Put::create(EntityKind::Setting, ID, None, stored.revision, &stored.settings)
            .map_err(store_error)?;
        put.expected = (before > 0).then_some(before);
        let batch = Batch { puts: vec![put], ..Batch::default() };
        self.inner.store.commit(batch).await.map_err(store_error)?;
        let settings = stored.settings.clone();
        *self.inner.settings.write().unwrap_or_else(PoisonError::into_inner) = stored;
        Ok(settings)
    }
}

/// Settings with some of them changed.
fn merged<T: Serialize + DeserializeOwned>(before: &T, patch: Map<String, Value>) -> Answer<T> {
    let mut merged = json!(before);
    if let Value::Object(members) = &mut merged {
        members.extend(patch);
    }
    read(merged)
}

/// Refuses times that contradict each other.
fn check(timeouts: &TimeoutSettings) -> Answer<()> {
    let wrong = |attribute: &str, text: &str| {
        let text = format!("timeouts.{attribute}: {text}");
        Err(ApiError::new(ErrorCode::InvalidValue, text).with(json!({"attribute": attribute})))
    };
    if timeouts.initial_s == 0 || timeouts.default_s == 0 {
        return wrong("initial_s", "initial_s and default_s must be above zero");
    }
    if timeouts.default_s > timeouts.maximum_s || timeouts.initial_s > timeouts.maximum_s {
        return wrong("maximum_s", "must be at least initial_s and default_s");
    }
    if timeouts.options_s.iter().any(|option| *option == 0 || *option > timeouts.maximum_s) {
        return wrong("options_s", "each must be above zero and at most maximum_s");
    }
    Ok(())
}
