//! Who calls, and what that one may do: by its roles, its flags and what narrows its token.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use tomato_api::account::{TokenAccess, TokenScope};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::operation::{Access, Method, Operation};
use tomato_model::flag::Flag;
use tomato_model::role::Role;
use tomato_model::topology::Topology;

use crate::app::proof::Proof;
use crate::app::{Answer, not_found};

/// An account whose credentials were checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// Name of the account; empty for nobody, and for the lab itself.
    pub account: String,
    /// Whether it may do everything.
    pub admin: bool,
    /// The organization it belongs to.
    pub organization: Option<String>,
    /// Its flags.
    pub flags: BTreeSet<Flag>,
    /// Members of its organization, where a flag makes them matter.
    pub(crate) members: Arc<BTreeSet<String>>,
    /// How it proved that.
    pub(crate) proof: Proof,
    /// What narrows the token it came with.
    pub scope: TokenScope,
    /// Address of the client, where it is known.
    pub address: Option<IpAddr>,
}

/// Nouns that a token for some topologies may still look at.
const HARMLESS: [&str; 10] = [
    "topology", "job", "event", "template", "profile", "server", "kind", "openapi", "flag",
    "setting",
];

impl Caller {
    /// The lab itself, for what it does without being asked.
    pub(crate) fn lab() -> Self {
        Self { admin: true, ..Self::default() }
    }

    /// Whether it is the same account with the same rights.
    pub(crate) fn has_rights_of(&self, other: &Self) -> bool {
        let rights = |of: &Self| (of.admin, of.organization.clone(), of.flags.clone());
        self.account == other.account && self.scope == other.scope && rights(self) == rights(other)
    }

    /// Refuses what the token is not made for.
    pub(crate) fn need_scope(&self, operation: &Operation) -> Answer<()> {
        let is_read = operation.method == Method::Get;
        let is_reached = match self.scope.access {
            TokenAccess::Full => true,
            TokenAccess::Use => is_read || operation.access == Access::Topology(Role::User),
            TokenAccess::Read => is_read,
            TokenAccess::Metrics => operation.name == "metrics_show",
        };
        let is_inside = self.scope.topologies.is_empty()
            || matches!(operation.access, Access::Topology(_) | Access::Anonymous)
            || matches!(operation.name, "account_info" | "job_cancel")
            || (is_read
                && operation.access == Access::LoggedIn
                && HARMLESS.contains(&operation.noun));
        if is_reached && is_inside {
            return Ok(());
        }
        let text =
            format!("the token is not made for {}: use one with a wider scope", operation.name);
        Err(ApiError::new(ErrorCode::Denied, text))
    }

    /// Refuses tokens that are made for looking only: what is in elements is not for them.
    pub(crate) fn need_use(&self) -> Answer<()> {
        if self.scope.access == TokenAccess::Read {
            let text = "the token is made for looking only: use one with a wider scope";
            return Err(ApiError::new(ErrorCode::Denied, text));
        }
        Ok(())
    }

    /// Refuses all but administrators.
    pub(crate) fn need_admin(&self) -> Answer<()> {
        if self.admin && self.scope.topologies.is_empty() {
            return Ok(());
        }
        Err(ApiError::new(ErrorCode::Denied, "only an administrator may do this"))
    }

    /// Refuses all but administrators and those of the organization; `None` is any organization.
    pub(crate) fn need_admin_of(&self, organization: Option<&str>) -> Answer<()> {
        let is_own = match organization {
            Some(name) => self.organization.as_deref() == Some(name),
            None => true,
        };
        if is_own && self.flags.contains(&Flag::OrgaAdmin) && self.scope.topologies.is_empty() {
            return Ok(());
        }
        self.need_admin()
    }

    /// Refuses accounts that have a flag.
    pub(crate) fn need_without(&self, flag: Flag, remedy: &str) -> Answer<()> {
        if !self.admin && self.flags.contains(&flag) {
            let text = format!("the account has the flag {}: {remedy}", flag.name());
            return Err(ApiError::new(ErrorCode::Denied, text));
        }
        Ok(())
    }

    /// The role on a topology: its own, that of its flags, or an administrator's; never more than the token is made for.
    pub(crate) fn role_on(&self, topology: &Topology) -> Option<Role> {
        if !self.scope.topologies.is_empty() && !self.scope.topologies.contains(&topology.id) {
            return None;
        }
        let own = topology.roles.get(&self.account).copied();
        let global = self.flags.iter().filter_map(|flag| flag.global_role()).max();
        let members = topology.roles.iter().filter(|(name, _)| self.members.contains(*name));
        let highest = members.map(|(_, role)| *role).max();
        let shared = self.flags.iter().filter_map(|flag| flag.organization_role());
        let shared = shared.filter(|role| highest.is_some_and(|highest| highest >= *role)).max();
        let admin = self.admin.then_some(Role::Owner);
        let role = own.max(global).max(shared).max(admin)?;
        Some(if self.scope.access == TokenAccess::Full { role } else { Role::User })
    }

    /// Whether the topology may be seen.
    pub(crate) fn sees(&self, topology: &Topology) -> bool {
        self.role_on(topology).is_some()
    }

    /// Whether everything may be seen, also what belongs to no topology.
    pub(crate) fn sees_all(&self) -> bool {
        self.admin && self.scope.topologies.is_empty()
    }

    /// Refuses those whose role is below `needed`; strangers learn nothing (`entity` and `id` are what they asked for).
    pub(crate) fn need_role(
        &self,
        topology: &Topology,
        needed: Role,
        entity: &str,
        id: &str,
    ) -> Answer<()> {
        match self.role_on(topology) {
            None => Err(not_found(entity, id)),
            Some(role) if role < needed => Err(ApiError::new(
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

#[cfg(test)]
mod tests;
