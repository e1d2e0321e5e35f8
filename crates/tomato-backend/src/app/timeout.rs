//! The end of topologies that nobody renews: its managers are warned, it is stopped, destroyed, then removed.
//!
//! Invariant: each step can be done again; the step is noted after it was begun, so that a crash in between repeats it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tomato_api::account::{TimeoutSettings, TopologyRenew};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::graph::Graph;
use tomato_model::id::TopologyId;
use tomato_model::lifecycle::{Action, State as Life};
use tomato_model::role::Role;
use tomato_model::topology::{Timeout, TimeoutStep, Topology};

use crate::app::commit::Extra;
use crate::app::slot::{Part, Slot};
use crate::app::{Answer, App, Caller};
use crate::clock;
use crate::limits::TIMEOUT_PERIOD;

/// Microseconds of a second.
const SECOND_US: u64 = 1_000_000;

/// Walks over all topologies now and then, for ever.
pub(crate) async fn run(app: App) {
    loop {
        tokio::time::sleep(TIMEOUT_PERIOD).await;
        app.walk_timeouts(clock::now_us()).await;
    }
}

fn after(at: u64, seconds: u64) -> u64 {
    at.saturating_add(seconds.saturating_mul(SECOND_US))
}

/// What is due at `now`.
fn due(timeout: Timeout, now: u64, settings: &TimeoutSettings) -> Option<TimeoutStep> {
    let warn_at = timeout.at.saturating_sub(settings.warning_s.saturating_mul(SECOND_US));
    let destroy_at = after(timeout.at, settings.destroy_s);
    let remove_at = after(destroy_at, settings.remove_s);
    match timeout.step {
        TimeoutStep::Renewed if now >= warn_at && now < timeout.at => Some(TimeoutStep::Warned),
        TimeoutStep::Initial | TimeoutStep::Renewed | TimeoutStep::Warned if now >= timeout.at => {
            Some(TimeoutStep::Stopped)
        }
        // again: it may have failed, or been started in the same moment
        TimeoutStep::Stopped if now >= destroy_at => Some(TimeoutStep::Destroyed),
        TimeoutStep::Stopped => Some(TimeoutStep::Stopped),
        TimeoutStep::Destroyed if now >= remove_at => None,
        TimeoutStep::Destroyed => Some(TimeoutStep::Destroyed),
        TimeoutStep::Initial | TimeoutStep::Renewed | TimeoutStep::Warned => Some(timeout.step),
    }
}

impl App {
    /// The end of a topology that is new, if topologies end here.
    pub(crate) fn first_timeout(&self) -> Option<Timeout> {
        let settings = self.settings().timeouts;
        let at = after(clock::now_us(), settings.initial_s);
        settings.enabled.then_some(Timeout { at, step: TimeoutStep::Initial })
    }

    /// Refuses to prepare or start what is past its end.
    pub(crate) fn need_time(&self, topology: &Topology, action: Action) -> Answer<()> {
        let begins = matches!(action, Action::Prepare | Action::Start);
        let is_over = topology.timeout.is_some_and(|timeout| timeout.at <= clock::now_us());
        if begins && is_over && self.settings().timeouts.enabled {
            let text = format!("the time of topology {:?} is over: renew it first", topology.name);
            return Err(
                ApiError::new(ErrorCode::TimedOut, text).with(json!({"topology": topology.id}))
            );
        }
        Ok(())
    }

    /// Gives a topology more time.
    pub async fn topology_renew(
        &self,
        caller: &Caller,
        id: &TopologyId,
        args: TopologyRenew,
    ) -> Answer<Topology> {
        let settings = self.settings().timeouts;
        self.edit(caller, Part::Topology(id), Role::Manager, |graph| {
            if !settings.enabled {
                let text = "topologies of this lab have no timeout: there is nothing to renew";
                return Err(ApiError::new(ErrorCode::InvalidState, text));
            }
            let seconds = args.timeout_s.unwrap_or(settings.default_s);
            if seconds == 0 || (seconds > settings.maximum_s && !caller.admin) {
                let text = format!("timeout_s: must be 1 to {}", settings.maximum_s);
                return Err(ApiError::new(ErrorCode::InvalidValue, text)
                    .with(json!({"attribute": "timeout_s", "value": seconds})));
            }
            let at = after(clock::now_us(), seconds);
            graph.topology.timeout = Some(Timeout { at, step: TimeoutStep::Renewed });
            graph.topology.revision += 1;
            Ok(graph.topology.clone())
        })
        .await
    }

    /// Does what is due at `now` (microseconds since the Unix epoch); one topology's failure holds up no other.
    pub async fn walk_timeouts(&self, now: u64) {
        let settings = self.settings().timeouts;
        if !settings.enabled {
            return;
        }
        for (id, slot) in self.all_slots() {
            if let Err(error) = self.walk_timeout(&slot, now, &settings).await {
                tracing::warn!(%error, topology = %id, "what is due at a topology's timeout failed; trying again");
            }
        }
    }

    async fn walk_timeout(
        &self,
        slot: &Arc<Slot>,
        now: u64,
        settings: &TimeoutSettings,
    ) -> Answer<()> {
        let topology = {
            let state = slot.state.lock().await;
            if state.is_gone {
                return Ok(());
            }
            state.graph.topology.clone()
        };
        let Some(timeout) = topology.timeout else {
            // made while topologies did not end
            let at = after(now, settings.default_s);
            return self.note(slot, None, Timeout { at, step: TimeoutStep::Renewed }).await;
        };
        let Some(step) = due(timeout, now, settings) else {
            return self.end(slot, timeout).await;
        };
        match step {
            TimeoutStep::Stopped => self.bring_down(slot, timeout, Action::Stop).await?,
            TimeoutStep::Destroyed => self.bring_down(slot, timeout, Action::Destroy).await?,
            TimeoutStep::Initial | TimeoutStep::Renewed | TimeoutStep::Warned => {}
        }
        if step == timeout.step {
            return Ok(());
        }
        self.tell(&topology, step, settings).await?;
        self.note(slot, Some(timeout), Timeout { step, ..timeout }).await
    }

    /// Begins the action if anything is left to do and nobody is at it; a renewal meanwhile ends the walk.
    async fn bring_down(&self, slot: &Arc<Slot>, known: Timeout, action: Action) -> Answer<()> {
        let state = slot.state.lock().await;
        if state.is_gone || state.graph.topology.timeout != Some(known) {
            return Ok(());
        }
        let floor = if action == Action::Stop { Life::Prepared } else { Life::Created };
        let chosen: Vec<_> = state
            .graph
            .elements
            .iter()
            .filter(|element| element.state.max(element.wanted) > floor)
            .map(|element| element.id.clone())
            .collect();
        if chosen.is_empty() {
            return Ok(());
        }
        self.begin(&Caller::lab(), Arc::clone(slot), state, action, chosen).await.map(drop)
    }

    /// Removes a topology of which nothing is left.
    async fn end(&self, slot: &Arc<Slot>, known: Timeout) -> Answer<()> {
        let mut state = slot.state.lock().await;
        let is_left = |e: &tomato_model::topology::Element| e.state.max(e.wanted) > Life::Created;
        if state.is_gone || state.graph.topology.timeout != Some(known) {
            return Ok(());
        }
        if state.graph.elements.iter().any(is_left) {
            drop(state);
            return self.bring_down(slot, known, Action::Destroy).await;
        }
        self.commit_removal(&mut state).await
    }

    /// Writes the step down unless somebody renewed the topology meanwhile.
    async fn note(&self, slot: &Slot, known: Option<Timeout>, next: Timeout) -> Answer<()> {
        let mut state = slot.state.lock().await;
        if state.is_gone || state.graph.topology.timeout != known {
            return Ok(());
        }
        let mut graph = Graph::clone(&state.graph);
        graph.topology.timeout = Some(next);
        graph.topology.revision += 1;
        self.commit(&mut state, graph, Extra::default()).await
    }

    /// Tells those who can renew the topology.
    async fn tell(
        &self,
        topology: &Topology,
        step: TimeoutStep,
        settings: &TimeoutSettings,
    ) -> Answer<()> {
        let name = &topology.name;
        let (title, message) = match step {
            TimeoutStep::Warned => (
                format!("Topology {name} ends soon"),
                "It will be stopped when its time is over. Renew it to keep it running.".to_owned(),
            ),
            TimeoutStep::Stopped => (
                format!("Topology {name} was stopped"),
                format!(
                    "Its time was over. Its disks stay for {}; renew and start it to go on.",
                    words(settings.destroy_s)
                ),
            ),
            TimeoutStep::Destroyed => (
                format!("Topology {name} was destroyed"),
                format!(
                    "Its disks are gone. It will be removed in {}; renew it to keep it.",
                    words(settings.remove_s)
                ),
            ),
            TimeoutStep::Initial | TimeoutStep::Renewed => return Ok(()),
        };
        let roles = topology.roles.iter();
        let to: BTreeSet<String> = roles
            .filter(|(_, role)| **role >= Role::Manager)
            .map(|(name, _)| name.clone())
            .collect();
        let title: String =
            title.chars().take(crate::limits::NOTIFICATION_TITLE_CHARS_MAX).collect();
        let about = Some(["topology".to_owned(), topology.id.to_string()]);
        self.notify(to, &title, &message, about, None).await.map(drop)
    }
}

/// A time for people.
fn words(seconds: u64) -> String {
    let span = Duration::from_secs(seconds);
    let (days, hours) = (span.as_secs() / 86_400, span.as_secs() / 3600);
    if days >= 2 {
        format!("{days} days")
    } else if hours >= 2 {
        format!("{hours} hours")
    } else {
        format!("{} minutes", span.as_secs() / 60)
    }
}

#[cfg(test)]
mod tests;
