//! Actions on elements: sets what is wanted, then waits for the host to report it.
//!
//! Invariant: one failing element never aborts the others. A job that ends leaves no element wanted otherwise than observed
//! but those that another call has changed meanwhile. Order between elements is the host's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::MutexGuard;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::{ObservedElement, ObservedTopology};
use tomato_api::job::{Job, JobElement, JobState, Progress};
use tomato_model::graph::Graph;
use tomato_model::id::{ConnectionId, ElementId};
use tomato_model::kind::Kind;
use tomato_model::lifecycle::{Action, State};
use tomato_model::topology::Element;

use crate::app::commit::Extra;
use crate::app::element::need_offered;
use crate::app::job::{JobHandle, push_log};
use crate::app::slot::{self, Slot};
use crate::app::{Answer, App, Caller};
use crate::clock;
use crate::limits::{JOB_CONNECTION_WAIT, JOB_HOST_WAIT, JOB_REFUSED_WAIT, JOB_TICK};

/// What a running job waits for.
struct Wait {
    generation: u64,
    /// For which generation, and since when, nothing is left to do but connections that do not pass frames. The host looks at its
    /// elements now and then, so it being at work again does not end this.
    settled: Option<(u64, Instant)>,
    /// Since when no host is there.
    alone: Option<Instant>,
}

impl Wait {
    /// For how long nothing has been left to do at this generation but what is waited for.
    fn idle(&mut self, generation: u64) -> Duration {
        let since = match self.settled {
            Some((former, since)) if former == generation => since,
            _ => Instant::now(),
        };
        self.settled = Some((generation, since));
        since.elapsed()
    }
}

impl App {
    /// Begins `action` on the `chosen` elements for which it makes sense, and answers the job.
    pub(crate) async fn begin(
        &self,
        caller: &Caller,
        slot: Arc<Slot>,
        mut state: MutexGuard<'_, slot::State>,
        action: Action,
        chosen: Vec<ElementId>,
    ) -> Answer<Job> {
        self.give_way(&state, action, &chosen)?;
        let mut graph = Graph::clone(&state.graph);
        let mut elements = BTreeMap::new();
        let profiles = self.profiles();
        for id in chosen {
            let Some(element) = graph.element_mut(&id) else { continue };
            let Some(target) = target(element, action) else { continue };
            if let (true, Err(error)) = (target > State::Created, need_offered(element)) {
                let (name, state) = (element.name.clone(), element.state);
                let entry = JobElement { name, state, target, doing: None, error: Some(error) };
                elements.insert(id, entry);
                continue;
            }
            if target != State::Created && element.kind == Kind::Container {
                crate::wanted::profile(element, &profiles).map_err(|error| {
                    ApiError::new(ErrorCode::InvalidConfiguration, error.to_string())
                        .with(json!({"element": id, "attribute": "profile"}))
                })?;
            }
            if target == State::Started
                && (element.state != State::Started || element.wanted != State::Started)
            {
                element.start_count += 1;
            }
            element.wanted = target;
            element.error = None;
            let entry = JobElement {
                name: element.name.clone(),
                state: element.state,
                target,
                doing: None,
                error: None,
            };
            elements.insert(id, entry);
        }
        let job = Job {
            id: clock::job_id(),
            topology: Some(graph.topology.id.clone()),
            account: caller.account.clone(),
            action: format!("{action:?}").to_lowercase(),
            state: JobState::Running,
            progress: progress(&elements),
            elements,
            log: Vec::new(),
            error: None,
            started_at: clock::now_us(),
            ended_at: None,
        };
        self.commit(&mut state, graph, Extra { job: Some(job.clone()), is_observation: false })
            .await?;
        let generation = state.generation;
        drop(state);
        let handle = self.job_register(job.clone());
        self.follow(slot, handle, generation);
        Ok(job)
    }

    /// Goes on with the jobs that ran when the process ended.
    pub async fn resume(&self) {
        for job in self.running_jobs() {
            let Some(handle) = self.jobs().get(&job.id).cloned() else { continue };
            let Some(slot) = job.topology.as_ref().and_then(|id| self.slot_of(id)) else {
                let text = "the server was restarted meanwhile: begin again";
                self.job_finish(&handle, Some(ApiError::new(ErrorCode::HostError, text))).await;
                continue;
            };
            let generation = slot.state.lock().await.generation;
            self.follow(slot, handle, generation);
        }
    }

    /// Refuses an action on elements of a running job; stop and destroy take them out of it instead.
    fn give_way(&self, state: &slot::State, action: Action, chosen: &[ElementId]) -> Answer<()> {
        let jobs = self.jobs();
        for handle in jobs.values() {
            let job = handle.job();
            let is_busy = !job.is_over()
                && job.topology.as_ref() == Some(&state.graph.topology.id)
                && chosen.iter().any(|id| job.elements.contains_key(id));
            match action {
                _ if !is_busy => {}
                Action::Stop | Action::Destroy => {
                    // What it is about to become anyway is waited for by both.
                    let is_shared = |id: &&ElementId| {
                        let new = state.graph.element(id).and_then(|e| target(e, action));
                        new.is_some() && new == job.elements.get(*id).map(|part| part.target)
                    };
                    let others: Vec<ElementId> =
                        chosen.iter().filter(|id| !is_shared(id)).cloned().collect();
                    take_out(handle, &job, &others);
                }
                Action::Prepare | Action::Start => {
                    let text = format!(
                        "the job {} ({}) is at work on it: wait for it or cancel it",
                        job.id, job.action
                    );
                    return Err(
                        ApiError::new(ErrorCode::EntityBusy, text).with(json!({"job": job.id}))
                    );
                }
            }
        }
        Ok(())
    }

    fn follow(&self, slot: Arc<Slot>, handle: JobHandle, generation: u64) {
        let app = self.clone();
        tokio::spawn(async move {
            let failed = app.wait(&slot, &handle, generation).await;
            let error = app.settle(&slot, &handle, failed).await;
            app.job_finish(&handle, error).await;
        });
    }

    /// Returns when the job is as asked, was cancelled, or cannot go on (with the reason).
    async fn wait(&self, slot: &Slot, handle: &JobHandle, generation: u64) -> Option<ApiError> {
        let mut observed = slot.observed.subscribe();
        observed.mark_changed();
        let mut wait = Wait { generation, settled: None, alone: None };
        loop {
            tokio::select! {
                changed = observed.changed() => if changed.is_err() {
                    return None;
                },
                () = tokio::time::sleep(JOB_TICK) => {}
                () = handle.cancelled() => return None,
            }
            if self.inner.host.is_connected() {
                wait.alone = None;
            } else if wait.alone.get_or_insert_with(Instant::now).elapsed() > JOB_HOST_WAIT {
                let text = "no host is connected: see that the hostmanager runs, then try again";
                return Some(ApiError::new(ErrorCode::HostError, text));
            } else {
                continue;
            }
            if let Some(error) = slot.refused_since(JOB_REFUSED_WAIT) {
                return Some(error);
            }
            let Some(seen) = observed.borrow_and_update().clone() else { continue };
            match self.look(slot, handle, &mut wait, &seen).await {
                Looked::Waiting => {}
                Looked::Over(error) => return error,
            }
        }
    }

    /// Compares one observation with what the job wants.
    async fn look(
        &self,
        slot: &Slot,
        handle: &JobHandle,
        wait: &mut Wait,
        seen: &ObservedTopology,
    ) -> Looked {
        if seen.generation < wait.generation {
            return Looked::Waiting;
        }
        handle.update(|job| take_over(job, seen));
        if !seen.settled {
            return unsettled(handle, wait, seen);
        }
        let state = slot.state.lock().await;
        let job = handle.job();
        // an element with an error fails the job by itself
        let is_up = |e: &&ObservedElement| e.state == State::Started && e.error.is_none();
        let by_id = seen.by_id();
        let runs = |id: &ElementId| by_id.get(id).is_some_and(is_up);
        let passing: BTreeSet<&ConnectionId> = seen.connections.iter().collect();
        let silent = state.graph.connections.iter().find(|c| {
            c.connected
                && !passing.contains(&c.id)
                && state.graph.ends(c).is_some_and(|ends| {
                    ends.iter().all(|e| runs(&e.id))
                        && ends.iter().any(|e| {
                            job.elements.get(&e.id).is_some_and(|j| j.target == State::Started)
                        })
                })
        });
        let Some(silent) = silent else { return Looked::Over(None) };
        if wait.idle(seen.generation) < JOB_CONNECTION_WAIT {
            return Looked::Waiting;
        }
        let text = format!("connection {} passes no frames: see the log of the wire", silent.name);
        Looked::Over(Some(
            ApiError::new(ErrorCode::HostError, text).with(json!({"connection": silent.id})),
        ))
    }

    /// Takes back what did not come true; answers the job's error.
    async fn settle(
        &self,
        slot: &Slot,
        handle: &JobHandle,
        failed: Option<ApiError>,
    ) -> Option<ApiError> {
        let mut state = slot.state.lock().await;
        let mut graph = Graph::clone(&state.graph);
        let mut first = failed.clone();
        for (id, part) in handle.job().elements {
            let is_reached = part.state == part.target;
            // one that runs but not as asked, for example without an address, is no success
            let is_flawed = is_reached && part.target == State::Started && part.error.is_some();
            if is_reached && !is_flawed {
                continue;
            }
            let error = part.error.or_else(|| failed.clone()).unwrap_or_else(|| {
                let text = format!(
                    "element {} is {:?} and did not become {:?}",
                    part.name, part.state, part.target
                );
                ApiError::new(ErrorCode::HostError, text.to_lowercase())
            });
            if let Some(element) = graph.element_mut(&id)
                && element.wanted == part.target
            {
                if !is_reached {
                    element.wanted = element.state;
                }
                if !handle.is_cancelled() {
                    element.error = Some(error.message.clone());
                }
            }
            handle.update(|job| {
                if let Some(entry) = job.elements.get_mut(&id) {
                    entry.doing = None;
                    entry.error.get_or_insert_with(|| error.clone());
                }
            });
            first.get_or_insert(error);
        }
        if !state.is_gone
            && let Err(error) = self.commit(&mut state, graph, Extra::default()).await
        {
            first.get_or_insert(error);
        }
        first
    }
}

/// The host is not done: as long as it works on an element that is no wonder, else its data path does not answer.
fn unsettled(handle: &JobHandle, wait: &mut Wait, seen: &ObservedTopology) -> Looked {
    let is_at_work = seen.elements.iter().any(|e| e.doing.is_some());
    let is_reached = |part: &JobElement| part.state == part.target || part.error.is_some();
    let is_reached = handle.read(|job| job.elements.values().all(is_reached));
    if is_at_work || seen.wire_instance.is_some() || !is_reached {
        wait.settled = None;
        return Looked::Waiting;
    }
    if wait.idle(seen.generation) < JOB_CONNECTION_WAIT {
        return Looked::Waiting;
    }
    let text =
        "the elements run, but the data path of the host does not answer: see its log (wire.log)";
    Looked::Over(Some(ApiError::new(ErrorCode::HostError, text)))
}

/// Takes elements out of a running job, which goes on with the others; one that has no others is cancelled.
fn take_out(handle: &JobHandle, job: &Job, chosen: &[ElementId]) {
    if job.elements.keys().all(|id| chosen.contains(id)) {
        handle.cancel();
        return;
    }
    handle.update(|job| {
        for id in chosen {
            if let Some(part) = job.elements.remove(id) {
                push_log(job, format!("{}: left to another action", part.name));
            }
        }
        job.progress = progress(&job.elements);
    });
}

/// Where the action leads: from what the element is, else from what it is about to become, so that a start can be stopped.
pub(crate) fn target(element: &Element, action: Action) -> Option<State> {
    action.target(element.state).or_else(|| action.target(element.state.max(element.wanted)))
}

enum Looked {
    Waiting,
    Over(Option<ApiError>),
}

fn progress(elements: &BTreeMap<ElementId, JobElement>) -> Progress {
    let is_done = |e: &&JobElement| e.state == e.target && e.error.is_none();
    let done = elements.values().filter(is_done).count();
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    Progress { done: number(done), total: number(elements.len()) }
}

/// Writes an observation into the job.
fn take_over(job: &mut Job, seen: &ObservedTopology) {
    let mut lines = Vec::new();
    let by_id = seen.by_id();
    for (id, part) in &mut job.elements {
        let now = by_id.get(id).copied();
        let state = now.map_or(State::Created, |e| e.state);
        let doing = now.and_then(|e| e.doing.clone());
        // What no host was asked for stays refused.
        let refused = part.error.clone().filter(|e| e.code == ErrorCode::UnsupportedType);
        let error = now.and_then(|e| e.error.clone()).or(refused);
        if state != part.state {
            lines.push(format!("{}: {}", part.name, format!("{state:?}").to_lowercase()));
        } else if let Some(text) = doing.as_ref().filter(|text| part.doing.as_ref() != Some(*text))
        {
            lines.push(format!("{}: {text}", part.name));
        }
        if let Some(error) = error.as_ref().filter(|error| part.error.as_ref() != Some(*error)) {
            lines.push(format!("{}: {}", part.name, error.message));
        }
        (part.state, part.doing, part.error) = (state, doing, error);
    }
    for line in lines {
        push_log(job, line);
    }
    job.progress = progress(&job.elements);
}
