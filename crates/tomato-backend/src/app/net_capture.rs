//! Captures of the original's mode `net`: a port for each connection, where a reader gets what passes as pcap.
//!
//! Invariants: the port is on loopback; whoever connects sends a token first, which is a grant: it ends by itself, and what is read is read as the account it was made for. A slow reader loses packets.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::error::RecvError;
use tomato_api::request::CaptureFilter;
use tomato_model::id::ConnectionId;
use tomato_model::original;
use tomato_model::topology::Connection;

use crate::app::grant::Purpose;
use crate::app::slot::Part;
use crate::app::{Answer, App, Caller, internal};
use crate::limits::{NET_CAPTURE_READERS, NET_CAPTURE_TOKEN_BYTES, NET_CAPTURE_TOKEN_WAIT};

/// The ports that are open.
#[derive(Debug, Default)]
pub(crate) struct NetCaptures {
    ports: Mutex<BTreeMap<ConnectionId, Port>>,
}

#[derive(Debug)]
struct Port {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Port {
    /// Ends only when nobody can connect any more.
    async fn close(mut self) {
        self.task.abort();
        // whether it was aborted or had ended by itself
        let _ended = (&mut self.task).await;
    }
}

/// Where a reader connects and what it sends first.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The port.
    pub(crate) port: u16,
    /// The line to send.
    pub(crate) token: String,
}

impl NetCaptures {
    fn ports(&self) -> MutexGuard<'_, BTreeMap<ConnectionId, Port>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the original's attributes of a connection say about its capture.
fn kept<'a>(connection: &'a Connection, key: &str) -> Option<&'a str> {
    connection.client.get(original::KEPT)?.get(key).and_then(Value::as_str)
}

/// The filter of a connection's captures, empty for all frames.
pub(crate) fn filter(connection: &Connection) -> &str {
    kept(connection, "capture_filter").unwrap_or_default()
}

/// Whether the original's attributes ask for a port and captures are on.
fn is_for_readers(connection: &Connection) -> bool {
    connection.capturing && kept(connection, "capture_mode") == Some("net")
}

impl App {
    /// The entry to a connection that captures to readers; none if it does not. The port opens with the first who asks and closes
    /// when the connection no longer does so or is gone.
    pub(crate) async fn net_capture(
        &self,
        caller: &Caller,
        connection: &Connection,
    ) -> Answer<Option<Entry>> {
        if !is_for_readers(connection) {
            let open = self.inner.net_captures.ports().remove(&connection.id);
            if let Some(port) = open {
                port.close().await;
            }
            return Ok(None);
        }
        let open = self.inner.net_captures.ports().get(&connection.id).map(|port| port.address);
        let address = match open {
            Some(address) => address,
            None => self.open_port(&connection.id).await?,
        };
        let token = self.grants().token(caller, Purpose::LiveCapture(connection.id.clone()))?;
        Ok(Some(Entry { port: address.port(), token }))
    }

    async fn open_port(&self, id: &ConnectionId) -> Answer<SocketAddr> {
        let failed = |error: std::io::Error| internal("opening a port for a capture", &error);
        let listener =
            TcpListener::bind((IpAddr::from([127, 0, 0, 1]), 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (app, connection) = (self.clone(), id.clone());
        let task = tokio::spawn(async move {
            tokio::select! {
                () = app.serve_port(&listener, &connection) => {}
                () = app.until_not_for_readers(&connection) => {}
            }
            drop(listener);
            let mut ports = app.inner.net_captures.ports();
            if ports.get(&connection).is_some_and(|port| port.address == address) {
                ports.remove(&connection);
            }
        });
        let mut ports = self.inner.net_captures.ports();
        // Another call may have been first: its port stays.
        let port = ports.entry(id.clone()).or_insert(Port { address, task });
        Ok(port.address)
    }

    /// Ends when the connection is gone or no longer captures to readers.
    async fn until_not_for_readers(&self, id: &ConnectionId) {
        let mut events = self.inner.events.subscribe();
        while self.is_for_readers(id).await {
            loop {
                match events.recv().await {
                    Ok(told) if told.event.id != id.as_str() => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return,
                }
            }
        }
    }

    async fn is_for_readers(&self, id: &ConnectionId) -> bool {
        let Ok(slot) = self.slot(Part::Connection(id)) else { return false };
        let state = slot.state.lock().await;
        !state.is_gone && state.graph.connection(id).is_some_and(is_for_readers)
    }

    async fn serve_port(&self, listener: &TcpListener, id: &ConnectionId) {
        let places = std::sync::Arc::new(tokio::sync::Semaphore::new(NET_CAPTURE_READERS));
        let mut readers = tokio::task::JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            while readers.try_join_next().is_some() {}
            let Ok(place) = std::sync::Arc::clone(&places).try_acquire_owned() else { continue };
            let (app, id) = (self.clone(), id.clone());
            readers.spawn(async move {
                let _place = place;
                if let Err(error) = app.serve_reader(stream, &id).await {
                    tracing::debug!(connection = %id, %error, "a reader of a capture ended");
                }
            });
        }
    }

    /// Reads the token, then writes what passes until the reader is gone.
    async fn serve_reader(&self, stream: TcpStream, id: &ConnectionId) -> std::io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut line = String::new();
        let mut input = BufReader::new(read.take(NET_CAPTURE_TOKEN_BYTES));
        tokio::time::timeout(NET_CAPTURE_TOKEN_WAIT, input.read_line(&mut line)).await??;
        let caller = match self.grant_find(line.trim()).await {
            Ok((Purpose::LiveCapture(of), caller)) if of == *id => caller,
            _ => {
                write
                    .write_all(b"the token is unknown or has ended: read capture_token again\n")
                    .await?;
                return Ok(());
            }
        };
        let live = async {
            let connection = self.connection_info(&caller, id).await?;
            let filter = CaptureFilter { filter: filter(&connection).to_owned() };
            self.capture_live(&caller, id, filter).await
        };
        let live = live.await.map_err(std::io::Error::other)?;
        let mut pcap = crate::grant::pcap::converted(live, None);
        while let Some(piece) = pcap.next().await {
            write.write_all(&piece?).await?;
        }
        Ok(())
    }
}
