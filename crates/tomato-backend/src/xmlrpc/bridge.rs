//! The application as the translation sees it: operations go the way that REST calls go.

use async_trait::async_trait;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::Value as Json;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::job::Job;
use tomato_api::operation::{self, PREFIX};
use tomato_model::graph::Graph;
use tomato_model::id::{ConnectionId, ElementId, InterfaceId, JobId, TopologyId};
use tomato_model::role::Role;

use super::native::{Ask, Native};
use crate::app::slot::Part;
use crate::app::{Answer, App, Caller, internal, not_found};
use crate::http::call::Call;
use crate::http::dispatch::dispatch;

#[async_trait]
impl Native for App {
    async fn login(&self, name: &str, password: &str) -> Answer<Caller> {
        App::login(self, name, password).await
    }

    async fn call(&self, caller: &Caller, ask: Ask<'_>) -> Answer<Json> {
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
        let answer = dispatch(self, call).await?.into_body().collect().await;
        let bytes =
            answer.map_err(|error| internal("reading an answer", &std::io::Error::other(error)))?;
        let bytes = bytes.to_bytes();
        if bytes.is_empty() {
            return Ok(Json::Null);
        }
        serde_json::from_slice(&bytes).map_err(|error| internal("reading an answer", &error))
    }

    async fn wait(&self, caller: &Caller, job: &JobId) -> Answer<Job> {
        self.job_wait(caller, job).await
    }

    async fn graph_of(&self, caller: &Caller, id: &str) -> Answer<Graph> {
        let ids = Ids::new(id);
        for part in ids.parts() {
            match self.view(caller, part, Role::User).await {
                Err(error) if error.code == ErrorCode::EntityDoesNotExist => {}
                other => return other,
            }
        }
        Err(not_found("object", id))
    }

    async fn is_hidden(&self, caller: &Caller, id: &str) -> bool {
        let everything = Caller { admin: true, ..caller.clone() };
        match self.graph_of(&everything, id).await {
            Ok(graph) => !caller.sees(&graph.topology),
            Err(_) => false,
        }
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
