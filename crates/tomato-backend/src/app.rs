//! The application: every operation as an async function that takes who calls and answers a value or an [`ApiError`].
//! It knows neither HTTP nor XML-RPC.
//!
//! Invariants: a change is in the store before anyone sees it; roles are checked here and nowhere else; the backend writes
//! `wanted` by users' calls and `state` by observations only.

pub mod account;
pub mod archive;
pub mod audit;
pub mod backup;
pub mod caller;
pub mod commit;
pub mod connection;
pub mod element;
pub mod event;
pub(crate) mod grant;
pub mod import;
pub mod interface;
pub mod job;
pub mod login;
pub(crate) mod mail;
pub(crate) mod metrics;
pub(crate) mod net_capture;
pub mod notification;
pub mod observe;
pub mod organization;
pub mod presence;
pub mod profile;
pub(crate) mod proof;
pub mod run;
pub mod server;
pub mod session;
pub mod setting;
pub(crate) mod share;
pub mod slot;
pub mod template;
pub mod timeout;
pub mod token;
pub mod topology;
pub mod traffic;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::{Notify, Semaphore, broadcast, mpsc, watch};
use tomato_api::account::Organization;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::job::Job;
use tomato_api::request::{Presence, Profile};
use tomato_model::id::JobId;
use tomato_store::SqliteStore;

pub use crate::app::caller::Caller;
use crate::app::job::JobHandle;
use crate::app::login::{LoginLimits, PasswordCache};
use crate::app::notification::Notifications;
use crate::app::slot::Slots;
use crate::fault::FaultPoints;
use crate::hostlink::HostLink;
use crate::limits::{
    AUDIT_QUEUE_MAX, EVENTS_BEHIND_MAX, PASSWORD_CHECKS, PASSWORD_QUEUE_MAX, SOCKETS_MAX,
};

/// The result of an operation.
pub type Answer<T> = Result<T, ApiError>;

/// The application; clones share everything.
#[derive(Clone)]
pub struct App {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

pub(crate) struct Inner {
    pub(crate) store: SqliteStore,
    pub(crate) slots: RwLock<Slots>,
    pub(crate) profiles: RwLock<Arc<BTreeMap<String, Profile>>>,
    pub(crate) jobs: Mutex<BTreeMap<JobId, JobHandle>>,
    pub(crate) events: broadcast::Sender<Arc<commit::EventRow>>,
    /// Who has what selected; told to those who watch now and kept nowhere.
    pub(crate) presence: broadcast::Sender<Presence>,
    /// Woken after each commit that a host must hear of.
    pub(crate) push: Notify,
    pub(crate) host: HostLink,
    pub(crate) accounts: RwLock<BTreeMap<String, tomato_store::Account>>,
    /// Held while a backup is made and sent.
    pub(crate) backup_turn: Arc<tokio::sync::Mutex<()>>,
    /// Held for each change of accounts.
    pub(crate) account_turn: tokio::sync::Mutex<()>,
    /// Held for each change of profiles.
    pub(crate) profile_turn: tokio::sync::Mutex<()>,
    pub(crate) organizations: RwLock<BTreeMap<String, Organization>>,
    pub(crate) notifications: Mutex<Notifications>,
    pub(crate) mails: mail::Mails,
    pub(crate) settings: RwLock<setting::Stored>,
    pub(crate) fault: FaultPoints,
    pub(crate) audit: mpsc::Sender<audit::Note>,
    pub(crate) passwords: Mutex<PasswordCache>,
    /// Told whenever what proves who calls may have ended.
    pub(crate) proofs: watch::Sender<()>,
    pub(crate) password_checks: Semaphore,
    pub(crate) grants: grant::Grants,
    pub(crate) net_captures: net_capture::NetCaptures,
    pub(crate) calls: metrics::Calls,
    /// What each account may have under way.
    pub(crate) shares: share::Shares,
    /// Places for WebSockets.
    pub(crate) sockets: Arc<Semaphore>,
    /// Places of those who wait for a check, and of those being checked.
    pub(crate) password_queue: Semaphore,
    pub(crate) login_limits: Mutex<LoginLimits>,
    /// Held from looking for a topology of a file's name until it is made, so that two calls make one.
    pub(crate) imports: tokio::sync::Mutex<()>,
}

impl App {
    /// The application on `store`, with everything in it loaded. Call [`App::resume`] once a host may dial in.
    pub async fn open(store: SqliteStore, host: HostLink) -> Answer<App> {
        Self::open_with(store, host, FaultPoints::default()).await
    }

    /// [`App::open`] with places to stop at.
    pub(crate) async fn open_with(
        store: SqliteStore,
        host: HostLink,
        fault: FaultPoints,
    ) -> Answer<App> {
        let slots = slot::load(&store).await?;
        let profiles = profile::load(&store).await?;
        let jobs = job::load(&store).await?;
        let accounts = account::load(&store).await?;
        let organizations = organization::load(&store).await?;
        let notifications = notification::load(&store).await?;
        let mails = mail::load(&store).await?;
        let settings = setting::load(&store).await?;
        let (audit, entries) = mpsc::channel(AUDIT_QUEUE_MAX);
        let inner = Inner {
            store,
            slots: RwLock::new(slots),
            profiles: RwLock::new(Arc::new(profiles)),
            jobs: Mutex::new(jobs),
            events: broadcast::channel(EVENTS_BEHIND_MAX).0,
            presence: broadcast::channel(EVENTS_BEHIND_MAX).0,
            push: Notify::new(),
            host,
            accounts: RwLock::new(accounts),
            backup_turn: Arc::default(),
            account_turn: tokio::sync::Mutex::default(),
            profile_turn: tokio::sync::Mutex::default(),
            organizations: RwLock::new(organizations),
            notifications: Mutex::new(notifications),
            mails,
            settings: RwLock::new(settings),
            fault,
            audit,
            passwords: Mutex::new(PasswordCache::new(crate::clock::random())),
            proofs: watch::Sender::default(),
            password_checks: Semaphore::new(PASSWORD_CHECKS),
            grants: grant::Grants::default(),
            net_captures: net_capture::NetCaptures::default(),
            calls: metrics::Calls::default(),
            shares: share::Shares::default(),
            sockets: Arc::new(Semaphore::new(SOCKETS_MAX)),
            password_queue: Semaphore::new(PASSWORD_QUEUE_MAX),
            login_limits: Mutex::default(),
            imports: tokio::sync::Mutex::default(),
        };
        let inner = Arc::new(inner);
        tokio::spawn(audit::write(Arc::downgrade(&inner), entries));
        Ok(App { inner })
    }

    /// Ends in order: what is noted for the audit log is written, then the state file is closed.
    pub(crate) async fn close(&self) {
        self.audit_written().await;
        self.inner.store.close().await;
    }

    /// How long calls took.
    pub(crate) fn calls(&self) -> &metrics::Calls {
        &self.inner.calls
    }

    /// The link to the host.
    pub fn host(&self) -> &HostLink {
        &self.inner.host
    }

    pub(crate) fn jobs(&self) -> std::sync::MutexGuard<'_, BTreeMap<JobId, JobHandle>> {
        self.inner.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The profiles as they are now.
    pub(crate) fn profiles(&self) -> Arc<BTreeMap<String, Profile>> {
        Arc::clone(&self.inner.profiles.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The jobs as they are now, for tests and restarts.
    pub(crate) fn running_jobs(&self) -> Vec<Job> {
        self.jobs().values().map(JobHandle::job).filter(|job| !job.is_over()).collect()
    }
}

/// Not found, said the same for what is unknown, malformed and invisible.
pub(crate) fn not_found(entity: &str, id: &str) -> ApiError {
    ApiError::new(
        ErrorCode::EntityDoesNotExist,
        format!("no {entity} {id:?} exists, or it is not yours"),
    )
    .with(serde_json::json!({"entity": entity, "id": id}))
}

/// A fault of ours: its causes are for the log, not for callers.
pub(crate) fn internal(doing: &str, error: &dyn std::error::Error) -> ApiError {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        chain.push_str(": ");
        chain.push_str(&inner.to_string());
        source = inner.source();
    }
    tracing::error!(doing, error = chain, "internal error");
    ApiError::new(ErrorCode::Internal, format!("{doing} failed: see the log of the backend"))
}

/// What serde says of an unknown field, with the one that was probably meant in place of all there are.
fn nearer(text: String) -> String {
    let quoted: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let [unknown, known @ ..] = &quoted[..] else { return text };
    match tomato_model::file::suggestion(unknown, known) {
        Some(word) if text.starts_with("unknown field") => {
            format!("unknown field `{unknown}`; did you mean {word}?")
        }
        _ => text,
    }
}

/// Reads a typed value out of JSON, naming the wrong field.
pub(crate) fn read<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Answer<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let (path, text) = (error.path().to_string(), error.inner().to_string());
        let code = if text.starts_with("unknown field") || text.starts_with("unknown attribute") {
            ErrorCode::UnsupportedAttribute
        } else {
            ErrorCode::InvalidValue
        };
        let text = nearer(text);
        if path == "." {
            return ApiError::new(code, text);
        }
        ApiError::new(code, format!("{path}: {text}")).with(serde_json::json!({"attribute": path}))
    })
}
