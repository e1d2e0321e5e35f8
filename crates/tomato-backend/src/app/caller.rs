//! Who calls.

use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::role::Role;
use tomato_model::topology::Topology;

use crate::app::{Answer, not_found};

/// An account whose credentials were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Name of the account.
    pub account: String,
    /// Whether it may do everything.
    pub admin: bool,
}

impl Caller {
    /// Refuses all but administrators.
    pub(crate) fn need_admin(&self) -> Answer<()> {
        if self.admin {
            return Ok(());
        }
        Err(ApiError::new(ErrorCode::Denied, "only an administrator may do this"))
    }

    /// Whether the topology may be seen.
    pub(crate) fn sees(&self, topology: &Topology) -> bool {
        self.admin || topology.roles.contains_key(&self.account)
    }

    /// Refuses those whose role is below `needed`; strangers learn nothing (`entity` and `id` are what they asked for).
    pub(crate) fn need_role(
        &self,
        topology: &Topology,
        needed: Role,
        entity: &str,
        id: &str,
    ) -> Answer<()> {
        if self.admin {
            return Ok(());
        }
        match topology.roles.get(&self.account) {
            None => Err(not_found(entity, id)),
            Some(role) if *role < needed => Err(ApiError::new(
                ErrorCode::Denied,
                format!(
                    "this needs the role {needed:?} on topology {:?}, yours is {role:?}",
                    topology.name
                )
                .to_lowercase(),
            )),
            Some(_) => Ok(()),
        }
    }
}
