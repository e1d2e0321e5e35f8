//! Two loops per connection: what is wanted goes to the host, what it observes comes back.
//! Both are idempotent and begin anew with each connection.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::watch;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::{ObservedPage, ObservedTopology};
use tomato_model::id::TopologyId;
use tomato_model::lifecycle::State as Life;
use tomato_model::topology::Element;

use crate::app::slot::State;
use crate::app::{Answer, App};
use crate::limits::{HOST_CALL, OBSERVE_GRACE, OBSERVE_WAIT, PUSH_PERIOD};

/// Pause after a failed call.
const RETRY: Duration = Duration::from_millis(500);

/// Serves whichever host is connected, for ever.
pub async fn run(app: App) {
    let mut current = app.host().current.subscribe();
    current.mark_changed();
    loop {
        let number = current.borrow_and_update().as_ref().map(|connection| connection.number);
        if number.is_some() {
            tokio::select! {
                () = push(&app) => {}
                () = observe(&app) => {}
                changed = another(&mut current, number) => if changed.is_err() {
                    return;
                },
            }
        } else if current.changed().await.is_err() {
            return;
        }
    }
}

type Current = watch::Receiver<Option<crate::hostlink::HostConnection>>;

/// Returns once the connection is another one.
async fn another(
    current: &mut Current,
    number: Option<u64>,
) -> Result<(), watch::error::RecvError> {
    current.wait_for(|now| now.as_ref().map(|c| c.number) != number).await.map(drop)
}

/// What a host took of a topology last.
#[derive(Debug, Clone, Copy)]
struct Acknowledged {
    generation: u64,
    /// Whether it may hold anything of it.
    holds: bool,
}

impl Acknowledged {
    /// Whether the host need not hear of a topology as it is now: it did, or holds nothing of it, shall hold nothing, and no job waits for it.
    fn covers(self, state: &State) -> bool {
        let shall_hold = |element: &Element| element.wanted != Life::Created;
        self.generation >= state.generation
            || (self.generation >= state.job_generation
                && !self.holds
                && !state.graph.elements.iter().any(shall_hold))
    }
}

/// By topology.
type AllAcknowledged = BTreeMap<TopologyId, Acknowledged>;

/// Pushes what is wanted whenever it is newer than what the host acknowledged.
async fn push(app: &App) {
    let mut acknowledged = AllAcknowledged::new();
    let mut is_known = false;
    loop {
        if !is_known {
            match known_to_host(app).await {
                Ok(known) => {
                    // generation 0 is older than any: all are pushed, and what is not ours is removed
                    let old = Acknowledged { generation: 0, holds: true };
                    acknowledged = known.into_iter().map(|id| (id, old)).collect();
                    is_known = true;
                }
                Err(error) => tracing::warn!(%error, "the host's topologies could not be read"),
            }
        }
        if is_known && let Err(error) = push_once(app, &mut acknowledged).await {
            tracing::warn!(%error, "the host did not take what is wanted; trying again");
            tokio::time::sleep(RETRY).await;
            continue;
        }
        tokio::select! {
            () = app.inner.push.notified() => {}
            () = tokio::time::sleep(PUSH_PERIOD) => {}
        }
    }
}

async fn known_to_host(app: &App) -> Answer<Vec<TopologyId>> {
    let list: Vec<ObservedTopology> = app.host().get("/v1/topologies").await?;
    Ok(list.into_iter().map(|topology| topology.id).collect())
}

async fn push_once(app: &App, acknowledged: &mut AllAcknowledged) -> Answer<()> {
    let mut first_error = None;
    let all = app.all_slots();
    for (id, slot) in &all {
        let is_done = {
            let state = slot.state.lock().await;
            acknowledged.get(id).is_some_and(|acked| acked.covers(&state))
        };
        if is_done {
            continue;
        }
        let wanted = match app.wanted(id).await {
            Ok(Some(wanted)) => wanted,
            Ok(None) => continue,
            Err(error) => {
                tracing::error!(%error, topology = %id, "the host cannot be told what is wanted");
                let error = ApiError::new(ErrorCode::InvalidConfiguration, error.to_string());
                slot.told(Err(&error));
                continue;
            }
        };
        let body = Bytes::from(json!(wanted).to_string());
        app.inner.fault.reached("push").await;
        match app.host().bytes("PUT", &format!("/v1/topologies/{id}"), body, HOST_CALL).await {
            Ok(_) => {
                slot.told(Ok(()));
                app.inner.fault.reached("pushed").await;
                let (generation, holds) = (wanted.generation, !wanted.elements.is_empty());
                acknowledged.insert(id.clone(), Acknowledged { generation, holds });
            }
            Err(error) => {
                slot.told(Err(&error));
                first_error = Some(error);
            }
        }
    }
    let gone: Vec<TopologyId> =
        acknowledged.keys().filter(|id| app.slot_of(id).is_none()).cloned().collect();
    for id in gone {
        match app
            .host()
            .bytes("DELETE", &format!("/v1/topologies/{id}"), Bytes::new(), HOST_CALL)
            .await
        {
            Err(error) if error.code != ErrorCode::EntityDoesNotExist => first_error = Some(error),
            _ => {
                acknowledged.remove(&id);
            }
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// Follows the host's observations.
async fn observe(app: &App) {
    let mut after = 0;
    let mut pending = Pending::new();
    loop {
        let wait = if pending.is_empty() { OBSERVE_WAIT } else { RETRY };
        let path = format!("/v1/observed?after={after}&wait_ms={}", wait.as_millis());
        let page: Answer<ObservedPage> =
            app.host().call("GET", &path, Bytes::new(), OBSERVE_WAIT + OBSERVE_GRACE).await;
        match page {
            Ok(page) => {
                after = page.sequence;
                pending.extend(page.removed.into_iter().map(|id| (id, None)));
                pending.extend(page.topologies.into_iter().map(|t| (t.id.clone(), Some(t))));
                take(app, &mut pending).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the host's observations could not be read; trying again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// What was seen of topologies last (none: they are gone) and is not yet taken over.
type Pending = BTreeMap<TopologyId, Option<ObservedTopology>>;

/// Takes over what can be; what fails stays for the next time and holds up no other.
async fn take(app: &App, pending: &mut Pending) {
    for (id, seen) in std::mem::take(pending) {
        let taken = match seen.clone() {
            Some(seen) => app.observe(seen).await.map(drop),
            None => app.observe_removed(&id).await,
        };
        if let Err(error) = taken {
            tracing::warn!(%error, topology = %id, "an observation could not be taken over; trying again");
            pending.insert(id, seen);
        }
    }
}
