//! From an operation's name to the application's function.

use axum::response::Response;
use http::HeaderValue;
use http::header::{ETAG, SET_COOKIE};
use serde_json::json;
use tomato_api::account::NotificationPatch;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::{FILE_BYTES, TAR_BYTES};
use tomato_api::operation::Method;
use tomato_api::request::{CaptureFilter, PermissionSet};
use tomato_model::id::{ConnectionId, ElementId, InterfaceId, NotificationId};
use tomato_model::lifecycle::Action;
use tomato_store::AuditQuery;

use crate::app::import::{FileFormat, ImportMode};
use crate::app::metrics;
use crate::app::slot::Part;
use crate::app::{Answer, App};
use crate::http::answer::{Shown, applied, events, json, stream, text, traffic};
use crate::http::call::Call;
use crate::http::{cookie, nothing, socket};
use crate::limits::{AUDIT_PAGE, TRAFFIC_DEFAULT_MS};

/// Calls the operation and, where it changes something, notes who did and waits until it is on disk.
pub(crate) async fn dispatch(app: &App, call: Call) -> Answer<Response> {
    let operation = call.operation;
    if operation.method == Method::Get {
        return route(app, call).await;
    }
    let (mut caller, mut object) = (call.caller.clone(), call.object());
    let mut result = route(app, call).await;
    if result.is_ok()
        && let Err(error) = app.synced().await
    {
        result = Err(error);
    }
    if object.is_empty()
        && let Some(about) = about(&result)
    {
        if operation.name == "session_create" {
            caller.account.clone_from(&about);
        }
        object = about;
    }
    app.audit(&caller, operation.name, &object, result.as_ref().map(drop)).await;
    result
}

/// Id or name of what an answer is about.
fn about(result: &Answer<Response>) -> Option<String> {
    result.as_ref().ok()?.extensions().get::<Shown>()?.about()
}

async fn route(app: &App, call: Call) -> Answer<Response> {
    match call.operation.noun {
        "topology" => topology(app, call).await,
        "element" => element(app, call).await,
        "interface" => interface(app, call).await,
        "connection" | "capture" => connection(app, call).await,
        "archive" => archive(app, call).await,
        "file" => file(app, call).await,
        "template" => template(app, call).await,
        "profile" => profile(app, call).await,
        "token" => token(app, call).await,
        "session" => session(app, call).await,
        "account" | "flag" | "organization" => people(app, call).await,
        "audit" | "notification" | "setting" => house(app, call).await,
        _ => other(app, call).await,
    }
}

/// The table has an operation that nobody implements; a test proves that there is none.
fn unimplemented(call: &Call) -> ApiError {
    ApiError::new(ErrorCode::Internal, format!("operation {} has no function", call.operation.name))
}

/// For the audit log: whoever called does not hear it.
fn hung_up() -> Answer<Response> {
    Err(ApiError::new(ErrorCode::TimedOut, "the caller hung up, and the copy was ended"))
}

fn action(call: &Call) -> Answer<Action> {
    let name = call.param("action");
    serde_json::from_value(json!(name)).map_err(|_unknown| {
        ApiError::new(
            ErrorCode::UnsupportedAction,
            format!("there is no action {name:?}: use prepare, start, stop or destroy"),
        )
        .with(json!({"action": name}))
    })
}

async fn topology(app: &App, call: Call) -> Answer<Response> {
    let caller = call.caller.clone();
    match call.operation.verb {
        "create" => Ok(json(&app.topology_create(&caller, call.json().await?).await?)),
        "list" => Ok(json(&app.topology_list(&caller).await?)),
        "info" => Ok(json(app.topology_info(&caller, &call.id()?).await?.as_ref())),
        "modify" => {
            let (id, expected) = (call.id()?, call.if_match()?);
            Ok(json(&app.topology_modify(&caller, &id, call.json().await?, expected).await?))
        }
        "remove" => app.topology_remove(&caller, &call.id()?).await.map(|()| nothing()),
        "action" => Ok(json(&app.topology_action(&caller, &call.id()?, action(&call)?).await?)),
        "permission" => {
            let (id, account) = (call.id()?, call.param("account").to_owned());
            let set: PermissionSet = call.json().await?;
            Ok(json(&app.topology_permission(&caller, &id, &account, set.role).await?))
        }
        "export" => {
            let (format, kind) = match call.query("format").as_deref() {
                None | Some("yaml") => (FileFormat::Yaml, "application/yaml"),
                Some("json") => (FileFormat::Json, "application/json"),
                Some("original") => (FileFormat::Original, "application/json"),
                Some(_) => {
                    return Err(ApiError::new(
                        ErrorCode::InvalidValue,
                        "format: must be yaml, json or original",
                    ));
                }
            };
            Ok(text(app.topology_export(&caller, &call.id()?, format).await?, kind))
        }
        "import" => {
            let mode = ImportMode {
                dry_run: call.flag("dry_run")?,
                update: call.flag("update")?,
                name: call.query("name"),
            };
            Ok(json(&app.topology_import(&caller, &call.text().await?, &mode).await?))
        }
        "traffic" => {
            let interval = match call.query("interval") {
                None => TRAFFIC_DEFAULT_MS,
                Some(text) => text.parse().map_err(|_bad| {
                    let text = format!("interval: {text:?} is no number of milliseconds");
                    ApiError::new(ErrorCode::InvalidValue, text)
                })?,
            };
            Ok(traffic(app.topology_traffic(caller, call.id()?, interval).await?))
        }
        "arrange" => {
            let id = call.id()?;
            app.topology_arrange(&caller, &id, call.json().await?).await.map(|()| nothing())
        }
        "presence" => {
            let id = call.id()?;
            app.topology_presence(&caller, &id, call.json().await?).await.map(|()| nothing())
        }
        "renew" => Ok(json(&app.topology_renew(&caller, &call.id()?, call.json().await?).await?)),
        "counters" => Ok(json(&app.topology_counters(&caller, &call.id()?).await?)),
        _ => Err(unimplemented(&call)),
    }
}

async fn element(app: &App, call: Call) -> Answer<Response> {
    let caller = call.caller.clone();
    match call.operation.verb {
        "create" => Ok(json(&app.element_create(&caller, call.json().await?).await?)),
        "info" => Ok(json(&app.element_info(&caller, &call.id()?).await?)),
        "modify" => {
            let (id, expected): (ElementId, _) = (call.id()?, call.if_match()?);
            let changed = app.element_modify(&caller, &id, call.json().await?, expected).await?;
            Ok(applied(json(&changed), app.is_pending(Part::Element(&id)).await))
        }
        "remove" => app.element_remove(&caller, &call.id()?).await.map(|()| nothing()),
        "action" => Ok(json(&app.element_action(&caller, &call.id()?, action(&call)?).await?)),
        "console" => socket::console(app, call).await,
        "usage" => Ok(json(&app.element_usage(&caller, &call.id()?).await?)),
        "switch" => Ok(json(&app.element_switch(&caller, &call.id()?).await?)),
        "exec" => {
            let id: ElementId = call.id()?;
            Ok(json(&app.element_exec(&caller, &id, call.json().await?).await?))
        }
        _ => Err(unimplemented(&call)),
    }
}

async fn interface(app: &App, call: Call) -> Answer<Response> {
    let caller = call.caller.clone();
    match call.operation.verb {
        "create" => {
            let id: ElementId = call.id()?;
            Ok(json(&app.interface_create(&caller, &id, call.json().await?).await?))
        }
        "modify" => {
            let (id, expected): (InterfaceId, _) = (call.id()?, call.if_match()?);
            let changed = app.interface_modify(&caller, &id, call.json().await?, expected).await?;
            Ok(applied(json(&changed), app.is_pending(Part::Interface(&id)).await))
        }
        "remove" => app.interface_remove(&caller, &call.id()?).await.map(|()| nothing()),
        _ => Err(unimplemented(&call)),
    }
}

async fn connection(app: &App, call: Call) -> Answer<Response> {
    let caller = call.caller.clone();
    match call.operation.name {
        "connection_create" => Ok(json(&app.connection_create(&caller, call.json().await?).await?)),
        "connection_info" => Ok(json(&app.connection_info(&caller, &call.id()?).await?)),
        "connection_modify" => {
            let (id, expected): (ConnectionId, _) = (call.id()?, call.if_match()?);
            let changed = app.connection_modify(&caller, &id, call.json().await?, expected).await?;
            Ok(applied(json(&changed), app.is_pending(Part::Connection(&id)).await))
        }
        "connection_remove" => {
            app.connection_remove(&caller, &call.id()?).await.map(|()| nothing())
        }
        "connection_curve" => Ok(json(&app.connection_curve(&caller, &call.id()?).await?)),
        "connection_usage" => Ok(json(&app.connection_usage(&caller, &call.id()?).await?)),
        "capture_live" => {
            let id: ConnectionId = call.id()?;
            let filter = CaptureFilter { filter: call.query("filter").unwrap_or_default() };
            let body = app.capture_live(&caller, &id, filter).await?;
            Ok(stream(body, "application/x-pcapng", &format!("{id}.pcapng")))
        }
        "capture_filter_check" => {
            app.capture_filter_check(&call.json().await?).await.map(|()| nothing())
        }
        "capture_dissect" => {
            let id: ConnectionId = call.id()?;
            Ok(json(&app.capture_dissect(&caller, &id, &call.json().await?).await?))
        }
        "capture_past" => {
            let id: ConnectionId = call.id()?;
            let body = app.capture_past(&caller, &id).await?;
            Ok(stream(body, "application/x-pcapng", &format!("{id}-past.pcapng")))
        }
        "capture_saved" => Ok(json(&app.capture_saved(&caller, &call.id()?).await?)),
        "capture_saved_download" => {
            let (id, name): (ConnectionId, _) = (call.id()?, call.param("name").to_owned());
            let body = app.capture_saved_download(&caller, &id, &name).await?;
            Ok(stream(body, "application/x-pcapng", &format!("{id}-{name}.pcapng")))
        }
        "capture_download" => {
            let id: ConnectionId = call.id()?;
            let filter = call.query("filter").unwrap_or_default();
            let body = app.capture_download(&caller, &id, &filter).await?;
            Ok(stream(body, "application/x-pcapng", &format!("{id}.pcapng")))
        }
        _ => Err(unimplemented(&call)),
    }
}

async fn archive(app: &App, call: Call) -> Answer<Response> {
    let caller = call.caller.clone();
    let id: ElementId = call.id()?;
    match call.operation.verb {
        "upload" => app.archive_upload(&caller, &id, call.stream()).await.map(|()| nothing()),
        "download" => {
            let body = app.archive_download(&caller, &id).await?;
            Ok(stream(body, "application/gzip", &format!("{id}.tar.gz")))
        }
        "status" => Ok(json(&app.archive_status(&caller, &id).await?)),
        _ => Err(unimplemented(&call)),
    }
}

async fn file(app: &App, call: Call) -> Answer<Response> {
    let caller = call.caller.clone();
    let id: ElementId = call.id()?;
    let path = call.query("path").unwrap_or_default();
    match call.operation.verb {
        "download" => {
            let (offset, version) = (call.number("offset")?.unwrap_or(0), call.query("version"));
            let version = version.as_deref().map(|version| version.trim_matches('"'));
            let (told, body) = app.file_download(&caller, &id, &path, (offset, version)).await?;
            let name = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("root");
            let mut answer = stream(body, "application/x-tar", &format!("{name}.tar"));
            for name in [ETAG, FILE_BYTES, TAR_BYTES] {
                if let Some(value) = told.get(&name) {
                    answer.headers_mut().insert(name, value.clone());
                }
            }
            Ok(answer)
        }
        "upload" => {
            let (part, offset) = (call.query("part"), call.number("offset")?);
            if part.is_none() && offset.is_some() {
                let text = "offset: only goes with the part that is gone on with: name that too";
                return Err(ApiError::new(ErrorCode::InvalidValue, text));
            }
            let Some(part) = part.as_deref().map(|part| (part, offset.unwrap_or(0))) else {
                let gone = call.gone.clone();
                let work = app.file_upload(&caller, &id, &path, None, call.stream());
                return gone
                    .run_until_cancelled(work)
                    .await
                    .map_or_else(hung_up, |done| done.map(|()| nothing()));
            };
            app.file_upload(&caller, &id, &path, Some(part), call.stream())
                .await
                .map(|()| nothing())
        }
        "held" => {
            let part = call.query("part").unwrap_or_default();
            Ok(json(&app.file_held(&caller, &id, &part).await?))
        }
        _ => Err(unimplemented(&call)),
    }
}

async fn template(app: &App, call: Call) -> Answer<Response> {
    let caller = call.caller.clone();
    match call.operation.verb {
        "list" => Ok(json(&app.template_list().await?)),
        "ensure" => Ok(json(&app.template_ensure(&caller, call.param("name")).await?)),
        "upload" => {
            let (name, label) = (call.param("name").to_owned(), call.query("label"));
            let how = (label.as_deref(), call.query("format"));
            Ok(json(&app.template_upload(&caller, &name, how, call.stream()).await?))
        }
        "pull" => {
            let name = call.param("name").to_owned();
            Ok(json(&app.template_pull(&caller, &name, call.json().await?).await?))
        }
        _ => Err(unimplemented(&call)),
    }
}

async fn profile(app: &App, call: Call) -> Answer<Response> {
    let caller = call.caller.clone();
    match call.operation.verb {
        "list" => Ok(json(&app.profile_list())),
        "create" => Ok(json(&app.profile_create(&caller, call.json().await?).await?)),
        "modify" => {
            let (id, expected) = (call.id()?, call.if_match()?);
            Ok(json(&app.profile_modify(&caller, &id, call.json().await?, expected).await?))
        }
        "remove" => app.profile_remove(&caller, &call.id()?).await.map(|()| nothing()),
        _ => Err(unimplemented(&call)),
    }
}

async fn token(app: &App, call: Call) -> Answer<Response> {
    let caller = call.caller.clone();
    match call.operation.verb {
        "create" => Ok(json(&app.token_create(&caller, call.json().await?).await?)),
        "list" => Ok(json(&app.token_list(&caller).await?)),
        "remove" => app.token_remove(&caller, &call.id()?).await.map(|()| nothing()),
        _ => Err(unimplemented(&call)),
    }
}

async fn session(app: &App, call: Call) -> Answer<Response> {
    let (headers, is_tls) = (call.headers.clone(), call.is_tls);
    let (mut response, secret) = match call.operation.verb {
        "create" => {
            let (account, secret) = app.session_create(call.json().await?).await?;
            (json(&account), Some(secret))
        }
        "remove" => {
            if let Some(secret) = cookie::secret(&headers) {
                app.session_remove(secret).await?;
            }
            (nothing(), None)
        }
        _ => return Err(unimplemented(&call)),
    };
    let header = cookie::set(&headers, secret.as_deref(), is_tls);
    let value = HeaderValue::from_str(&header)
        .map_err(|error| crate::app::internal("making a cookie", &error))?;
    response.headers_mut().insert(SET_COOKIE, value);
    Ok(response)
}

async fn people(app: &App, call: Call) -> Answer<Response> {
    let caller = call.caller.clone();
    let (account, organization) =
        (call.param("account").to_owned(), call.param("organization").to_owned());
    match call.operation.name {
        "account_info" => Ok(json(&app.account_info(&caller))),
        "account_list" => {
            let (organization, flag) = (call.query("organization"), call.query("flag"));
            Ok(json(&app.account_list(&caller, organization.as_deref(), flag.as_deref())?))
        }
        "account_create" => Ok(json(&app.account_create(&caller, call.json().await?).await?)),
        "account_register" => Ok(json(&app.account_register(call.json().await?).await?)),
        "account_show" => Ok(json(&app.account_show(&caller, &account)?)),
        "account_modify" => {
            Ok(json(&app.account_modify(&caller, &account, call.json().await?).await?))
        }
        "account_remove" => app.account_remove(&caller, &account).await.map(|()| nothing()),
        "flag_list" => Ok(json(&app.flag_list())),
        "organization_list" => Ok(json(&app.organization_list())),
        "organization_create" => {
            Ok(json(&app.organization_create(&caller, call.json().await?).await?))
        }
        "organization_info" => Ok(json(&app.organization_info(&organization)?)),
        "organization_modify" => {
            let (expected, patch) = (call.if_match()?, call.json().await?);
            Ok(json(&app.organization_modify(&caller, &organization, patch, expected).await?))
        }
        "organization_remove" => {
            app.organization_remove(&caller, &organization).await.map(|()| nothing())
        }
        _ => Err(unimplemented(&call)),
    }
}

async fn house(app: &App, call: Call) -> Answer<Response> {
    let caller = call.caller.clone();
    match call.operation.name {
        "audit_list" => {
            let query = AuditQuery {
                account: call.query("account"),
                object: call.query("object"),
                before: call.number("before")?,
                limit: call
                    .number("limit")?
                    .map_or(AUDIT_PAGE, |limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            };
            Ok(json(&app.audit_list(&caller, query).await?))
        }
        "notification_list" => {
            Ok(json(&app.notification_list(&caller, call.flag("include_read")?)))
        }
        "notification_modify" => {
            let id: NotificationId = call.id()?;
            let patch: NotificationPatch = call.json().await?;
            Ok(json(&app.notification_modify(&caller, &id, patch.read).await?))
        }
        "notification_read" => app.notification_read(&caller).await.map(|()| nothing()),
        "notification_send" => Ok(json(&app.notification_send(&caller, call.json().await?).await?)),
        "notification_contact" => {
            Ok(json(&app.notification_contact(&caller, call.json().await?).await?))
        }
        "setting_info" => Ok(json(&app.setting_info(&caller))),
        "setting_modify" => Ok(json(&app.setting_modify(&caller, call.json().await?).await?)),
        _ => Err(unimplemented(&call)),
    }
}

async fn other(app: &App, call: Call) -> Answer<Response> {
    let caller = call.caller.clone();
    match call.operation.name {
        "job_list" => Ok(json(&app.job_list(&caller).await?)),
        "job_info" => Ok(json(&app.job_info(&caller, &call.id()?).await?)),
        "job_cancel" => Ok(json(&app.job_cancel(&caller, &call.id()?).await?)),
        "event_list" => {
            let seen = call
                .headers
                .get("last-event-id")
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned);
            let after = match seen.or_else(|| call.query("after")) {
                Some(number) => number.parse().map_err(|_bad| {
                    ApiError::new(ErrorCode::InvalidValue, "after: must be an event's number")
                })?,
                None => app.last_event().await?,
            };
            Ok(events(app.event_list(caller, after, call.flag("presence")?)))
        }
        "metrics_show" => Ok(text(app.metrics_show(&caller).await?, metrics::CONTENT_TYPE)),
        "server_backup" => {
            let body = app.server_backup(&caller).await?;
            Ok(stream(body, "application/vnd.sqlite3", "tomato-backup.db"))
        }
        "server_info" => Ok(json(&app.server_info())),
        "kind_list" => Ok(json(&app.kind_list())),
        "openapi_info" => Ok(json(&crate::openapi::openapi())),
        _ => Err(unimplemented(&call)),
    }
}
