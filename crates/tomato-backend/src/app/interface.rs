//! Interfaces of elements.

use serde_json::Value;
use tomato_api::request::InterfaceCreate;
use tomato_model::edit::{self, InterfacePatch};
use tomato_model::graph::Graph;
use tomato_model::id::{ElementId, InterfaceId};
use tomato_model::role::Role;
use tomato_model::topology::Interface;

use crate::app::commit::edit_error;
use crate::app::slot::Part;
use crate::app::topology::check_revision;
use crate::app::{Answer, App, Caller, not_found, read};
use crate::clock::SystemIds;

impl App {
    /// Adds an interface to an element.
    pub async fn interface_create(
        &self,
        caller: &Caller,
        element: &ElementId,
        args: InterfaceCreate,
    ) -> Answer<Interface> {
        let mut patch: InterfacePatch = read(Value::Object(args.attributes))?;
        if patch.name.is_none() {
            patch.name = args.name;
        }
        self.edit_live(caller, Part::Element(element), Role::Manager, |graph| {
            let id = edit::add_interface(
                graph,
                &mut SystemIds,
                element,
                args.type_name.as_deref(),
                &patch,
            )
            .map_err(edit_error)?;
            found(graph, &id)
        })
        .await
    }

    /// Changes an interface; `expected` is the revision of its element.
    pub async fn interface_modify(
        &self,
        caller: &Caller,
        id: &InterfaceId,
        patch: InterfacePatch,
        expected: Option<u64>,
    ) -> Answer<Interface> {
        self.edit_live(caller, Part::Interface(id), Role::Manager, |graph| {
            let not_there = || not_found("interface", id.as_str());
            let (element, _) = graph.interface(id).ok_or_else(not_there)?;
            check_revision(expected, element.revision, element)?;
            edit::modify_interface(graph, id, &patch).map_err(edit_error)?;
            found(graph, id)
        })
        .await
    }

    /// Removes an interface with its connection.
    pub async fn interface_remove(&self, caller: &Caller, id: &InterfaceId) -> Answer<()> {
        self.edit_live(caller, Part::Interface(id), Role::Manager, |graph| {
            edit::remove_interface(graph, id).map_err(edit_error)?;
            Ok(())
        })
        .await
    }
}

fn found(graph: &Graph, id: &InterfaceId) -> Answer<Interface> {
    graph
        .interface(id)
        .map(|(_, interface)| interface.clone())
        .ok_or_else(|| not_found("interface", id.as_str()))
}
