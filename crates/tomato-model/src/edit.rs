//! Edits of a graph, as users ask for them. Each raises the revision of what it changes, and of nothing else.
//!
//! An edit that fails leaves the graph as it was, but for [`connect_unfilled`]. An edit that changes no value raises no revision.

use std::sync::Arc;

use crate::graph::{Graph, IdSource, ModelError, check_connection, check_element, mac_of};
use crate::id::{ConnectionId, ElementId, InterfaceId};
use crate::kind::Kind;
use crate::lifecycle::State;
use crate::limits;
use crate::link::LinkParams;
use crate::name;
use crate::recording::Recording;
use crate::topology::{Connection, Element, Interface};

mod patch;

pub use patch::{
    ClientData, ConnectionPatch, ElementPatch, InterfacePatch, NewElement, TopologyPatch,
};

/// An edit was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The graph has no such object.
    #[error("there is no {what} {id:?} in this topology")]
    NotFound {
        /// `element`, `interface` or `connection`.
        what: &'static str,
        /// The id or name given.
        id: String,
    },
    /// Another object has the name.
    #[error("name {name:?} is taken by another {what}; choose another name")]
    NameTaken {
        /// `element`, `interface` or `connection`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The kind has no such attribute.
    #[error("a {kind} has no attribute {attribute}; leave it out")]
    UnsupportedAttribute {
        /// The attribute.
        attribute: String,
        /// The element's kind.
        kind: Kind,
    },
    /// The attribute cannot be changed now.
    #[error("{attribute} cannot be changed while the element is {}; {remedy}", state_name(*.state))]
    InvalidState {
        /// The attribute.
        attribute: String,
        /// The element's state.
        state: State,
        /// What to do first.
        remedy: &'static str,
    },
    /// A value is wrong.
    #[error(transparent)]
    InvalidValue(#[from] ModelError),
    /// The interface has a connection.
    #[error(
        "interface {interface} has a connection already; disconnect it first or name the element to get a new one"
    )]
    AlreadyConnected {
        /// The element's and the interface's name.
        interface: String,
    },
    /// These two cannot be joined.
    #[error("{a} and {b} cannot be joined: {why}")]
    UnableToConnect {
        /// First end.
        a: String,
        /// Second end.
        b: String,
        /// The reason.
        why: &'static str,
    },
    /// A limit is reached.
    #[error("the topology has {most} {what} already; remove some")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// The limit.
        most: usize,
    },
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Created => "created",
        State::Prepared => "prepared",
        State::Started => "started",
    }
}

/// One end of a connection to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// This interface.
    Interface(InterfaceId),
    /// An interface of this element: the first that is free, else a new one.
    Element(ElementId),
}

fn not_found(what: &'static str, id: &impl ToString) -> EditError {
    EditError::NotFound { what, id: id.to_string() }
}

fn first(mut errors: Vec<ModelError>) -> Result<(), EditError> {
    if errors.is_empty() { Ok(()) } else { Err(errors.swap_remove(0).into()) }
}

/// Changes the topology's own attributes.
///
/// # Errors
/// A value is wrong.
pub fn modify_topology(graph: &mut Graph, patch: &TopologyPatch) -> Result<(), EditError> {
    let mut new = graph.topology.clone();
    if let Some(name) = &patch.name {
        if !name::is_topology_name(name) {
            let remedy = format!("use 1 to {} printable characters", limits::TOPOLOGY_NAME_MAX);
            return Err(
                ModelError::new("name", "is empty, too long or not printable", remedy).into()
            );
        }
        new.name.clone_from(name);
    }
    new.seed = patch.seed.unwrap_or(new.seed);
    patch.client.apply(&mut new.client);
    if new != graph.topology {
        new.revision += 1;
        graph.topology = new;
    }
    Ok(())
}

/// Adds an element without interfaces.
///
/// # Errors
/// The name is taken, a value is wrong or not of this kind, or there are too many elements.
pub fn add_element(
    graph: &mut Graph,
    ids: &mut dyn IdSource,
    new: &NewElement,
) -> Result<ElementId, EditError> {
    if graph.elements.len() >= limits::ELEMENTS_MAX {
        return Err(EditError::TooMany { what: "elements", most: limits::ELEMENTS_MAX });
    }
    let taken = |name: &str| graph.element_by_name(name).is_some();
    let mut element = Element {
        id: ids.element_id(),
        topology: graph.topology.id.clone(),
        name: name::numbered(new.kind.name(), 1, taken),
        kind: new.kind,
        type_name: new.type_name.clone().unwrap_or_else(|| new.kind.name().to_owned()),
        revision: 1,
        wanted: State::Created,
        start_count: 0,
        state: State::Created,
        error: None,
        notice: None,
        template: None,
        profile: None,
        gateways: Vec::new(),
        routes: Vec::new(),
        forwarding: false,
        files: std::collections::BTreeMap::new(),
        ageing_s: None,
        stp: None,
        interfaces: Vec::new(),
        client: std::collections::BTreeMap::new(),
    };
    patch_element(graph, &mut element, &new.set)?;
    let id = element.id.clone();
    graph.elements.push(element);
    Ok(id)
}

/// Changes an element. What may change in which state is in the [kind table](crate::kind::kind_table).
///
/// # Errors
/// There is no such element, the name is taken, a value is wrong, not of this kind, or not changeable in this state.
pub fn modify_element(
    graph: &mut Graph,
    id: &ElementId,
    patch: &ElementPatch,
) -> Result<(), EditError> {
    let old = graph.element(id).ok_or_else(|| not_found("element", id))?;
    let mut new = old.clone();
    patch_element(graph, &mut new, patch)?;
    store(graph, new);
    Ok(())
}

/// Puts a changed element back, raising its revision if it did change.
fn store(graph: &mut Graph, mut new: Element) {
    if let Some(old) = graph.element_mut(&new.id)
        && *old != new
    {
        new.revision = old.revision + 1;
        *old = new;
    }
}

fn patch_element(
    graph: &Graph,
    element: &mut Element,
    patch: &ElementPatch,
) -> Result<(), EditError> {
    let old = element.clone();
    if let Some(name) = &patch.name {
        if graph.element_by_name(name).is_some_and(|other| other.id != element.id) {
            return Err(EditError::NameTaken { what: "element", name: name.clone() });
        }
        element.name.clone_from(name);
    }
    let named = [
        ("template", patch.template.is_some()),
        ("profile", patch.profile.is_some()),
        ("gateways", patch.gateways.is_some()),
        ("routes", patch.routes.is_some()),
        ("forwarding", patch.forwarding.is_some()),
        ("files", patch.files.is_some()),
        ("ageing_s", patch.ageing_s.is_some()),
        ("stp", patch.stp.is_some()),
    ];
    if let Some((attribute, _)) =
        named.iter().find(|(name, is)| *is && !element.kind.has_attribute(name))
    {
        return Err(EditError::UnsupportedAttribute {
            attribute: (*attribute).to_owned(),
            kind: element.kind,
        });
    }
    if patch.template.is_some() {
        element.template.clone_from(&patch.template);
    }
    if let Some(profile) = &patch.profile {
        element.profile.clone_from(profile);
    }
    element.gateways = patch.gateways.clone().unwrap_or_else(|| old.gateways.clone());
    element.routes = patch.routes.clone().unwrap_or_else(|| old.routes.clone());
    element.forwarding = patch.forwarding.unwrap_or(old.forwarding);
    element.files = patch.files.clone().unwrap_or_else(|| old.files.clone());
    element.ageing_s = patch.ageing_s.unwrap_or(old.ageing_s);
    element.stp = patch.stp.unwrap_or(old.stp);
    patch.client.apply(&mut element.client);
    check_states(&old, element)?;
    let mut errors = Vec::new();
    check_element(&format!("elements.{}", element.name), element, &mut errors);
    first(errors)
}

/// Refuses changes of what cannot change in the element's state.
fn check_states(old: &Element, new: &Element) -> Result<(), EditError> {
    let state = old.state.max(old.wanted);
    let changed = [
        ("name", old.name != new.name),
        ("template", old.template != new.template),
        ("profile", old.profile != new.profile),
    ];
    for (attribute, _) in changed.iter().filter(|(_, is)| *is) {
        let writable = old.kind.writable(attribute);
        if !writable.contains(&state) {
            let remedy = if writable.contains(&State::Prepared) {
                "stop it first"
            } else {
                "destroy it first"
            };
            return Err(EditError::InvalidState {
                attribute: (*attribute).to_owned(),
                state,
                remedy,
            });
        }
    }
    Ok(())
}

/// Removes an element with its interfaces and their connections, in any state: hosts take away what is not wanted.
///
/// # Errors
/// There is no such element.
pub fn remove_element(graph: &mut Graph, id: &ElementId) -> Result<Removed, EditError> {
    let element = graph.element(id).ok_or_else(|| not_found("element", id))?;
    let joined: Vec<ConnectionId> =
        element.interfaces.iter().filter_map(|i| i.connection.clone()).collect();
    let mut removed = Removed::default();
    for connection in joined {
        if graph.connection(&connection).is_some() {
            removed.connections.push(disconnect(graph, &connection)?);
        }
    }
    if let Some(at) = graph.elements.iter().position(|element| element.id == *id) {
        removed.elements.push(graph.elements.remove(at));
    }
    Ok(removed)
}

/// What an edit took away.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Removed {
    /// Elements that are gone.
    pub elements: Vec<Element>,
    /// Connections that are gone.
    pub connections: Vec<Connection>,
}

/// Adds an interface, named `ethN` with a card address of its id unless the patch says otherwise.
///
/// # Errors
/// There is no such element, the name is taken, or a value is wrong.
pub fn add_interface(
    graph: &mut Graph,
    ids: &mut dyn IdSource,
    element: &ElementId,
    type_name: Option<&str>,
    patch: &InterfacePatch,
) -> Result<InterfaceId, EditError> {
    let mut new = graph.element(element).ok_or_else(|| not_found("element", element))?.clone();
    let id = ids.interface_id();
    let taken = |name: &str| new.interfaces.iter().any(|interface| interface.name == name);
    let interface = Interface {
        type_name: type_name.unwrap_or("interface").to_owned(),
        name: name::numbered("eth", 0, taken),
        mac: mac_of(&id),
        mtu: limits::MTU_DEFAULT,
        addresses: Vec::new(),
        dhcp: false,
        vlan: None,
        connection: None,
        client: std::collections::BTreeMap::new(),
        id: id.clone(),
    };
    new.interfaces.push(interface);
    patch_interface(&mut new, &id, patch)?;
    store(graph, new);
    Ok(id)
}

/// Changes an interface and raises its element's revision.
///
/// # Errors
/// There is no such interface, the name is taken or cannot change in this state, or a value is wrong.
pub fn modify_interface(
    graph: &mut Graph,
    id: &InterfaceId,
    patch: &InterfacePatch,
) -> Result<(), EditError> {
    let mut element = graph.element_of(id).ok_or_else(|| not_found("interface", id))?.clone();
    let name = element.interfaces.iter().find(|i| i.id == *id).map(|i| i.name.clone());
    let state = element.state.max(element.wanted);
    if state == State::Started && patch.name.is_some() && patch.name != name {
        return Err(EditError::InvalidState {
            attribute: "name".to_owned(),
            state,
            remedy: "stop it first",
        });
    }
    patch_interface(&mut element, id, patch)?;
    store(graph, element);
    Ok(())
}

fn patch_interface(
    element: &mut Element,
    id: &InterfaceId,
    patch: &InterfacePatch,
) -> Result<(), EditError> {
    if let Some(name) = &patch.name
        && element.interfaces.iter().any(|other| other.id != *id && other.name == *name)
    {
        return Err(EditError::NameTaken { what: "interface", name: name.clone() });
    }
    if let Some(interface) = element.interfaces.iter_mut().find(|interface| interface.id == *id) {
        if let Some(name) = &patch.name {
            interface.name.clone_from(name);
        }
        if let Some(mac) = &patch.mac {
            interface.mac = mac.to_ascii_lowercase();
        }
        interface.mtu = patch.mtu.unwrap_or(interface.mtu);
        if let Some(addresses) = &patch.addresses {
            interface.addresses.clone_from(addresses);
        }
        interface.dhcp = patch.dhcp.unwrap_or(interface.dhcp);
        if let Some(vlan) = &patch.vlan {
            interface.vlan.clone_from(vlan);
        }
        patch.client.apply(&mut interface.client);
    }
    let mut errors = Vec::new();
    check_element(&format!("elements.{}", element.name), element, &mut errors);
    first(errors)
}

/// Removes an interface with its connection.
///
/// # Errors
/// There is no such interface.
pub fn remove_interface(graph: &mut Graph, id: &InterfaceId) -> Result<Removed, EditError> {
    let mut removed = Removed::default();
    let (_, interface) = graph.interface(id).ok_or_else(|| not_found("interface", id))?;
    if let Some(connection) = interface.connection.clone() {
        removed.connections.push(disconnect(graph, &connection)?);
    }
    if let Some(mut element) = graph.element_of(id).cloned() {
        element.interfaces.retain(|interface| interface.id != *id);
        store(graph, element);
    }
    Ok(removed)
}

/// Joins two ends: makes interfaces and a name where there are none, and gives addresses to the ends that lack one.
///
/// # Errors
/// An end does not exist or is joined already, the two cannot be joined, the name is taken, or a value is wrong.
pub fn connect(
    graph: &mut Graph,
    ids: &mut dyn IdSource,
    ends: &[End; 2],
    patch: &ConnectionPatch,
) -> Result<ConnectionId, EditError> {
    let mut work = graph.clone();
    let id = connect_unfilled(&mut work, ids, ends, patch)?;
    let before = work.clone();
    let joined = work.connection(&id).map(|connection| connection.interfaces.clone());
    crate::address::fill_where(&mut work, |id| {
        joined.as_ref().is_some_and(|ends| ends.contains(id))
    });
    for (element, old) in work.elements.iter_mut().zip(&before.elements) {
        let known = graph.element(&old.id).map(|element| element.revision);
        if element.interfaces != old.interfaces && known == Some(element.revision) {
            Arc::make_mut(element).revision += 1;
        }
    }
    *graph = work;
    Ok(id)
}

/// Joins two ends without filling addresses. A failure may leave a new interface behind.
///
/// # Errors
/// As [`connect`].
pub fn connect_unfilled(
    graph: &mut Graph,
    ids: &mut dyn IdSource,
    ends: &[End; 2],
    patch: &ConnectionPatch,
) -> Result<ConnectionId, EditError> {
    if graph.connections.len() >= limits::CONNECTIONS_MAX {
        return Err(EditError::TooMany { what: "connections", most: limits::CONNECTIONS_MAX });
    }
    let a = end(graph, ids, &ends[0], &ends[1])?;
    let b = end(graph, ids, &ends[1], &End::Interface(a.clone()))?;
    let (x, y) = match (graph.element_of(&a), graph.element_of(&b)) {
        (Some(x), Some(y)) => (x, y),
        (None, _) => return Err(not_found("interface", &a)),
        (_, None) => return Err(not_found("interface", &b)),
    };
    let unable = |why| EditError::UnableToConnect { a: x.name.clone(), b: y.name.clone(), why };
    if a == b {
        return Err(unable("both ends are the same interface"));
    }
    if x.id == y.id && !x.kind.is_device() {
        return Err(unable("frames would circle for ever"));
    }
    let stem = format!("{}--{}", x.name, y.name);
    let name = match graph.connection_by_name(&stem) {
        None => stem,
        Some(_) => {
            name::numbered(&format!("{stem}-"), 2, |name| graph.connection_by_name(name).is_some())
        }
    };
    let mut connection = Connection {
        id: ids.connection_id(),
        topology: graph.topology.id.clone(),
        name,
        revision: 1,
        interfaces: [a.clone(), b.clone()],
        emulation: true,
        connected: true,
        forward: LinkParams::default(),
        backward: LinkParams::default(),
        capturing: false,
        recording: Recording::default(),
        started: false,
        outage: None,
        client: std::collections::BTreeMap::new(),
    };
    patch_connection(graph, &mut connection, patch)?;
    let id = connection.id.clone();
    set_connection(graph, &[a, b], Some(&id));
    graph.connections.push(connection);
    Ok(id)
}

/// The interface of an end, made if need be; never the one that `other` names.
fn end(
    graph: &mut Graph,
    ids: &mut dyn IdSource,
    end: &End,
    other: &End,
) -> Result<InterfaceId, EditError> {
    match end {
        End::Interface(id) => {
            let (element, interface) =
                graph.interface(id).ok_or_else(|| not_found("interface", id))?;
            if interface.connection.is_some() {
                let interface = format!("{}:{}", element.name, interface.name);
                return Err(EditError::AlreadyConnected { interface });
            }
            Ok(id.clone())
        }
        End::Element(id) => {
            let element = graph.element(id).ok_or_else(|| not_found("element", id))?;
            let usable =
                |i: &&Interface| i.connection.is_none() && *other != End::Interface(i.id.clone());
            match element.interfaces.iter().find(usable) {
                Some(interface) => Ok(interface.id.clone()),
                None => add_interface(graph, ids, id, None, &InterfacePatch::default()),
            }
        }
    }
}

/// Sets what interfaces are joined by, raising the revision of each element once.
fn set_connection(graph: &mut Graph, ends: &[InterfaceId; 2], connection: Option<&ConnectionId>) {
    let is_other = |i: &Interface| ends.contains(&i.id) && i.connection.as_ref() != connection;
    for element in graph.elements.iter_mut().filter(|e| e.interfaces.iter().any(is_other)) {
        let element = Arc::make_mut(element);
        for interface in element.interfaces.iter_mut().filter(|i| ends.contains(&i.id)) {
            interface.connection = connection.cloned();
        }
        element.revision += 1;
    }
}

/// Changes a connection, in any state.
///
/// # Errors
/// There is no such connection, the name is taken, or a value is wrong.
pub fn modify_connection(
    graph: &mut Graph,
    id: &ConnectionId,
    patch: &ConnectionPatch,
) -> Result<(), EditError> {
    let old = graph.connection(id).ok_or_else(|| not_found("connection", id))?;
    let mut new = old.clone();
    patch_connection(graph, &mut new, patch)?;
    if let Some(old) = graph.connection_mut(id)
        && *old != new
    {
        new.revision += 1;
        *old = new;
    }
    Ok(())
}

fn patch_connection(
    graph: &Graph,
    connection: &mut Connection,
    patch: &ConnectionPatch,
) -> Result<(), EditError> {
    if let Some(name) = &patch.name {
        if graph.connection_by_name(name).is_some_and(|other| other.id != connection.id) {
            return Err(EditError::NameTaken { what: "connection", name: name.clone() });
        }
        connection.name.clone_from(name);
    }
    connection.emulation = patch.emulation.unwrap_or(connection.emulation);
    connection.connected = patch.connected.unwrap_or(connection.connected);
    connection.capturing = patch.capturing.unwrap_or(connection.capturing);
    if let Some(recording) = &patch.recording {
        connection.recording = recording.applied(&connection.recording);
    }
    if let Some(forward) = &patch.forward {
        connection.forward = forward.applied(&connection.forward);
    }
    if let Some(backward) = &patch.backward {
        connection.backward = backward.applied(&connection.backward);
    }
    patch.client.apply(&mut connection.client);
    let mut errors = Vec::new();
    check_connection(&format!("connections.{}", connection.name), connection, &mut errors);
    first(errors)
}

/// Removes a connection; its interfaces stay.
///
/// # Errors
/// There is no such connection.
pub fn disconnect(graph: &mut Graph, id: &ConnectionId) -> Result<Connection, EditError> {
    let at = graph
        .connections
        .iter()
        .position(|c| c.id == *id)
        .ok_or_else(|| not_found("connection", id))?;
    let connection = graph.connections.remove(at);
    set_connection(graph, &connection.interfaces, None);
    Ok(connection)
}

#[cfg(test)]
mod tests;
