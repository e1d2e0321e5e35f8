//! The original's topology file, version 5: what the views show without what only a running system knows.
//!
//! Invariant: what is written here is read by the import of this module's neighbour with no error.

use serde_json::{Value as Json, json};
use tomato_model::graph::Graph;

use super::view;

/// Left out of every object.
const LEFT_OUT: &[&str] = &[
    "permissions",
    "timeout",
    "state",
    "state_max",
    "topology",
    "debug",
    "host",
    "host_info",
    "children",
    "connection",
    "error",
    "link_statistics",
    "tech",
    "num",
    "mac",
    "mtu",
];

/// The file as a structure.
pub(crate) fn file(graph: &Graph) -> Json {
    let mut topology = view::topology(graph, true);
    strip(&mut topology, &["id"]);
    for list in ["elements", "connections"] {
        for item in topology[list].as_array_mut().into_iter().flatten() {
            let own: &[&str] = if list == "connections" { &["type"] } else { &[] };
            strip(item, own);
            rename(item);
        }
    }
    json!({"file_information": {"version": 5}, "topology": topology})
}

fn strip(object: &mut Json, own: &[&str]) {
    if let Some(members) = object.as_object_mut() {
        members.retain(|key, _| !LEFT_OUT.contains(&key.as_str()) && !own.contains(&key.as_str()));
    }
}

/// Type names of version 5.
fn rename(object: &mut Json) {
    if let Some(name) = object.get_mut("type") {
        match name.as_str() {
            Some("openvz") => *name = json!("container"),
            Some("openvz_interface") => *name = json!("container_interface"),
            _ => {}
        }
    }
}
