//! A topology with everything in it, how to find things in it, and what must hold.
//!
//! Invariant after every edit of [`edit`](crate::edit): an interface names the connection that names it, ends exist, names are unique.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::{ConnectionId, ElementId, InterfaceId, TopologyId};
use crate::list::List;
use crate::name::same;
use crate::topology::{Connection, Element, Interface, Topology};

mod check;

pub use check::ModelError;
pub(crate) use check::{check_connection, check_element, parse_address};

/// A topology, its elements and its connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Graph {
    /// The topology.
    pub topology: Topology,
    /// Its elements, oldest first.
    #[schemars(with = "Vec<Element>")]
    pub elements: List<Element>,
    /// Its connections, oldest first.
    #[schemars(with = "Vec<Connection>")]
    pub connections: List<Connection>,
}

/// Where new ids and seeds come from: this crate has no randomness of its own.
pub trait IdSource {
    /// A new topology's id.
    fn topology_id(&mut self) -> TopologyId;
    /// A new element's id.
    fn element_id(&mut self) -> ElementId;
    /// A new interface's id.
    fn interface_id(&mut self) -> InterfaceId;
    /// A new connection's id.
    fn connection_id(&mut self) -> ConnectionId;
    /// A new topology's seed.
    fn seed(&mut self) -> u64;
}

/// Ids that count up: for previews that are thrown away and for tests.
#[derive(Debug, Clone, Default)]
pub struct CountingIds {
    /// The number of the last id given.
    pub last: u64,
}

impl CountingIds {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

impl IdSource for CountingIds {
    fn topology_id(&mut self) -> TopologyId {
        TopologyId::new(0, self.next())
    }

    fn element_id(&mut self) -> ElementId {
        ElementId::new(0, self.next())
    }

    fn interface_id(&mut self) -> InterfaceId {
        InterfaceId::new(0, self.next())
    }

    fn connection_id(&mut self) -> ConnectionId {
        ConnectionId::new(0, self.next())
    }

    fn seed(&mut self) -> u64 {
        self.next()
    }
}

/// The card's address of an interface: locally administered, unicast, from the last ten digits of its id.
pub fn mac_of(id: &InterfaceId) -> String {
    let digits = id.as_str().as_bytes();
    let mut mac = String::from("02");
    for pair in digits[digits.len() - 10..].chunks(2) {
        mac.push(':');
        mac.extend(pair.iter().map(|b| char::from(*b)));
    }
    mac
}

/// One broadcast domain: interfaces that hear each other's broadcasts when every cable is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Segment {
    /// Its number, stable as long as nothing older is removed.
    pub number: usize,
    /// The interfaces of devices and of connectors in it.
    pub interfaces: Vec<InterfaceId>,
}

impl Graph {
    /// A graph without elements.
    pub fn new(topology: Topology) -> Self {
        Self { topology, elements: List::default(), connections: List::default() }
    }

    /// The element with that id.
    pub fn element(&self, id: &ElementId) -> Option<&Element> {
        self.elements.iter().find(|element| element.id == *id)
    }

    /// The element with that id, to change it.
    pub fn element_mut(&mut self, id: &ElementId) -> Option<&mut Element> {
        self.elements.find_mut(|element| element.id == *id)
    }

    /// The element of that name, in any case of letters.
    pub fn element_by_name(&self, name: &str) -> Option<&Element> {
        self.elements.iter().find(|element| same(&element.name, name))
    }

    /// The interface with that id and the element it belongs to.
    pub fn interface(&self, id: &InterfaceId) -> Option<(&Element, &Interface)> {
        self.elements.iter().find_map(|element| {
            element.interfaces.iter().find(|i| i.id == *id).map(|interface| (element, interface))
        })
    }

    /// The interface with that id, to change it. Who changes it also bumps its element's revision.
    pub fn interface_mut(&mut self, id: &InterfaceId) -> Option<&mut Interface> {
        let owner = self.elements.find_mut(|e| e.interfaces.iter().any(|i| i.id == *id))?;
        owner.interfaces.iter_mut().find(|i| i.id == *id)
    }

    /// The element that owns an interface.
    pub fn element_of(&self, id: &InterfaceId) -> Option<&Element> {
        self.interface(id).map(|(element, _)| element)
    }

    /// The connection with that id.
    pub fn connection(&self, id: &ConnectionId) -> Option<&Connection> {
        self.connections.iter().find(|connection| connection.id == *id)
    }

    /// The connection with that id, to change it.
    pub fn connection_mut(&mut self, id: &ConnectionId) -> Option<&mut Connection> {
        self.connections.find_mut(|connection| connection.id == *id)
    }

    /// The connection of that name.
    pub fn connection_by_name(&self, name: &str) -> Option<&Connection> {
        self.connections.iter().find(|connection| same(&connection.name, name))
    }

    /// The connection of an interface.
    pub fn connection_of(&self, id: &InterfaceId) -> Option<&Connection> {
        self.connections.iter().find(|connection| connection.interfaces.contains(id))
    }

    /// The elements at the two ends of a connection.
    pub fn ends(&self, connection: &Connection) -> Option<[&Element; 2]> {
        let [a, b] = &connection.interfaces;
        Some([self.element_of(a)?, self.element_of(b)?])
    }

    /// The broadcast domains, ordered by their oldest interface. An unconnected interface of a device is in none.
    pub fn segments(&self) -> Vec<Segment> {
        let mut owner: BTreeMap<&InterfaceId, usize> = BTreeMap::new();
        let mut groups = Groups::default();
        for element in &self.elements {
            let shared = if element.kind.is_device() { None } else { Some(groups.add()) };
            for interface in &element.interfaces {
                owner.insert(&interface.id, shared.unwrap_or_else(|| groups.add()));
            }
        }
        let mut wired: BTreeSet<&InterfaceId> = BTreeSet::new();
        for connection in &self.connections {
            let [a, b] = &connection.interfaces;
            if let (Some(x), Some(y)) = (owner.get(a), owner.get(b)) {
                groups.join(*x, *y);
                wired.extend([a, b]);
            }
        }
        let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
        let mut segments: Vec<Segment> = Vec::new();
        for interface in self.elements.iter().flat_map(|e| &e.interfaces) {
            let Some(group) = owner.get(&interface.id).filter(|_| wired.contains(&interface.id))
            else {
                continue;
            };
            let next = segments.len();
            let number = *numbers.entry(groups.root(*group)).or_insert(next);
            if number == next {
                segments.push(Segment { number, interfaces: Vec::new() });
            }
            segments[number].interfaces.push(interface.id.clone());
        }
        segments
    }

    /// Everything that is wrong with the graph.
    ///
    /// # Errors
    /// All violations found, in the order of the objects.
    pub fn validate(&self) -> Result<(), Vec<ModelError>> {
        let errors = check::all(self);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// [`Graph::validate`] after an edit of a copy of `before`, in which nothing was wrong: what both share is not looked at again.
    ///
    /// # Errors
    /// All violations found.
    pub fn validate_after(&self, before: &Self) -> Result<(), Vec<ModelError>> {
        let errors = check::after(self, before);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// Disjoint sets.
#[derive(Debug, Default)]
struct Groups(Vec<usize>);

impl Groups {
    fn add(&mut self) -> usize {
        self.0.push(self.0.len());
        self.0.len() - 1
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests;
