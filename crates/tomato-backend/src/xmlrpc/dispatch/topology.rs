//! Methods of topologies.

use serde_json::{Map, Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::lifecycle::State;
use tomato_model::topology::Topology;

use super::{Args, Session, attrs, id, is_true, no_action, text};
use crate::xmlrpc::link::{invalid, unsupported};
use crate::xmlrpc::{export, view};

impl Session<'_> {
    pub(super) async fn topology(&self, verb: &str, args: &Args) -> Result<Json, ApiError> {
        match verb {
            "create" => {
                let made: Topology = self.call("topology_create", &[], json!({})).await?;
                self.shown(made.id.as_str(), false).await
            }
            "info" => self.shown(id(args, "id")?, is_true(args, "full")).await,
            "list" => {
                let list: Vec<Topology> = self.call("topology_list", &[], json!({})).await?;
                let mut shown = Vec::new();
                for topology in list {
                    shown.push(self.shown(topology.id.as_str(), is_true(args, "full")).await?);
                }
                Ok(Json::Array(shown))
            }
            "modify" => {
                let id = id(args, "id")?;
                let patch = patch(&attrs(args, "attrs")?)?;
                let _changed: Topology =
                    self.call("topology_modify", &[id], Json::Object(patch)).await?;
                self.shown(id, false).await
            }
            "action" => self.topology_action(id(args, "id")?, text(args, "action")?).await,
            "remove" => self.topology_remove(id(args, "id")?).await,
            "set_permission" => {
                let role = match args.get("role") {
                    None | Some(Json::Null) => Json::Null,
                    Some(role) if role == "null" => Json::Null,
                    Some(role)
                        if ["owner", "manager", "user"].iter().any(|known| role == known) =>
                    {
                        role.clone()
                    }
                    Some(role) => {
                        return Err(invalid("role", role, "must be owner, manager, user or null"));
                    }
                };
                let path = [id(args, "id")?, text(args, "user")?];
                let _changed: Topology =
                    self.call("topology_permission", &path, json!({"role": role})).await?;
                Ok(Json::Null)
            }
            "export" => Ok(export::file(&self.graph(id(args, "id")?).await?)),
            "import" => self.import(args.get("data").unwrap_or(&Json::Null)).await,
            _ => Err(no_action(verb, "see _listMethods")),
        }
    }

    async fn shown(&self, id: &str, full: bool) -> Result<Json, ApiError> {
        Ok(view::topology(&self.graph(id).await?, full))
    }

    async fn topology_action(&self, id: &str, action: &str) -> Result<Json, ApiError> {
        match action {
            "prepare" | "start" | "stop" | "destroy" => {
                self.act("topology_action", id, action).await?;
            }
            // Topologies do not end by themselves, so that there is nothing to put off but they must exist.
            "renew" => {
                self.graph(id).await?;
            }
            _ => return Err(no_action(action, "use prepare, start, stop, destroy or renew")),
        }
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
}

/// The native patch of a topology.
pub(super) fn patch(attrs: &Map<String, Json>) -> Result<Map<String, Json>, ApiError> {
    let mut patch = Map::new();
    for (key, value) in attrs {
        match key.as_str() {
            _ if key.starts_with('_') || key == "name" => {
                patch.insert(key.clone(), value.clone());
            }
            "site" if value.is_null() => {}
            "site" => {
                return Err(ApiError::new(
                    ErrorCode::EntityDoesNotExist,
                    "there are no sites; leave site out",
                )
                .with(json!({"entity": "site", "id": value})));
            }
            _ => return Err(unsupported(key)),
        }
    }
    Ok(patch)
}
