//! The data threads of the process, and which of them has which topology.
//!
//! Invariants: all of a topology is with one data thread as long as it is there, so no frame passes from one thread to
//! another and none waits for a lock; it goes to the thread that has the fewest links then. What is asked about a
//! topology reaches its thread in the order it was asked. A thread that does not answer holds up nobody but those
//! who ask about its topologies, or about all.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::control::{Answer, ErrorCode, Refusal, Request};
use crate::io::worker::{Awaited, WorkerHandle};
use crate::limits;

/// The control threads' way to the data threads.
#[derive(Debug, Clone)]
pub struct Workers {
    handles: Arc<[WorkerHandle]>,
    places: Arc<Mutex<BTreeMap<String, Place>>>,
}

/// Where a topology is.
#[derive(Debug, Clone, Copy)]
struct Place {
    worker: usize,
    links: usize,
    /// How often it was applied.
    applied: u64,
}

impl Workers {
    /// The way to these, of which there is at least one.
    #[must_use]
    pub fn new(handles: Vec<WorkerHandle>) -> Self {
        Self { handles: handles.into(), places: Arc::default() }
    }

    /// Asks those whom it concerns and waits for their answer. A configuration must have passed its check: the check of
    /// a large one takes longer than frames may wait.
    ///
    /// # Errors
    /// A refusal, or that one did not answer.
    pub fn call(&self, request: Request, descriptor: Option<OwnedFd>) -> Result<Answer, Refusal> {
        match request {
            Request::List => Ok(Answer::Topologies(self.places().keys().cloned().collect())),
            Request::Ping | Request::Workers | Request::Status { topology: None } => {
                self.call_all(&request)
            }
            Request::Remove { topology } => self.remove(&topology),
            request => self.ask(request, descriptor)?.answer(),
        }
    }

    /// Makes all end after what they are at.
    pub fn stop(&self) {
        self.handles.iter().for_each(WorkerHandle::stop);
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<String, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the thread of the topology that the request names. One that is nowhere is unknown to any thread.
    fn ask(&self, request: Request, descriptor: Option<OwnedFd>) -> Result<Awaited, Refusal> {
        // kept until it was asked: whoever comes later asks later
        let mut places = self.places();
        let known = request.topology().and_then(|key| places.get(key)).copied();
        let Request::Apply { topology, config } = &request else {
            return self.handles[known.map_or(0, |place| place.worker)].ask(request, descriptor);
        };
        if known.is_none() && places.len() >= limits::MAX_TOPOLOGIES {
            let message = format!("this wire has {} topologies already", places.len());
            return Err(Refusal::new(ErrorCode::Limit, message));
        }
        let worker = known.map_or_else(|| self.idlest(&places), |place| place.worker);
        let applied = known.map_or(0, |place| place.applied) + 1;
        let place = Place { worker, links: config.links.len(), applied };
        let key = topology.clone();
        let awaited = self.handles[worker].ask(request, descriptor)?;
        places.insert(key, place);
        Ok(awaited)
    }

    /// The thread with the fewest links, and of those the one with the fewest topologies.
    fn idlest(&self, places: &BTreeMap<String, Place>) -> usize {
        let mut loads = vec![(0, 0); self.handles.len()];
        for place in places.values() {
            let (links, topologies) = &mut loads[place.worker];
            *links += place.links;
            *topologies += 1;
        }
        let idlest = loads.iter().enumerate().min_by_key(|(_, load)| **load);
        idlest.map_or(0, |(worker, _)| worker)
    }

    /// Forgets a topology once its thread has, unless it was applied again meanwhile.
    fn remove(&self, key: &str) -> Result<Answer, Refusal> {
        let Some(place) = self.places().get(key).copied() else { return Ok(Answer::Removed) };
        let request = Request::Remove { topology: key.to_owned() };
        let answer = self.handles[place.worker].ask(request, None)?.answer()?;
        let mut places = self.places();
        if places.get(key).is_some_and(|now| now.applied == place.applied) {
            places.remove(key);
        }
        Ok(answer)
    }

    /// What all answer together.
    fn call_all(&self, request: &Request) -> Result<Answer, Refusal> {
        let asked = self.handles.iter().map(|handle| handle.ask(request.clone(), None));
        let asked = asked.collect::<Result<Vec<_>, _>>()?;
        let mut answers = asked.into_iter().map(Awaited::answer);
        let first = answers.next().expect("there is at least one data thread")?;
        answers.try_fold(first, |all, answer| Ok(joined(all, answer?)))
    }
}

fn joined(all: Answer, next: Answer) -> Answer {
    match (all, next) {
        (Answer::Status(mut all), Answer::Status(next)) => {
            all.extend(next);
            Answer::Status(all)
        }
        (Answer::Workers(mut all), Answer::Workers(next)) => {
            all.extend(next);
            Answer::Workers(all)
        }
        (all, _) => all,
    }
}

#[cfg(test)]
mod tests;
