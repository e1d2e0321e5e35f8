//! Takes over what a host reports.

use std::collections::BTreeSet;
use std::sync::Arc;

use tomato_api::host::{ObservedTopology, WantedTopology};
use tomato_model::graph::Graph;
use tomato_model::id::{ConnectionId, TopologyId};
use tomato_model::lifecycle::State;

use crate::app::commit::Extra;
use crate::app::{Answer, App};
use crate::wanted::UnknownProfile;

impl App {
    /// Writes an observation into the topology and wakes its jobs; false if the topology is unknown.
    pub(crate) async fn observe(&self, seen: ObservedTopology) -> Answer<bool> {
        let Some(slot) = self.slot_of(&seen.id) else { return Ok(false) };
        let mut state = slot.state.lock().await;
        if state.is_gone {
            return Ok(false);
        }
        let mut graph = Graph::clone(&state.graph);
        let by_id = seen.by_id();
        let is_done = seen.settled && seen.generation >= state.generation;
        for element in graph.elements.iter_mut() {
            let now = by_id.get(&element.id).copied();
            let life = now.map_or(State::Created, |e| e.state);
            let notice = now.and_then(|e| e.notice.as_ref());
            // what failed is told until the element runs or is acted on again
            let runs = is_done && life == element.wanted && life == State::Started;
            let known = element.error.as_ref().filter(|_| !runs);
            let error = now.and_then(|e| e.error.as_ref()).map(|e| &e.message).or(known);
            if (life, notice, error)
                == (element.state, element.notice.as_ref(), element.error.as_ref())
            {
                continue;
            }
            let (notice, error) = (notice.cloned(), error.cloned());
            let element = Arc::make_mut(element);
            (element.state, element.notice, element.error) = (life, notice, error);
        }
        let passing: BTreeSet<&ConnectionId> = seen.connections.iter().collect();
        for connection in graph.connections.iter_mut() {
            let is_started = passing.contains(&connection.id);
            if connection.started != is_started {
                Arc::make_mut(connection).started = is_started;
            }
            let hit = seen.outages.iter().filter(|o| o.connections.contains(&connection.id));
            let last = hit.map(|o| o.outage).max_by_key(|outage| outage.began_us);
            // told once: a host repeats what it has seen
            if let Some(outage) = last
                && connection.outage.is_none_or(|known| known.began_us < outage.began_us)
            {
                tracing::warn!(topology = %seen.id, connection = connection.name, "{outage}");
                Arc::make_mut(connection).outage = Some(outage);
            }
        }
        self.commit(&mut state, graph, Extra { job: None, is_observation: true }).await?;
        drop(state);
        slot.observed.send_replace(Some(seen));
        Ok(true)
    }

    /// A host holds nothing of the topology any more.
    pub(crate) async fn observe_removed(&self, id: &TopologyId) -> Answer<()> {
        let Some(slot) = self.slot_of(id) else { return Ok(()) };
        let generation = slot.state.lock().await.generation;
        let seen = ObservedTopology {
            id: id.clone(),
            generation,
            settled: true,
            elements: Vec::new(),
            connections: Vec::new(),
            wire_instance: None,
            outages: Vec::new(),
        };
        self.observe(seen).await.map(drop)
    }

    /// What a host shall hold of a topology; none once it is gone.
    ///
    /// # Errors
    /// An element names a profile that is not there, which a start refuses: it was written by an older version.
    pub(crate) async fn wanted(
        &self,
        id: &TopologyId,
    ) -> Result<Option<WantedTopology>, UnknownProfile> {
        let Some(slot) = self.slot_of(id) else { return Ok(None) };
        let profiles = self.profiles();
        let state = slot.state.lock().await;
        if state.is_gone {
            return Ok(None);
        }
        crate::wanted::wanted(&state.graph, state.generation, &profiles).map(Some)
    }
}
