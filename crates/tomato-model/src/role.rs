//! Roles of an account on one topology: owner over manager over user.

use serde::{Deserialize, Serialize};

/// What an account may do with a topology; a higher role includes the lower ones.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May look, reach in and run archives.
    User,
    /// May also change the topology and control it.
    Manager,
    /// May also rename, share and remove it.
    Owner,
}
