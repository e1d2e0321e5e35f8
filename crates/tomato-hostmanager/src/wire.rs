//! The wire as the reconciler sees it: a trait, the real one and what it says when it cannot.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tomato_wire::client::{ClientError, WireClient};
use tomato_wire::config::TopologyConfig;
use tomato_wire::control::{ErrorCode, Refusal};
use tomato_wire::status::{BridgeView, TopologyStatus, WorkerStatus};

use crate::error::chain;
use crate::limits::{WIRE_CALL, WIRE_CALLS_WAITING};

/// The wire did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireFault {
    /// It does not answer; it is tried again.
    #[error("the wire is away: {0}")]
    Away(String),
    /// It answered no.
    #[error("the wire refused: {0}")]
    Refused(Refusal),
}

/// What [`WireControl::apply`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Ports that have no descriptor.
    pub unattached: Vec<String>,
    /// Start id of the wire that did it.
    pub instance: u64,
}

/// What the reconciler asks of the wire. Every call may be repeated.
#[async_trait]
pub trait WireControl: Send + Sync + std::fmt::Debug {
    /// Makes a topology as described, touching only what differs.
    async fn apply(&self, topology: &str, config: TopologyConfig) -> Result<Applied, WireFault>;

    /// Gives a port its descriptor.
    async fn attach(
        &self,
        topology: &str,
        port: &str,
        descriptor: OwnedFd,
    ) -> Result<(), WireFault>;

    /// Has what passes a link handed to a packet socket, see [`tomato_wire::capture::live`].
    async fn tap(&self, topology: &str, link: &str, socket: OwnedFd) -> Result<(), WireFault>;

    /// Has the past of a link written to a file, as far as it is kept; gives its bytes.
    async fn past(&self, topology: &str, link: &str, file: OwnedFd) -> Result<u64, WireFault>;

    /// Ends a topology; an unknown one is fine.
    async fn remove(&self, topology: &str) -> Result<(), WireFault>;

    /// All topologies.
    async fn list(&self) -> Result<Vec<String>, WireFault>;

    /// Counters of one topology; empty if it is unknown.
    async fn status(&self, topology: &str) -> Result<TopologyStatus, WireFault>;

    /// All of a running switch or hub.
    async fn bridge(&self, topology: &str, bridge: &str) -> Result<BridgeView, WireFault>;

    /// Tells of frames that the kernel lost in front of a port.
    async fn lost(&self, topology: &str, port: &str, frames: u64) -> Result<(), WireFault>;

    /// The wire's start id, if it lives.
    async fn instance(&self) -> Result<u64, WireFault>;

    /// Number of the wire's process, if it lives.
    async fn pid(&self) -> Result<u32, WireFault>;

    /// How the wire's data threads share the work.
    async fn workers(&self) -> Result<Vec<WorkerStatus>, WireFault>;

    /// Returns when the wire that lives now has ended, or for ever not if that cannot be seen.
    async fn ended(&self);
}

/// The real wire behind its control socket; connects anew whenever the conversation broke off.
///
/// One call at a time; at most [`WIRE_CALLS_WAITING`] wait for it.
#[derive(Debug, Clone)]
pub struct SocketWire {
    path: PathBuf,
    client: Arc<Mutex<Option<WireClient>>>,
    /// Places for calls, waiting ones too.
    places: Arc<Semaphore>,
    /// Held by the call that is under way, so that waiting ones occupy no thread.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl SocketWire {
    /// The wire that listens at `path`. Connects at the first call.
    pub fn new(path: PathBuf) -> Self {
        let places = Arc::new(Semaphore::new(WIRE_CALLS_WAITING));
        Self { path, client: Arc::default(), places, turn: Arc::default() }
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl Fn(&mut WireClient) -> Result<T, ClientError> + Send + 'static,
    ) -> Result<T, WireFault> {
        let Ok(_place) = self.places.try_acquire() else {
            let text = format!("{WIRE_CALLS_WAITING} calls wait for it already");
            return Err(WireFault::Away(text));
        };
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let (path, client) = (self.path.clone(), Arc::clone(&self.client));
        let done = tokio::task::spawn_blocking(move || {
            // Until the thread is done, also if the caller has gone.
            let _turn = turn;
            let mut slot = client.lock().unwrap_or_else(PoisonError::into_inner);
            let was_connected = slot.is_some();
            let mut result = once(&mut slot, &path, &work);
            if was_connected && slot.is_none() && matches!(result, Err(WireFault::Away(_))) {
                // The wire was replaced since the last call: the new one may be there already.
                result = once(&mut slot, &path, &work);
            }
            result
        });
        done.await.unwrap_or_else(|error| Err(WireFault::Away(error.to_string())))
    }
}

fn once<T>(
    slot: &mut Option<WireClient>,
    path: &std::path::Path,
    work: &impl Fn(&mut WireClient) -> Result<T, ClientError>,
) -> Result<T, WireFault> {
    let connected = match slot.take() {
        Some(client) => Ok(client),
        None => WireClient::connect(path, WIRE_CALL),
    };
    let mut client = connected.map_err(|error| WireFault::Away(chain(&error)))?;
    match work(&mut client) {
        Ok(value) => {
            *slot = Some(client);
            Ok(value)
        }
        Err(ClientError::Refused(refusal)) => {
            *slot = Some(client);
            // Its data path is stuck, which says nothing about what was asked.
            Err(match refusal.error {
                ErrorCode::Internal => WireFault::Away(refusal.message),
                _ => WireFault::Refused(refusal),
            })
        }
        Err(error) => Err(WireFault::Away(chain(&error))),
    }
}

#[async_trait]
impl WireControl for SocketWire {
    async fn apply(&self, topology: &str, config: TopologyConfig) -> Result<Applied, WireFault> {
        let topology = topology.to_owned();
        self.call(move |client| {
            let unattached = client.apply(&topology, config.clone())?;
            Ok(Applied { unattached, instance: client.welcome().instance })
        })
        .await
    }

    async fn attach(
        &self,
        topology: &str,
        port: &str,
        descriptor: OwnedFd,
    ) -> Result<(), WireFault> {
        let (topology, port) = (topology.to_owned(), port.to_owned());
        self.call(move |client| client.attach(&topology, &port, &descriptor)).await
    }

    async fn tap(&self, topology: &str, link: &str, socket: OwnedFd) -> Result<(), WireFault> {
        let (topology, link) = (topology.to_owned(), link.to_owned());
        self.call(move |client| client.tap(&topology, &link, &socket)).await
    }

    async fn past(&self, topology: &str, link: &str, file: OwnedFd) -> Result<u64, WireFault> {
        let (topology, link) = (topology.to_owned(), link.to_owned());
        self.call(move |client| client.past(&topology, &link, &file)).await
    }

    async fn remove(&self, topology: &str) -> Result<(), WireFault> {
        let topology = topology.to_owned();
        self.call(move |client| client.remove(&topology)).await
    }

    async fn list(&self) -> Result<Vec<String>, WireFault> {
        self.call(WireClient::list).await
    }

    async fn status(&self, topology: &str) -> Result<TopologyStatus, WireFault> {
        let topology = topology.to_owned();
        let asked = topology.clone();
        match self.call(move |client| client.status(Some(&asked))).await {
            Ok(mut all) => Ok(all.remove(&topology).unwrap_or_default()),
            Err(WireFault::Refused(refusal)) if refusal.error == ErrorCode::NotFound => {
                Ok(TopologyStatus::default())
            }
            // No counters, which are not counters of zero.
            Err(WireFault::Refused(refusal)) => Err(WireFault::Away(refusal.message)),
            Err(error) => Err(error),
        }
    }

    async fn bridge(&self, topology: &str, bridge: &str) -> Result<BridgeView, WireFault> {
        let (topology, bridge) = (topology.to_owned(), bridge.to_owned());
        self.call(move |client| client.bridge(&topology, &bridge)).await
    }

    async fn lost(&self, topology: &str, port: &str, frames: u64) -> Result<(), WireFault> {
        let (topology, port) = (topology.to_owned(), port.to_owned());
        self.call(move |client| client.lost(&topology, &port, frames)).await
    }

    async fn instance(&self) -> Result<u64, WireFault> {
        self.call(|client| client.hello().map(|welcome| welcome.instance)).await
    }

    async fn pid(&self) -> Result<u32, WireFault> {
        self.call(|client| client.hello().map(|welcome| welcome.pid)).await
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>, WireFault> {
        self.call(WireClient::workers).await
    }

    async fn ended(&self) {
        // It reads requests from this connection for ever, and gets none.
        let Ok(mut stream) = UnixStream::connect(&self.path).await else { return };
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.ok();
    }
}

#[cfg(test)]
mod tests;
