//! Objects as the original showed them: flat, with client data beside the attributes and interfaces as elements of their own.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value as Json, json};

use super::names::interface_type;
use super::{KEPT, SHOWN_NAME, link, own_interface};
use crate::graph::Graph;
use crate::id::InterfaceId;
use crate::kind::Kind;
use crate::lifecycle::State;
use crate::topology::{Connection, Element, Interface};

/// Type name of a connection.
const BRIDGE: &str = "bridge";
/// Type name of a connection to an external network.
const FIXED_BRIDGE: &str = "fixed_bridge";

fn with_client(mut base: Json, client: &BTreeMap<String, Json>) -> Json {
    if let Some(members) = base.as_object_mut() {
        for (key, value) in client {
            match key.as_str() {
                SHOWN_NAME => drop(members.insert("name".to_owned(), value.clone())),
                KEPT => members.extend(value.as_object().cloned().unwrap_or_default()),
                _ => drop(members.insert(key.clone(), value.clone())),
            }
        }
    }
    base
}

fn debug() -> Json {
    json!({"host_elements": [], "host_connections": []})
}

/// A topology; `full` gives its objects in place of their ids.
pub fn topology(graph: &Graph, full: bool) -> Json {
    let mut shown = frame(graph);
    let (elements, connections) = if full {
        (elements(graph).collect(), connections(graph).collect())
    } else {
        let ids = graph.elements.iter().flat_map(|item| {
            std::iter::once(json!(item.id)).chain(children(item).map(|port| json!(port.id)))
        });
        (ids.collect(), graph.connections.iter().map(|item| json!(item.id)).collect())
    };
    shown["elements"] = Json::Array(elements);
    shown["connections"] = Json::Array(connections);
    shown
}

/// A topology without its elements and connections.
pub fn frame(graph: &Graph) -> Json {
    let topology = &graph.topology;
    let state = graph.elements.iter().map(|element| element.state).max().unwrap_or(State::Created);
    let base = json!({
        "id": topology.id,
        "name": topology.name,
        "site": null,
        "timeout": null,
        "state_max": state,
        "permissions": topology.roles,
    });
    with_client(base, &topology.client)
}

/// The elements of a topology, each before its interfaces.
pub fn elements(graph: &Graph) -> impl Iterator<Item = Json> {
    graph.elements.iter().flat_map(|item| {
        std::iter::once(element(item)).chain(children(item).map(|port| interface(item, port)))
    })
}

/// The connections of a topology.
pub fn connections(graph: &Graph) -> impl Iterator<Item = Json> {
    let owners: BTreeMap<&InterfaceId, (&Element, &Interface)> = graph
        .elements
        .iter()
        .flat_map(|item| item.interfaces.iter().map(move |port| (&port.id, (item, port))))
        .collect();
    graph.connections.iter().map(move |item| {
        joined(item, item.interfaces.each_ref().map(|end| owners.get(end).copied()))
    })
}

/// Interfaces that are elements of their own.
fn children(element: &Element) -> impl Iterator<Item = &Interface> {
    let shown = own_interface(element).is_none();
    element.interfaces.iter().filter(move |_| shown)
}

/// An element.
pub fn element(element: &Element) -> Json {
    let own = own_interface(element);
    let children: Vec<_> = match own {
        Some(_) => Vec::new(),
        None => element.interfaces.iter().map(|interface| &interface.id).collect(),
    };
    let mut base = json!({
        "id": element.id,
        "type": element.type_name,
        "tech": null,
        "topology": element.topology,
        "parent": null,
        "state": element.state,
        "children": children,
        "connection": own.and_then(|interface| interface.connection.as_ref()),
        "debug": debug(),
        "host": null,
        "host_info": null,
        "name": element.name,
        "error": element.error,
    });
    if let Some(members) = base.as_object_mut() {
        members.extend(kind_attributes(element));
    }
    with_client(base, &element.client)
}

/// What only elements of its kind have.
fn kind_attributes(element: &Element) -> Map<String, Json> {
    let gateway = |wanted: fn(&IpAddr) -> bool| element.gateways.iter().find(|hop| wanted(hop));
    let attributes = match element.kind {
        Kind::Container => json!({
            "site": null,
            "template": element.template,
            "profile": element.profile,
            "hostname": element.name,
            "gateway4": gateway(IpAddr::is_ipv4),
            "gateway6": gateway(IpAddr::is_ipv6),
            "routes": element.routes,
            "forwarding": element.forwarding,
            "files": element.files,
            "rootpassword": null,
        }),
        Kind::Switch | Kind::Hub => json!({"mode": element.kind.name()}),
        Kind::Placeholder => json!({}),
    };
    match attributes {
        Json::Object(members) => members,
        _ => Map::new(),
    }
}

/// An interface as a child element.
pub fn interface(element: &Element, interface: &Interface) -> Json {
    let number = element.interfaces.iter().position(|other| other.id == interface.id);
    let type_name = match interface.type_name.as_str() {
        "" | "interface" => interface_type(&element.type_name),
        name => name,
    };
    let mut base = json!({
        "id": interface.id,
        "type": type_name,
        "tech": null,
        "topology": element.topology,
        "parent": element.id,
        "state": element.state,
        "children": [],
        "connection": interface.connection,
        "debug": debug(),
        "host": null,
        "host_info": null,
        "name": interface.name,
        "num": number,
    });
    if let (Kind::Container, Some(members)) = (element.kind, base.as_object_mut()) {
        let address =
            |is_v6: bool| interface.addresses.iter().find(|address| address.contains(':') == is_v6);
        members.insert("mac".to_owned(), json!(interface.mac));
        members.insert("mtu".to_owned(), json!(interface.mtu));
        members.insert("ip4address".to_owned(), json!(address(false)));
        members.insert("ip6address".to_owned(), json!(address(true)));
        members.insert("use_dhcp".to_owned(), json!(interface.dhcp));
    }
    with_client(base, &interface.client)
}

/// A connection.
pub fn connection(graph: &Graph, connection: &Connection) -> Json {
    joined(connection, connection.interfaces.each_ref().map(|end| graph.interface(end)))
}

/// A connection and what is at its two ends.
fn joined(connection: &Connection, at: [Option<(&Element, &Interface)>; 2]) -> Json {
    let is_fixed = at.iter().flatten().any(|(_, interface)| link::is_fixed_end(interface));
    let ends: Vec<String> = std::iter::zip(&connection.interfaces, at)
        .map(|(end, owner)| {
            let owner = owner.filter(|(element, _)| own_interface(element).is_some());
            owner.map_or_else(|| end.to_string(), |(element, _)| element.id.to_string())
        })
        .collect();
    let mut base = json!({
        "id": connection.id,
        "type": if is_fixed { FIXED_BRIDGE } else { BRIDGE },
        "name": connection.name,
        "topology": connection.topology,
        "state": if connection.started { "started" } else { "created" },
        "elements": ends,
        "debug": debug(),
        "link_statistics": null,
        "host": null,
        "host_info": null,
    });
    if let (false, Some(members)) = (is_fixed, base.as_object_mut()) {
        members.extend(link::flat(connection));
    }
    with_client(base, &connection.client)
}
