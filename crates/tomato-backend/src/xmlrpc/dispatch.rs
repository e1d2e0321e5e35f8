//! Runs one method for one caller: old arguments to native operations, native answers to old objects.
//!
//! Actions wait for their job and fault with its first error. Objects that exist but are not the caller's are `denied`, as the
//! original answered.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::job::{Job, JobState};
use tomato_model::graph::Graph;
use tomato_model::topology::Element;

use super::link::invalid;
use super::native::{Ask, Native};
use crate::app::Caller;

mod connection;
mod element;
mod import;
mod topology;

/// Arguments by name; every argument of the method is there.
pub(crate) type Args = Map<String, Json>;

/// Arguments that are ids of objects.
const IDS: [&str; 5] = ["id", "top", "parent", "el1", "el2"];

/// A caller and what runs its operations.
pub(crate) struct Session<'a> {
    native: &'a dyn Native,
    caller: &'a Caller,
}

/// An element, or one of its interfaces by index.
struct Found {
    element: Element,
    interface: Option<usize>,
}

impl<'a> Session<'a> {
    /// A session of `caller`.
    pub(crate) fn new(native: &'a dyn Native, caller: &'a Caller) -> Self {
        Self { native, caller }
    }

    /// Runs a method of the table that needs an account.
    pub(crate) async fn run(&self, method: &str, args: &Args) -> Result<Json, ApiError> {
        let answer = match method.split_once('_') {
            Some(("topology", verb)) => self.topology(verb, args).await,
            Some(("element", verb)) => self.element(verb, args).await.map_err(unknown_resource),
            Some(("connection", verb)) => self.connection(verb, args).await,
            _ => self.other(method).await,
        };
        match answer {
            Err(error) if error.code == ErrorCode::EntityDoesNotExist => {
                Err(self.denied(error, args).await)
            }
            other => other,
        }
    }

    async fn other(&self, method: &str) -> Result<Json, ApiError> {
        match method {
            "account_info" => {
                let flags = if self.caller.admin { json!(["global_admin"]) } else { json!([]) };
                Ok(
                    json!({"name": self.caller.account, "id": self.caller.account, "realname": self.caller.account, "flags": flags}),
                )
            }
            "template_list" => {
                let list: Vec<Json> = self.call("template_list", &[], json!({})).await?;
                Ok(list.iter().map(template).collect())
            }
            "profile_list" => {
                let list: Vec<Json> = self.call("profile_list", &[], json!({})).await?;
                Ok(list.iter().map(profile).collect())
            }
            _ => Err(ApiError::new(
                ErrorCode::Internal,
                format!("method {method} is in the table but not written"),
            )),
        }
    }

    /// Runs a native operation and reads its answer.
    async fn call<T: DeserializeOwned>(
        &self,
        operation: &str,
        path: &[&str],
        body: Json,
    ) -> Result<T, ApiError> {
        let ask = Ask { operation, path, query: "", body };
        let answer = self.native.call(self.caller, ask).await?;
        serde_json::from_value(answer).map_err(|error| {
            ApiError::new(
                ErrorCode::Internal,
                format!("answer of {operation} is not as declared: {error}"),
            )
        })
    }

    /// Runs a native action and waits for its end.
    async fn act(&self, operation: &str, id: &str, action: &str) -> Result<(), ApiError> {
        let job: Job = self.call(operation, &[id, action], json!({})).await?;
        let job = if job.is_over() { job } else { self.native.wait(self.caller, &job.id).await? };
        let error = job.error.or_else(|| job.elements.into_values().find_map(|part| part.error));
        match (job.state, error) {
            (_, Some(error)) => Err(error),
            (JobState::Done, None) => Ok(()),
            (JobState::Cancelled, None) => {
                Err(ApiError::new(ErrorCode::CommandFailed, format!("{action} was cancelled")))
            }
            (JobState::Failed | JobState::Running, None) => Err(ApiError::new(
                ErrorCode::CommandFailed,
                format!("{action} failed; see job {}", job.id),
            )),
        }
    }

    async fn graph(&self, id: &str) -> Result<Graph, ApiError> {
        self.call("topology_info", &[id], json!({})).await
    }

    /// The element or interface of that id.
    async fn find(&self, id: &str) -> Result<Found, ApiError> {
        let graph = self.native.graph_of(self.caller, id).await?;
        let holder = |element: &&Element| {
            element.id.as_str() == id || element.interfaces.iter().any(|i| i.id.as_str() == id)
        };
        let element = graph.elements.iter().find(holder).cloned();
        let element = element.ok_or_else(|| crate::app::not_found("element", id))?;
        let interface = element.interfaces.iter().position(|i| i.id.as_str() == id);
        Ok(Found { element, interface })
    }

    /// `error`, or `denied` when something asked for exists but is not the caller's.
    async fn denied(&self, error: ApiError, args: &Args) -> ApiError {
        for key in IDS {
            if let Some(id) = args.get(key).and_then(Json::as_str)
                && self.native.is_hidden(self.caller, id).await
            {
                return ApiError::new(ErrorCode::Denied, "you have no role on this topology")
                    .with(json!({"id": id}));
            }
        }
        error
    }
}

fn template(info: &Json) -> Json {
    json!({
        "id": info["name"], "name": info["name"], "type": "container", "label": info["label"],
        "description": info["description"], "preference": 0, "ready": {"backend": true, "hosts": {"ready": u8::from(info["ready"] == true), "total": 1}}
    })
}

fn profile(info: &Json) -> Json {
    let cpus = info["cpu_milli"].as_f64().unwrap_or(0.0) / 1000.0;
    let mega = |key: &str| info[key].as_u64().unwrap_or(0).saturating_add(500_000) / 1_000_000;
    json!({
        "id": info["id"], "name": info["name"], "type": "container", "label": info["label"], "preference": 0, "restricted": false,
        "cpus": cpus, "ram": mega("memory_bytes"), "diskspace": mega("disk_bytes")
    })
}

/// A profile or template that does not exist was a missing entity in the original and is a wrong value here.
fn unknown_resource(error: ApiError) -> ApiError {
    let is_resource = ["profile", "template"].iter().any(|name| error.data["attribute"] == *name);
    if error.code == ErrorCode::InvalidValue && is_resource && error.data["value"].is_string() {
        return ApiError { code: ErrorCode::EntityDoesNotExist, ..error };
    }
    error
}

/// A required text argument.
fn text<'a>(args: &'a Args, key: &str) -> Result<&'a str, ApiError> {
    let value = args.get(key).unwrap_or(&Json::Null);
    value.as_str().ok_or_else(|| invalid(key, value, "must be text"))
}

/// An id; numbers, which were ids once, name nothing.
fn id<'a>(args: &'a Args, key: &str) -> Result<&'a str, ApiError> {
    let value = args.get(key).unwrap_or(&Json::Null);
    let known = value.as_str().filter(|text| !text.is_empty());
    known.ok_or_else(|| {
        ApiError::new(ErrorCode::EntityDoesNotExist, format!("{key} {value} is no id"))
            .with(json!({"entity": key, "id": value}))
    })
}

/// A struct argument; null is an empty one.
fn attrs(args: &Args, key: &str) -> Result<Map<String, Json>, ApiError> {
    match args.get(key).unwrap_or(&Json::Null) {
        Json::Object(members) => Ok(members.clone()),
        Json::Null => Ok(Map::new()),
        other => Err(invalid(key, other, "must be a struct")),
    }
}

fn is_true(args: &Args, key: &str) -> bool {
    args.get(key).and_then(super::link::flag).unwrap_or(false)
}

/// The error for an action that does not exist.
fn no_action(action: &str, remedy: &str) -> ApiError {
    ApiError::new(
        ErrorCode::UnsupportedAction,
        format!("there is no action {action:?} here; {remedy}"),
    )
    .with(json!({"action": action}))
}
