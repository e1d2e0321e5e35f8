//! The link to the hostmanager: it dials in, then serves HTTP/2 on that connection, and the backend is the client.
//!
//! Invariants: only root, or the owner of the socket, may dial in; a newer connection replaces an older one; what is wanted
//! is pushed until the host acknowledges it and observations are read without gap ([`run`]).

pub mod link;
pub mod pump;

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::http2::SendRequest;
use tokio::sync::watch;
use tomato_api::host::HostHello;

pub use link::accept;
pub use pump::run;

/// Bytes as they come.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, std::io::Error>> + Send>>;

/// A request's body.
pub(crate) type OutBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// A connected host.
#[derive(Clone)]
pub(crate) struct HostConnection {
    /// What it said first.
    pub(crate) hello: HostHello,
    pub(crate) sender: SendRequest<OutBody>,
    /// Grows with each connection.
    pub(crate) number: u64,
}

/// Calls to the host; clones share the connection.
#[derive(Clone)]
pub struct HostLink {
    pub(crate) current: Arc<watch::Sender<Option<HostConnection>>>,
}

impl std::fmt::Debug for HostLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostLink").field("hello", &self.hello()).finish()
    }
}

impl Default for HostLink {
    fn default() -> Self {
        Self { current: Arc::new(watch::Sender::new(None)) }
    }
}

impl HostLink {
    /// Whether a host is there.
    pub fn is_connected(&self) -> bool {
        self.current.borrow().is_some()
    }

    /// What the host said first, while it is there.
    pub fn hello(&self) -> Option<HostHello> {
        self.current.borrow().as_ref().map(|connection| connection.hello.clone())
    }
}
