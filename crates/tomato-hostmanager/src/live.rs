//! Live captures: what passes a connection, for any number of readers.
//!
//! Invariants: the wire is told once per connection, however many read; each reader has its own filter and its own bounds; one that is
//! slow loses packets, is told how many, and holds up neither the wire nor another reader.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair, sockopt};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_filter::Filter;
use tomato_model::id::{ConnectionId, InterfaceId, TopologyId};
use tomato_wire::capture::live::{HEAD_BYTES, Passed, block, header};
use tomato_wire::limits::MAX_FRAME_BYTES;

use crate::host::{Host, lock};
use crate::limits::{
    LIVE_BYTES, LIVE_JOINS, LIVE_LOOK, LIVE_READERS, LIVE_RECORDS, LIVE_RETRY, LIVE_SOCKET_BYTES,
};

/// Somebody who reads.
#[derive(Debug)]
struct Reader {
    to: mpsc::Sender<Bytes>,
    filter: Filter,
    /// Bytes handed over and not taken yet.
    waiting: Arc<AtomicUsize>,
    /// Packets it could not be told of.
    lost: u64,
}

/// The connections that somebody reads.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    hubs: Mutex<BTreeMap<ConnectionId, Entry>>,
}

/// The way to those who read a connection.
#[derive(Debug, Clone)]
struct Entry {
    join: mpsc::Sender<Reader>,
    /// Places for readers.
    places: Arc<Semaphore>,
}

impl Host {
    /// What passes a connection from now on, as pcapng, until the reader is gone.
    ///
    /// # Errors
    /// If the connection is not on this host, or has too many readers.
    pub(crate) async fn live(
        self: &Arc<Self>,
        id: &ConnectionId,
        filter: Filter,
    ) -> Result<impl Stream<Item = Bytes> + Send + use<>, ApiError> {
        let place = self.place_of(id).await.ok_or_else(|| {
            let message = format!("connection {id} is not on a host: start its elements first");
            ApiError::new(ErrorCode::NoDataAvailable, message)
        })?;
        let (to, blocks) = mpsc::channel(LIVE_RECORDS);
        let waiting = Arc::new(AtomicUsize::new(0));
        let taken = Arc::clone(&waiting);
        let mut reader = Reader { to, filter, waiting, lost: 0 };
        reader.give(header(&place.names));
        let place = loop {
            let hub = self.hub(id, &place);
            let place = Arc::clone(&hub.places).try_acquire_owned().map_err(|_full| {
                let message = format!(
                    "connection {id} has {LIVE_READERS} live captures already: end one of them"
                );
                ApiError::new(ErrorCode::NoResources, message)
            })?;
            match hub.join.send(reader).await {
                Ok(()) => break place,
                // It has just ended; the next one is another.
                Err(refused) => reader = refused.0,
            }
        };
        Ok(ReceiverStream::new(blocks).inspect(move |block: &Bytes| {
            // until the reader is gone
            let _place = &place;
            taken.fetch_sub(block.len(), Ordering::Relaxed);
        }))
    }

    fn hub(self: &Arc<Self>, id: &ConnectionId, place: &Place) -> Entry {
        let mut hubs = lock(&self.lives.hubs);
        hubs.retain(|_, hub| !hub.join.is_closed());
        if let Some(hub) = hubs.get(id) {
            return hub.clone();
        }
        let (join, joins) = mpsc::channel(LIVE_JOINS);
        let entry = Entry { join, places: Arc::new(Semaphore::new(LIVE_READERS)) };
        hubs.insert(id.clone(), entry.clone());
        let topology = place.topology.clone();
        let hub = Hub { host: Arc::clone(self), id: id.clone(), topology, readers: Vec::new() };
        tokio::spawn(hub.run(joins));
        entry
    }

    async fn place_of(&self, id: &ConnectionId) -> Option<Place> {
        for topology in self.topologies() {
            let wanted = topology.wanted();
            let Some(connection) = wanted.connections.iter().find(|c| c.id == *id) else {
                continue;
            };
            let name = |interface: &InterfaceId| {
                let owner = wanted.elements.iter().find_map(|element| {
                    let found = element.interfaces.iter().find(|i| i.id == *interface)?;
                    Some(format!("{}:{}", element.name, found.name))
                });
                owner.unwrap_or_default()
            };
            let [a, b] = [&connection.interfaces[0], &connection.interfaces[1]].map(name);
            let names = [format!("{a}->{b}"), format!("{b}->{a}")];
            return Some(Place { topology: topology.id.clone(), names });
        }
        None
    }
}

/// Where a connection is.
struct Place {
    topology: TopologyId,
    /// Of its directions.
    names: [String; 2],
}

impl Reader {
    /// Hands a block over; false if there is no room.
    fn give(&mut self, block: Vec<u8>) -> bool {
        let len = block.len();
        if self.waiting.load(Ordering::Relaxed) + len > LIVE_BYTES {
            return false;
        }
        self.waiting.fetch_add(len, Ordering::Relaxed);
        let is_given = self.to.try_send(block.into()).is_ok();
        if !is_given {
            self.waiting.fetch_sub(len, Ordering::Relaxed);
        }
        is_given
    }

    fn see(&mut self, passed: &Passed<'_>) {
        self.lost += passed.lost;
        if !self.filter.matches(passed.data) {
            return;
        }
        if self.give(block(passed, self.lost)) {
            self.lost = 0;
        } else {
            self.lost += 1;
        }
    }
}

/// The one who reads from the wire.
struct Hub {
    host: Arc<Host>,
    id: ConnectionId,
    topology: TopologyId,
    readers: Vec<Reader>,
}

impl Hub {
    async fn run(mut self, mut joins: mpsc::Receiver<Reader>) {
        let mut buffer = vec![0; HEAD_BYTES + MAX_FRAME_BYTES];
        let mut socket = self.tap().await;
        loop {
            // Without a wire, or without the connection in it, the readers wait for it.
            let pause = if socket.is_some() { LIVE_LOOK } else { LIVE_RETRY };
            tokio::select! {
                () = self.host.stop.cancelled() => return,
                Some(reader) = joins.recv() => self.readers.push(reader),
                count = read(socket.as_ref(), &mut buffer) => match count {
                    Ok(count) if count > 0 => self.pass(&buffer[..count]),
                    _ => socket = None,
                },
                () = tokio::time::sleep(pause) => if socket.is_none() {
                    socket = self.tap().await;
                },
            }
            self.readers.retain(|reader| !reader.to.is_closed());
            if self.readers.is_empty() {
                // Under the lock: whoever comes next finds either us reading or nobody.
                let mut hubs = lock(&self.host.lives.hubs);
                if joins.is_empty() {
                    joins.close();
                    hubs.remove(&self.id);
                    return;
                }
            }
        }
    }

    fn pass(&mut self, message: &[u8]) {
        let Some(passed) = Passed::parse(message) else { return };
        for reader in &mut self.readers {
            reader.see(&passed);
        }
    }

    /// Asks the wire for what passes.
    async fn tap(&self) -> Option<AsyncFd<OwnedFd>> {
        let made = || -> io::Result<(OwnedFd, OwnedFd)> {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let (ours, theirs) =
                socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
            sockopt::set_socket_send_buffer_size_force(&theirs, LIVE_SOCKET_BYTES)
                .or_else(|_| sockopt::set_socket_send_buffer_size(&theirs, LIVE_SOCKET_BYTES))?;
            Ok((ours, theirs))
        };
        let (ours, theirs) = match made() {
            Ok(pair) => pair,
            Err(error) => {
                tracing::warn!(%error, "cannot make a socket for a live capture");
                return None;
            }
        };
        let tapped = self.host.parts.wire.tap(self.topology.as_str(), self.id.as_str(), theirs);
        if let Err(error) = tapped.await {
            tracing::debug!(id = %self.id, %error, "nothing to capture now");
            return None;
        }
        #[allow(
            deprecated,
            reason = "the descriptor is owned, so it is open as long as it is watched"
        )]
        AsyncFd::new(ours).ok()
    }
}

async fn read(socket: Option<&AsyncFd<OwnedFd>>, buffer: &mut [u8]) -> io::Result<usize> {
    let Some(socket) = socket else { return std::future::pending().await };
    let once = |fd: &OwnedFd| {
        recv(fd, &mut *buffer, RecvFlags::empty()).map(|(count, _)| count).map_err(io::Error::from)
    };
    socket.async_io(Interest::READABLE, once).await
}

#[cfg(test)]
mod tests;
