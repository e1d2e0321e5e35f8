//! How many connections there may be, of all clients and of each address, and how long one may take to its first request.
//!
//! Invariant: a place is taken before anything is read and given back when the connection ends, however it ends.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// What is allowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Connections of all clients.
    pub(crate) all: usize,
    /// Connections of one address.
    pub(crate) each: usize,
    /// From the beginning of a connection to the end of its first request's header.
    pub(crate) patience: Duration,
}

/// A listener with bounds; connections beyond them are closed at once.
#[derive(Debug)]
pub(crate) struct Bounded<L> {
    inner: L,
    bounds: Bounds,
    places: Arc<Places>,
}

/// Connections by address.
#[derive(Debug, Default)]
struct Places(Mutex<BTreeMap<IpAddr, usize>>);

/// The place of one connection.
#[derive(Debug)]
struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

/// A connection with its place.
#[derive(Debug)]
pub(crate) struct Held<I> {
    io: I,
    heard: Heard,
    patience: Pin<Box<Sleep>>,
    _place: Place,
}

/// Whether a connection has sent a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard(Arc<AtomicBool>);

impl Heard {
    /// It has.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Places {
    fn take(self: &Arc<Self>, address: IpAddr, bounds: &Bounds) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = counts.get(&address).copied().unwrap_or_default();
        if own >= bounds.each || counts.values().sum::<usize>() >= bounds.all {
            return None;
        }
        counts.insert(address, own + 1);
        Some(Place { places: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

impl<L> Bounded<L> {
    pub(crate) fn new(inner: L, bounds: Bounds) -> Self {
        Self { inner, bounds, places: Arc::default() }
    }
}

impl<L: Listener<Addr = SocketAddr>> Listener for Bounded<L> {
    type Io = Held<L::Io>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (io, address) = self.inner.accept().await;
            // An address of version 4 may come in the clothes of version 6.
            let Some(place) = self.places.take(address.ip().to_canonical(), &self.bounds) else {
                tracing::debug!(%address, "too many connections: closed");
                continue;
            };
            let patience = Box::pin(tokio::time::sleep(self.bounds.patience));
            return (Held { io, heard: Heard::default(), patience, _place: place }, address);
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

impl<I> Held<I> {
    /// To be set with its first request.
    pub(crate) fn heard(&self) -> Heard {
        self.heard.clone()
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Held<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.heard.is_set() && self.patience.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Held<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests;
