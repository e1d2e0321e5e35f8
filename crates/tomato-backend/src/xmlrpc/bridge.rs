//! The application as the translation sees it.

use std::str::FromStr;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::job::Job;
use tomato_model::id::{ConnectionId, ElementId, InterfaceId, JobId, TopologyId};
use tomato_model::lifecycle::Action;
use tomato_model::role::Role;
use tomato_model::topology::Element;

use super::native::Native;
use crate::app::slot::Part;
use crate::app::{Answer, App, Caller, not_found, read};

/// Parameters of a path.
struct Path<'a>(&'a str, &'a [&'a str]);

impl Path<'_> {
    fn id<T: FromStr>(&self) -> Answer<T> {
        let text = self.1.first().copied().unwrap_or_default();
        text.parse().map_err(|_malformed_is_unknown| not_found(self.0, text))
    }

    fn second<T: DeserializeOwned>(&self) -> Answer<T> {
        read(json!(self.1.get(1)))
    }
}

#[async_trait]
impl Native for App {
    async fn login(&self, name: &str, password: &str) -> Answer<Caller> {
        App::login(self, name, password).await
    }

    async fn call(
        &self,
        caller: &Caller,
        operation: &str,
        path: &[&str],
        body: Json,
    ) -> Answer<Json> {
        let noun = operation.split('_').next().unwrap_or_default();
        let path = Path(noun, path);
        match noun {
            "topology" => topology(self, caller, operation, &path, body).await,
            "element" => element(self, caller, operation, &path, body).await,
            "interface" => interface(self, caller, operation, &path, body).await,
            "connection" => connection(self, caller, operation, &path, body).await,
            "template" => Ok(json!(self.template_list().await?)),
            "profile" => Ok(json!(self.profile_list())),
            _ => Err(unwritten(operation)),
        }
    }

    async fn wait(&self, caller: &Caller, job: &JobId) -> Answer<Job> {
        self.job_wait(caller, job).await
    }

    async fn interface_owner(&self, caller: &Caller, id: &str) -> Answer<Element> {
        let id: InterfaceId =
            id.parse().map_err(|_malformed_is_unknown| not_found("element", id))?;
        let graph = self.view(caller, Part::Interface(&id), Role::User).await?;
        let (element, _) = graph.interface(&id).ok_or_else(|| not_found("element", id.as_str()))?;
        Ok(element.clone())
    }

    async fn is_hidden(&self, caller: &Caller, id: &str) -> bool {
        let everything = Caller { account: caller.account.clone(), admin: true };
        let (topology, element) = (id.parse::<TopologyId>(), id.parse::<ElementId>());
        let (interface, connection) = (id.parse::<InterfaceId>(), id.parse::<ConnectionId>());
        let parts = [
            topology.as_ref().ok().map(Part::Topology),
            element.as_ref().ok().map(Part::Element),
            interface.as_ref().ok().map(Part::Interface),
            connection.as_ref().ok().map(Part::Connection),
        ];
        for part in parts.into_iter().flatten() {
            if let Ok(graph) = self.view(&everything, part, Role::User).await {
                return !caller.sees(&graph.topology);
            }
        }
        false
    }
}

fn unwritten(operation: &str) -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        format!("operation {operation} is not among those of the old interface"),
    )
}

async fn topology(
    app: &App,
    caller: &Caller,
    operation: &str,
    path: &Path<'_>,
    body: Json,
) -> Answer<Json> {
    Ok(match operation {
        "topology_create" => json!(app.topology_create(caller, read(body)?).await?),
        "topology_list" => json!(app.topology_list(caller).await?),
        "topology_info" => json!(app.topology_info(caller, &path.id()?).await?),
        "topology_modify" => {
            json!(app.topology_modify(caller, &path.id()?, read(body)?, None).await?)
        }
        "topology_remove" => json!(app.topology_remove(caller, &path.id()?).await?),
        "topology_action" => {
            json!(app.topology_action(caller, &path.id()?, path.second::<Action>()?).await?)
        }
        "topology_permission" => {
            let account: String = path.second()?;
            let role: Option<Role> = read(body["role"].clone())?;
            json!(app.topology_permission(caller, &path.id()?, &account, role).await?)
        }
        _ => return Err(unwritten(operation)),
    })
}

async fn element(
    app: &App,
    caller: &Caller,
    operation: &str,
    path: &Path<'_>,
    body: Json,
) -> Answer<Json> {
    Ok(match operation {
        "element_create" => {
            let topology = body["topology"].as_str().unwrap_or_default();
            let _known: TopologyId = topology
                .parse()
                .map_err(|_malformed_is_unknown| not_found("topology", topology))?;
            json!(app.element_create(caller, read(body)?).await?)
        }
        "element_info" => json!(app.element_info(caller, &path.id()?).await?),
        "element_modify" => {
            json!(app.element_modify(caller, &path.id()?, read(body)?, None).await?)
        }
        "element_remove" => json!(app.element_remove(caller, &path.id()?).await?),
        "element_action" => {
            json!(app.element_action(caller, &path.id()?, path.second::<Action>()?).await?)
        }
        "element_exec" => json!(app.element_exec(caller, &path.id()?, read(body)?).await?),
        _ => return Err(unwritten(operation)),
    })
}

async fn interface(
    app: &App,
    caller: &Caller,
    operation: &str,
    path: &Path<'_>,
    body: Json,
) -> Answer<Json> {
    Ok(match operation {
        "interface_create" => json!(app.interface_create(caller, &path.id()?, read(body)?).await?),
        "interface_modify" => json!(app.interface_modify(caller, &path.id()?, read(body)?).await?),
        "interface_remove" => json!(app.interface_remove(caller, &path.id()?).await?),
        _ => return Err(unwritten(operation)),
    })
}

async fn connection(
    app: &App,
    caller: &Caller,
    operation: &str,
    path: &Path<'_>,
    body: Json,
) -> Answer<Json> {
    Ok(match operation {
        "connection_create" => json!(app.connection_create(caller, read(body)?).await?),
        "connection_info" => json!(app.connection_info(caller, &path.id()?).await?),
        "connection_modify" => {
            json!(app.connection_modify(caller, &path.id()?, read(body)?, None).await?)
        }
        "connection_remove" => json!(app.connection_remove(caller, &path.id()?).await?),
        _ => return Err(unwritten(operation)),
    })
}
