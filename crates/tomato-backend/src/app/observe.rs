//! Takes over what a host reports.

use std::collections::BTreeSet;

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
        for element in &mut graph.elements {
            let now = by_id.get(&element.id).copied();
            element.state = now.map_or(State::Created, |e| e.state);
            element.notice = now.and_then(|e| e.notice.clone());
            if let Some(error) = now.and_then(|e| e.error.as_ref()) {
                element.error = Some(error.message.clone());
            } else if seen.settled
                && seen.generation >= state.generation
                && element.state == element.wanted
                && element.state == State::Started
            {
                // what failed is told until the element runs or is acted on again
                element.error = None;
            }
        }
        let passing: BTreeSet<&ConnectionId> = seen.connections.iter().collect();
        for connection in &mut graph.connections {
            connection.started = passing.contains(&connection.id);
            let hit = seen.outages.iter().filter(|o| o.connections.contains(&connection.id));
            let last = hit.map(|o| o.outage).max_by_key(|outage| outage.began_us);
            // told once: a host repeats what it has seen
            if let Some(outage) = last
                && connection.outage.is_none_or(|known| known.began_us < outage.began_us)
            {
                tracing::warn!(topology = %seen.id, connection = connection.name, "{outage}");
                connection.outage = Some(outage);
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
