//! The application as the translation sees it: operations go the way that REST calls go.

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::Value as Json;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::operation::{self, PREFIX};
use tomato_model::graph::Graph;
use tomato_model::id::{ConnectionId, ElementId, InterfaceId, TopologyId};
use tomato_model::role::Role;

use crate::app::slot::Part;
use crate::app::{Answer, App, Caller, internal, not_found};
use crate::http::call::Call;
use crate::http::dispatch::dispatch;

/// An operation of the table to be called.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask<'a> {
    /// Its name.
    pub(crate) operation: &'a str,
    /// The parameters of its path in order.
    pub(crate) path: &'a [&'a str],
    /// The query, `name=value&…`.
    pub(crate) query: &'a str,
    /// What it carries; text is sent as it is.
    pub(crate) body: Json,
}

/// Runs an operation for a caller; no answer is null.
pub(crate) async fn call(app: &App, caller: &Caller, ask: Ask<'_>) -> Answer<Json> {
    let operation = operation::find(ask.operation).ok_or_else(|| {
        ApiError::new(ErrorCode::Internal, format!("there is no operation {}", ask.operation))
    })?;
    let names = operation.path_params().map(str::to_owned);
    let params = names.zip(ask.path.iter().map(|&value| value.to_owned())).collect();
    let body = match ask.body {
        Json::String(text) => text,
        value => value.to_string(),
    };
    let request = Request::builder()
        .uri(format!("{PREFIX}?{}", ask.query))
        .body(Body::from(body))
        .map_err(|error| internal("calling an operation", &error))?;
    let call = Call::new(operation, caller.clone(), params, request);
    let answer = dispatch(app, call).await?.into_body().collect().await;
    let bytes =
        answer.map_err(|error| internal("reading an answer", &std::io::Error::other(error)))?;
    let bytes = bytes.to_bytes();
    if bytes.is_empty() {
        return Ok(Json::Null);
    }
    serde_json::from_slice(&bytes).map_err(|error| internal("reading an answer", &error))
}

/// The topology in which something has this id, if the caller may see it.
pub(crate) async fn graph_of(app: &App, caller: &Caller, id: &str) -> Answer<Arc<Graph>> {
    let ids = Ids::new(id);
    for part in ids.parts() {
        match app.view(caller, part, Role::User).await {
            Err(error) if error.code == ErrorCode::EntityDoesNotExist => {}
            other => return other,
        }
    }
    Err(not_found("object", id))
}

/// Whether an object of this id exists that the caller may not see.
pub(crate) async fn is_hidden(app: &App, caller: &Caller, id: &str) -> bool {
    let everything = Caller { admin: true, ..caller.clone() };
    match graph_of(app, &everything, id).await {
        Ok(graph) => !caller.sees(&graph.topology),
        Err(_) => false,
    }
}

/// Ids of all nouns have one form.
struct Ids {
    topology: Option<TopologyId>,
    element: Option<ElementId>,
    interface: Option<InterfaceId>,
    connection: Option<ConnectionId>,
}

impl Ids {
    fn new(text: &str) -> Self {
        Self {
            topology: text.parse().ok(),
            element: text.parse().ok(),
            interface: text.parse().ok(),
            connection: text.parse().ok(),
        }
    }

    fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let parts = [
            self.element.as_ref().map(Part::Element),
            self.interface.as_ref().map(Part::Interface),
            self.connection.as_ref().map(Part::Connection),
            self.topology.as_ref().map(Part::Topology),
        ];
        parts.into_iter().flatten()
    }
}
