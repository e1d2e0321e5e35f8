//! What the translation needs of the application, small enough to be faked.

use async_trait::async_trait;
use serde_json::Value as Json;
use tomato_api::error::ApiError;
use tomato_api::job::Job;
use tomato_model::id::JobId;
use tomato_model::topology::Element;

use crate::app::Caller;

/// The native operations behind the old methods.
#[async_trait]
pub(crate) trait Native: Send + Sync + 'static {
    /// The caller that name and password stand for.
    async fn login(&self, name: &str, password: &str) -> Result<Caller, ApiError>;

    /// Runs an operation of the table for a caller; `path` are the path's parameters in order.
    async fn call(
        &self,
        caller: &Caller,
        operation: &str,
        path: &[&str],
        body: Json,
    ) -> Result<Json, ApiError>;

    /// Waits until a job is over.
    async fn wait(&self, caller: &Caller, job: &JobId) -> Result<Job, ApiError>;

    /// The element that has the interface of this id, if the caller may see it.
    async fn interface_owner(&self, caller: &Caller, id: &str) -> Result<Element, ApiError>;

    /// Whether an object of this id exists that the caller may not see.
    async fn is_hidden(&self, caller: &Caller, id: &str) -> bool;
}
