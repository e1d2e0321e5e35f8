//! Import of the original's topology files, versions 3, 4 and 5.
//!
//! Invariant: either the whole topology is the result, with each attribute that could not be set listed, or nothing of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::names::{self, Meaning};
use super::{
    OriginalError, SHOWN_NAME, attributes, invalid, is_fixed, link, own_interface, template,
};
use crate::edit::{self, ConnectionPatch, End, NewElement};
use crate::graph::{Graph, IdSource};
use crate::id::{ConnectionId, ElementId, InterfaceId};
use crate::kind::Kind;
use crate::limits::{CLIENT_BYTES_MAX, CLIENT_KEYS_MAX};
use crate::name;
use crate::role::Role;
use crate::topology::Topology;

/// Versions that are read.
const VERSIONS: std::ops::RangeInclusive<u64> = 3..=5;

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
    "info_last_sync",
    "info_next_sync",
    "last_sync",
    "mac",
    "num",
    "used_addresses",
    "peers",
    "pubkey",
    "path",
    "port",
    "network_id",
    "args_doc",
    "restricted",
    "capture_port",
    "capture_pid",
    "capture_token",
    "bridge",
    "_debug_mode",
    "_initialized",
];

/// Beginnings of the names of others.
const STALE_BEGINNINGS: &[&str] = &["rextfv_", "vnc", "websocket_", "vmid", "ipspy_"];

/// What is there to choose from.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Names of templates; none if no host can tell.
    pub templates: Option<BTreeSet<String>>,
    /// Names of profiles; none if nobody can tell.
    pub profiles: Option<BTreeSet<String>>,
}

/// An attribute that was not taken over as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NotTaken {
    /// `topology`, `element` or `connection`.
    pub object: String,
    /// The object's id in the file.
    pub id: Json,
    /// The attribute.
    pub attribute: String,
    /// Its value in the file.
    pub value: Json,
    /// Why, and what is there instead.
    pub message: String,
}

/// What an import has made and what it could not take over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Report {
    /// Ids in the file and new ids of elements, interfaces among them.
    pub elements: Vec<(Json, String)>,
    /// Ids in the file and new ids of connections.
    pub connections: Vec<(Json, String)>,
    /// Attributes that were not taken over as they stand.
    pub errors: Vec<NotTaken>,
}

/// A file's topology.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The topology.
    pub graph: Graph,
    /// What became of it.
    pub report: Report,
}

/// The file's structure if `text` is one of the original's files.
pub fn recognise(text: &str) -> Option<Json> {
    if !text.trim_start().starts_with('{') || !text.contains("\"file_information\"") {
        return None;
    }
    serde_json::from_str::<Json>(text).ok().filter(|data| data.get("file_information").is_some())
}

/// Makes the topology that a file describes.
///
/// # Errors
/// The version is not read, an element's type is unknown, or a connection has no two ends in the file.
pub fn import(
    data: &Json,
    account: &str,
    known: &Known,
    ids: &mut dyn IdSource,
) -> Result<Imported, OriginalError> {
    let version = data["file_information"]["version"].as_u64();
    if !version.is_some_and(|version| VERSIONS.contains(&version)) {
        let value = &data["file_information"];
        return Err(invalid("file_information", value, "must have version 3, 4 or 5"));
    }
    let file = object(&data["topology"], "topology")?;
    let id = ids.topology_id();
    let topology = Topology {
        name: format!("Topology [{id}]"),
        id,
        revision: 1,
        seed: ids.seed(),
        roles: [(account.to_owned(), Role::Owner)].into(),
        timeout: None,
        client: BTreeMap::new(),
    };
    let graph = Graph::new(topology);
    let mut importer =
        Importer { known, ids, graph, ends: BTreeMap::new(), report: Report::default() };
    importer.topology(file);
    importer.elements(list(file, "elements")?)?;
    for item in list(file, "connections")? {
        importer.connection(object(item, "connection")?)?;
    }
    let Importer { graph, report, .. } = importer;
    Ok(Imported { graph, report })
}

/// What an id of the file stands for.
#[derive(Debug, Clone)]
enum Made {
    Element(ElementId),
    Interface(InterfaceId),
}

struct Importer<'a> {
    known: &'a Known,
    ids: &'a mut dyn IdSource,
    graph: Graph,
    /// By the id in the file, as JSON.
    ends: BTreeMap<String, Made>,
    report: Report,
}

impl Importer<'_> {
    fn note<T>(
        &mut self,
        object: &str,
        id: &Json,
        (key, value): (&str, &Json),
        result: Result<T, OriginalError>,
    ) {
        if let Err(error) = result {
            self.report.errors.push(NotTaken {
                object: object.to_owned(),
                id: id.clone(),
                attribute: key.to_owned(),
                value: value.clone(),
                message: error.to_string(),
            });
        }
    }

    fn topology(&mut self, file: &Map<String, Json>) {
        let id = file.get("id").cloned().unwrap_or_default();
        for (key, value) in attributes(file) {
            let topology = &mut self.graph.topology;
            let set = match key.as_str() {
                _ if key.starts_with('_') => client_data(topology, &key, &value),
                "name" => match value.as_str().filter(|text| name::is_topology_name(text)) {
                    Some(text) => {
                        text.clone_into(&mut topology.name);
                        Ok(())
                    }
                    None => Err(invalid(&key, &value, "must be printable text that is not long")),
                },
                "site" => super::site(&value),
                _ => Err(super::unknown(&key)),
            };
            self.note("topology", &id, (&key, &value), set);
        }
    }

    /// Creates elements in any order in which parents come first.
    fn elements(&mut self, items: &[Json]) -> Result<(), OriginalError> {
        let mut queue: VecDeque<&Json> = items.iter().collect();
        let mut postponed = 0;
        while let Some(item) = queue.pop_front() {
            let fields = object(item, "element")?;
            let old = fields.get("id").cloned().unwrap_or_default();
            let parent = match fields.get("parent") {
                None | Some(Json::Null) => None,
                Some(parent) => match self.ends.get(&parent.to_string()) {
                    Some(Made::Element(id)) => Some(id.clone()),
                    None if postponed < queue.len() => {
                        postponed += 1;
                        queue.push_back(item);
                        continue;
                    }
                    Some(Made::Interface(..)) | None => {
                        let error = "this parent is no element of the file".to_owned();
                        let error = Err::<(), _>(OriginalError::Inconsistent(error));
                        self.note("element", &old, ("parent", parent), error);
                        continue;
                    }
                },
            };
            postponed = 0;
            let type_name = fields.get("type").and_then(Json::as_str).unwrap_or_default();
            let made = match parent {
                None => Made::Element(self.element(&old, type_name, attributes(fields))?),
                Some(parent) => {
                    let id = self.interface(&old, type_name, &parent, &attributes(fields))?;
                    Made::Interface(id)
                }
            };
            let new = match &made {
                Made::Element(id) => id.to_string(),
                Made::Interface(id) => id.to_string(),
            };
            self.ends.insert(old.to_string(), made);
            self.report.elements.push((old, new));
        }
        Ok(())
    }

    fn element(
        &mut self,
        old: &Json,
        type_name: &str,
        mut attrs: Map<String, Json>,
    ) -> Result<ElementId, OriginalError> {
        let kind = match names::meaning(type_name, true)? {
            Meaning::Element(kind) => kind,
            Meaning::SwitchOrHub => attributes::mode(&attrs)?,
            Meaning::Interface(_) => {
                let text = format!("element {old} is a {type_name} and needs a parent");
                return Err(OriginalError::Inconsistent(text));
            }
        };
        if names::is_self_connected(type_name) && attrs.get("mode").is_some_and(Json::is_null) {
            attrs.remove("mode");
        }
        // The name is made unique, so it belongs to the creation.
        let name = attrs.remove("name").unwrap_or_else(|| json!(format!("{type_name}#{old}")));
        let named = Map::from_iter([("name".to_owned(), name.clone())]);
        let mut first = attributes::element(kind, type_name, None, &named);
        if first.is_err() {
            self.note("element", old, ("name", &name), first);
            let plain = Map::from_iter([("name".to_owned(), json!(kind.name()))]);
            first = attributes::element(kind, type_name, None, &plain);
        }
        let mut first = first?;
        first.retain(|_, value| !value.is_null());
        self.make_unique(&mut first);
        if kind == Kind::Container {
            let today = self.template(old, attrs.remove("template"));
            first.insert("template".to_owned(), json!(today));
            self.drop_unknown_profile(old, &mut attrs);
        }
        let set = read(first)?;
        let new = NewElement { kind, type_name: Some(type_name.to_owned()), set };
        let id = edit::add_element(&mut self.graph, self.ids, &new)?;
        if names::is_self_connected(type_name) {
            let patch = edit::InterfacePatch::default();
            edit::add_interface(&mut self.graph, self.ids, &id, Some(type_name), &patch)?;
        }
        if !attrs.is_empty() && self.set_element(&id, &attrs).is_err() {
            for (key, value) in attrs {
                let one = Map::from_iter([(key.clone(), value.clone())]);
                let set = self.set_element(&id, &one);
                self.note("element", old, (&key, &value), set);
            }
        }
        Ok(id)
    }

    fn set_element(
        &mut self,
        id: &ElementId,
        attrs: &Map<String, Json>,
    ) -> Result<(), OriginalError> {
        let Some(element) = self.graph.element(id) else { return Ok(()) };
        let patch = attributes::element(element.kind, &element.type_name, Some(element), attrs)?;
        Ok(edit::modify_element(&mut self.graph, id, &read(patch)?)?)
    }

    /// A number behind a name that is taken: the original let elements share one.
    fn make_unique(&self, first: &mut Map<String, Json>) {
        let Some(base) = first.get("name").and_then(Json::as_str).map(str::to_owned) else {
            return;
        };
        if self.graph.element_by_name(&base).is_some() {
            let taken = |name: &str| self.graph.element_by_name(name).is_some();
            let unique = name::numbered(&format!("{base}-"), 2, taken);
            first.entry(SHOWN_NAME).or_insert_with(|| json!(base));
            first.insert("name".to_owned(), json!(unique));
        }
    }

    /// The template that a container starts from.
    fn template(&mut self, old: &Json, wanted: Option<Json>) -> String {
        let Some(value) = wanted.filter(|value| !value.is_null()) else {
            return template::DEFAULT.to_owned();
        };
        let none = BTreeSet::new();
        let known = self.known.templates.as_ref();
        let name = value.as_str().unwrap_or_default();
        let (today, why) = match template::alias(name, known.unwrap_or(&none)) {
            Some(today) => (today.to_owned(), "replaced by"),
            None if !name.is_empty() && known.is_none_or(|known| known.contains(name)) => {
                return name.to_owned();
            }
            None => (template::DEFAULT.to_owned(), "no such template; there is instead"),
        };
        let text = format!("{why} {today}; change the template if another one fits better");
        let replaced = Err::<(), _>(OriginalError::Inconsistent(text));
        self.note("element", old, ("template", &value), replaced);
        today
    }

    fn drop_unknown_profile(&mut self, old: &Json, attrs: &mut Map<String, Json>) {
        let Some(known) = &self.known.profiles else { return };
        let name = attrs.get("profile").and_then(Json::as_str).unwrap_or_default();
        if name.is_empty() || known.contains(name) {
            return;
        }
        let missing =
            Err::<(), _>(OriginalError::Missing { entity: "profile", id: name.to_owned() });
        if let Some(value) = attrs.remove("profile") {
            self.note("element", old, ("profile", &value), missing);
        }
    }

    fn interface(
        &mut self,
        old: &Json,
        type_name: &str,
        parent: &ElementId,
        attrs: &Map<String, Json>,
    ) -> Result<InterfaceId, OriginalError> {
        let owner = self.graph.element(parent).map(|element| element.type_name.clone());
        let owner = owner.unwrap_or_default();
        match names::meaning(type_name, false)? {
            Meaning::Interface(parents) if parents.contains(&owner.as_str()) => {}
            _ => {
                let text =
                    format!("element {old} is a {type_name} and cannot be part of a {owner}");
                return Err(OriginalError::Inconsistent(text));
            }
        }
        let patch = edit::InterfacePatch::default();
        let id = edit::add_interface(&mut self.graph, self.ids, parent, Some(type_name), &patch)?;
        if !attrs.is_empty() && self.set_interface(&id, attrs).is_err() {
            for (key, value) in attrs {
                let one = Map::from_iter([(key.clone(), value.clone())]);
                let set = self.set_interface(&id, &one);
                self.note("element", old, (key, value), set);
            }
        }
        Ok(id)
    }

    fn set_interface(
        &mut self,
        id: &InterfaceId,
        attrs: &Map<String, Json>,
    ) -> Result<(), OriginalError> {
        let Some((element, interface)) = self.graph.interface(id) else { return Ok(()) };
        let patch =
            attributes::interface(element.kind, &interface.type_name, Some(interface), attrs)?;
        Ok(edit::modify_interface(&mut self.graph, id, &read(patch)?)?)
    }

    fn connection(&mut self, item: &Map<String, Json>) -> Result<(), OriginalError> {
        let old = item.get("id").cloned().unwrap_or_default();
        let ends: Vec<End> = list(item, "elements")?
            .iter()
            .filter_map(|end| match self.ends.get(&end.to_string())? {
                Made::Interface(id) => Some(End::Interface(id.clone())),
                Made::Element(id) => {
                    let own = own_interface(self.graph.element(id)?)?;
                    Some(End::Interface(own.id.clone()))
                }
            })
            .collect();
        let Ok(ends) = <[End; 2]>::try_from(ends) else {
            let text = format!("connection {old} needs two interfaces of the file as its elements");
            return Err(OriginalError::Inconsistent(text));
        };
        let id =
            edit::connect_unfilled(&mut self.graph, self.ids, &ends, &ConnectionPatch::default())?;
        let attrs = attributes(item);
        let fixed = self.graph.connection(&id).is_some_and(|made| is_fixed(&self.graph, made));
        if !fixed {
            let standard = link::defaults(&attrs);
            if self.set_connection(&id, &standard, fixed).is_err() {
                self.set_connection(&id, &link::defaults(&Map::new()), fixed)?;
                for (key, value) in attrs {
                    let one = Map::from_iter([(key.clone(), value.clone())]);
                    let set = self.set_connection(&id, &one, fixed);
                    self.note("connection", &old, (&key, &value), set);
                }
            }
        } else {
            for (key, value) in attrs {
                let one = Map::from_iter([(key.clone(), value.clone())]);
                let set = self.set_connection(&id, &one, fixed);
                self.note("connection", &old, (&key, &value), set);
            }
        }
        self.report.connections.push((old, id.to_string()));
        Ok(())
    }

    fn set_connection(
        &mut self,
        id: &ConnectionId,
        attrs: &Map<String, Json>,
        fixed: bool,
    ) -> Result<(), OriginalError> {
        let Some(connection) = self.graph.connection(id) else { return Ok(()) };
        if let (true, Some(key)) = (fixed, attrs.keys().find(|key| !link::is_free(key))) {
            let why = "connections to an external network emulate and capture nothing";
            return Err(OriginalError::FixedAttribute { attribute: key.clone(), why });
        }
        let patch = link::patch(&connection.client, attrs)?;
        Ok(edit::modify_connection(&mut self.graph, id, &read(patch)?)?)
    }
}

/// Keeps client data of the topology unless there is too much of it.
fn client_data(topology: &mut Topology, key: &str, value: &Json) -> Result<(), OriginalError> {
    let before = topology.client.insert(key.to_owned(), value.clone());
    let bytes: usize = topology.client.iter().map(|(k, v)| k.len() + v.to_string().len()).sum();
    if topology.client.len() <= CLIENT_KEYS_MAX && bytes <= CLIENT_BYTES_MAX {
        return Ok(());
    }
    match before {
        Some(before) => topology.client.insert(key.to_owned(), before),
        None => topology.client.remove(key),
    };
    let rule = format!("is too much: at most {CLIENT_KEYS_MAX} keys of {CLIENT_BYTES_MAX} bytes");
    Err(invalid(key, &Json::Null, rule))
}

/// A native patch that was made as JSON.
fn read<T: serde::de::DeserializeOwned>(patch: Map<String, Json>) -> Result<T, OriginalError> {
    serde_json::from_value(Json::Object(patch))
        .map_err(|error| OriginalError::Inconsistent(error.to_string()))
}

/// What can be set of an object, from beside its id (versions 4 and 5) and from its `attrs` (version 3).
fn attributes(object: &Map<String, Json>) -> Map<String, Json> {
    let nested = object.get("attrs").and_then(Json::as_object).into_iter().flatten();
    let is_stale = |key: &str| {
        STALE.contains(&key) || STALE_BEGINNINGS.iter().any(|beginning| key.starts_with(beginning))
    };
    let all = object.iter().chain(nested).filter(|(key, _)| !is_stale(key));
    all.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn list<'a>(object: &'a Map<String, Json>, key: &str) -> Result<&'a [Json], OriginalError> {
    let value = object.get(key).unwrap_or(&Json::Null);
    value.as_array().map(Vec::as_slice).ok_or_else(|| invalid(key, value, "must be a list"))
}

fn object<'a>(value: &'a Json, what: &str) -> Result<&'a Map<String, Json>, OriginalError> {
    value.as_object().ok_or_else(|| invalid(what, value, "must be a struct"))
}
