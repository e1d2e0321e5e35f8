//! Long work as every interface shows it. Work in flight is a job, never a state of an element.
//!
//! Invariant: a job that left [`JobState::Running`] never changes again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tomato_model::id::{ElementId, JobId, TopologyId};
use tomato_model::lifecycle::State;

use crate::error::ApiError;

/// Where a job is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// At work.
    Running,
    /// Ended, everything is as asked.
    Done,
    /// Ended, something is not as asked; see the errors.
    Failed,
    /// Ended because someone asked for it.
    Cancelled,
}

/// How far a job is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Progress {
    /// Parts that are as asked.
    pub done: u64,
    /// All parts.
    pub total: u64,
}

/// One element's part of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct JobElement {
    /// Its name.
    pub name: String,
    /// Its state as seen last.
    pub state: State,
    /// What the job wants it to be.
    pub target: State,
    /// What the host is doing with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doing: Option<String>,
    /// Why it did not become what the job wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
}

/// Work in flight or ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// The topology it works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology: Option<TopologyId>,
    /// The account that asked for it.
    pub account: String,
    /// What it does, for example `start` or `template_ensure`.
    pub action: String,
    /// Where it is.
    pub state: JobState,
    /// How far it is.
    pub progress: Progress,
    /// Its part on each element.
    #[serde(default)]
    pub elements: BTreeMap<ElementId, JobElement>,
    /// What happened, the oldest lines dropped beyond a limit.
    #[serde(default)]
    pub log: Vec<String>,
    /// The first error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
    /// Begin, microseconds since the Unix epoch.
    pub started_at: u64,
    /// End, microseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
}

impl Job {
    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.state != JobState::Running
    }
}
