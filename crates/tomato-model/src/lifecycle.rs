//! The life cycle of elements.
//!
//! ```text
//!            prepare              start
//!  created ───────────> prepared ───────> started
//!     ^                  │    ^              │
//!     └──── destroy ─────┘    └──── stop ────┘        (start prepares first; destroy stops first)
//! ```
//! Busy and failed are properties of jobs, never states.

use serde::{Deserialize, Serialize};

/// How much of an element exists on a host.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing on any host.
    Created,
    /// Placed on a host, its disk exists.
    Prepared,
    /// Running.
    Started,
}

/// What can be asked of an element, or of all elements of a topology at once.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Make the disk.
    Prepare,
    /// Run it, preparing first where needed.
    Start,
    /// Stop it and keep its disk.
    Stop,
    /// Remove its disk, stopping first where needed.
    Destroy,
}

impl Action {
    /// The state that the action leads to when asked in `from`; `None` if it is not allowed there.
    /// Asking for the state an element is in already is allowed and changes nothing,
    /// but an element that is not running cannot be stopped and one without disk cannot be destroyed.
    pub fn target(self, from: State) -> Option<State> {
        match (self, from) {
            (Action::Prepare, State::Created | State::Prepared) => Some(State::Prepared),
            (Action::Prepare, State::Started) => None,
            (Action::Start, State::Created | State::Prepared | State::Started) => {
                Some(State::Started)
            }
            (Action::Stop, State::Started | State::Prepared) => Some(State::Prepared),
            (Action::Stop, State::Created) => None,
            (Action::Destroy, State::Created | State::Prepared | State::Started) => {
                Some(State::Created)
            }
        }
    }
}
