//! How many commands and archives of a topology may be at work at the same time, so that none takes the places of all others.
//!
//! Invariant: an element's keeper serves few connections; commands never take all of them, so that there are always some for the
//! hostmanager's own control of the element.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::id::ElementId;

use crate::host::lock;
use crate::limits::{ARCHIVES_PER_TOPOLOGY, EXECS_PER_ELEMENT, EXECS_PER_TOPOLOGY};

/// The places of one topology.
#[derive(Debug)]
pub(crate) struct Places {
    execs: Arc<Semaphore>,
    archives: Arc<Semaphore>,
    /// Commands that run or wait, per element.
    by_element: Mutex<BTreeMap<ElementId, usize>>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            execs: Arc::new(Semaphore::new(EXECS_PER_TOPOLOGY)),
            archives: Arc::new(Semaphore::new(ARCHIVES_PER_TOPOLOGY)),
            by_element: Mutex::default(),
        }
    }
}

/// A command's place, free again when dropped.
#[derive(Debug)]
pub(crate) struct ExecPlace {
    places: Arc<Places>,
    id: ElementId,
}

impl Drop for ExecPlace {
    fn drop(&mut self) {
        let mut counts = lock(&self.places.by_element);
        if let Some(count) = counts.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.id);
            }
        }
    }
}

impl Places {
    /// A place for a command in an element. Waits while the topology has none; refuses when the element has too many.
    ///
    /// # Errors
    /// `no_resources` with the bound.
    pub(crate) async fn exec(
        self: &Arc<Self>,
        id: &ElementId,
    ) -> Result<(ExecPlace, OwnedSemaphorePermit), ApiError> {
        let place = {
            let mut counts = lock(&self.by_element);
            let count = counts.entry(id.clone()).or_default();
            if *count >= EXECS_PER_ELEMENT {
                let message = format!(
                    "{EXECS_PER_ELEMENT} commands run in element {id}, which is the most at the same time; wait for one to end"
                );
                return Err(ApiError::new(ErrorCode::NoResources, message));
            }
            *count += 1;
            ExecPlace { places: Arc::clone(self), id: id.clone() }
        };
        let permit = Arc::clone(&self.execs).acquire_owned().await;
        Ok((place, permit.expect("the semaphore is never closed")))
    }

    /// A place for moving an archive; waits for one.
    pub(crate) async fn archive(&self) -> OwnedSemaphorePermit {
        let permit = Arc::clone(&self.archives).acquire_owned().await;
        permit.expect("the semaphore is never closed")
    }
}

#[cfg(test)]
mod tests;
