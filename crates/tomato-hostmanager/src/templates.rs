//! Templates as the reconciler sees them: a trait and the real store behind it.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde::Deserialize;
use tokio::sync::OwnedMutexGuard;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::TemplateInfo;
use tomato_api::request::TemplatePull;
use tomato_model::id::{ElementId, LabId};
use tomato_virt::template::{
    self, Digest, Holder, ImportOptions, Progress, TemplateError, TemplateName, TemplateState,
    TemplateStore,
};

use crate::error::chain;
use crate::host::lock;
use crate::ledger::PinnedTemplate;
use crate::registry::Registry;

/// Takes progress: a sentence and percent.
pub type OnProgress = Arc<dyn Fn(String, Option<u8>) + Send + Sync>;

/// What the reconciler asks of templates.
#[async_trait]
pub trait Templates: Send + Sync + std::fmt::Debug {
    /// The template of that name, built first if needed, and pinned for `holder` if one is named.
    async fn ensure(
        &self,
        name: &str,
        holder: Option<&ElementId>,
        progress: OnProgress,
    ) -> Result<PinnedTemplate, ApiError>;

    /// Ends the pin of [`Templates::ensure`]; none is fine.
    async fn unpin(&self, digest: &str, holder: &ElementId) -> Result<(), ApiError>;

    /// All templates, built or not.
    async fn list(&self) -> Result<Vec<TemplateInfo>, ApiError>;

    /// Imports a root file system or an image.
    async fn import(
        &self,
        name: &str,
        label: &str,
        format: Format,
        reader: Box<dyn Read + Send>,
    ) -> Result<TemplateInfo, ApiError>;

    /// Imports an image from a registry.
    async fn pull(
        &self,
        name: &str,
        pull: &TemplatePull,
        progress: OnProgress,
    ) -> Result<TemplateInfo, ApiError>;
}

/// What an uploaded archive holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A root file system.
    #[default]
    Rootfs,
    /// The layout of an OCI image.
    Oci,
}

/// The template directory of this host.
#[derive(Debug, Clone)]
pub struct StoreTemplates {
    store: TemplateStore,
    lab: LabId,
    /// One turn per name: a build may take minutes, and who waits for it must not occupy a thread.
    turns: Arc<Mutex<BTreeMap<TemplateName, Arc<tokio::sync::Mutex<()>>>>>,
}

impl StoreTemplates {
    /// Templates of `store`, pinned for elements of `lab`.
    pub fn new(store: TemplateStore, lab: LabId) -> Self {
        Self { store, lab, turns: Arc::default() }
    }

    fn holder(&self, element: &ElementId) -> Result<Holder, ApiError> {
        format!("{}.{element}", self.lab).parse().map_err(|e| invalid(&e))
    }

    /// Waits until nobody else here asks for the template.
    async fn turn(&self, name: &TemplateName, progress: &OnProgress) -> OwnedMutexGuard<()> {
        let turn = Arc::clone(lock(&self.turns).entry(name.clone()).or_default());
        if let Ok(guard) = Arc::clone(&turn).try_lock_owned() {
            return guard;
        }
        progress(format!("wait until {name} is ready"), None);
        turn.lock_owned().await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&TemplateStore) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.unwrap_or_else(|error| Err(ApiError::new(ErrorCode::Internal, error.to_string())))
    }
}

fn invalid(error: &template::NameError) -> ApiError {
    ApiError::new(ErrorCode::InvalidValue, chain(error))
}

fn failed(error: &TemplateError) -> ApiError {
    let code = match error {
        TemplateError::Find { .. } => ErrorCode::EntityDoesNotExist,
        TemplateError::Shipped { .. } => ErrorCode::AlreadyExists,
        TemplateError::Import { .. }
        | TemplateError::Image { .. }
        | TemplateError::Shell { .. }
        | TemplateError::Machine { .. } => ErrorCode::InvalidValue,
        _ => ErrorCode::HostError,
    };
    ApiError::new(code, chain(error))
}

fn info(found: &template::TemplateInfo) -> TemplateInfo {
    TemplateInfo {
        name: found.name.to_string(),
        label: found.label.clone(),
        description: found.description.clone(),
        digest: found.built.as_ref().map(|built| built.digest.to_string()),
        ready: matches!(found.state, TemplateState::Built | TemplateState::Imported),
    }
}

#[async_trait]
impl Templates for StoreTemplates {
    async fn ensure(
        &self,
        name: &str,
        holder: Option<&ElementId>,
        progress: OnProgress,
    ) -> Result<PinnedTemplate, ApiError> {
        let name: TemplateName = name.parse().map_err(|e| invalid(&e))?;
        let holder = holder.map(|element| self.holder(element)).transpose()?;
        let turn = self.turn(&name, &progress).await;
        self.run(move |store| {
            // Until the thread is done, also if the caller has gone.
            let _turn = turn;
            let tell = |p: Progress| progress(p.message, p.percent);
            let found = store.ensure(&name, &tell).map_err(|e| failed(&e))?;
            if let Some(holder) = holder {
                store.pin(&found.digest, &holder).map_err(|e| failed(&e))?;
            }
            let digest = found.digest.to_string();
            let template::Template { rootfs, boot, main, .. } = found;
            Ok(PinnedTemplate { digest, rootfs, boot, main })
        })
        .await
    }

    async fn unpin(&self, digest: &str, holder: &ElementId) -> Result<(), ApiError> {
        let digest: Digest = digest.parse().map_err(|e| invalid(&e))?;
        let holder = self.holder(holder)?;
        self.run(move |store| store.unpin(&digest, &holder).map_err(|e| failed(&e))).await
    }

    async fn list(&self) -> Result<Vec<TemplateInfo>, ApiError> {
        self.run(|store| Ok(store.list().map_err(|e| failed(&e))?.iter().map(info).collect())).await
    }

    async fn import(
        &self,
        name: &str,
        label: &str,
        format: Format,
        reader: Box<dyn Read + Send>,
    ) -> Result<TemplateInfo, ApiError> {
        let name: TemplateName = name.parse().map_err(|e| invalid(&e))?;
        let options = ImportOptions { label: label.to_owned(), ..ImportOptions::default() };
        self.run(move |store| {
            let imported = match format {
                Format::Rootfs => store.import_tar(&name, reader, options, &|_| ()),
                Format::Oci => store.import_layout(&name, reader, options, &|_| ()),
            };
            imported.map_err(|e| failed(&e))?;
            store.info(&name).map(|found| info(&found)).map_err(|e| failed(&e))
        })
        .await
    }

    async fn pull(
        &self,
        name: &str,
        pull: &TemplatePull,
        progress: OnProgress,
    ) -> Result<TemplateInfo, ApiError> {
        let name: TemplateName = name.parse().map_err(|e| invalid(&e))?;
        let mut registry = Registry::new(pull)?;
        let label = pull.label.clone().unwrap_or_default();
        let description = format!("from {}", registry.image());
        let options = ImportOptions { label, description, boot: None };
        self.run(move |store| {
            let tell = |p: Progress| progress(p.message, p.percent);
            store.import_image(&name, &mut registry, options, &tell).map_err(|e| failed(&e))?;
            store.info(&name).map(|found| info(&found)).map_err(|e| failed(&e))
        })
        .await
    }
}
