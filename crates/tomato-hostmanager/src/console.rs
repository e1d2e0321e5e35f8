//! Consoles: one terminal per element, with any number of viewers.
//!
//! Invariants: each terminal has one owner, a task that reads and writes it and knows what it shows; its shell outlives viewers
//! and this process (the container's keeper holds the terminal). Nothing a viewer does or omits holds up the terminal or another
//! viewer: one that is slow misses what it could not take and is then shown the current screen.

mod owner;
mod screen;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::mpsc;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::id::ElementId;
use tomato_model::lifecycle::State;

use crate::console::owner::Owner;
use crate::host::{Host, lock};
use crate::limits::{CONSOLE_INPUTS, CONSOLE_ORDERS, CONSOLE_VIEWER_CHUNKS};

/// What is asked of an owner.
#[derive(Debug)]
pub(crate) enum Order {
    /// Somebody looks: frames as [`tomato_api::console::Frame`] encodes them.
    Join(mpsc::Sender<Bytes>),
    /// The terminal shall have this size.
    Resize {
        /// Letters of a row.
        columns: u16,
        /// Rows.
        rows: u16,
    },
}

/// The way to an owner.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    pub(crate) orders: mpsc::Sender<Order>,
    /// What is typed.
    pub(crate) input: mpsc::Sender<Bytes>,
}

/// The terminals that are open on this host.
#[derive(Debug, Default)]
pub(crate) struct Consoles {
    owners: Mutex<BTreeMap<ElementId, Handle>>,
}

impl Host {
    /// Looks at the terminal of a started element; the first one who does so opens it.
    ///
    /// # Errors
    /// If the element does not run here.
    pub(crate) async fn console(
        self: &Arc<Self>,
        id: &ElementId,
    ) -> Result<(Handle, mpsc::Receiver<Bytes>), ApiError> {
        if self.ready(id).await? != State::Started {
            let message = format!("element {id} is not started: start it first");
            return Err(ApiError::new(ErrorCode::InvalidState, message));
        }
        let (show, shown) = mpsc::channel(CONSOLE_VIEWER_CHUNKS);
        let mut order = Order::Join(show);
        loop {
            let handle = self.owner(id);
            match handle.orders.send(order).await {
                Ok(()) => return Ok((handle, shown)),
                // It has just ended; the next one is another.
                Err(refused) => order = refused.0,
            }
        }
    }

    fn owner(self: &Arc<Self>, id: &ElementId) -> Handle {
        let mut owners = lock(&self.consoles.owners);
        if let Some(handle) = owners.get(id).filter(|handle| !handle.orders.is_closed()) {
            return handle.clone();
        }
        let (orders, ordered) = mpsc::channel(CONSOLE_ORDERS);
        let (input, typed) = mpsc::channel(CONSOLE_INPUTS);
        let handle = Handle { orders, input };
        owners.retain(|_, other| !other.orders.is_closed());
        owners.insert(id.clone(), handle.clone());
        tokio::spawn(Owner::new(Arc::clone(self), id.clone()).run(ordered, typed));
        handle
    }

    /// Forgets what the terminal of a removed element showed.
    pub(crate) fn forget_console(&self, id: &ElementId) {
        std::fs::remove_file(self.screen_file(id)).ok();
    }

    /// What the terminal of an element showed, for the next start of this process.
    fn screen_file(&self, id: &ElementId) -> PathBuf {
        self.parts.state_dir.join("host").join("consoles").join(id.as_str())
    }
}

#[cfg(test)]
mod tests;
