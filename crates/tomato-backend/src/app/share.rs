//! Places for work that takes much, counted for each account, so that none takes those of all others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tomato_api::error::{ApiError, ErrorCode};

use crate::app::{Answer, App, Caller, internal};
use crate::hostlink::ByteStream;
use crate::limits::{
    COMMAND_WAIT, COMMANDS_PER_ACCOUNT, COMMANDS_WAITING, COPIES_PER_ACCOUNT, COPIES_WAITING,
    COPY_WAIT, IMPORT_WAIT, IMPORTS_PER_ACCOUNT, IMPORTS_WAITING, STREAMS_PER_ACCOUNT,
};

/// What each account may have under way.
#[derive(Debug)]
pub(crate) struct Shares {
    /// Topology files that are read.
    pub(crate) imports: Share,
    /// Files and archives that go in or out.
    pub(crate) copies: Share,
    /// Commands in elements, and looks at their files.
    pub(crate) commands: Share,
    /// Consoles and streams that last as long as somebody wants.
    streams: Share,
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            imports: Share::new("imports", IMPORTS_PER_ACCOUNT, IMPORTS_WAITING, IMPORT_WAIT),
            copies: Share::new("copies of files", COPIES_PER_ACCOUNT, COPIES_WAITING, COPY_WAIT),
            commands: Share::new("commands", COMMANDS_PER_ACCOUNT, COMMANDS_WAITING, COMMAND_WAIT),
            streams: Share::new("consoles and streams", STREAMS_PER_ACCOUNT, 0, Duration::ZERO),
        }
    }
}

/// Work of one kind.
#[derive(Debug)]
pub(crate) struct Share {
    /// In the plural.
    what: &'static str,
    most: usize,
    /// Calls of one account that may wait; more are turned away at once.
    waiting: usize,
    patience: Duration,
    /// By account; only those with something under way.
    places: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

impl Share {
    fn new(what: &'static str, most: usize, waiting: usize, patience: Duration) -> Self {
        Self { what, most, waiting, patience, places: Mutex::default() }
    }

    /// A place of the caller's; waits until one is free.
    ///
    /// # Errors
    /// `rate_limited` if none gets free in time, or too many calls wait.
    pub(crate) async fn place(&self, caller: &Caller) -> Answer<OwnedSemaphorePermit> {
        let own = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever has a place or waits for one holds the semaphore too.
            places.retain(|_, own| Arc::strong_count(own) > 1);
            let own = places
                .entry(caller.account.clone())
                .or_insert_with(|| Arc::new(Semaphore::new(self.most)));
            if Arc::strong_count(own) > self.most + self.waiting {
                return Err(self.taken());
            }
            Arc::clone(own)
        };
        let place = timeout(self.patience, own.acquire_owned()).await;
        place.map_err(|_elapsed| self.taken())?.map_err(|error| internal("taking a place", &error))
    }

    fn taken(&self) -> ApiError {
        let Self { what, most, .. } = self;
        let text = format!(
            "{most} {what} of this account are under way, which is the most: wait for one to end, or end one"
        );
        let retry_after_s = self.patience.as_secs().max(1);
        ApiError::new(ErrorCode::RateLimited, text)
            .with(serde_json::json!({"retry_after_s": retry_after_s}))
    }
}

/// A place for something that lasts, free again when dropped.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    _of_all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl App {
    /// A place for a console or a stream, if there is one.
    ///
    /// # Errors
    /// `rate_limited` if the caller has too many, `no_resources` if all together have.
    pub(crate) async fn stream_place(&self, caller: &Caller) -> Answer<StreamPlace> {
        let own = self.inner.shares.streams.place(caller).await?;
        let of_all = self.inner.sockets.clone().try_acquire_owned().map_err(|_full| {
            let text = "too many consoles and streams are open: close some of them";
            ApiError::new(ErrorCode::NoResources, text)
        })?;
        Ok(StreamPlace { _of_all: of_all, _own: own })
    }
}

/// The bytes, with a place that is free again at their end.
pub(crate) fn placed(bytes: ByteStream, place: OwnedSemaphorePermit) -> ByteStream {
    Box::pin(async_stream::stream! {
        let _place = place;
        for await chunk in bytes {
            yield chunk;
        }
    })
}

/// Runs what takes long on a thread of its own, so that nobody else's answer waits for it.
///
/// # Errors
/// If it breaks off.
pub(crate) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Answer<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| internal("working on a thread", &error))
}

#[cfg(test)]
mod tests;
