//! An application of one process's memory: edits are the model's, actions happen at once.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::job::{Job, JobElement, JobState, Progress};
use tomato_api::request::{ConnectionCreate, ElementCreate, InterfaceCreate};
use tomato_model::edit::TopologyPatch;
use tomato_model::edit::{self, EditError, End, NewElement};
use tomato_model::graph::{CountingIds, Graph, IdSource as _};
use tomato_model::id::{ConnectionId, ElementId, InterfaceId, JobId, TopologyId};
use tomato_model::lifecycle::Action;
use tomato_model::topology::Topology;

use crate::app::Caller;
use crate::xmlrpc::native::{Ask, Native};

/// Id of a topology of somebody else.
pub(super) const HIDDEN: &str = "ffffffffffffffffffffffff";

#[derive(Default)]
struct Inner {
    graphs: Vec<Graph>,
    ids: CountingIds,
}

pub(super) struct Fake(Mutex<Inner>);

type Answer<T> = Result<T, ApiError>;

fn missing(id: &str) -> ApiError {
    ApiError::new(ErrorCode::EntityDoesNotExist, format!("{id} is unknown"))
}

fn refused(error: &EditError) -> ApiError {
    let code = match error {
        EditError::NotFound { .. } => ErrorCode::EntityDoesNotExist,
        EditError::NameTaken { .. } => ErrorCode::AlreadyExists,
        EditError::AlreadyConnected { .. } => ErrorCode::AlreadyConnected,
        EditError::UnsupportedAttribute { .. } => ErrorCode::UnsupportedAttribute,
        _ => ErrorCode::InvalidValue,
    };
    ApiError::new(code, error.to_string())
}

fn read<T: DeserializeOwned>(value: Json) -> Answer<T> {
    serde_json::from_value(value)
        .map_err(|error| ApiError::new(ErrorCode::InvalidValue, error.to_string()))
}

fn id<T: std::str::FromStr>(text: &str) -> Answer<T> {
    text.parse().map_err(|_malformed| missing(text))
}

impl Fake {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("not poisoned")
    }
}

impl Inner {
    fn graph(
        &mut self,
        text: &str,
        holds: impl Fn(&Graph) -> bool,
    ) -> Answer<(&mut Graph, &mut CountingIds)> {
        let graph =
            self.graphs.iter_mut().find(|graph| holds(graph)).ok_or_else(|| missing(text))?;
        Ok((graph, &mut self.ids))
    }

    fn topology(&mut self, operation: &str, path: &[&str], body: Json) -> Answer<Json> {
        if operation == "topology_create" {
            let (id, seed) = (self.ids.topology_id(), self.ids.seed());
            let topology = Topology {
                name: format!("Topology {id}"),
                id,
                revision: 1,
                seed,
                roles: [].into(),
                client: [].into(),
            };
            self.graphs.push(Graph::new(topology.clone()));
            return Ok(json!(topology));
        }
        if operation == "topology_list" {
            return Ok(self.graphs.iter().map(|graph| json!(graph.topology)).collect());
        }
        let wanted: TopologyId = id(path[0])?;
        if operation == "topology_remove" {
            self.graphs.retain(|graph| graph.topology.id != wanted);
            return Ok(Json::Null);
        }
        let (graph, _) = self.graph(path[0], |graph| graph.topology.id == wanted)?;
        match operation {
            "topology_info" => Ok(json!(graph)),
            "topology_modify" => {
                let patch: TopologyPatch = read(body)?;
                if let Some(name) = patch.name {
                    graph.topology.name = name;
                }
                patch.client.apply(&mut graph.topology.client);
                Ok(json!(graph.topology))
            }
            "topology_action" => {
                let action: Action = read(json!(path[1]))?;
                for element in &mut graph.elements {
                    element.state = action.target(element.state).expect("allowed");
                }
                for connection in &mut graph.connections {
                    connection.started = action == Action::Start;
                }
                let error = graph
                    .element_by_name("broken")
                    .map(|_| ApiError::new(ErrorCode::NoResources, "no memory left"));
                let mut job = job(error);
                // Some element failed, though the job as a whole says done.
                if let Some(element) = graph.element_by_name("limping") {
                    let error = Some(ApiError::new(ErrorCode::HostError, "no address"));
                    let (name, state) = (element.name.clone(), element.state);
                    let part = JobElement { name, state, target: state, doing: None, error };
                    job.state = JobState::Done;
                    job.elements.insert(element.id.clone(), part);
                }
                Ok(json!(job))
            }
            _ => panic!("{operation} is not in the fake"),
        }
    }

    fn element(&mut self, operation: &str, path: &[&str], body: Json) -> Answer<Json> {
        if operation == "element_create" {
            let args: ElementCreate = read(body)?;
            if args.attributes.get("profile") == Some(&json!("huge")) {
                return Err(ApiError::new(ErrorCode::InvalidValue, "no such profile")
                    .with(json!({"attribute": "profile", "value": "huge"})));
            }
            let mut set: edit::ElementPatch = read(Json::Object(args.attributes))?;
            set.name = args.name.or(set.name);
            let (graph, ids) =
                self.graph(args.topology.as_str(), |graph| graph.topology.id == args.topology)?;
            let new = NewElement { kind: args.kind, type_name: args.type_name, set };
            let id = edit::add_element(graph, ids, &new).map_err(|error| refused(&error))?;
            return Ok(json!(graph.element(&id)));
        }
        let wanted: ElementId = id(path[0])?;
        let (graph, _) = self.graph(path[0], |graph| graph.element(&wanted).is_some())?;
        match operation {
            "element_modify" => edit::modify_element(graph, &wanted, &read(body)?)
                .map_err(|error| refused(&error))?,
            "element_exec" => {
                let argv: Vec<String> = read(body["argv"].clone())?;
                let code = i32::from(argv[2] == "fail");
                return Ok(
                    json!({"exit_code": code, "signal": null, "stdout": argv.join(" ") + "\n", "stderr": "", "timed_out": false, "truncated": false}),
                );
            }
            "element_info" => {}
            _ => panic!("{operation} is not in the fake"),
        }
        Ok(json!(graph.element(&wanted)))
    }

    fn interface(&mut self, operation: &str, path: &[&str], body: Json) -> Answer<Json> {
        if operation == "interface_create" {
            let args: InterfaceCreate = read(body)?;
            let mut patch: edit::InterfacePatch = read(Json::Object(args.attributes))?;
            patch.name = args.name.or(patch.name);
            let parent: ElementId = id(path[0])?;
            let (graph, ids) = self.graph(path[0], |graph| graph.element(&parent).is_some())?;
            let id = edit::add_interface(graph, ids, &parent, args.type_name.as_deref(), &patch)
                .map_err(|error| refused(&error))?;
            return Ok(json!(graph.interface(&id).map(|(_, interface)| interface)));
        }
        let wanted: InterfaceId = id(path[0])?;
        let (graph, _) = self.graph(path[0], |graph| graph.interface(&wanted).is_some())?;
        match operation {
            "interface_modify" => edit::modify_interface(graph, &wanted, &read(body)?)
                .map_err(|error| refused(&error))?,
            _ => panic!("{operation} is not in the fake"),
        }
        Ok(json!(graph.interface(&wanted).map(|(_, interface)| interface)))
    }

    fn connection(&mut self, operation: &str, path: &[&str], body: Json) -> Answer<Json> {
        if operation == "connection_create" {
            let args: ConnectionCreate = read(body)?;
            let patch = read(Json::Object(args.attributes))?;
            let ends = [End::Interface(id(&args.ends[0])?), End::Interface(id(&args.ends[1])?)];
            let topology = args.topology.expect("named");
            let (graph, ids) =
                self.graph(topology.as_str(), |graph| graph.topology.id == topology)?;
            let id = edit::connect(graph, ids, &ends, &patch).map_err(|error| refused(&error))?;
            return Ok(json!(graph.connection(&id)));
        }
        let wanted: ConnectionId = id(path[0])?;
        let (graph, _) = self.graph(path[0], |graph| graph.connection(&wanted).is_some())?;
        match operation {
            "connection_modify" => edit::modify_connection(graph, &wanted, &read(body)?)
                .map_err(|error| refused(&error))?,
            "connection_info" => {}
            _ => panic!("{operation} is not in the fake"),
        }
        Ok(json!(graph.connection(&wanted)))
    }
}

fn job(error: Option<ApiError>) -> Job {
    Job {
        id: JobId::new(0, 1),
        topology: None,
        account: "admin".to_owned(),
        action: "start".to_owned(),
        state: if error.is_some() { JobState::Failed } else { JobState::Running },
        progress: Progress::default(),
        elements: [].into(),
        log: Vec::new(),
        error,
        started_at: 0,
        ended_at: None,
    }
}

#[async_trait]
impl Native for Fake {
    async fn login(&self, name: &str, password: &str) -> Answer<Caller> {
        if password != "secret" {
            return Err(ApiError::new(ErrorCode::NotLoggedIn, "wrong"));
        }
        Ok(Caller { account: name.to_owned(), admin: true })
    }

    async fn call(&self, _: &Caller, ask: Ask<'_>) -> Answer<Json> {
        let mut inner = self.inner();
        let Ask { operation, path, body, .. } = ask;
        match operation.split('_').next() {
            Some("topology") => inner.topology(operation, path, body),
            Some("element") => inner.element(operation, path, body),
            Some("interface") => inner.interface(operation, path, body),
            _ => inner.connection(operation, path, body),
        }
    }

    async fn wait(&self, _: &Caller, _: &JobId) -> Answer<Job> {
        Ok(Job { state: JobState::Done, ..job(None) })
    }

    async fn graph_of(&self, _: &Caller, id: &str) -> Answer<Graph> {
        let inner = self.inner();
        let holds = |graph: &&Graph| {
            let elements = graph.elements.iter();
            let ports = graph.elements.iter().flat_map(|element| &element.interfaces);
            graph.topology.id.as_str() == id
                || elements.map(|element| element.id.as_str()).any(|known| known == id)
                || ports.map(|port| port.id.as_str()).any(|known| known == id)
                || graph.connections.iter().any(|connection| connection.id.as_str() == id)
        };
        inner.graphs.iter().find(holds).cloned().ok_or_else(|| missing(id))
    }

    async fn is_hidden(&self, _: &Caller, id: &str) -> bool {
        id == HIDDEN
    }
}
