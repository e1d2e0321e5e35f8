//! Import of the original's topology files, versions 3, 4 and 5.
//!
//! Invariant: either the whole topology is there afterwards, with each attribute that could not be set listed, or nothing of it.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::topology::Topology;

use super::{Session, topology};
use crate::xmlrpc::link::invalid;

/// Attributes that older servers exported and nobody can set.
const STALE: &[&str] = &[
    "id",
    "type",
    "parent",
    "elements",
    "connections",
    "attrs",
    "state",
    "state_max",
    "topology",
    "permissions",
    "usage",
    "debug",
    "timeout",
    "children",
    "connection",
    "host",
    "host_info",
    "host_site",
    "host_problems",
    "host_fileserver_port",
    "custom_template",
    "mac",
    "num",
    "used_addresses",
    "peers",
    "pubkey",
    "path",
    "port",
    "tech",
    "kblang",
    "usbtablet",
    "capture_port",
    "bridge",
];

/// Beginnings of the names of others.
const STALE_BEGINNINGS: &[&str] = &["rextfv_", "vnc", "websocket_"];

/// What an import has made and what it could not set.
#[derive(Default)]
struct Report {
    elements: Vec<(Json, String)>,
    connections: Vec<(Json, String)>,
    errors: Vec<Json>,
}

impl Session<'_> {
    pub(super) async fn import(&self, data: &Json) -> Result<Json, ApiError> {
        let version = data["file_information"]["version"].as_u64();
        if !matches!(version, Some(3..=5)) {
            return Err(invalid(
                "file_information",
                &data["file_information"],
                "must have version 3, 4 or 5",
            ));
        }
        let file = data["topology"]
            .as_object()
            .ok_or_else(|| invalid("topology", &data["topology"], "must be a struct"))?;
        let made: Topology = self.call("topology_create", &[], json!({})).await?;
        let mut report = Report::default();
        match self.fill(made.id.as_str(), file, &mut report).await {
            Ok(()) => Ok(json!([made.id, report.elements, report.connections, report.errors])),
            Err(error) => {
                let removed =
                    self.call::<Json>("topology_remove", &[made.id.as_str()], json!({})).await;
                if let Err(error) = removed {
                    tracing::warn!(topology = %made.id, %error, "a topology whose import failed could not be removed");
                }
                Err(error)
            }
        }
    }

    async fn fill(
        &self,
        top: &str,
        file: &Map<String, Json>,
        report: &mut Report,
    ) -> Result<(), ApiError> {
        for (key, value) in attributes(file) {
            let one = Map::from_iter([(key.clone(), value.clone())]);
            let changed = match topology::patch(&one) {
                Ok(patch) => {
                    self.call::<Topology>("topology_modify", &[top], Json::Object(patch)).await
                }
                Err(error) => Err(error),
            };
            report.note(
                "topology",
                &file.get("id").cloned().unwrap_or(Json::Null),
                &key,
                &value,
                changed,
            );
        }
        let ids = self.import_elements(top, list(file, "elements")?, report).await?;
        for item in list(file, "connections")? {
            let item = object(item, "connection")?;
            let old = item.get("id").cloned().unwrap_or(Json::Null);
            let ends: Vec<&String> = list(item, "elements")?
                .iter()
                .filter_map(|end| ids.get(&end.to_string()))
                .collect();
            let [first, second] = ends.as_slice() else {
                return Err(ApiError::new(
                    ErrorCode::InvalidConfiguration,
                    format!("connection {old} needs two elements of the file"),
                ));
            };
            let made = self.connection_create(first, second, &Map::new()).await?;
            let new = made["id"].as_str().unwrap_or_default().to_owned();
            let attrs = attributes(item);
            if self.connection_modify(&new, &attrs).await.is_err() {
                for (key, value) in attrs {
                    let one = Map::from_iter([(key.clone(), value.clone())]);
                    let changed = self.connection_modify(&new, &one).await;
                    report.note("connection", &old, &key, &value, changed);
                }
            }
            report.connections.push((old, new));
        }
        Ok(())
    }

    /// Creates elements in any order in which parents come first; answers new ids by old ones.
    async fn import_elements(
        &self,
        top: &str,
        items: &[Json],
        report: &mut Report,
    ) -> Result<BTreeMap<String, String>, ApiError> {
        let mut ids = BTreeMap::new();
        let mut queue: VecDeque<&Json> = items.iter().collect();
        let mut postponed = 0;
        while let Some(item) = queue.pop_front() {
            let fields = object(item, "element")?;
            let old = fields.get("id").cloned().unwrap_or(Json::Null);
            let parent = match fields.get("parent") {
                None | Some(Json::Null) => None,
                Some(parent) => match ids.get(&parent.to_string()) {
                    Some(id) => Some(String::clone(id)),
                    None if postponed < queue.len() => {
                        postponed += 1;
                        queue.push_back(item);
                        continue;
                    }
                    None => {
                        report.errors.push(json!([
                            "element",
                            old,
                            "parent",
                            parent,
                            "this parent is not in the file"
                        ]));
                        continue;
                    }
                },
            };
            postponed = 0;
            let type_name = fields.get("type").and_then(Json::as_str).unwrap_or_default();
            let attrs = attributes(fields);
            // The mode decides about the kind and the name is made unique, so both belong to the creation.
            let first: Map<_, _> = attrs
                .iter()
                .filter(|(key, _)| matches!(key.as_str(), "mode" | "name"))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            let made = self.element_create(top, type_name, parent.as_deref(), &first).await?;
            let new = made["id"].as_str().unwrap_or_default().to_owned();
            let rest: Map<_, _> =
                attrs.into_iter().filter(|(key, _)| !first.contains_key(key)).collect();
            if !rest.is_empty() && self.element_modify(&new, &rest).await.is_err() {
                for (key, value) in rest {
                    let one = Map::from_iter([(key.clone(), value.clone())]);
                    let changed = self.element_modify(&new, &one).await;
                    report.note("element", &old, &key, &value, changed);
                }
            }
            ids.insert(old.to_string(), new.clone());
            report.elements.push((old, new));
        }
        Ok(ids)
    }
}

impl Report {
    fn note<T>(
        &mut self,
        kind: &str,
        old: &Json,
        key: &str,
        value: &Json,
        result: Result<T, ApiError>,
    ) {
        if let Err(error) = result {
            self.errors.push(json!([kind, old, key, value, error.message]));
        }
    }
}

/// What can be set of an object, from beside its id (versions 4 and 5) and from its `attrs` (version 3).
fn attributes(object: &Map<String, Json>) -> Map<String, Json> {
    let nested = object.get("attrs").and_then(Json::as_object).into_iter().flatten();
    let mut attributes: Map<String, Json> = object
        .iter()
        .chain(nested)
        .filter(|(key, _)| {
            !STALE.contains(&key.as_str())
                && !STALE_BEGINNINGS.iter().any(|beginning| key.starts_with(beginning))
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    // The host name followed the name unless someone had changed it.
    if attributes.get("hostname") == attributes.get("name") {
        attributes.remove("hostname");
    }
    attributes
}

fn list<'a>(object: &'a Map<String, Json>, key: &str) -> Result<&'a [Json], ApiError> {
    let value = object.get(key).unwrap_or(&Json::Null);
    value.as_array().map(Vec::as_slice).ok_or_else(|| invalid(key, value, "must be a list"))
}

fn object<'a>(value: &'a Json, what: &str) -> Result<&'a Map<String, Json>, ApiError> {
    value.as_object().ok_or_else(|| invalid(what, value, "must be a struct"))
}
