//! The original's topology file, version 5: what the views show without what only a running system knows.
//!
//! Invariant: what is written here is read by [`import`](super::import) with no error.

use serde_json::{Value as Json, json};

use super::view;
use crate::graph::Graph;

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
    "num",
    "mac",
    "mtu",
];

/// Left out where they have no value: the original did not know them.
const LEFT_OUT_IF_PLAIN: &[&str] = &["tech", "routes", "forwarding", "files", "connected"];

/// The file as a structure.
pub fn file(graph: &Graph) -> Json {
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
        members.retain(|key, value| {
            let is_plain = match value {
                Json::Null => true,
                Json::Bool(is) => *is == (key == "connected"),
                Json::Array(items) => items.is_empty(),
                Json::Object(items) => items.is_empty(),
                Json::Number(_) | Json::String(_) => false,
            };
            let key = key.as_str();
            let is_dropped = LEFT_OUT.contains(&key)
                || own.contains(&key)
                || (is_plain && LEFT_OUT_IF_PLAIN.contains(&key));
            !is_dropped
        });
    }
}

/// Type names of version 5.
fn rename(object: &mut Json) {
    if let Some(name) = object.get_mut("type") {
        match name.as_str() {
            Some("openvz") => *name = json!("container"),
            Some("openvz_interface") => *name = json!("container_interface"),
            Some("kvmqm" | "kvm") => *name = json!("full"),
            Some("kvmqm_interface" | "kvm_interface") => *name = json!("full_interface"),
            _ => {}
        }
    }
}
