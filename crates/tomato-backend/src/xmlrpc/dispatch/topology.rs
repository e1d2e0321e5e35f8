//! Methods of topologies.

use serde_json::{Map, Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::request::ImportAnswer;
use tomato_model::flag::Flag;
use tomato_model::graph::Graph;
use tomato_model::lifecycle::State;
use tomato_model::original::{self, view};
use tomato_model::role::Role;
use tomato_model::topology::Topology;

use super::{
    Args, Ask, Reply, Session, Written, attrs, id, invalid, is_true, missing, no_action, refused,
    text,
};
use crate::app::slot::Part;

impl Session<'_> {
    pub(super) async fn topology(&self, verb: &str, args: &Args) -> Result<Json, ApiError> {
        match verb {
            "create" => {
                let made: Topology = self.call("topology_create", &[], json!({})).await?;
                self.shown(made.id.as_str(), false).await
            }
            "info" => self.shown(id(args, "id")?, false).await,
            "list" => self.topology_list(args).await,
            "modify" => {
                let id = id(args, "id")?;
                let patch = patch(&attrs(args, "attrs")?)?;
                let _changed: Topology =
                    self.call("topology_modify", &[id], Json::Object(patch)).await?;
                self.shown(id, false).await
            }
            "action" => {
                let params = attrs(args, "params")?;
                self.topology_action(id(args, "id")?, text(args, "action")?, &params).await
            }
            "remove" => self.topology_remove(id(args, "id")?).await,
            "set_permission" => self.topology_set_permission(args).await,
            "permissions" => Ok(roles()),
            "export" => {
                let (operation, path) = ("topology_export", [id(args, "id")?]);
                let body = Json::Null;
                self.ask(Ask { operation, path: &path, query: "format=original", body }).await
            }
            "import" => self.import(args.get("data").unwrap_or(&Json::Null)).await,
            "usage" => self.topology_usage(args).await,
            _ => Err(no_action(verb, "see _listMethods")),
        }
    }

    async fn shown(&self, id: &str, full: bool) -> Result<Json, ApiError> {
        let graph = self.graph(id).await?;
        Ok(self.topology_view(&graph, full))
    }

    fn topology_view(&self, graph: &Graph, full: bool) -> Json {
        let mut shown = view::topology(graph, full);
        if full {
            for list in ["elements", "connections"] {
                self.place_on_host(shown[list].as_array_mut().into_iter().flatten());
            }
        }
        shown["timeout"] = super::server::timeout(&graph.topology);
        shown
    }

    /// A topology with everything in it, written object by object: as one tree a large one takes many times its text.
    pub(super) async fn topology_full(&self, args: &Args) -> Result<Reply, ApiError> {
        let graph = self.graph(id(args, "id")?).await?;
        let mut frame = view::frame(&graph);
        frame["timeout"] = super::server::timeout(&graph.topology);
        let place = self.placing();
        let placed = |mut item: Json| {
            place(&mut item);
            item
        };
        let lists: [(_, Box<dyn Iterator<Item = Json>>); 2] = [
            ("elements", Box::new(view::elements(&graph).map(&placed))),
            ("connections", Box::new(view::connections(&graph).map(&placed))),
        ];
        Ok(Reply::Written(Written::with_lists(&frame, lists)))
    }

    async fn topology_list(&self, args: &Args) -> Result<Json, ApiError> {
        let all = is_true(args, "showAll");
        let sees_all = |flag: &Flag| flag.global_role().is_some();
        if all && !self.caller.admin && !self.caller.flags.iter().any(sees_all) {
            let text = "showAll needs a flag for topologies of others; leave it out";
            return Err(ApiError::new(ErrorCode::Denied, text));
        }
        let organization = super::maybe_text(args, "organization")?;
        let members = match organization {
            Some(name) => Some(self.members(name).await?),
            None => None,
        };
        let list: Vec<Topology> = self.call("topology_list", &[], json!({})).await?;
        let mut shown = Vec::new();
        for topology in list {
            let is_chosen = match &members {
                Some(members) => topology.roles.keys().any(|account| members.contains(account)),
                None => all || topology.roles.contains_key(&self.caller.account),
            };
            if is_chosen {
                // What was removed meanwhile is not there any more.
                match self.shown(topology.id.as_str(), is_true(args, "full")).await {
                    Err(error) if error.code == ErrorCode::EntityDoesNotExist => {}
                    item => shown.push(item?),
                }
            }
        }
        Ok(Json::Array(shown))
    }

    async fn topology_action(
        &self,
        id: &str,
        action: &str,
        params: &Map<String, Json>,
    ) -> Result<Json, ApiError> {
        match action {
            "prepare" | "start" | "stop" | "destroy" => {
                self.act("topology_action", id, action).await?;
                Ok(Json::Null)
            }
            "renew" => self.renew(id, params).await,
            _ => Err(no_action(action, "use prepare, start, stop, destroy or renew")),
        }
    }

    /// Puts off the end of a topology; where none ends by itself, it must only exist.
    async fn renew(&self, id: &str, params: &Map<String, Json>) -> Result<Json, ApiError> {
        let value = params.get("timeout").unwrap_or(&Json::Null);
        let seconds = value.as_f64().filter(|seconds| (1.0..1e12).contains(seconds));
        let Some(seconds) = seconds else {
            return Err(invalid("timeout", value, "must be seconds from now, for example 86400"));
        };
        let known = id.parse().map_err(|_malformed| crate::app::not_found("topology", id))?;
        let graph = self.app.view(self.caller, Part::Topology(&known), Role::Manager).await?;
        if super::server::timeout(&graph.topology).is_null() {
            return Ok(Json::Null);
        }
        let body = json!({"timeout_s": whole(seconds)});
        self.call::<Topology>("topology_renew", &[id], body).await?;
        Ok(Json::Null)
    }

    /// The original destroyed first what was still there.
    async fn topology_remove(&self, id: &str) -> Result<Json, ApiError> {
        let graph = self.graph(id).await?;
        if graph
            .elements
            .iter()
            .any(|element| element.state != State::Created || element.wanted != State::Created)
        {
            self.act("topology_action", id, "destroy").await?;
        }
        let _nothing: Json = self.call("topology_remove", &[id], json!({})).await?;
        Ok(Json::Null)
    }

    async fn topology_set_permission(&self, args: &Args) -> Result<Json, ApiError> {
        let (top, user) = (id(args, "id")?, text(args, "user")?);
        let role = match args.get("role") {
            None | Some(Json::Null) => Json::Null,
            Some(role) if role == "null" => Json::Null,
            Some(role) if ["owner", "manager", "user"].iter().any(|known| role == known) => {
                role.clone()
            }
            Some(role) => {
                return Err(invalid("role", role, "must be owner, manager, user or null"));
            }
        };
        if user == self.caller.account && !self.caller.admin {
            let text = "nobody changes the own role: ask another owner";
            return Err(ApiError::new(ErrorCode::Denied, text));
        }
        let _changed: Topology =
            self.call("topology_permission", &[top, user], json!({"role": role})).await?;
        Ok(Json::Null)
    }

    async fn import(&self, data: &Json) -> Result<Json, ApiError> {
        if data["file_information"].is_null() {
            return Err(invalid("file_information", &Json::Null, "must have version 3, 4 or 5"));
        }
        let body = Json::String(data.to_string());
        let made: ImportAnswer = self.call("topology_import", &[], body).await?;
        let report = made.original.unwrap_or_default();
        let errors: Vec<_> = report
            .errors
            .into_iter()
            .map(|error| {
                json!([error.object, error.id, error.attribute, error.value, error.message])
            })
            .collect();
        Ok(json!([made.topology, report.elements, report.connections, errors]))
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller bounds the value far below 2^53"
)]
fn whole(seconds: f64) -> u64 {
    seconds.round() as u64
}

/// What each role may do.
fn roles() -> Json {
    json!({
        "owner": "may do everything, also give roles, rename and remove the topology",
        "manager": "may change elements and connections and run actions",
        "user": "may see everything, run commands and use archives",
    })
}

/// The native patch of a topology.
fn patch(attrs: &Map<String, Json>) -> Result<Map<String, Json>, ApiError> {
    let mut patch = Map::new();
    for (key, value) in attrs {
        match key.as_str() {
            _ if key.starts_with('_') || key == "name" => {
                patch.insert(key.clone(), value.clone());
            }
            "site" if value.is_null() || value == original::LOCAL_SITE => {}
            "site" => return Err(missing("site", value)),
            _ => return Err(refused(original::unknown(key))),
        }
    }
    Ok(patch)
}
