//! Runs one method for one caller: old arguments to native operations, native answers to old objects.
//!
//! Actions wait for their job and fault with its first error. Objects that exist but are not the caller's are `denied`, as the
//! original answered.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::job::{Job, JobState};
use tomato_model::graph::Graph;
use tomato_model::original::{self, OriginalError, own_interface, view};
use tomato_model::topology::{Element, Interface};

use super::bridge::{self, Ask};
use super::codec::{Reply, Written};
use crate::app::{App, Caller};

mod account;
mod connection;
mod element;
mod place;
mod resource;
mod server;
mod topology;
mod usage;

/// Arguments by name; every argument of the method is there.
pub(crate) type Args = Map<String, Json>;

/// Arguments that are ids of objects.
const IDS: [&str; 5] = ["id", "top", "parent", "el1", "el2"];

/// A caller and what runs its operations.
pub(crate) struct Session<'a> {
    app: &'a App,
    caller: &'a Caller,
    /// Proved by the call.
    password: &'a str,
}

/// An element, or one of its interfaces by index.
struct Found {
    element: Element,
    interface: Option<usize>,
}

/// Runs a method that needs no account.
pub(crate) async fn anonymous(app: &App, method: &str, args: &Args) -> Result<Json, ApiError> {
    match method {
        "ping" => Ok(Json::Bool(true)),
        "server_info" => {
            let ask = Ask { operation: "setting_info", ..Ask::default() };
            Ok(server::info(app, &bridge::call(app, &Caller::default(), ask).await?))
        }
        "statistics" => server::statistics(app).await,
        "site_list" => place::site_list(app, args),
        "site_info" => place::site_info(args),
        "organization_list" => account::organization_list(app).await,
        "organization_info" => account::organization_info(app, args).await,
        "account_create" => account::register(app, None, args).await,
        _ => Err(ApiError::new(ErrorCode::NotLoggedIn, "log in with name and password")),
    }
}

impl<'a> Session<'a> {
    /// A session of `caller`.
    pub(crate) fn new(app: &'a App, caller: &'a Caller, password: &'a str) -> Self {
        Self { app, caller, password }
    }

    /// Runs a method of the table.
    pub(crate) async fn run(&self, method: &str, args: &Args) -> Result<Reply, ApiError> {
        let answer = if method == "topology_info" && is_true(args, "full") {
            self.topology_full(args).await
        } else {
            self.value(method, args).await.map(Reply::Value)
        };
        match answer {
            Err(error) if error.code == ErrorCode::EntityDoesNotExist => {
                Err(self.denied(error, args).await)
            }
            other => other,
        }
    }

    async fn value(&self, method: &str, args: &Args) -> Result<Json, ApiError> {
        let (noun, verb) = method.split_once('_').unwrap_or((method, ""));
        match (noun, verb) {
            ("topology", verb) => self.topology(verb, args).await,
            ("element", verb) => self.element(verb, args).await.map_err(unknown_resource),
            ("connection", verb) => self.connection(verb, args).await,
            ("account", "create") => account::register(self.app, Some(self.caller), args).await,
            ("account" | "organization" | "broadcast" | "notifyAdmins", _) => {
                self.people(method, args).await
            }
            ("template" | "profile" | "network" | "resources", _) => {
                self.resource(method, args).await
            }
            ("host" | "site" | "link", _) => self.place(method, args).await,
            ("capabilities" | "role", _) => self.server(method, args),
            _ => anonymous(self.app, method, args).await,
        }
    }

    /// Runs a native operation and reads its answer.
    async fn call<T: DeserializeOwned>(
        &self,
        operation: &str,
        path: &[&str],
        body: Json,
    ) -> Result<T, ApiError> {
        self.ask(Ask { operation, path, query: "", body }).await
    }

    async fn ask<T: DeserializeOwned>(&self, ask: Ask<'_>) -> Result<T, ApiError> {
        let operation = ask.operation;
        let answer = bridge::call(self.app, self.caller, ask).await?;
        serde_json::from_value(answer).map_err(|error| {
            ApiError::new(
                ErrorCode::Internal,
                format!("answer of {operation} is not as declared: {error}"),
            )
        })
    }

    /// Runs a native action and waits for its end.
    async fn act(&self, operation: &str, id: &str, action: &str) -> Result<(), ApiError> {
        ended(self.finish(operation, &[id, action], json!({})).await?, action)
    }

    /// Calls an operation that begins a job, and waits for its end.
    async fn finish(&self, operation: &str, path: &[&str], body: Json) -> Result<Job, ApiError> {
        let job: Job = self.call(operation, path, body).await?;
        if job.is_over() { Ok(job) } else { self.app.job_wait(self.caller, &job.id).await }
    }

    async fn graph(&self, id: &str) -> Result<Arc<Graph>, ApiError> {
        let id = id.parse().map_err(|_malformed| crate::app::not_found("topology", id))?;
        self.app.topology_info(self.caller, &id).await
    }

    /// The element or interface of that id.
    async fn find(&self, id: &str) -> Result<Found, ApiError> {
        let missing = || crate::app::not_found("element", id);
        let graph = bridge::graph_of(self.app, self.caller, id).await;
        let graph = graph.map_err(|error| match error.code {
            ErrorCode::EntityDoesNotExist => missing(),
            _ => error,
        })?;
        let holder = |element: &&Element| {
            element.id.as_str() == id || element.interfaces.iter().any(|i| i.id.as_str() == id)
        };
        let element = graph.elements.iter().find(holder).cloned().ok_or_else(missing)?;
        let interface = element.interfaces.iter().position(|i| i.id.as_str() == id);
        Ok(Found { element, interface })
    }

    /// `error`, or `denied` when something asked for exists but is not the caller's.
    async fn denied(&self, error: ApiError, args: &Args) -> ApiError {
        for key in IDS {
            if let Some(id) = args.get(key).and_then(Json::as_str)
                && bridge::is_hidden(self.app, self.caller, id).await
            {
                return ApiError::new(ErrorCode::Denied, "you have no role on this topology")
                    .with(json!({"id": id}));
            }
        }
        error
    }
}

impl Found {
    /// The interface that was meant, or that of an element which is connected itself.
    fn port(&self) -> Option<&Interface> {
        match self.interface {
            Some(index) => self.element.interfaces.get(index),
            None => own_interface(&self.element),
        }
    }

    /// The old form of what was found.
    fn view(&self) -> Json {
        match self.interface.and_then(|index| self.element.interfaces.get(index)) {
            Some(interface) => view::interface(&self.element, interface),
            None => view::element(&self.element),
        }
    }
}

/// A job that is over, as the original's calls ended: with the first error if anything failed.
fn ended(job: Job, action: &str) -> Result<(), ApiError> {
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

/// A profile or template that does not exist was a missing entity in the original and is a wrong value here.
fn unknown_resource(error: ApiError) -> ApiError {
    let is_resource = ["profile", "template"].iter().any(|name| error.data["attribute"] == *name);
    if error.code == ErrorCode::InvalidValue && is_resource && error.data["value"].is_string() {
        return ApiError { code: ErrorCode::EntityDoesNotExist, ..error };
    }
    error
}

/// The error of the model's translation in the words of the interface.
fn refused(error: OriginalError) -> ApiError {
    crate::app::import::original_error(error)
}

fn invalid(key: &str, value: &Json, rule: impl Into<String>) -> ApiError {
    refused(original::invalid(key, value, rule))
}

/// A required text argument.
fn text<'a>(args: &'a Args, key: &str) -> Result<&'a str, ApiError> {
    let value = args.get(key).unwrap_or(&Json::Null);
    value.as_str().ok_or_else(|| invalid(key, value, "must be text"))
}

/// An optional text argument.
fn maybe_text<'a>(args: &'a Args, key: &str) -> Result<Option<&'a str>, ApiError> {
    match args.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(_) => text(args, key).map(Some),
    }
}

/// An id; numbers, which were ids once, name nothing.
fn id<'a>(args: &'a Args, key: &str) -> Result<&'a str, ApiError> {
    let value = args.get(key).unwrap_or(&Json::Null);
    let known = value.as_str().filter(|text| !text.is_empty());
    known.ok_or_else(|| missing(key, value))
}

/// The error for something that does not exist.
fn missing(entity: &str, id: &Json) -> ApiError {
    ApiError::new(ErrorCode::EntityDoesNotExist, format!("there is no {entity} {id}"))
        .with(json!({"entity": entity, "id": id}))
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
    args.get(key).and_then(original::flag).unwrap_or(false)
}

/// The error for an action that does not exist.
fn no_action(action: &str, remedy: &str) -> ApiError {
    ApiError::new(
        ErrorCode::UnsupportedAction,
        format!("there is no action {action:?} here; {remedy}"),
    )
    .with(json!({"action": action}))
}

/// The error for what this version does not offer.
fn not_offered(what: &str) -> ApiError {
    ApiError::new(ErrorCode::UnsupportedAction, what)
}
