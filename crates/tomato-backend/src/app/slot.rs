//! Topologies in memory: one slot per topology, with its lock, and an index from each object to its topology.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard, watch};
use tomato_api::error::ApiError;
use tomato_api::host::{ObservedTopology, WantedTopology};
use tomato_model::graph::Graph;
use tomato_model::id::{ConnectionId, ElementId, InterfaceId, TopologyId};
use tomato_model::lifecycle::State as Life;
use tomato_model::role::Role;
use tomato_model::topology::{Connection, Element, Topology};
use tomato_store::{EntityKind, SqliteStore, Store};

use crate::app::profile::check_given;
use crate::app::share::apart;
use crate::app::{Answer, App, Caller, internal, not_found};
use crate::limits::{APPLY_WAIT, HOST_RECOVERY};
use crate::wanted::UnknownProfile;

/// The stored form of a topology.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TopologyRow {
    /// As it is shown.
    pub(crate) topology: Topology,
    /// Of the wanted state.
    pub(crate) generation: u64,
}

/// A topology's data under its lock.
#[derive(Debug)]
pub(crate) struct State {
    /// The topology with everything in it.
    pub(crate) graph: Arc<Graph>,
    /// Generation of the wanted state.
    pub(crate) generation: u64,
    /// Generation of the last action, whose job waits until the host has taken it into account.
    pub(crate) job_generation: u64,
    /// It was removed while someone waited for the lock.
    pub(crate) is_gone: bool,
}

/// One topology.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Held for each edit.
    pub(crate) state: Mutex<State>,
    /// What the host saw last.
    pub(crate) observed: watch::Sender<Option<ObservedTopology>>,
    /// Since when, and why, the host cannot be told what is wanted.
    pub(crate) refused: std::sync::Mutex<Option<(Instant, ApiError)>>,
}

impl Slot {
    /// Notes how telling the host what is wanted ended.
    pub(crate) fn told(&self, result: Result<(), &ApiError>) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused = result.err().map(|error| {
            let since = refused.as_ref().map_or_else(Instant::now, |(since, _)| *since);
            (since, error.clone())
        });
    }

    /// Why the host could not be told what is wanted, if that lasts for `time` already.
    pub(crate) fn refused_since(&self, time: Duration) -> Option<ApiError> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused
            .as_ref()
            .filter(|(since, _)| since.elapsed() >= time)
            .map(|(_, error)| error.clone())
    }

    /// Whether a host holds something of the topology and has not yet taken this generation into account, as far as the part is
    /// concerned: a connection is done when the wire is, which need not wait for elements at work.
    async fn is_pending(&self, part: Part<'_>, generation: u64) -> bool {
        let state = self.state.lock().await;
        let is_held = state.graph.elements.iter().any(|e| e.wanted != Life::Created);
        let observed = self.observed.borrow();
        let is_done = observed.as_ref().is_some_and(|seen| {
            let is_wired = matches!(part, Part::Connection(_)) && seen.wire_instance.is_some();
            seen.generation >= generation && (seen.settled || is_wired)
        });
        is_held && !state.is_gone && !is_done
    }
}

/// All topologies.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    pub(crate) topologies: BTreeMap<TopologyId, Arc<Slot>>,
    pub(crate) elements: BTreeMap<ElementId, TopologyId>,
    pub(crate) interfaces: BTreeMap<InterfaceId, TopologyId>,
    pub(crate) connections: BTreeMap<ConnectionId, TopologyId>,
}

impl Slots {
    /// Puts a topology in place.
    pub(crate) fn insert(&mut self, graph: Graph, generation: u64) {
        self.index(&graph);
        let id = graph.topology.id.clone();
        let graph = Arc::new(graph);
        let state = State { graph, generation, job_generation: generation, is_gone: false };
        let state = Mutex::new(state);
        let (observed, refused) = (watch::Sender::new(None), std::sync::Mutex::default());
        self.topologies.insert(id, Arc::new(Slot { state, observed, refused }));
    }

    /// Finds its objects from now on.
    pub(crate) fn index(&mut self, graph: &Graph) {
        let topology = &graph.topology.id;
        for element in &graph.elements {
            self.elements.insert(element.id.clone(), topology.clone());
            for interface in &element.interfaces {
                self.interfaces.insert(interface.id.clone(), topology.clone());
            }
        }
        for connection in &graph.connections {
            self.connections.insert(connection.id.clone(), topology.clone());
        }
    }

    /// Forgets the objects of a graph.
    pub(crate) fn unindex(&mut self, graph: &Graph) {
        for element in &graph.elements {
            self.elements.remove(&element.id);
            for interface in &element.interfaces {
                self.interfaces.remove(&interface.id);
            }
        }
        for connection in &graph.connections {
            self.connections.remove(&connection.id);
        }
    }
}

/// Reads every topology.
pub(crate) async fn load(store: &SqliteStore) -> Answer<Slots> {
    let failed = |error: tomato_store::StoreError| internal("reading the topologies", &error);
    let mut graphs: BTreeMap<String, (Graph, u64)> = BTreeMap::new();
    for row in store.list(EntityKind::Topology, None).await.map_err(failed)? {
        let decoded: TopologyRow = row.decode().map_err(failed)?;
        graphs.insert(row.id, (Graph::new(decoded.topology), decoded.generation));
    }
    for row in store.list(EntityKind::Element, None).await.map_err(failed)? {
        let element: Element = row.decode().map_err(failed)?;
        if let Some((graph, _)) = graphs.get_mut(element.topology.as_str()) {
            graph.elements.push(element);
        }
    }
    for row in store.list(EntityKind::Connection, None).await.map_err(failed)? {
        let connection: Connection = row.decode().map_err(failed)?;
        if let Some((graph, _)) = graphs.get_mut(connection.topology.as_str()) {
            graph.connections.push(connection);
        }
    }
    let mut slots = Slots::default();
    for (graph, generation) in graphs.into_values() {
        slots.insert(graph, generation);
    }
    Ok(slots)
}

/// Something that belongs to a topology, by the id a caller gave.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    Topology(&'a TopologyId),
    Element(&'a ElementId),
    Interface(&'a InterfaceId),
    Connection(&'a ConnectionId),
}

impl<'a> Part<'a> {
    /// What it is and its id, for messages.
    fn words(self) -> (&'static str, &'a str) {
        match self {
            Self::Topology(id) => ("topology", id.as_str()),
            Self::Element(id) => ("element", id.as_str()),
            Self::Interface(id) => ("interface", id.as_str()),
            Self::Connection(id) => ("connection", id.as_str()),
        }
    }
}

impl App {
    /// Every topology.
    pub(crate) fn all_slots(&self) -> Vec<(TopologyId, Arc<Slot>)> {
        let slots = self.inner.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.topologies.iter().map(|(id, slot)| (id.clone(), Arc::clone(slot))).collect()
    }

    /// The slot of the topology with that id.
    pub(crate) fn slot_of(&self, id: &TopologyId) -> Option<Arc<Slot>> {
        self.inner.slots.read().unwrap_or_else(PoisonError::into_inner).topologies.get(id).cloned()
    }

    /// The slot that a part belongs to, not yet checked for roles.
    pub(crate) fn slot(&self, part: Part<'_>) -> Answer<Arc<Slot>> {
        let slots = self.inner.slots.read().unwrap_or_else(PoisonError::into_inner);
        let topology = match part {
            Part::Topology(id) => Some(id),
            Part::Element(id) => slots.elements.get(id),
            Part::Interface(id) => slots.interfaces.get(id),
            Part::Connection(id) => slots.connections.get(id),
        };
        let (entity, id) = part.words();
        topology.and_then(|t| slots.topologies.get(t)).cloned().ok_or_else(|| not_found(entity, id))
    }

    /// All topologies as they are now.
    pub(crate) async fn all_graphs(&self) -> Vec<Arc<Graph>> {
        let mut graphs = Vec::new();
        for (_, slot) in self.all_slots() {
            let state = slot.state.lock().await;
            if !state.is_gone {
                graphs.push(Arc::clone(&state.graph));
            }
        }
        graphs
    }

    /// The graph that a part belongs to as it is now, if the caller has the role.
    pub(crate) async fn view(
        &self,
        caller: &Caller,
        part: Part<'_>,
        role: Role,
    ) -> Answer<Arc<Graph>> {
        let slot = self.slot(part)?;
        let state = slot.state.lock().await;
        check(&state, caller, part, role)?;
        Ok(Arc::clone(&state.graph))
    }

    /// What `get` finds in the graph that a part belongs to, if the caller has the role.
    pub(crate) async fn peek<T>(
        &self,
        caller: &Caller,
        part: Part<'_>,
        role: Role,
        get: impl FnOnce(&Graph) -> Answer<T>,
    ) -> Answer<T> {
        get(&*self.view(caller, part, role).await?)
    }

    /// Runs `edit` on a copy of the graph under the topology's lock, checks the result, the profiles given too, and commits it.
    pub(crate) async fn edit<T, F>(
        &self,
        caller: &Caller,
        part: Part<'_>,
        role: Role,
        edit: F,
    ) -> Answer<T>
    where
        F: FnOnce(&mut Graph) -> Answer<T>,
    {
        let slot = self.slot(part)?;
        let mut state = slot.state.lock().await;
        check(&state, caller, part, role)?;
        let mut graph = Graph::clone(&state.graph);
        let value = edit(&mut graph)?;
        check_given(caller, &self.profiles(), Some(&state.graph), &graph)?;
        self.commit(&mut state, graph, crate::app::commit::Extra::default()).await?;
        Ok(value)
    }

    /// The same, then waits a moment until the host has taken the change into account, where it holds anything of the topology.
    /// Whether it has in the end is told by [`App::is_pending`].
    pub(crate) async fn edit_live<T, F>(
        &self,
        caller: &Caller,
        part: Part<'_>,
        role: Role,
        edit: F,
    ) -> Answer<T>
    where
        F: FnOnce(&mut Graph) -> Answer<T>,
    {
        let slot = self.slot(part)?;
        let mut is_concerned = false;
        let edit = |graph: &mut Graph| {
            let before = self.held(graph);
            let value = edit(graph)?;
            is_concerned = before != self.held(graph);
            Ok(value)
        };
        let value = self.edit(caller, part, role, edit).await?;
        if is_concerned {
            self.taken_into_account(&slot, part).await;
        }
        Ok(value)
    }

    /// The same with a change that takes long: it is made on a thread of its own, from the graph as it is.
    pub(crate) async fn remake_live<T: Send + 'static>(
        &self,
        caller: &Caller,
        part: Part<'_>,
        role: Role,
        make: impl FnOnce(&Graph) -> Answer<(Graph, T)> + Send + 'static,
    ) -> Answer<T> {
        let slot = self.slot(part)?;
        let mut state = slot.state.lock().await;
        check(&state, caller, part, role)?;
        let before = Arc::clone(&state.graph);
        let (graph, value) = apart(move || make(&before)).await??;
        check_given(caller, &self.profiles(), Some(&state.graph), &graph)?;
        let is_concerned = self.held(&state.graph) != self.held(&graph);
        self.commit(&mut state, graph, crate::app::commit::Extra::default()).await?;
        drop(state);
        if is_concerned {
            self.taken_into_account(&slot, part).await;
        }
        Ok(value)
    }

    /// What the host is told of a topology; `None` if it holds nothing of it.
    fn held(&self, graph: &Graph) -> Option<Result<WantedTopology, UnknownProfile>> {
        let is_held = graph.elements.iter().any(|e| e.wanted != Life::Created);
        is_held.then(|| crate::wanted::wanted(graph, 0, &self.profiles()))
    }

    /// Waits a moment until the host has taken the newest change of a part into account.
    async fn taken_into_account(&self, slot: &Slot, part: Part<'_>) {
        let generation = slot.state.lock().await.generation;
        let until = tokio::time::Instant::now() + APPLY_WAIT;
        let mut observed = slot.observed.subscribe();
        while self.inner.host.is_connected() && slot.is_pending(part, generation).await {
            if !matches!(tokio::time::timeout_at(until, observed.changed()).await, Ok(Ok(()))) {
                break;
            }
        }
    }

    /// Whether the host has not yet taken the newest change of a part into account.
    pub(crate) async fn is_pending(&self, part: Part<'_>) -> bool {
        let Ok(slot) = self.slot(part) else { return false };
        let generation = slot.state.lock().await.generation;
        slot.is_pending(part, generation).await
    }

    /// What the host sees of a part's topology, to be followed.
    pub(crate) fn observed(
        &self,
        part: Part<'_>,
    ) -> Answer<watch::Receiver<Option<ObservedTopology>>> {
        Ok(self.slot(part)?.observed.subscribe())
    }

    /// Waits until a host has told what it holds of the topology, at most [`HOST_RECOVERY`]: before, what is stored may be old.
    pub(crate) async fn reported(&self, part: Part<'_>) -> Answer<()> {
        let mut observed = self.slot(part)?.observed.subscribe();
        let told = observed.wait_for(Option::is_some);
        if tokio::time::timeout(HOST_RECOVERY, told).await.is_err() {
            tracing::warn!(?part, "no host has told what it holds; going on with what is stored");
        }
        Ok(())
    }

    /// The slot of a part and its locked state, if the caller has the role.
    pub(crate) async fn with_slot<T>(
        &self,
        caller: &Caller,
        part: Part<'_>,
        role: Role,
        run: impl AsyncFnOnce(&Arc<Slot>, MutexGuard<'_, State>) -> Answer<T>,
    ) -> Answer<T> {
        let slot = self.slot(part)?;
        let state = slot.state.lock().await;
        check(&state, caller, part, role)?;
        run(&slot, state).await
    }
}

fn check(state: &State, caller: &Caller, part: Part<'_>, role: Role) -> Answer<()> {
    let (entity, id) = part.words();
    if state.is_gone {
        return Err(not_found(entity, id));
    }
    caller.need_role(&state.graph.topology, role, entity, id)
}
