//! Methods of accounts and organizations.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};

use super::place::LOCAL_ORGANIZATION;
use super::{Args, Session, maybe_text, missing, not_offered, text};
use crate::app::{App, Caller};

/// The flags by category, with what each means.
const FLAGS: &[(&str, &[(&str, &str)])] = &[
    (
        "manager_user_global",
        &[
            ("global_admin", "may do everything"),
            ("global_topl_owner", "owner of every topology"),
            ("global_topl_manager", "manager of every topology"),
            ("global_topl_user", "user of every topology"),
            ("global_admin_contact", "is told what users write to the administrators"),
        ],
    ),
    (
        "manager_user_orga",
        &[
            ("orga_admin", "may change accounts of the own organization"),
            ("orga_topl_owner", "owner of every topology of the own organization"),
            ("orga_topl_manager", "manager of every topology of the own organization"),
            ("orga_topl_user", "user of every topology of the own organization"),
            ("orga_admin_contact", "is told what members write to their administrators"),
        ],
    ),
    (
        "manager_host_global",
        &[
            ("global_host_manager", "may change sites and hosts"),
            ("global_host_contact", "is told of problems of hosts"),
        ],
    ),
    (
        "manager_host_orga",
        &[
            ("orga_host_manager", "may change sites and hosts of the own organization"),
            ("orga_host_contact", "is told of problems of hosts of the own organization"),
        ],
    ),
    (
        "error_management",
        &[("debug", "sees internals"), ("error_notify", "is told of new kinds of errors")],
    ),
    (
        "user",
        &[
            ("no_topology_create", "may not create topologies"),
            ("over_quota", "may not prepare, start or upload"),
            ("restricted_profiles", "may use restricted profiles"),
            ("restricted_templates", "may use restricted templates"),
            ("restricted_networks", "may use restricted networks"),
            ("new_account", "waits for approval"),
            ("nomails", "gets no mails"),
        ],
    ),
];

/// The organizations.
pub(super) async fn organization_list(_app: &App) -> Result<Json, ApiError> {
    Ok(json!([organization()]))
}

/// An organization.
pub(super) async fn organization_info(_app: &App, args: &Args) -> Result<Json, ApiError> {
    let name = text(args, "name")?;
    if name == LOCAL_ORGANIZATION {
        Ok(organization())
    } else {
        Err(missing("organization", &json!(name)))
    }
}

fn organization() -> Json {
    json!({"name": LOCAL_ORGANIZATION, "label": "Others", "homepage_url": null, "image_url": null, "description": ""})
}

/// Makes an account, by oneself or for another.
pub(super) async fn register(
    _app: &App,
    caller: Option<&Caller>,
    args: &Args,
) -> Result<Json, ApiError> {
    let _name = text(args, "username")?;
    if caller.is_none() {
        return Err(ApiError::new(ErrorCode::NotLoggedIn, "accounts are made by an administrator"));
    }
    Err(not_offered("accounts are not made here yet"))
}

impl Session<'_> {
    pub(super) async fn people(&self, method: &str, args: &Args) -> Result<Json, ApiError> {
        match method {
            "account_flags" => {
                let all = FLAGS.iter().flat_map(|(_, flags)| *flags);
                Ok(Json::Object(
                    all.map(|(flag, text)| ((*flag).to_owned(), json!(text))).collect(),
                ))
            }
            "account_flag_categories" => {
                Ok(by_category(|flags| flags.iter().map(|(flag, _)| json!(flag)).collect()))
            }
            "account_flag_configuration" => Ok(by_category(|flags| {
                Json::Object(
                    flags.iter().map(|(flag, text)| ((*flag).to_owned(), json!(text))).collect(),
                )
            })),
            "account_info" => self.account_info(args),
            "organization_list" => organization_list(self.app).await,
            "organization_info" => organization_info(self.app, args).await,
            _ => Err(not_offered("this is not offered yet")),
        }
    }

    fn account_info(&self, args: &Args) -> Result<Json, ApiError> {
        let name = maybe_text(args, "name")?.unwrap_or(&self.caller.account);
        if name != self.caller.account {
            return Err(missing("account", &json!(name)));
        }
        let flags = if self.caller.admin { json!(["global_admin"]) } else { json!([]) };
        Ok(json!({
            "name": name, "id": name, "origin": "", "realname": name, "flags": flags,
            "organization": LOCAL_ORGANIZATION,
        }))
    }

    /// Names of the accounts of an organization.
    pub(super) async fn members(&self, organization: &str) -> Result<BTreeSet<String>, ApiError> {
        Err(missing("organization", &json!(organization)))
    }
}

fn by_category(shown: impl Fn(&[(&str, &str)]) -> Json) -> Json {
    Json::Object(FLAGS.iter().map(|(name, flags)| ((*name).to_owned(), shown(flags))).collect())
}
