//! Jobs: kept in memory while they run, in the store always.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::watch;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::job::{Job, JobState};
use tomato_model::id::JobId;
use tomato_store::{Batch, Delete, EntityKind, SqliteStore, Store};

use crate::app::commit::store_error;
use crate::app::{Answer, App, Caller, not_found};
use crate::limits::{JOB_LOG_LINES_MAX, JOBS_KEPT_MAX};

/// A job that others can follow and cancel.
#[derive(Debug, Clone)]
pub(crate) struct JobHandle {
    job: Arc<watch::Sender<Job>>,
    cancel: Arc<watch::Sender<bool>>,
}

impl JobHandle {
    pub(crate) fn new(job: Job) -> Self {
        Self { job: Arc::new(watch::Sender::new(job)), cancel: Arc::new(watch::Sender::new(false)) }
    }

    /// As it is now.
    pub(crate) fn job(&self) -> Job {
        self.job.borrow().clone()
    }

    /// What `get` finds in it now.
    pub(crate) fn read<T>(&self, get: impl FnOnce(&Job) -> T) -> T {
        get(&self.job.borrow())
    }

    /// Changes it for all who follow.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Job)) {
        self.job.send_modify(change);
    }

    pub(crate) fn cancel(&self) {
        self.cancel.send_replace(true);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        *self.cancel.borrow()
    }

    /// Returns once someone cancels it.
    pub(crate) async fn cancelled(&self) {
        let mut cancel = self.cancel.subscribe();
        // the sender is held by self
        drop(cancel.wait_for(|is_cancelled| *is_cancelled).await);
    }

    /// Returns once it is over.
    pub(crate) async fn over(&self) -> Job {
        let mut follower = self.job.subscribe();
        match follower.wait_for(Job::is_over).await {
            Ok(job) => job.clone(),
            Err(_) => self.job(),
        }
    }
}

/// Adds a line, dropping the oldest beyond the limit.
pub(crate) fn push_log(job: &mut Job, line: String) {
    if job.log.len() >= JOB_LOG_LINES_MAX {
        job.log.remove(0);
    }
    job.log.push(line);
}

/// Reads all jobs; [`App::resume`] goes on with those that run.
pub(crate) async fn load(store: &SqliteStore) -> Answer<BTreeMap<JobId, JobHandle>> {
    let mut jobs = BTreeMap::new();
    for row in store.list(EntityKind::Job, None).await.map_err(store_error)? {
        let job: Job = row.decode().map_err(store_error)?;
        jobs.insert(job.id.clone(), JobHandle::new(job));
    }
    Ok(jobs)
}

impl App {
    /// Jobs that the caller may see, the newest first.
    pub async fn job_list(&self, caller: &Caller) -> Answer<Vec<Job>> {
        let all: Vec<Job> = self.jobs().values().rev().map(JobHandle::job).collect();
        let mut visible = Vec::new();
        for job in all {
            if self.sees_job(caller, &job).await {
                visible.push(job);
            }
        }
        Ok(visible)
    }

    /// A job.
    pub async fn job_info(&self, caller: &Caller, id: &JobId) -> Answer<Job> {
        Ok(self.job_handle(caller, id).await?.job())
    }

    /// Waits until the job is over.
    pub async fn job_wait(&self, caller: &Caller, id: &JobId) -> Answer<Job> {
        Ok(self.job_handle(caller, id).await?.over().await)
    }

    /// Cancels a job; what is done stays done. One that is over is answered as it is.
    pub async fn job_cancel(&self, caller: &Caller, id: &JobId) -> Answer<Job> {
        let handle = self.job_handle(caller, id).await?;
        let job = handle.job();
        if !caller.sees_all() && job.account != caller.account {
            let text = "only the account that began the job, or an administrator, may cancel it";
            return Err(ApiError::new(ErrorCode::Denied, text).with(json!({"id": id})));
        }
        if job.is_over() {
            return Ok(job);
        }
        handle.cancel();
        Ok(handle.over().await)
    }

    async fn job_handle(&self, caller: &Caller, id: &JobId) -> Answer<JobHandle> {
        let handle = self.jobs().get(id).cloned().ok_or_else(|| not_found("job", id.as_str()))?;
        if self.sees_job(caller, &handle.job()).await {
            Ok(handle)
        } else {
            Err(not_found("job", id.as_str()))
        }
    }

    async fn sees_job(&self, caller: &Caller, job: &Job) -> bool {
        let is_own = job.account == caller.account && caller.scope.topologies.is_empty();
        if caller.sees_all() || is_own {
            return true;
        }
        let Some(slot) = job.topology.as_ref().and_then(|id| self.slot_of(id)) else {
            return false;
        };
        caller.sees(&slot.state.lock().await.graph.topology)
    }

    /// Stores a new job and lets others find it.
    pub(crate) async fn job_begin(&self, job: Job) -> Answer<JobHandle> {
        self.commit_job(&job, true).await?;
        Ok(self.job_register(job))
    }

    /// Lets others find a job that is stored.
    pub(crate) fn job_register(&self, job: Job) -> JobHandle {
        let handle = JobHandle::new(job);
        self.jobs().insert(handle.job().id, handle.clone());
        handle
    }

    /// Ends a job and stores how.
    pub(crate) async fn job_finish(&self, handle: &JobHandle, error: Option<ApiError>) {
        let mut job = handle.job();
        job.state = match &error {
            _ if handle.is_cancelled() => JobState::Cancelled,
            Some(_) => JobState::Failed,
            None => JobState::Done,
        };
        if job.state != JobState::Cancelled {
            job.error = error;
        }
        job.ended_at = Some(crate::clock::now_us());
        let stored = match self.commit_job(&job, false).await {
            Ok(()) => self.synced().await,
            failed => failed,
        };
        if let Err(error) = stored {
            tracing::error!(job = %job.id, %error, "the end of a job could not be stored");
        }
        handle.update(|shown| *shown = job);
        self.jobs_prune().await;
    }

    /// Forgets the oldest ended jobs beyond the limit.
    async fn jobs_prune(&self) {
        let gone: Vec<JobId> = {
            let jobs = self.jobs();
            let over: Vec<&JobId> =
                jobs.iter().filter(|(_, h)| h.job.borrow().is_over()).map(|(id, _)| id).collect();
            let surplus = over.len().saturating_sub(JOBS_KEPT_MAX);
            over.into_iter().take(surplus).cloned().collect()
        };
        if gone.is_empty() {
            return;
        }
        let deletes = gone.iter().map(|id| Delete {
            kind: EntityKind::Job,
            id: id.as_str().to_owned(),
            expected: None,
        });
        let batch = Batch { deletes: deletes.collect(), ..Batch::default() };
        if let Err(error) = self.inner.store.commit(batch).await {
            tracing::warn!(%error, "old jobs could not be removed");
            return;
        }
        self.jobs().retain(|id, _| !gone.contains(id));
    }
}
