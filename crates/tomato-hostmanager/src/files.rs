//! Files of elements, streamed in both directions as tar, and uploads.
//!
//! The containers see to it that nothing leads out of them; here bytes go through, as fast as the slower side takes them.
//!
//! Invariant: a transfer holds a place of its topology, and gives it back soon after the other side neither sends nor takes anything.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::{StreamReader, SyncIoBridge};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::id::ElementId;
use tomato_model::lifecycle::State;
use tomato_virt::container::ContainerError;

use crate::archive::spool;
use crate::error::{of_container, of_host};
use crate::host::Host;
use crate::limits::{
    ARCHIVE_BYTES, SPOOL_LOOK_BYTES, STREAM_CHUNK_BYTES, STREAM_CHUNKS, STREAM_SILENCE,
};

/// Hands what is written to a stream; fails when nothing of it is taken for a while.
struct ChunkWriter {
    to: mpsc::Sender<Bytes>,
    runtime: Handle,
    silence: Duration,
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(STREAM_CHUNK_BYTES);
        let chunk = Bytes::copy_from_slice(&bytes[..count]);
        let sent = async { timeout(self.silence, self.to.send(chunk)).await };
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(count),
            Ok(Err(_gone)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_elapsed) => Err(silent("taken", self.silence)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn silent(what: &str, silence: Duration) -> io::Error {
    let message = format!("nothing was {what} for {} s", silence.as_secs_f32());
    io::Error::new(io::ErrorKind::TimedOut, message)
}

/// The chunks of a body; an error when none comes for `silence`.
pub(crate) fn chunks(
    body: Body,
    silence: Duration,
) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin {
    let next = move |mut chunks: axum::body::BodyDataStream| async move {
        let chunk = match timeout(silence, chunks.next()).await {
            Ok(chunk) => chunk?.map_err(io::Error::other),
            Err(_elapsed) => Err(silent("sent", silence)),
        };
        Some((chunk, chunks))
    };
    Box::pin(stream::unfold(body.into_data_stream(), next))
}

fn check_path(path: &str) -> Result<(), ApiError> {
    if path.starts_with('/') && !path.contains('\0') {
        return Ok(());
    }
    let message = format!("path: {path:?} is not absolute; begin it with a slash");
    Err(ApiError::new(ErrorCode::InvalidValue, message))
}

async fn check(host: &Arc<Host>, id: &ElementId, path: &str) -> Result<(), ApiError> {
    check_path(path)?;
    if host.ready(id).await? == State::Created {
        let message = format!("element {id} is not prepared: prepare it first");
        return Err(ApiError::new(ErrorCode::InvalidState, message));
    }
    Ok(())
}

/// A file or directory as tar.
///
/// # Errors
/// If nothing can be read; the stream breaks off if something fails later.
pub(crate) async fn read(host: &Arc<Host>, id: &ElementId, path: String) -> Result<Body, ApiError> {
    check(host, id, &path).await?;
    let place = host.topology_of(id).await?.places.archive().await;
    let (to, mut receive) = mpsc::channel(STREAM_CHUNKS);
    let (containers, id) = (Arc::clone(&host.parts.containers), id.clone());
    let writer = ChunkWriter { to, runtime: Handle::current(), silence: STREAM_SILENCE };
    let work = tokio::spawn(async move {
        let _place = place;
        containers.read_files(&id, &path, Box::new(writer)).await
    });
    match receive.recv().await {
        Some(first) => {
            let first = stream::once(std::future::ready(first));
            let chunks = first.chain(ReceiverStream::new(receive)).map(Ok);
            // Without an error the reader would take what has come for all of it.
            let end = stream::once(work).filter_map(async |packed| match packed {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(Err(io::Error::other(of_container(&error).message))),
                Err(error) => Some(Err(io::Error::other(error))),
            });
            Ok(Body::from_stream(chunks.chain(end)))
        }
        None => match work.await {
            Ok(Err(error)) => Err(of_files(&error)),
            _ => Err(ApiError::new(ErrorCode::HostError, "the files could not be packed")),
        },
    }
}

/// Unpacks a tar.
///
/// # Errors
/// If something of it cannot be written; what was before it stays.
pub(crate) async fn write(
    host: &Arc<Host>,
    id: &ElementId,
    path: &str,
    body: Body,
) -> Result<(), ApiError> {
    check(host, id, path).await?;
    let _place = host.topology_of(id).await?.places.archive().await;
    let chunks = StreamReader::new(chunks(body, STREAM_SILENCE));
    let reader: Box<dyn Read + Send> = Box::new(SyncIoBridge::new(chunks));
    let written = host.parts.containers.write_files(id, path, reader).await;
    written.map_err(|error| of_files(&error))
}

/// Writes a body to a temporary file that stands at its beginning.
///
/// # Errors
/// If it is too long, the disk is full but for a reserve, or nothing of it comes for a while.
pub(crate) async fn receive(host: &Arc<Host>, body: Body) -> Result<File, ApiError> {
    let failed = |e: io::Error| of_host("receive the archive", &e);
    let mut file = spool(host).map_err(failed)?;
    let mut chunks = chunks(body, STREAM_SILENCE);
    let (mut bytes, mut room) = (0, 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(failed)?;
        let length = chunk.len() as u64;
        bytes += length;
        if room < length {
            // Again and again, as others fill the disk meanwhile.
            let left = host.parts.containers.disk_room().await.map_err(|e| of_container(&e))?;
            room = left.min(SPOOL_LOOK_BYTES);
        }
        let Some(left) = room.checked_sub(length) else {
            let message =
                "the disk of the host is full but for a reserve; remove something there first";
            return Err(ApiError::new(ErrorCode::NoResources, message));
        };
        room = left;
        if bytes > ARCHIVE_BYTES {
            let message =
                format!("the archive is longer than {ARCHIVE_BYTES} bytes; make it smaller");
            return Err(ApiError::new(ErrorCode::InvalidValue, message));
        }
        let written = tokio::task::spawn_blocking(move || file.write_all(&chunk).map(|()| file));
        file = written.await.map_err(|e| failed(io::Error::other(e)))?.map_err(failed)?;
    }
    file.rewind().map_err(failed)?;
    Ok(file)
}

/// What the container itself refuses is the caller's to change.
fn of_files(error: &ContainerError) -> ApiError {
    let is_missing = matches!(error, ContainerError::Missing { .. });
    let mut error = of_container(error);
    if error.code == ErrorCode::HostError {
        error.code = if is_missing { ErrorCode::NoDataAvailable } else { ErrorCode::CommandFailed };
        error.message = format!("path: {}", error.message);
    }
    error
}

#[cfg(test)]
mod tests;
