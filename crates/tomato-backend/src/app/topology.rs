//! Topologies.

use std::sync::Arc;

use serde_json::json;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::Counters;
use tomato_api::job::Job;
use tomato_api::request::{Place, Places, TopologyCreate};
use tomato_model::edit::{self, ClientData, ElementPatch, TopologyPatch};
use tomato_model::flag::Flag;
use tomato_model::graph::{Graph, IdSource};
use tomato_model::id::TopologyId;
use tomato_model::lifecycle::{Action, State};
use tomato_model::limits::TOPOLOGY_NAME_MAX;
use tomato_model::name::is_topology_name;
use tomato_model::role::Role;
use tomato_model::topology::Topology;

use crate::app::commit::edit_error;
use crate::app::slot::Part;
use crate::app::{Answer, App, Caller};
use crate::clock::SystemIds;

impl App {
    /// Creates an empty topology that belongs to the caller.
    pub async fn topology_create(&self, caller: &Caller, args: TopologyCreate) -> Answer<Topology> {
        may_create(caller)?;
        let _creating = self.inner.imports.lock().await;
        self.need_place(caller).await?;
        let mut ids = SystemIds;
        let id = ids.topology_id();
        let name = match args.name {
            Some(name) => {
                let name = check_name(name)?;
                self.need_new_name(caller, &name).await?;
                name
            }
            None => format!("topology-{}", &id.as_str()[16..]),
        };
        let topology = Topology {
            id,
            name,
            revision: 1,
            seed: ids.seed(),
            roles: [(caller.account.clone(), Role::Owner)].into(),
            timeout: self.first_timeout(),
            client: std::collections::BTreeMap::new(),
        };
        self.commit_new(Graph::new(topology.clone())).await?;
        Ok(topology)
    }

    /// Refuses to make a topology for an account that owns as many as it may.
    pub(crate) async fn need_place(&self, caller: &Caller) -> Answer<()> {
        let most = self.settings().topologies_per_account;
        let is_own =
            |graph: &Graph| graph.topology.roles.get(&caller.account) == Some(&Role::Owner);
        let count = self.all_graphs().await.iter().filter(|graph| is_own(graph)).count();
        if u32::try_from(count).is_ok_and(|count| count < most) {
            return Ok(());
        }
        let text = format!(
            "account {} owns {count} topologies and may own {most}: remove one, or ask an administrator to raise \
             topologies_per_account of the settings",
            caller.account
        );
        let data = json!({"attribute": "topologies_per_account", "limit": most});
        Err(ApiError::new(ErrorCode::NoResources, text).with(data))
    }

    /// Refuses to begin what the account may not, or what is past its end.
    pub(crate) fn may_act(
        &self,
        caller: &Caller,
        topology: &Topology,
        action: Action,
    ) -> Answer<()> {
        if matches!(action, Action::Prepare | Action::Start) {
            caller.need_without(Flag::OverQuota, "it may not prepare or start anything")?;
        }
        self.need_time(topology, action)
    }

    /// The topologies that the caller sees, the oldest first.
    pub async fn topology_list(&self, caller: &Caller) -> Answer<Vec<Topology>> {
        let mut list = Vec::new();
        for (_, slot) in self.all_slots() {
            let state = slot.state.lock().await;
            if !state.is_gone && caller.sees(&state.graph.topology) {
                list.push(state.graph.topology.clone());
            }
        }
        Ok(list)
    }

    /// A topology with everything in it.
    pub async fn topology_info(&self, caller: &Caller, id: &TopologyId) -> Answer<Arc<Graph>> {
        self.view(caller, Part::Topology(id), Role::User).await
    }

    /// Changes name, seed or client data.
    pub async fn topology_modify(
        &self,
        caller: &Caller,
        id: &TopologyId,
        patch: TopologyPatch,
        expected: Option<u64>,
    ) -> Answer<Topology> {
        let needed = if patch.name.is_some() { Role::Owner } else { Role::Manager };
        self.edit(caller, Part::Topology(id), needed, |graph| {
            check_revision(expected, graph.topology.revision, &graph.topology)?;
            edit::modify_topology(graph, &patch).map_err(edit_error)?;
            Ok(graph.topology.clone())
        })
        .await
    }

    /// Removes a topology in which nothing is prepared.
    pub async fn topology_remove(&self, caller: &Caller, id: &TopologyId) -> Answer<()> {
        self.with_slot(caller, Part::Topology(id), Role::Owner, async |_, mut state| {
            let busy = state
                .graph
                .elements
                .iter()
                .find(|e| e.state != State::Created || e.wanted != State::Created);
            if let Some(element) = busy {
                let text = format!(
                    "element {} is not in state created: destroy the topology first",
                    element.name
                );
                return Err(ApiError::new(ErrorCode::InvalidState, text)
                    .with(json!({"element": element.id})));
            }
            self.commit_removal(&mut state).await
        })
        .await
    }

    /// Begins an action on every element for which it makes sense.
    pub async fn topology_action(
        &self,
        caller: &Caller,
        id: &TopologyId,
        action: Action,
    ) -> Answer<Job> {
        // before anyone waits: who may not do it learns it at once
        self.peek(caller, Part::Topology(id), Role::Manager, |graph| {
            self.may_act(caller, &graph.topology, action)
        })
        .await?;
        self.reported(Part::Topology(id)).await?;
        self.with_slot(caller, Part::Topology(id), Role::Manager, async |slot, state| {
            let chosen = state.graph.elements.iter().map(|e| e.id.clone()).collect();
            self.begin(caller, Arc::clone(slot), state, action, chosen).await
        })
        .await
    }

    /// Gives an account a role or takes it away; an owner must remain.
    pub async fn topology_permission(
        &self,
        caller: &Caller,
        id: &TopologyId,
        account: &str,
        role: Option<Role>,
    ) -> Answer<Topology> {
        self.account_must_exist(account)?;
        self.edit(caller, Part::Topology(id), Role::Owner, |graph| {
            let topology = &mut graph.topology;
            match role {
                Some(role) => topology.roles.insert(account.to_owned(), role),
                None => topology.roles.remove(account),
            };
            if !topology.roles.values().any(|role| *role == Role::Owner) {
                let text = "a topology needs an owner: make another account owner first";
                return Err(ApiError::new(ErrorCode::InvalidConfiguration, text));
            }
            topology.revision += 1;
            Ok(topology.clone())
        })
        .await
    }

    /// Moves elements on the drawing, in one change.
    ///
    /// # Errors
    /// The role is missing, or a place is no number.
    pub async fn topology_arrange(
        &self,
        caller: &Caller,
        id: &TopologyId,
        places: Places,
    ) -> Answer<()> {
        self.edit(caller, Part::Topology(id), Role::Manager, |graph| {
            for (element, place) in places.places {
                let finite = |place: &Place| place.x.is_finite() && place.y.is_finite();
                if !place.as_ref().is_none_or(finite) {
                    let text = format!("places.{element}: x and y must be numbers");
                    return Err(ApiError::new(ErrorCode::InvalidValue, text));
                }
                if graph.element(&element).is_none() {
                    continue;
                }
                let client = ClientData([("_pos".to_owned(), json!(place))].into());
                let patch = ElementPatch { client, ..ElementPatch::default() };
                edit::modify_element(graph, &element, &patch).map_err(edit_error)?;
            }
            Ok(())
        })
        .await
    }

    /// Counters of its connections since the data path's start; empty while nothing of it is on a host.
    pub async fn topology_counters(&self, caller: &Caller, id: &TopologyId) -> Answer<Counters> {
        let is_idle = |graph: &Graph| Ok(graph.elements.iter().all(|e| e.state == State::Created));
        if self.peek(caller, Part::Topology(id), Role::User, is_idle).await? {
            return Ok(Counters::default());
        }
        self.inner.host.get(&format!("/v1/topologies/{id}/counters")).await
    }
}

/// Refuses accounts that may not make topologies.
pub(crate) fn may_create(caller: &Caller) -> Answer<()> {
    caller.need_without(Flag::NoTopologyCreate, "it may not create topologies")
}

/// The name, if a topology can have it.
pub(crate) fn check_name(name: String) -> Answer<String> {
    if is_topology_name(&name) {
        return Ok(name);
    }
    let text = format!("name: must have 1 to {TOPOLOGY_NAME_MAX} printable characters");
    Err(ApiError::new(ErrorCode::InvalidValue, text)
        .with(json!({"attribute": "name", "value": name})))
}

/// Refuses a change that is based on another revision.
pub(crate) fn check_revision(
    expected: Option<u64>,
    revision: u64,
    current: &impl serde::Serialize,
) -> Answer<()> {
    match expected {
        Some(expected) if expected != revision => {
            let text = format!(
                "it is at revision {revision}, not {expected}: read it again and repeat the change"
            );
            Err(ApiError::new(ErrorCode::Conflict, text).with(json!({"current": current})))
        }
        _ => Ok(()),
    }
}
