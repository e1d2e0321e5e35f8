//! A plain page at `/`: the caller's topologies, their elements and states, and for each connection what is set against
//! what is measured. It has no script; the browser asks for the login (Basic) and reloads the page by itself.
//!
//! Invariant: it shows what the operations answer and changes nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode, header};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::{Counters, DirectionCounters};
use tomato_model::graph::Graph;
use tomato_model::id::TopologyId;

use crate::app::{App, Caller};

mod html;

/// Topologies on one page.
const TOPOLOGIES_MAX: usize = 50;
/// Topologies whose last counters are remembered.
const SAMPLES_MAX: usize = 200;
/// Two readings less apart than this give no rate.
const SAMPLE_SECONDS_MIN: f64 = 0.5;
/// The page reloads itself this often, in seconds.
const RELOAD_SECONDS: u32 = 5;

/// Counters of a connection's two directions.
type Pair = [DirectionCounters; 2];

/// Earlier counters by topology, to have rates.
#[derive(Debug, Default)]
struct Samples(Mutex<BTreeMap<TopologyId, Sample>>);

#[derive(Debug, Clone)]
struct Sample {
    at: Instant,
    counters: BTreeMap<String, Pair>,
    /// Bits per second of each direction, between this reading and the one before.
    rates: BTreeMap<String, [f64; 2]>,
}

#[derive(Clone)]
struct Page {
    app: App,
    samples: Arc<Samples>,
}

/// A topology with what was measured in it.
#[derive(Debug)]
struct Shown {
    graph: Graph,
    /// None when no host answered, with the reason.
    counters: Result<BTreeMap<String, Pair>, String>,
    rates: BTreeMap<String, [f64; 2]>,
}

/// The route `/`.
pub fn router(app: App) -> Router {
    Router::new().route("/", get(show)).with_state(Page { app, samples: Arc::default() })
}

async fn show(State(page): State<Page>, headers: HeaderMap) -> Response {
    match login(&page.app, &headers).await {
        Ok(caller) => match topologies(&page, &caller).await {
            Ok((shown, more)) => {
                Html(html::page(&caller.account, &shown, more, RELOAD_SECONDS)).into_response()
            }
            Err(error) => failed(&error),
        },
        Err(error) => failed(&error),
    }
}

async fn login(app: &App, headers: &HeaderMap) -> Result<Caller, ApiError> {
    crate::http::authenticate(app, headers)
        .await?
        .ok_or_else(|| ApiError::new(ErrorCode::NotLoggedIn, "log in with name and password"))
}

fn failed(error: &ApiError) -> Response {
    let body = Html(html::error(&error.message));
    if error.code == ErrorCode::NotLoggedIn {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"ToMaTo\", charset=\"UTF-8\"")];
        return (StatusCode::UNAUTHORIZED, challenge, body).into_response();
    }
    (
        StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        body,
    )
        .into_response()
}

/// The topologies to show, newest first, and how many more there are.
async fn topologies(page: &Page, caller: &Caller) -> Result<(Vec<Shown>, usize), ApiError> {
    let mut list = page.app.topology_list(caller).await?;
    list.sort_by(|a, b| b.id.cmp(&a.id));
    let more = list.len().saturating_sub(TOPOLOGIES_MAX);
    let mut shown = Vec::new();
    for topology in list.into_iter().take(TOPOLOGIES_MAX) {
        let graph = match page.app.topology_info(caller, &topology.id).await {
            Ok(graph) => graph,
            Err(error) if error.code == ErrorCode::EntityDoesNotExist => continue,
            Err(error) => return Err(error),
        };
        let counters =
            page.app.topology_counters(caller, &topology.id).await.map_err(|error| error.message);
        let rates = counters
            .as_ref()
            .map(|counters| page.samples.rates(&topology.id, counters))
            .unwrap_or_default();
        shown.push(Shown { graph, counters: counters.map(|counters| counters.connections), rates });
    }
    Ok((shown, more))
}

impl Samples {
    /// Remembers `counters` and answers the rates since the reading before.
    fn rates(&self, id: &TopologyId, counters: &Counters) -> BTreeMap<String, [f64; 2]> {
        let now = Instant::now();
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = samples.get(id);
        let rates = match old {
            Some(old) => {
                let seconds = now.duration_since(old.at).as_secs_f64();
                if seconds < SAMPLE_SECONDS_MIN {
                    return old.rates.clone();
                }
                rates(&old.counters, &counters.connections, seconds)
            }
            None => BTreeMap::new(),
        };
        if !samples.contains_key(id) && samples.len() >= SAMPLES_MAX {
            // The oldest topology; its rates begin anew at the next look.
            samples.pop_first();
        }
        samples.insert(
            id.clone(),
            Sample { at: now, counters: counters.connections.clone(), rates: rates.clone() },
        );
        rates
    }
}

/// Bits per second of each direction; nothing where counters began anew.
#[allow(clippy::cast_precision_loss, reason = "a rate for people to read")]
fn rates(
    old: &BTreeMap<String, Pair>,
    new: &BTreeMap<String, Pair>,
    seconds: f64,
) -> BTreeMap<String, [f64; 2]> {
    let rate = |old: &DirectionCounters, new: &DirectionCounters| {
        new.bytes.checked_sub(old.bytes).map(|bytes| bytes as f64 * 8.0 / seconds)
    };
    new.iter()
        .filter_map(|(id, now)| {
            let before = old.get(id)?;
            Some((id.clone(), [rate(&before[0], &now[0])?, rate(&before[1], &now[1])?]))
        })
        .collect()
}

#[cfg(test)]
mod tests;
