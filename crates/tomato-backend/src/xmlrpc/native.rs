//! What the translation needs of the application, small enough to be faked.

use async_trait::async_trait;
use serde_json::Value as Json;
use tomato_api::error::ApiError;
use tomato_api::job::Job;
use tomato_model::graph::Graph;
use tomato_model::id::JobId;

use crate::app::Caller;

/// An operation of the table to be called.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask<'a> {
    /// Its name.
    pub(crate) operation: &'a str,
    /// The parameters of its path in order.
    pub(crate) path: &'a [&'a str],
    /// The query, `name=value&…`.
    pub(crate) query: &'a str,
    /// What it carries; text is sent as it is.
    pub(crate) body: Json,
}

/// The native operations behind the old methods.
#[async_trait]
pub(crate) trait Native: Send + Sync + 'static {
    /// The caller that name and password stand for.
    async fn login(&self, name: &str, password: &str) -> Result<Caller, ApiError>;

    /// Runs an operation of the table for a caller; no answer is null.
    async fn call(&self, caller: &Caller, ask: Ask<'_>) -> Result<Json, ApiError>;

    /// Waits until a job is over.
    async fn wait(&self, caller: &Caller, job: &JobId) -> Result<Job, ApiError>;

    /// The topology in which something has this id, if the caller may see it.
    async fn graph_of(&self, caller: &Caller, id: &str) -> Result<Graph, ApiError>;

    /// Whether an object of this id exists that the caller may not see.
    async fn is_hidden(&self, caller: &Caller, id: &str) -> bool;
}
