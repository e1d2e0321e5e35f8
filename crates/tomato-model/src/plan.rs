//! What has to happen so that a topology becomes what a file says, touching only what differs.
//!
//! Names are identity: an element, interface or connection of the same name keeps its id, its state and, where nothing
//! differs, its revision. A new kind makes another element of the same name; a new template gives an element another disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::edit::{self, ConnectionPatch, End, InterfacePatch, NewElement};
use crate::file::{Diagnostic, FileConnection, FileElement, FileInterface, TopologyFile, Wrongs};
use crate::graph::{Graph, IdSource, mac_of};
use crate::id::InterfaceId;
use crate::lifecycle::State;
use crate::limits::MTU_DEFAULT;
use crate::name::same;
use crate::role::Role;
use crate::topology::{Connection, Element, Topology};

mod differ;

/// What happens to an object.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Create,
    /// It changes in place.
    Modify,
    /// It is made anew: its disk is lost.
    Restart,
    /// It goes.
    Remove,
}

/// One thing that will happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Step {
    /// In words, for people.
    pub text: String,
    /// The object's path, for example `elements.alice`.
    pub object: String,
    /// What happens to it.
    pub change: Change,
}

/// The result of planning.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Plan {
    /// The topology as it will be.
    pub graph: Graph,
    /// What will happen, removals first.
    pub steps: Vec<Step>,
}

/// Plans how `current`, or nothing, becomes what `file` says. A new topology belongs to `owner`.
///
/// # Errors
/// Everything in the file that cannot be so, with its line.
pub fn plan(
    current: Option<&Graph>,
    file: &TopologyFile,
    owner: &str,
    ids: &mut dyn IdSource,
) -> Result<Plan, Vec<Diagnostic>> {
    planned(current, file, owner, ids).map_err(Wrongs::finish)
}

/// [`plan`], whose errors can be told together with others.
pub(crate) fn planned(
    current: Option<&Graph>,
    file: &TopologyFile,
    owner: &str,
    ids: &mut dyn IdSource,
) -> Result<Plan, Wrongs> {
    let graph = current.cloned().unwrap_or_else(|| Graph::new(new_topology(file, owner, ids)));
    let mut by_name = BTreeMap::new();
    for entry in &file.elements {
        by_name.entry(entry.0.to_ascii_lowercase()).or_insert(entry);
    }
    let mut planner = Planner {
        graph,
        file,
        by_name,
        ids,
        steps: Vec::new(),
        errors: Wrongs::default(),
        plain: BTreeSet::new(),
    };
    if current.is_none() {
        let text = format!("create topology {:?}", planner.graph.topology.name);
        planner.step("topology", Change::Create, text);
    }
    planner.check_names();
    if !planner.errors.is_empty() {
        return Err(planner.errors);
    }
    let ends = planner.ends();
    planner.topology();
    planner.remove_elements();
    planner.remove_connections(&ends);
    planner.elements();
    planner.interfaces(&ends);
    planner.connections(&ends);
    planner.remove_interfaces(&ends);
    planner.addresses(current);
    // What could be made is looked at even if something could not.
    for error in planner.graph.validate().err().into_iter().flatten() {
        planner.wrong(&error.path, error.message, error.remedy);
    }
    if planner.errors.is_empty() {
        Ok(Plan { graph: planner.graph, steps: planner.steps })
    } else {
        Err(planner.errors)
    }
}

fn new_topology(file: &TopologyFile, owner: &str, ids: &mut dyn IdSource) -> Topology {
    Topology {
        id: ids.topology_id(),
        name: file.name.clone().unwrap_or_else(|| "topology".to_owned()),
        revision: 1,
        seed: file.seed.unwrap_or_else(|| ids.seed()),
        roles: BTreeMap::from([(owner.to_owned(), Role::Owner)]),
        timeout: None,
        client: file.client.clone(),
    }
}

/// An end as written: the element's name and, if named, the interface's.
type FileEnd<'a> = (&'a str, Option<&'a str>);

struct Planner<'a> {
    graph: Graph,
    file: &'a TopologyFile,
    /// The file's elements by their names in lower case.
    by_name: BTreeMap<String, (&'a String, &'a FileElement)>,
    ids: &'a mut dyn IdSource,
    steps: Vec<Step>,
    /// Each interface of an element that cannot be would tell it again.
    errors: Wrongs,
    /// Interfaces that shall have no address.
    plain: BTreeSet<InterfaceId>,
}

impl<'a> Planner<'a> {
    fn step(&mut self, object: &str, change: Change, text: String) {
        self.steps.push(Step { text, object: object.to_owned(), change });
    }

    fn wrong(&mut self, path: &str, message: String, remedy: String) {
        self.errors.add(self.file.diagnostic(path, message, remedy));
    }

    /// Something about an element cannot be; what is wrong with its values is told where they stand.
    fn refused_of_element(&mut self, object: &str, error: edit::EditError) {
        match error {
            edit::EditError::InvalidValue(error) => {
                self.wrong(&error.path, error.message, error.remedy);
            }
            error => self.refused(object, &error),
        }
    }

    fn refused(&mut self, path: &str, error: &edit::EditError) {
        let error = error.to_string();
        let (message, remedy) = error.split_once("; ").unwrap_or((&error, "change it"));
        self.wrong(path, message.to_owned(), remedy.to_owned());
    }

    fn file_element(&self, name: &str) -> Option<(&'a String, &'a FileElement)> {
        self.by_name.get(&name.to_ascii_lowercase()).copied()
    }

    /// The ends of each connection; those that cannot be are reported, and left out.
    fn ends(&mut self) -> BTreeMap<&'a str, [FileEnd<'a>; 2]> {
        let mut all = BTreeMap::new();
        let mut used: BTreeMap<(String, &str), &str> = BTreeMap::new();
        for (name, connection) in &self.file.connections {
            let path = format!("connections.{name}.between");
            let known = self.errors.len();
            let ends = connection.between.each_ref().map(|end| match end.split_once(':') {
                Some((element, interface)) => (element, Some(interface)),
                None => (end.as_str(), None),
            });
            for (element, interface) in ends {
                if self.file_element(element).is_none() {
                    let remedy = match self.near(element) {
                        Some(word) => format!("did you mean {word}?"),
                        None => "add it below elements".to_owned(),
                    };
                    self.wrong(&path, format!("there is no element {element:?}"), remedy);
                }
                if let Some(interface) = interface {
                    self.unlisted(&path, element, interface);
                }
                if let Some(interface) = interface
                    && let Some(other) =
                        used.insert((element.to_ascii_lowercase(), interface), name)
                {
                    let message = format!("{element}:{interface} is joined by {other} already");
                    self.wrong(
                        &path,
                        message,
                        "use another interface, or put a switch between".to_owned(),
                    );
                }
            }
            if self.errors.len() == known {
                all.insert(name.as_str(), ends);
            }
        }
        all
    }

    /// The element whose name is most like another's, where that is told at all.
    fn near(&self, name: &str) -> Option<&'a str> {
        if self.errors.is_full() {
            return None;
        }
        let names: Vec<&str> = self.file.elements.keys().map(String::as_str).collect();
        crate::file::suggestion(name, &names)
    }

    /// A device that lists its interfaces has those and no others.
    fn unlisted(&mut self, path: &str, element: &str, interface: &str) {
        let Some((_, owner)) = self.file_element(element) else { return };
        let listed = &owner.interfaces;
        if !owner.kind.is_device() || listed.is_empty() || listed.contains_key(interface) {
            return;
        }
        let names: Vec<&str> = listed.keys().map(String::as_str).collect();
        let message =
            format!("{element} has no interface {interface}; it has {}", names.join(", "));
        let remedy = "use one of these, or list it below the element's interfaces".to_owned();
        self.wrong(path, message, remedy);
    }

    /// Names that differ only by case would be one object.
    fn check_names(&mut self) {
        let elements = self.file.elements.keys().map(|name| ("elements", name));
        let connections = self.file.connections.keys().map(|name| ("connections", name));
        let mut seen = BTreeSet::new();
        let all: Vec<_> = elements.chain(connections).collect();
        for (group, name) in all {
            if !seen.insert((group, name.to_ascii_lowercase())) {
                let path = format!("{group}.{name}");
                let remedy = "names do not know case; choose another".to_owned();
                self.wrong(&path, "the name is used twice".to_owned(), remedy);
            }
        }
    }

    fn topology(&mut self) {
        let mut new = self.graph.topology.clone();
        new.name = self.file.name.clone().unwrap_or(new.name);
        new.seed = self.file.seed.unwrap_or(new.seed);
        new.client.extend(self.file.client.clone());
        if new != self.graph.topology {
            new.revision += 1;
            self.graph.topology = new;
            self.step(
                "topology",
                Change::Modify,
                "change the topology's own attributes".to_owned(),
            );
        }
    }

    fn remove_elements(&mut self) {
        let gone: Vec<Element> = self
            .graph
            .elements
            .iter()
            .filter(|e| self.file_element(&e.name).is_none())
            .cloned()
            .collect();
        for element in gone {
            let text = format!("remove {} {}", element.kind, element.name);
            self.step(&format!("elements.{}", element.name), Change::Remove, text);
            if let Ok(removed) = edit::remove_element(&mut self.graph, &element.id) {
                for connection in removed.connections {
                    let object = format!("connections.{}", connection.name);
                    if !self.file.connections.keys().any(|name| same(name, &connection.name)) {
                        self.step(
                            &object,
                            Change::Remove,
                            format!("remove connection {}", connection.name),
                        );
                    }
                }
            }
        }
    }

    /// Whether an existing connection has the ends that the file names.
    fn fits(&self, connection: &Connection, ends: &[FileEnd<'_>; 2]) -> bool {
        connection.interfaces.iter().zip(ends).all(|(id, (element, interface))| {
            self.graph.interface(id).is_some_and(|(owner, own)| {
                same(&owner.name, element) && interface.is_none_or(|name| own.name == name)
            })
        })
    }

    fn remove_connections(&mut self, ends: &BTreeMap<&str, [FileEnd<'_>; 2]>) {
        for connection in self.graph.connections.clone() {
            let wanted = ends.iter().find(|(name, _)| same(name, &connection.name));
            if wanted.is_some_and(|(_, ends)| self.fits(&connection, ends)) {
                continue;
            }
            if wanted.is_none() {
                let text = format!("remove connection {}", connection.name);
                self.step(&format!("connections.{}", connection.name), Change::Remove, text);
            }
            if let Err(error) = edit::disconnect(&mut self.graph, &connection.id) {
                self.refused(&format!("connections.{}", connection.name), &error);
            }
        }
    }

    fn elements(&mut self) {
        let file = self.file;
        for (name, wanted) in &file.elements {
            let object = format!("elements.{name}");
            let Some(old) = self.graph.element_by_name(name).cloned() else {
                self.create(name, wanted, None);
                self.step(&object, Change::Create, format!("create {} {name}", wanted.kind));
                continue;
            };
            let has_disk = old.state.max(old.wanted) != State::Created;
            if old.kind != wanted.kind {
                if let Err(error) = edit::remove_element(&mut self.graph, &old.id) {
                    self.refused(&object, &error);
                }
                self.create(name, wanted, Some(&old));
                let text = format!(
                    "make {name} anew as {} {}",
                    wanted.kind,
                    wanted.template.as_deref().unwrap_or("")
                );
                self.step(&object, Change::Restart, text.trim_end().to_owned());
                continue;
            }
            let mut new = Element { name: name.clone(), ..old.clone() };
            write(&mut new, wanted);
            if new != old {
                let text = format!("change {name}: {}", differ::elements(&old, &new).join(", "));
                let anew = has_disk && old.template != new.template;
                let change = if anew { Change::Restart } else { Change::Modify };
                new.revision += 1;
                if let Some(place) = self.graph.element_mut(&old.id) {
                    *place = new;
                }
                self.step(&object, change, text);
            }
        }
    }

    /// Adds an element; one that replaces another is wanted in the same state.
    fn create(&mut self, name: &str, wanted: &FileElement, old: Option<&Element>) {
        let new = NewElement {
            kind: wanted.kind,
            type_name: None,
            set: edit::ElementPatch {
                name: Some(name.to_owned()),
                template: wanted.template.clone(),
                ..edit::ElementPatch::default()
            },
        };
        match edit::add_element(&mut self.graph, self.ids, &new) {
            Ok(id) => {
                if let Some(element) = self.graph.element_mut(&id) {
                    write(element, wanted);
                    element.wanted = old.map_or(State::Created, |old| old.wanted);
                    element.start_count = old.map_or(0, |old| old.start_count);
                }
            }
            Err(error) => self.refused_of_element(&format!("elements.{name}"), error),
        }
    }

    fn interfaces(&mut self, ends: &BTreeMap<&str, [FileEnd<'_>; 2]>) {
        let file = self.file;
        for (name, wanted) in &file.elements {
            let Some(element) = self.graph.element_by_name(name).map(|element| element.id.clone())
            else {
                continue;
            };
            let keep = named_interfaces(name, wanted, ends);
            let existing =
                self.graph.element(&element).map(|e| e.interfaces.clone()).unwrap_or_default();
            for interface in keep {
                let known = existing
                    .iter()
                    .find(|known| known.name == interface)
                    .map(|known| known.id.clone());
                let declared = wanted.interfaces.get(interface);
                self.interface(name, interface, known, declared);
            }
        }
    }

    /// Removes interfaces that neither are named nor have been joined.
    fn remove_interfaces(&mut self, ends: &BTreeMap<&str, [FileEnd<'_>; 2]>) {
        let file = self.file;
        for (name, wanted) in &file.elements {
            let keep = named_interfaces(name, wanted, ends);
            let element = self.graph.element_by_name(name);
            let existing = element.map(|element| element.interfaces.clone()).unwrap_or_default();
            for interface in existing {
                if interface.connection.is_none() && !keep.contains(interface.name.as_str()) {
                    self.interface_removed(name, &interface.id, &interface.name);
                }
            }
        }
    }

    fn interface_removed(&mut self, element: &str, id: &InterfaceId, name: &str) {
        let object = format!("elements.{element}.interfaces.{name}");
        match edit::remove_interface(&mut self.graph, id) {
            Ok(_) => {
                self.step(&object, Change::Remove, format!("remove interface {element}:{name}"));
            }
            Err(error) => self.refused(&object, &error),
        }
    }

    fn interface(
        &mut self,
        element: &str,
        name: &str,
        known: Option<InterfaceId>,
        declared: Option<&FileInterface>,
    ) {
        let object = format!("elements.{element}.interfaces.{name}");
        let Some(owner) = self.graph.element_by_name(element).map(|element| element.id.clone())
        else {
            return;
        };
        let is_new = known.is_none();
        let id = match known {
            Some(id) => id,
            None => {
                let patch =
                    InterfacePatch { name: Some(name.to_owned()), ..InterfacePatch::default() };
                let type_name = declared.and_then(|declared| declared.type_name.as_deref());
                match edit::add_interface(&mut self.graph, self.ids, &owner, type_name, &patch) {
                    Ok(id) => id,
                    Err(error) => return self.refused_of_element(&object, error),
                }
            }
        };
        let Some(declared) = declared else { return };
        if declared.addresses.as_ref().is_some_and(Vec::is_empty) {
            self.plain.insert(id.clone());
        }
        let Some(interface) = self.graph.interface_mut(&id) else { return };
        let old = interface.clone();
        interface.mac = declared.mac.clone().unwrap_or_else(|| mac_of(&id));
        interface.mtu = declared.mtu.unwrap_or(MTU_DEFAULT);
        interface.dhcp = declared.dhcp;
        interface.vlan.clone_from(&declared.vlan);
        interface.client.extend(declared.client.clone());
        match &declared.addresses {
            Some(addresses) => interface.addresses.clone_from(addresses),
            None if declared.dhcp => interface.addresses.clear(),
            None => {}
        }
        let changed = differ::interfaces(&old, interface);
        if *interface != old && !is_new {
            if let Some(element) = self.graph.element_mut(&owner) {
                element.revision += 1;
            }
            let text = format!("change interface {element}:{name}: {}", changed.join(", "));
            self.step(&object, Change::Modify, text);
        }
    }

    fn connections(&mut self, ends: &BTreeMap<&str, [FileEnd<'_>; 2]>) {
        let file = self.file;
        let mut claimed: BTreeSet<InterfaceId> = BTreeSet::new();
        for (element, interface) in ends.values().flatten() {
            let element = self.graph.element_by_name(element);
            let found = element
                .and_then(|e| e.interfaces.iter().find(|i| Some(i.name.as_str()) == *interface));
            claimed.extend(found.map(|interface| interface.id.clone()));
        }
        for (name, wanted) in &file.connections {
            let object = format!("connections.{name}");
            let old = self.graph.connection_by_name(name).map(|connection| connection.id.clone());
            if let Some(id) = old {
                self.modify(&id, name, wanted);
                continue;
            }
            let Some(ends) = ends.get(name.as_str()) else { continue };
            let mut found = Vec::new();
            for end in ends {
                found.extend(self.end(end, &mut claimed, &object));
            }
            let Ok([a, b]) = <[InterfaceId; 2]>::try_from(found) else { continue };
            self.forget_addresses(&a);
            self.forget_addresses(&b);
            let patch = ConnectionPatch { name: Some(name.clone()), ..ConnectionPatch::default() };
            let made = edit::connect_unfilled(
                &mut self.graph,
                self.ids,
                &[End::Interface(a), End::Interface(b)],
                &patch,
            );
            match made {
                Ok(id) => {
                    if let Some(connection) = self.graph.connection_mut(&id) {
                        set(connection, wanted);
                    }
                    let text = format!("connect {} by {name}", wanted.between.join(" and "));
                    self.step(&object, Change::Create, text);
                }
                Err(edit::EditError::InvalidValue(error)) => {
                    self.wrong(&object, error.message, error.remedy);
                }
                Err(error) => self.refused(&object, &error),
            }
        }
    }

    /// The interface of an end: the named one, or the first that nobody uses, or a new one.
    fn end(
        &mut self,
        end: &FileEnd<'_>,
        claimed: &mut BTreeSet<InterfaceId>,
        object: &str,
    ) -> Option<InterfaceId> {
        let (name, interface) = end;
        let element = self.graph.element_by_name(name)?;
        let found = element.interfaces.iter().find(|i| match interface {
            Some(interface) => i.name == *interface,
            None => i.connection.is_none() && !claimed.contains(&i.id),
        });
        if let Some(found) = found {
            claimed.insert(found.id.clone());
            return Some(found.id.clone());
        }
        let element = element.id.clone();
        match edit::add_interface(
            &mut self.graph,
            self.ids,
            &element,
            None,
            &InterfacePatch::default(),
        ) {
            Ok(id) => {
                claimed.insert(id.clone());
                Some(id)
            }
            Err(error) => {
                self.refused_of_element(object, error);
                None
            }
        }
    }

    /// An interface that is joined elsewhere and has no address in the file gets one of its new segment.
    fn forget_addresses(&mut self, id: &InterfaceId) {
        let Some((element, interface)) = self.graph.interface(id) else { return };
        let Some((_, wanted)) = self.file_element(&element.name) else { return };
        let declared = wanted.interfaces.get(&interface.name).and_then(|i| i.addresses.as_ref());
        if declared.is_none()
            && let Some(interface) = self.graph.interface_mut(id)
        {
            interface.addresses.clear();
        }
    }

    fn modify(&mut self, id: &crate::id::ConnectionId, name: &str, wanted: &FileConnection) {
        let Some(connection) = self.graph.connection_mut(id) else { return };
        let old = connection.clone();
        name.clone_into(&mut connection.name);
        set(connection, wanted);
        if *connection != old {
            connection.revision += 1;
            let what = differ::connections(&old, connection);
            let text = format!("change connection {name}: {}", what.join(", "));
            self.step(&format!("connections.{name}"), Change::Modify, text);
        }
    }

    /// Fills addresses; an element that changes by nothing else gets its revision raised.
    fn addresses(&mut self, current: Option<&Graph>) {
        let plain = std::mem::take(&mut self.plain);
        let filled = crate::address::fill_where(&mut self.graph, |id| {
            // what had no address before and was joined before keeps none
            !plain.contains(id) && current.and_then(|graph| graph.connection_of(id)).is_none()
        });
        for element in self.graph.elements.iter_mut() {
            let known =
                current.and_then(|graph| graph.element(&element.id)).map(|old| old.revision);
            if known == Some(element.revision)
                && element.interfaces.iter().any(|i| filled.contains(&i.id))
            {
                Arc::make_mut(element).revision += 1;
            }
        }
    }
}

/// Names of the interfaces of an element that the file names anywhere.
fn named_interfaces<'b>(
    name: &str,
    wanted: &'b FileElement,
    ends: &BTreeMap<&str, [FileEnd<'b>; 2]>,
) -> BTreeSet<&'b str> {
    let named = ends.values().flatten().filter(|(owner, _)| same(owner, name));
    let mut names: BTreeSet<&str> = named.filter_map(|(_, interface)| *interface).collect();
    names.extend(wanted.interfaces.keys().map(String::as_str));
    names
}

/// Writes what a file says into an element, all but name, kind and interfaces; client data that it does not mention stays.
fn write(element: &mut Element, wanted: &FileElement) {
    element.type_name = wanted.type_name.clone().unwrap_or_else(|| wanted.kind.name().to_owned());
    element.template.clone_from(&wanted.template);
    element.profile.clone_from(&wanted.profile);
    element.gateways.clone_from(&wanted.gateways);
    element.routes.clone_from(&wanted.routes);
    element.forwarding = wanted.forwarding;
    element.ageing_s = wanted.ageing_s;
    element.stp = wanted.stp;
    element.files.clone_from(&wanted.files);
    element.client.extend(wanted.client.clone());
}

/// Writes what a file says into a connection, all but name and ends.
fn set(connection: &mut Connection, wanted: &FileConnection) {
    connection.emulation = wanted.emulation;
    connection.connected = wanted.connected;
    connection.capturing = wanted.capturing;
    connection.recording.clone_from(&wanted.recording);
    connection.forward.clone_from(&wanted.forward);
    connection.backward.clone_from(&wanted.backward);
    connection.client.extend(wanted.client.clone());
}

#[cfg(test)]
mod tests;
