//! What changed, for those who watch.

use std::collections::BTreeMap;

use futures_util::Stream;
use tokio::sync::broadcast::error::RecvError;
use tomato_api::request::Event;
use tomato_model::id::TopologyId;
use tomato_store::Store;

use crate::app::commit::store_error;
use crate::app::{Answer, App, Caller};
use crate::limits::EVENTS_PAGE;

impl App {
    /// Number of the last event, to begin with "now".
    pub async fn last_event(&self) -> Answer<u64> {
        self.inner.store.last_event().await.map_err(store_error)
    }

    /// Events after number `after` that the caller may see; the stream waits for more and ends only with an error.
    pub fn event_list(
        &self,
        caller: Caller,
        after: u64,
    ) -> impl Stream<Item = Answer<Event>> + Send + 'static {
        let app = self.clone();
        async_stream::try_stream! {
            let mut receiver = app.inner.events.subscribe();
            let mut seen = after;
            let mut roles: BTreeMap<TopologyId, bool> = BTreeMap::new();
            loop {
                loop {
                    let page = app.inner.store.events_after(seen, None, EVENTS_PAGE).await.map_err(store_error)?;
                    if page.is_empty() {
                        break;
                    }
                    for row in page {
                        seen = row.sequence;
                        let Ok(event) = serde_json::from_str::<Event>(&row.body) else { continue };
                        let event = Event { seq: row.sequence, ..event };
                        if app.may_see(&caller, &event, &mut roles).await {
                            yield event;
                        }
                    }
                }
                // woken by each commit; the store has the order and what was missed
                match receiver.recv().await {
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break,
                }
            }
        }
    }

    /// Whether the topology is visible; for one that is gone, whether it was when seen last.
    async fn may_see(
        &self,
        caller: &Caller,
        event: &Event,
        known: &mut BTreeMap<TopologyId, bool>,
    ) -> bool {
        if caller.admin {
            return true;
        }
        let Some(slot) = self.slot_of(&event.topology) else {
            return known.get(&event.topology).copied().unwrap_or(false);
        };
        let sees = caller.sees(&slot.state.lock().await.graph.topology);
        known.insert(event.topology.clone(), sees);
        sees
    }
}
