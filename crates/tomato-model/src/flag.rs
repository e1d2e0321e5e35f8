//! Flags of accounts: what an account may or may not do beside its roles on topologies. Names are the original's.
//!
//! Invariant: one table gives names, meanings and who may change a flag.

use serde::{Deserialize, Serialize};

use crate::role::Role;

/// What flags are about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FlagCategory {
    /// Rights on everybody's accounts and topologies.
    ManagerUserGlobal,
    /// Rights on accounts and topologies of the own organization.
    ManagerUserOrga,
    /// Rights on everybody's sites and hosts.
    ManagerHostGlobal,
    /// Rights on sites and hosts of the own organization.
    ManagerHostOrga,
    /// Who hears of errors.
    ErrorManagement,
    /// What concerns the account itself.
    User,
}

macro_rules! flags {
    ($($variant:ident $name:literal $category:ident $doc:literal;)*) => {
        /// A flag.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Flag {
            $(#[doc = $doc] $variant,)*
        }

        impl Flag {
            /// Every flag.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name everywhere.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it is about.
            pub fn category(self) -> FlagCategory {
                match self { $(Self::$variant => FlagCategory::$category,)* }
            }

            /// What it means, in words.
            pub fn doc(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

flags! {
    GlobalAdmin "global_admin" ManagerUserGlobal "May do everything.";
    GlobalToplOwner "global_topl_owner" ManagerUserGlobal "Acts as owner of every topology.";
    GlobalToplManager "global_topl_manager" ManagerUserGlobal "Acts as manager of every topology.";
    GlobalToplUser "global_topl_user" ManagerUserGlobal "Acts as user of every topology.";
    GlobalAdminContact "global_admin_contact" ManagerUserGlobal "Is told what concerns administrators.";
    OrgaAdmin "orga_admin" ManagerUserOrga "May change accounts of the own organization.";
    OrgaToplOwner "orga_topl_owner" ManagerUserOrga "Acts as owner where a member of the own organization is owner.";
    OrgaToplManager "orga_topl_manager" ManagerUserOrga "Acts as manager where a member of the own organization is at least manager.";
    OrgaToplUser "orga_topl_user" ManagerUserOrga "Acts as user where a member of the own organization has a role.";
    OrgaAdminContact "orga_admin_contact" ManagerUserOrga "Is told what concerns administrators of the own organization.";
    GlobalHostManager "global_host_manager" ManagerHostGlobal "May change sites and hosts.";
    GlobalHostContact "global_host_contact" ManagerHostGlobal "Is told of problems of hosts.";
    OrgaHostManager "orga_host_manager" ManagerHostOrga "May change sites and hosts of the own organization.";
    OrgaHostContact "orga_host_contact" ManagerHostOrga "Is told of problems of hosts of the own organization.";
    Debug "debug" ErrorManagement "Sees internals.";
    ErrorNotify "error_notify" ErrorManagement "Is told of new kinds of errors.";
    NoTopologyCreate "no_topology_create" User "May not create topologies.";
    OverQuota "over_quota" User "May not prepare, start or upload.";
    RestrictedProfiles "restricted_profiles" User "May use restricted profiles.";
    RestrictedTemplates "restricted_templates" User "May use restricted templates.";
    RestrictedNetworks "restricted_networks" User "May use restricted networks.";
    NewAccount "new_account" User "Registered by itself and waits for approval: cannot log in before an administrator takes this flag away.";
    Nomails "nomails" User "Gets no mail.";
    Disabled "disabled" User "Cannot log in; its sessions and tokens are refused.";
}

impl Flag {
    /// The flag of that name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|flag| flag.name() == name)
    }

    /// The role that the flag gives on every topology.
    pub fn global_role(self) -> Option<Role> {
        match self {
            Self::GlobalToplOwner => Some(Role::Owner),
            Self::GlobalToplManager => Some(Role::Manager),
            Self::GlobalToplUser => Some(Role::User),
            _ => None,
        }
    }

    /// The role that the flag gives where a member of the own organization has it.
    pub fn organization_role(self) -> Option<Role> {
        match self {
            Self::OrgaToplOwner => Some(Role::Owner),
            Self::OrgaToplManager => Some(Role::Manager),
            Self::OrgaToplUser => Some(Role::User),
            _ => None,
        }
    }

    /// Whether an administrator of an organization may change it for members.
    pub fn is_of_organization(self) -> bool {
        match self.category() {
            FlagCategory::ManagerUserOrga | FlagCategory::ManagerHostOrga => true,
            FlagCategory::User => true,
            FlagCategory::ManagerUserGlobal
            | FlagCategory::ManagerHostGlobal
            | FlagCategory::ErrorManagement => false,
        }
    }

    /// Whether everybody may change it for themselves.
    pub fn is_own(self) -> bool {
        self == Self::Nomails
    }
}

#[cfg(test)]
mod tests;
