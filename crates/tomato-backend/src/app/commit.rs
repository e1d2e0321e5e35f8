//! Brings a changed graph into the store, then into memory, then to those who watch and to the host.
//!
//! Invariant: nothing is seen that is not stored, so that it outlives the process. That it outlives a failure of the power too is waited for
//! outside, before a call is answered ([`App::synced`]), so that the topology's lock is not held meanwhile. The rows written are those that
//! differ, each compared with its revision.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::job::Job;
use tomato_api::request::{Event, EventChange, EventObject};
use tomato_model::edit::EditError;
use tomato_model::graph::{Graph, ModelError};
use tomato_model::id::{InterfaceId, TopologyId};
use tomato_model::list::List;
use tomato_model::topology::Element;
use tomato_store::{Batch, Delete, EntityKind, NewEvent, Put, Store, StoreError};

use crate::app::slot::{State, TopologyRow};
use crate::app::{Answer, App, internal};

/// What else happens in the same commit.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// A job that is new.
    pub(crate) job: Option<Job>,
    /// The change comes from an observation: no revision was bumped and no host needs to hear of it.
    pub(crate) is_observation: bool,
}

/// A batch being made, with the events beside it.
#[derive(Debug)]
struct Changes {
    topology: TopologyId,
    at: u64,
    batch: Batch,
    events: Vec<EventRow>,
    /// Who may still see what is about to be gone.
    seen_by: Vec<String>,
    /// An object came or went, so that the index of objects changes.
    is_indexed_anew: bool,
}

/// An event as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EventRow {
    #[serde(flatten)]
    pub(crate) event: Event,
    /// Accounts that may see it although its topology is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) seen_by: Vec<String>,
}

impl EventRow {
    /// The same with the number that the store gave it.
    pub(crate) fn numbered(self, seq: u64) -> Self {
        Self { event: Event { seq, ..self.event }, seen_by: self.seen_by }
    }
}

/// How one object is written.
struct Write<'a, T> {
    kind: EntityKind,
    object: EventObject,
    id: &'a str,
    /// Revision before, none for a new object.
    before: Option<u64>,
    revision: u64,
    value: &'a T,
}

impl Changes {
    fn new(topology: TopologyId) -> Self {
        Self {
            topology,
            at: crate::clock::now_us(),
            batch: Batch { is_synced_later: true, ..Batch::default() },
            events: Vec::new(),
            seen_by: Vec::new(),
            is_indexed_anew: false,
        }
    }

    fn event(
        &mut self,
        object: EventObject,
        change: EventChange,
        id: &str,
        value: Value,
    ) -> Answer<()> {
        let event = Event {
            seq: 0,
            at: self.at,
            topology: self.topology.clone(),
            object,
            change,
            id: id.to_owned(),
            value,
        };
        let row = EventRow { event, seen_by: self.seen_by.clone() };
        self.batch.events.push(NewEvent {
            topology: Some(self.topology.as_str().to_owned()),
            at_us: i64::try_from(self.at).unwrap_or(i64::MAX),
            body: serde_json::to_string(&row).map_err(|e| internal("writing an event", &e))?,
        });
        self.events.push(row);
        Ok(())
    }

    fn put<T: Serialize>(&mut self, write: &Write<'_, T>) -> Answer<()> {
        let topology = Some(self.topology.as_str());
        let mut put = Put::create(write.kind, write.id, topology, write.revision, write.value)
            .map_err(store_error)?;
        put.expected = write.before;
        self.batch.puts.push(put);
        Ok(())
    }

    fn put_with_event<T: Serialize>(&mut self, write: &Write<'_, T>) -> Answer<()> {
        self.put(write)?;
        let change = if write.before.is_none() { EventChange::Create } else { EventChange::Modify };
        self.event(write.object, change, write.id, json!(write.value))
    }

    fn delete(
        &mut self,
        kind: EntityKind,
        object: EventObject,
        id: &str,
        revision: u64,
    ) -> Answer<()> {
        self.is_indexed_anew = true;
        self.batch.deletes.push(Delete { kind, id: id.to_owned(), expected: Some(revision) });
        self.event(object, EventChange::Remove, id, Value::Null)
    }

    fn elements(&mut self, old: &Graph, new: &Graph) -> Answer<()> {
        let (changed, gone) = compared(&old.elements, &new.elements, |element| &element.id);
        for (before, element) in changed {
            let ids = |element: &Element| -> Vec<InterfaceId> {
                element.interfaces.iter().map(|interface| interface.id.clone()).collect()
            };
            self.is_indexed_anew |= before.map(ids) != Some(ids(element));
            self.put_with_event(&Write {
                kind: EntityKind::Element,
                object: EventObject::Element,
                id: element.id.as_str(),
                before: before.map(|b| b.revision),
                revision: element.revision,
                value: element,
            })?;
        }
        for gone in gone {
            let id = gone.id.as_str();
            self.delete(EntityKind::Element, EventObject::Element, id, gone.revision)?;
        }
        Ok(())
    }

    fn connections(&mut self, old: &Graph, new: &Graph) -> Answer<()> {
        let (changed, gone) = compared(&old.connections, &new.connections, |c| &c.id);
        for (before, connection) in changed {
            self.is_indexed_anew |= before.is_none();
            self.put_with_event(&Write {
                kind: EntityKind::Connection,
                object: EventObject::Connection,
                id: connection.id.as_str(),
                before: before.map(|b| b.revision),
                revision: connection.revision,
                value: connection,
            })?;
        }
        for gone in gone {
            let id = gone.id.as_str();
            self.delete(EntityKind::Connection, EventObject::Connection, id, gone.revision)?;
        }
        Ok(())
    }

    fn topology(&mut self, before: Option<&Graph>, new: &Graph, generation: u64) -> Answer<()> {
        let row = TopologyRow { topology: new.topology.clone(), generation };
        let id = new.topology.id.as_str();
        self.put(&Write {
            kind: EntityKind::Topology,
            object: EventObject::Topology,
            id,
            before: before.map(|b| b.topology.revision),
            revision: new.topology.revision,
            value: &row,
        })?;
        if before.is_none_or(|b| b.topology != new.topology) {
            let change = if before.is_none() { EventChange::Create } else { EventChange::Modify };
            self.event(EventObject::Topology, change, id, json!(new.topology))?;
        }
        Ok(())
    }

    fn job(&mut self, job: &Job, is_new: bool) -> Answer<()> {
        let revision = 1;
        self.put_with_event(&Write {
            kind: EntityKind::Job,
            object: EventObject::Job,
            id: job.id.as_str(),
            before: (!is_new).then_some(revision),
            revision,
            value: job,
        })
    }
}

/// What is new or another than before, with what it was; and what is gone.
type Compared<'a, T> = (Vec<(Option<&'a T>, &'a T)>, Vec<&'a T>);

/// Compares many things with many by their ids. Mostly the same ones stand in the same places.
fn compared<'a, T: PartialEq, I: Ord>(
    old: &'a List<T>,
    new: &'a List<T>,
    id: impl Fn(&T) -> &I,
) -> Compared<'a, T> {
    let pairs = || std::iter::zip(old, new).enumerate();
    let is_same = |&(at, (was, is)): &(usize, (&T, &T))| old.shares(new, at) || id(was) == id(is);
    let same = pairs().take_while(is_same).count();
    let mut changed: Vec<_> = pairs()
        .take(same)
        .filter(|(at, (was, is))| !old.shares(new, *at) && was != is)
        .map(|(_, (was, is))| (Some(was), is))
        .collect();
    let mut rest: BTreeMap<&I, &T> =
        old.iter().skip(same).map(|thing| (id(thing), thing)).collect();
    for thing in new.iter().skip(same) {
        let before = rest.remove(id(thing));
        if before != Some(thing) {
            changed.push((before, thing));
        }
    }
    (changed, rest.into_values().collect())
}

impl App {
    /// Makes `graph` the topology's truth, if it is valid.
    pub(crate) async fn commit(&self, state: &mut State, graph: Graph, extra: Extra) -> Answer<()> {
        if !extra.is_observation {
            graph.validate_after(&state.graph).map_err(|errors| invalid(&errors))?;
        }
        let generation = if extra.is_observation { state.generation } else { state.generation + 1 };
        let mut changes = Changes::new(graph.topology.id.clone());
        changes.elements(&state.graph, &graph)?;
        changes.connections(&state.graph, &graph)?;
        let is_same = changes.events.is_empty() && graph.topology == state.graph.topology;
        if is_same && extra.job.is_none() {
            return Ok(());
        }
        if generation != state.generation || graph.topology != state.graph.topology {
            changes.topology(Some(&state.graph), &graph, generation)?;
        }
        if let Some(job) = &extra.job {
            changes.job(job, true)?;
        }
        let is_indexed_anew = changes.is_indexed_anew;
        let events = self.write(changes).await?;
        if is_indexed_anew {
            let mut slots = self.inner.slots.write().unwrap_or_else(PoisonError::into_inner);
            slots.unindex(&state.graph);
            slots.index(&graph);
        }
        state.graph = Arc::new(graph);
        state.generation = generation;
        if extra.job.is_some() {
            state.job_generation = generation;
        }
        self.publish(events);
        if !extra.is_observation {
            self.inner.push.notify_one();
        }
        Ok(())
    }

    /// Adds a topology.
    pub(crate) async fn commit_new(&self, mut graph: Graph) -> Answer<()> {
        graph.topology.timeout = graph.topology.timeout.or_else(|| self.first_timeout());
        graph.validate().map_err(|errors| invalid(&errors))?;
        let empty = Graph::new(graph.topology.clone());
        let mut changes = Changes::new(graph.topology.id.clone());
        changes.topology(None, &graph, 1)?;
        changes.elements(&empty, &graph)?;
        changes.connections(&empty, &graph)?;
        let events = self.write(changes).await?;
        self.inner.slots.write().unwrap_or_else(PoisonError::into_inner).insert(graph, 1);
        self.publish(events);
        self.inner.push.notify_one();
        Ok(())
    }

    /// Removes a topology with everything in it.
    pub(crate) async fn commit_removal(&self, state: &mut State) -> Answer<()> {
        let id = state.graph.topology.id.clone();
        let mut changes = Changes::new(id.clone());
        changes.seen_by = state.graph.topology.roles.keys().cloned().collect();
        let empty = Graph::new(state.graph.topology.clone());
        changes.elements(&state.graph, &empty)?;
        changes.connections(&state.graph, &empty)?;
        changes.delete(
            EntityKind::Topology,
            EventObject::Topology,
            id.as_str(),
            state.graph.topology.revision,
        )?;
        let events = self.write(changes).await?;
        {
            let mut slots = self.inner.slots.write().unwrap_or_else(PoisonError::into_inner);
            slots.unindex(&state.graph);
            slots.topologies.remove(&id);
        }
        state.is_gone = true;
        self.publish(events);
        self.inner.push.notify_one();
        Ok(())
    }

    /// Stores a job that exists. A job of no topology has no events.
    pub(crate) async fn commit_job(&self, job: &Job, is_new: bool) -> Answer<()> {
        if let Some(topology) = &job.topology {
            let mut changes = Changes::new(topology.clone());
            changes.job(job, is_new)?;
            let events = self.write(changes).await?;
            self.publish(events);
            return Ok(());
        }
        let mut put =
            Put::create(EntityKind::Job, job.id.as_str(), None, 1, job).map_err(store_error)?;
        put.expected = (!is_new).then_some(1);
        self.inner
            .store
            .commit(Batch { puts: vec![put], ..Batch::default() })
            .await
            .map_err(store_error)?;
        Ok(())
    }

    /// Waits until every change made so far outlives a failure of the machine's power.
    pub(crate) async fn synced(&self) -> Answer<()> {
        self.inner.store.synced().await.map_err(store_error)
    }

    async fn write(&self, changes: Changes) -> Answer<Vec<EventRow>> {
        self.inner.fault.reached("commit").await;
        let numbers = self.inner.store.commit(changes.batch).await.map_err(store_error)?;
        self.inner.fault.reached("committed").await;
        let numbered = changes.events.into_iter().zip(numbers);
        Ok(numbered.map(|(row, seq)| row.numbered(seq)).collect())
    }

    fn publish(&self, events: Vec<EventRow>) {
        for event in events {
            // nobody listening is no error
            drop(self.inner.events.send(Arc::new(event)));
        }
    }
}

/// A store's refusal in the words of the interface.
#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
pub(crate) fn store_error(error: StoreError) -> ApiError {
    match &error {
        StoreError::Conflict { current, .. } => {
            let current =
                current.as_ref().and_then(|row| serde_json::from_str::<Value>(&row.body).ok());
            ApiError::new(ErrorCode::Conflict, error.to_string()).with(json!({"current": current}))
        }
        StoreError::DiskFull(_) => ApiError::new(ErrorCode::NoResources, error.to_string()),
        StoreError::AccountExists(_) => ApiError::new(ErrorCode::AlreadyExists, error.to_string()),
        _ => internal("writing the state", &error),
    }
}

/// An edit's refusal in the words of the interface.
pub(crate) fn edit_error(error: EditError) -> ApiError {
    let text = error.to_string();
    let (code, data) = match error {
        EditError::NotFound { what, id } => {
            (ErrorCode::EntityDoesNotExist, json!({"entity": what, "id": id}))
        }
        EditError::NameTaken { what, name } => {
            (ErrorCode::AlreadyExists, json!({"entity": what, "attribute": "name", "value": name}))
        }
        EditError::UnsupportedAttribute { attribute, .. } => {
            (ErrorCode::UnsupportedAttribute, json!({"attribute": attribute}))
        }
        EditError::InvalidState { attribute, state, .. } => {
            (ErrorCode::InvalidState, json!({"attribute": attribute, "state": state}))
        }
        EditError::InvalidValue(error) => {
            (ErrorCode::InvalidValue, json!({"attribute": error.path}))
        }
        EditError::AlreadyConnected { interface } => {
            (ErrorCode::AlreadyConnected, json!({"interface": interface}))
        }
        EditError::UnableToConnect { a, b, .. } => {
            (ErrorCode::UnableToConnect, json!({"ends": [a, b]}))
        }
        EditError::TooMany { what, most } => {
            (ErrorCode::NoResources, json!({"entity": what, "limit": most}))
        }
    };
    ApiError::new(code, text).with(data)
}

/// What is wrong with a graph, the first error in the message and all of them in the data.
pub(crate) fn invalid(errors: &[ModelError]) -> ApiError {
    let all: Vec<Value> = errors
        .iter()
        .map(|e| json!({"path": e.path, "message": e.message, "remedy": e.remedy}))
        .collect();
    let first = errors.first().map_or_else(
        || "the topology is invalid".to_owned(),
        |e| format!("{}: {}; {}", e.path, e.message, e.remedy),
    );
    ApiError::new(ErrorCode::InvalidConfiguration, first).with(json!({"errors": all}))
}
