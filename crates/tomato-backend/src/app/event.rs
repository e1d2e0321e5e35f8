//! What changed, for those who watch.

use futures_util::Stream;
use tokio::sync::broadcast::error::RecvError;
use tomato_api::request::{Event, Presence};
use tomato_model::id::TopologyId;
use tomato_store::Store;

use crate::app::commit::{EventRow, store_error};
use crate::app::{Answer, App, Caller};
use crate::limits::EVENTS_PAGE;

/// What a follower gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Followed {
    /// Something changed.
    Event(Event),
    /// Events were missed that are no longer kept: read everything anew; this is the newest number.
    Reload(u64),
    /// Somebody has selected something; who misses it, misses it.
    Presence(Presence),
}

impl App {
    /// Number of the last event, to begin with "now".
    pub async fn last_event(&self) -> Answer<u64> {
        self.inner.store.last_event().await.map_err(store_error)
    }

    /// Events after number `after` that the caller may see, after word of a gap if there is one; the stream waits for more and ends only with an error.
    /// With `presence`, also what others have selected.
    pub fn event_list(
        &self,
        caller: Caller,
        after: u64,
        presence: bool,
    ) -> impl Stream<Item = Answer<Followed>> + Send + 'static {
        let app = self.clone();
        async_stream::try_stream! {
            let mut receiver = app.inner.events.subscribe();
            let mut selections = app.inner.presence.subscribe();
            let mut seen = after;
            if let Some(now) = app.gap(after).await? {
                seen = now;
                yield Followed::Reload(now);
            }
            let mut is_behind = true;
            loop {
                while is_behind {
                    let page = app.inner.store.events_after(seen, EVENTS_PAGE).await.map_err(store_error)?;
                    is_behind = !page.is_empty();
                    for row in page {
                        seen = row.sequence;
                        let Ok(stored) = serde_json::from_str::<EventRow>(&row.body) else { continue };
                        let told = stored.numbered(seen);
                        if app.may_see(&caller, &told).await {
                            yield Followed::Event(told.event);
                        }
                    }
                }
                // the next one is told as it comes; the store has the order and what was missed
                tokio::select! {
                    told = receiver.recv() => match told {
                        Ok(told) if told.event.seq <= seen => {}
                        Ok(told) if told.event.seq == seen + 1 => {
                            seen += 1;
                            if app.may_see(&caller, &told).await {
                                yield Followed::Event(told.event.clone());
                            }
                        }
                        Ok(_) | Err(RecvError::Lagged(_)) => is_behind = true,
                        Err(RecvError::Closed) => break,
                    },
                    told = selections.recv(), if presence => match told {
                        Ok(told) if app.sees_topology(&caller, &told.topology, &[]).await => {
                            yield Followed::Presence(told);
                        }
                        Ok(_) | Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => break,
                    },
                }
            }
        }
    }

    /// The newest number, if events after `after` are missing: no longer kept, or of another state file.
    async fn gap(&self, after: u64) -> Answer<Option<u64>> {
        let last = self.inner.store.last_event().await.map_err(store_error)?;
        let first = self.inner.store.first_event().await.map_err(store_error)?;
        let is_pruned = match first {
            Some(first) => after.saturating_add(1) < first,
            None => after < last,
        };
        Ok((is_pruned || after > last).then_some(last))
    }

    async fn may_see(&self, caller: &Caller, told: &EventRow) -> bool {
        self.sees_topology(caller, &told.event.topology, &told.seen_by).await
    }

    /// Whether the topology is visible; for one that is gone, whether it was in the end.
    async fn sees_topology(
        &self,
        caller: &Caller,
        topology: &TopologyId,
        seen_by: &[String],
    ) -> bool {
        if caller.sees_all() {
            return true;
        }
        let Some(slot) = self.slot_of(topology) else {
            return seen_by.contains(&caller.account);
        };
        let state = slot.state.lock().await;
        if state.is_gone {
            seen_by.contains(&caller.account)
        } else {
            caller.sees(&state.graph.topology)
        }
    }
}
