//! Methods of accounts, organizations and notifications.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::original;

use super::{Args, Ask, Session, attrs, is_true, maybe_text, missing, refused, text};
use crate::app::{App, Caller};
use crate::xmlrpc::bridge;

/// Attributes of accounts by the original's names.
const ACCOUNT: &[&str] = &["realname", "email", "password", "organization", "flags"];
/// Attributes of organizations.
const ORGANIZATION: &[&str] = &["label", "homepage_url", "image_url", "description"];
/// Microseconds of a second.
const US_PER_S: f64 = 1e6;

/// Runs an operation that needs no account.
async fn open(app: &App, operation: &str, path: &[&str], body: Json) -> Result<Json, ApiError> {
    let nobody = Caller::default();
    bridge::call(app, &nobody, Ask { operation, path, query: "", body }).await
}

/// The organizations.
pub(super) async fn organization_list(app: &App) -> Result<Json, ApiError> {
    let list = open(app, "organization_list", &[], Json::Null).await?;
    Ok(list.as_array().into_iter().flatten().map(organization).collect())
}

/// An organization.
pub(super) async fn organization_info(app: &App, args: &Args) -> Result<Json, ApiError> {
    let name = text(args, "name")?;
    open(app, "organization_info", &[name], Json::Null).await.map(|found| organization(&found))
}

/// Makes an account: for another by an administrator, else for oneself, to be approved.
pub(super) async fn register(
    app: &App,
    caller: Option<&Caller>,
    args: &Args,
) -> Result<Json, ApiError> {
    let mut body = attrs(args, "attrs")?;
    known_only(&body, ACCOUNT)?;
    if !body.get("email").is_some_and(Json::is_string) {
        let error = original::invalid("email", &Json::Null, "is missing: attrs must hold it");
        return Err(refused(error));
    }
    for (key, from) in
        [("name", "username"), ("password", "password"), ("organization", "organization")]
    {
        body.insert(key.to_owned(), json!(text(args, from)?));
    }
    let may_create = |caller: &&Caller| {
        caller.admin || caller.flags.contains(&tomato_model::flag::Flag::OrgaAdmin)
    };
    let made = match caller.filter(may_create) {
        Some(caller) => {
            let ask =
                Ask { operation: "account_create", body: Json::Object(body), ..Ask::default() };
            bridge::call(app, caller, ask).await?
        }
        None => {
            body.retain(|key, _| key != "flags" && !key.starts_with('_'));
            open(app, "account_register", &[], Json::Object(body)).await?
        }
    };
    Ok(account(&made))
}

impl Session<'_> {
    pub(super) async fn people(&self, method: &str, args: &Args) -> Result<Json, ApiError> {
        match method {
            "account_info" => self.account_info(args).await,
            "account_list" => self.account_list(args).await,
            "account_modify" => self.account_modify(args).await,
            "account_remove" => {
                let name = self.named(args)?;
                self.call::<Json>("account_remove", &[&name], Json::Null).await
            }
            "account_usage" => {
                let name = text(args, "name")?;
                let found: Json = self.call("account_show", &[name], Json::Null).await?;
                if found["flags"].is_null() && name != self.caller.account {
                    let text = "only the account itself and its administrators may see this";
                    return Err(ApiError::new(ErrorCode::Denied, text));
                }
                self.usage_of(|owner| owner == name).await
            }
            "account_flags" => {
                self.flags(|all, _, name, doc| {
                    all.insert(name.to_owned(), doc.clone());
                })
                .await
            }
            "account_flag_categories" => {
                self.flags(|all, category, name, _| {
                    let list = all.entry(category).or_insert_with(|| json!([]));
                    list.as_array_mut().into_iter().for_each(|list| list.push(json!(name)));
                })
                .await
            }
            "account_flag_configuration" => {
                self.flags(|all, category, name, doc| {
                    let list = all.entry(category).or_insert_with(|| json!({}));
                    list[name] = doc.clone();
                })
                .await
            }
            "account_notifications"
            | "account_notification_set_read"
            | "account_notification_set_all_read"
            | "account_send_notification"
            | "broadcast_announcement"
            | "notifyAdmins" => self.notification(method, args).await,
            _ => self.organization(method, args).await,
        }
    }

    /// The account of the argument `name`, the caller's by default.
    fn named(&self, args: &Args) -> Result<String, ApiError> {
        Ok(maybe_text(args, "name")?.unwrap_or(&self.caller.account).to_owned())
    }

    async fn account_info(&self, args: &Args) -> Result<Json, ApiError> {
        let found: Json = match maybe_text(args, "name")? {
            Some(name) if name != self.caller.account => {
                self.call("account_show", &[name], Json::Null).await?
            }
            _ => self.call("account_info", &[], Json::Null).await?,
        };
        Ok(account(&found))
    }

    async fn account_list(&self, args: &Args) -> Result<Json, ApiError> {
        let flag = maybe_text(args, "with_flag")?;
        if let Some(flag) = flag
            && tomato_model::flag::Flag::find(flag).is_none()
        {
            return Err(missing("flag", &json!(flag)));
        }
        let members = match maybe_text(args, "organization")? {
            Some(name) => Some(self.members(name).await?),
            None => None,
        };
        let query = flag.map(|flag| format!("flag={flag}")).unwrap_or_default();
        let ask = Ask { operation: "account_list", query: &query, ..Ask::default() };
        let list: Vec<Json> = self.ask(ask).await?;
        let is_asked = |found: &&Json| {
            let name = found["name"].as_str().unwrap_or_default();
            members.as_ref().is_none_or(|members| members.contains(name))
        };
        Ok(list.iter().filter(is_asked).map(account).collect())
    }

    /// Names of the accounts of an organization.
    pub(super) async fn members(&self, organization: &str) -> Result<BTreeSet<String>, ApiError> {
        self.call::<Json>("organization_info", &[organization], Json::Null).await?;
        let list: Vec<Json> = self.call("account_list", &[], Json::Null).await?;
        let members = list.iter().filter(|found| found["organization"] == organization);
        Ok(members.filter_map(|found| found["name"].as_str().map(str::to_owned)).collect())
    }

    /// Changes an account. What the caller may not change is left out where that is asked for, key by key and flag by flag.
    async fn account_modify(&self, args: &Args) -> Result<Json, ApiError> {
        let name = self.named(args)?;
        let mut wanted = attrs(args, "attrs")?;
        known_only(&wanted, ACCOUNT)?;
        let flags = match wanted.remove("flags") {
            None | Some(Json::Null) => Map::new(),
            Some(Json::Object(flags)) => flags,
            Some(other) => {
                let error = original::invalid("flags", &other, "must be a struct {flag: bool}");
                return Err(refused(error));
            }
        };
        for flag in flags.keys() {
            if tomato_model::flag::Flag::find(flag).is_none() {
                return Err(refused(original::unknown(flag)));
            }
        }
        let (keys, flags_apart) = (
            is_true(args, "ignore_key_on_unauthorized"),
            is_true(args, "ignore_flag_on_unauthorized"),
        );
        let mut changes: Vec<(Map<String, Json>, bool)> = Vec::new();
        let mut together = Map::new();
        for (key, value) in wanted {
            let one = Map::from_iter([(key, value)]);
            if keys { changes.push((one, true)) } else { together.extend(one) }
        }
        if flags_apart {
            let one = |(flag, value): (String, Json)| {
                (Map::from_iter([("flags".to_owned(), json!({flag: value}))]), true)
            };
            changes.extend(flags.into_iter().map(one));
        } else if !flags.is_empty() {
            together.insert("flags".to_owned(), Json::Object(flags));
        }
        changes.insert(0, (together, false));
        let mut changed: Option<Json> = None;
        for (mut change, may_be_denied) in changes {
            if change.is_empty() && (may_be_denied || changed.is_some()) {
                continue;
            }
            // Each call proves the password so far.
            if change.contains_key("password") && name == self.caller.account {
                change.insert("current_password".to_owned(), json!(self.password));
            }
            let body = Json::Object(change);
            match self.call::<Json>("account_modify", &[&name], body).await {
                Err(error) if may_be_denied && error.code == ErrorCode::Denied => {}
                other => changed = Some(other?),
            }
        }
        changed.map(|found| account(&found)).ok_or_else(|| missing("account", &json!(name)))
    }

    /// Every flag, put together by `add` with its category, name and meaning.
    async fn flags(
        &self,
        add: impl Fn(&mut Map<String, Json>, String, &str, &Json) + Send,
    ) -> Result<Json, ApiError> {
        let list: Vec<Json> = self.call("flag_list", &[], Json::Null).await?;
        let mut all = Map::new();
        for flag in &list {
            let category = flag["category"].as_str().unwrap_or_default().to_owned();
            add(&mut all, category, flag["name"].as_str().unwrap_or_default(), &flag["doc"]);
        }
        Ok(Json::Object(all))
    }

    async fn organization(&self, method: &str, args: &Args) -> Result<Json, ApiError> {
        match method {
            "organization_list" => organization_list(self.app).await,
            "organization_info" => organization_info(self.app, args).await,
            "organization_create" => {
                let mut body = attrs(args, "attrs")?;
                known_only(&body, ORGANIZATION)?;
                if let Some(label) = maybe_text(args, "label")? {
                    body.insert("label".to_owned(), json!(label));
                }
                body.insert("name".to_owned(), json!(text(args, "name")?));
                let made: Json = self.call(method, &[], Json::Object(body)).await?;
                Ok(organization(&made))
            }
            "organization_modify" => {
                let body = attrs(args, "attrs")?;
                known_only(&body, ORGANIZATION)?;
                let path = [text(args, "name")?];
                let changed: Json = self.call(method, &path, Json::Object(body)).await?;
                Ok(organization(&changed))
            }
            "organization_remove" => {
                let name = text(args, "name")?;
                let removed = self.call::<Json>(method, &[name], Json::Null).await;
                removed.map_err(|error| match error.code {
                    ErrorCode::UnsupportedAction => ApiError { code: ErrorCode::NotEmpty, ..error },
                    _ => error,
                })
            }
            _ => {
                organization_info(self.app, args).await?;
                let members = self.members(text(args, "name")?).await?;
                self.usage_of(|owner| members.contains(owner)).await
            }
        }
    }

    async fn notification(&self, method: &str, args: &Args) -> Result<Json, ApiError> {
        match method {
            "account_notifications" => {
                let list = self.notifications(is_true(args, "include_read")).await?;
                Ok(list.iter().map(notification).collect())
            }
            "account_notification_set_read" => {
                let id = super::id(args, "notification_id")?;
                let body = json!({"read": is_true(args, "read")});
                self.call::<Json>("notification_modify", &[id], body).await?;
                Ok(Json::Null)
            }
            "account_notification_set_all_read" if is_true(args, "read") => {
                self.call::<Json>("notification_read", &[], Json::Null).await
            }
            "account_notification_set_all_read" => {
                for known in self.notifications(true).await? {
                    let id = known["id"].as_str().unwrap_or_default();
                    let body = json!({"read": false});
                    self.call::<Json>("notification_modify", &[id], body).await?;
                }
                Ok(Json::Null)
            }
            "notifyAdmins" => {
                let body = json!({
                    "title": text(args, "subject")?,
                    "message": text(args, "text")?,
                    "global": args["global_contact"].is_null() || is_true(args, "global_contact"),
                });
                self.call::<Json>("notification_contact", &[], body).await?;
                Ok(Json::Null)
            }
            _ => {
                let is_broadcast = method == "broadcast_announcement";
                let title = text(args, if is_broadcast { "title" } else { "subject" })?;
                let (account, organization) = if is_broadcast {
                    (None, maybe_text(args, "organization_filter")?)
                } else {
                    (Some(text(args, "name")?), None)
                };
                let body = json!({
                    "account": account,
                    "organization": organization,
                    "title": title,
                    "message": text(args, "message")?,
                    "ref": args["ref"],
                    "unsigned": is_true(args, "from_support") || args.get("show_sender") == Some(&json!(false)),
                });
                self.call::<Json>("notification_send", &[], body).await?;
                Ok(Json::Null)
            }
        }
    }

    async fn notifications(&self, with_read: bool) -> Result<Vec<Json>, ApiError> {
        let query = format!("include_read={with_read}");
        self.ask(Ask { operation: "notification_list", query: &query, ..Ask::default() }).await
    }
}

/// Refuses attributes that are neither known nor the client's own.
pub(super) fn known_only(attrs: &Map<String, Json>, known: &[&str]) -> Result<(), ApiError> {
    let wrong = attrs.keys().find(|key| !key.starts_with('_') && !known.contains(&key.as_str()));
    wrong.map_or(Ok(()), |key| Err(refused(original::unknown(key))))
}

/// Seconds of a time in microseconds.
fn seconds(time: &Json) -> Json {
    time.as_f64().map_or(Json::Null, |us| json!(us / US_PER_S))
}

fn account(native: &Json) -> Json {
    let mut shown = json!({
        "name": native["name"],
        "id": native["name"],
        "origin": "",
        "realname": native["realname"],
    });
    // What others may not see is not there at all.
    if !native["flags"].is_null() {
        shown["email"] = native["email"].clone();
        shown["organization"] = native["organization"].clone();
        shown["flags"] = native["flags"].clone();
        shown["last_login"] = seconds(&native["last_login"]);
        shown["notification_count"] = json!(native["notifications"].as_u64().unwrap_or(0));
        shown["quota"] =
            json!({"used": {}, "monthly": {}, "used_time": null, "continous_factor": null});
    }
    add_client(&mut shown, native);
    shown
}

fn organization(native: &Json) -> Json {
    let mut shown = json!({
        "name": native["name"],
        "label": native["label"],
        "homepage_url": native["homepage_url"],
        "image_url": native["image_url"],
        "description": native["description"],
    });
    add_client(&mut shown, native);
    shown
}

fn notification(native: &Json) -> Json {
    json!({
        "id": native["id"],
        "timestamp": seconds(&native["at"]),
        "title": native["title"],
        "message": native["message"],
        "read": native["read"],
        "ref": native["ref"],
        "sender": native["sender"],
        "subject_group": null,
    })
}

fn add_client(shown: &mut Json, native: &Json) {
    if let (Some(members), Some(client)) = (shown.as_object_mut(), native["client"].as_object()) {
        members.extend(client.clone());
    }
}
