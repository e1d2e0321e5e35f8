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
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use http_body_util::BodyStream;
use hyper::body::Frame;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::{StreamReader, SyncIoBridge};
use tokio_util::task::AbortOnDropHandle;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::WHOLE;
use tomato_model::id::ElementId;
use tomato_model::lifecycle::State;
use tomato_virt::container::ContainerError;
use tomato_virt::resume::{FILES_HEAD_BYTES, FilesHead};

use crate::archive::{disk_limit, room, spool};
use crate::error::{of_container, of_host};
use crate::host::Host;
use crate::limits::{
    ARCHIVE_BYTES, SPOOL_LOOK_BYTES, STREAM_CHUNK_BYTES, STREAM_CHUNKS, STREAM_SILENCE,
};
use crate::part;

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

/// What a body consists of; an error when nothing comes for `silence`.
fn frames(
    body: Body,
    silence: Duration,
) -> impl Stream<Item = io::Result<Frame<Bytes>>> + Send + Unpin {
    let next = move |mut frames: BodyStream<Body>| async move {
        let frame = match timeout(silence, frames.next()).await {
            Ok(frame) => frame?.map_err(io::Error::other),
            Err(_elapsed) => Err(silent("sent", silence)),
        };
        Some((frame, frames))
    };
    Box::pin(stream::unfold(BodyStream::new(body), next))
}

/// The chunks of a body; an error when none comes for `silence`.
pub(crate) fn chunks(
    body: Body,
    silence: Duration,
) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin {
    let chunks = frames(body, silence)
        .filter_map(async |frame| frame.map(|frame| frame.into_data().ok()).transpose());
    Box::pin(chunks)
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

/// Where a tar of files begins.
#[derive(Debug, Default)]
pub(crate) struct Begin {
    /// Bytes of it that the reader has.
    pub(crate) offset: u64,
    /// The version that those are of; `None` is any.
    pub(crate) version: Option<String>,
}

/// A file or directory as tar, and what it is.
///
/// # Errors
/// If nothing can be read; `conflict` if it is of another version. The stream breaks off if something fails later.
pub(crate) async fn read(
    host: &Arc<Host>,
    id: &ElementId,
    path: String,
    from: Begin,
) -> Result<(FilesHead, Body), ApiError> {
    check(host, id, &path).await?;
    let place = host.topology_of(id).await?.places.archive().await;
    let (to, mut receive) = mpsc::channel(STREAM_CHUNKS);
    let (containers, id) = (Arc::clone(&host.parts.containers), id.clone());
    let writer = ChunkWriter { to, runtime: Handle::current(), silence: STREAM_SILENCE };
    // Ends with its reader, also before there is anything to read.
    let work = AbortOnDropHandle::new(tokio::spawn(async move {
        let _place = place;
        containers.read_files(&id, &path, from.offset, Box::new(writer)).await
    }));
    let mut first = BytesMut::new();
    while first.len() < FILES_HEAD_BYTES
        && let Some(chunk) = receive.recv().await
    {
        first.extend_from_slice(&chunk);
    }
    let Some((head, first)) = first.split_first_chunk() else {
        return match work.await {
            Ok(Err(error)) => Err(of_files(&error)),
            _ => Err(ApiError::new(ErrorCode::HostError, "the files could not be packed")),
        };
    };
    let head = FilesHead::from_bytes(head);
    if from.version.is_some_and(|version| version != head.version_text()) {
        let message = "version: the files have changed since; read them from the beginning";
        let data = json!({"version": head.version_text()});
        return Err(ApiError::new(ErrorCode::Conflict, message).with(data));
    }
    let first = stream::once(std::future::ready(Bytes::copy_from_slice(first)));
    let chunks = first.chain(ReceiverStream::new(receive)).map(Ok);
    // Without an error the reader would take what has come for all of it.
    let end = stream::once(work).filter_map(async |packed| match packed {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(Err(io::Error::other(of_container(&error).message))),
        Err(error) => Some(Err(io::Error::other(error))),
    });
    Ok((head, Body::from_stream(chunks.chain(end))))
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
    let room = room(host, id).await?;
    let written = host.parts.containers.write_files(id, path, reader, room).await;
    written.map_err(|error| of_files(&error))
}

/// Goes on with an upload at `offset` and unpacks it once it is whole. What has come of it is kept until then, or until it cannot be
/// unpacked.
///
/// # Errors
/// As [`write()`]; `conflict` if fewer bytes are held.
pub(crate) async fn write_part(
    host: &Arc<Host>,
    id: &ElementId,
    path: &str,
    (name, offset): (&str, u64),
    body: Body,
) -> Result<(), ApiError> {
    check(host, id, path).await?;
    let claim = part::claim(host, id, name).await?;
    let topology = host.topology_of(id).await?;
    let _place = topology.places.archive().await;
    let disk = disk_limit(&topology, id);
    let taken = claim.taken.clone();
    let received = tokio::select! {
        () = taken.cancelled() => {
            let message = "another call goes on with this upload";
            return Err(ApiError::new(ErrorCode::EntityBusy, message));
        }
        received = store(host, claim.open(offset)?, body, disk.saturating_sub(offset)) => received?,
    };
    let (file, is_whole) = received;
    if !is_whole {
        let message = "the upload broke off; ask for what is held of it and go on there";
        return Err(ApiError::new(ErrorCode::HostError, message));
    }
    let file = rewound(file)?;
    let room = room(host, id).await?;
    let written = host.parts.containers.write_files(id, path, Box::new(file), room).await;
    claim.remove()?;
    written.map_err(|error| of_files(&error))
}

/// Writes a body to a temporary file that stands at its beginning.
///
/// # Errors
/// If it is too long, the disk is full but for a reserve, or nothing of it comes for a while.
pub(crate) async fn receive(host: &Arc<Host>, body: Body) -> Result<File, ApiError> {
    let file = spool(host).map_err(not_received)?;
    let (file, _) = store(host, file, body, ARCHIVE_BYTES).await?;
    rewound(file)
}

#[allow(clippy::needless_pass_by_value, reason = "as map_err gives it")]
fn not_received(error: io::Error) -> ApiError {
    of_host("receive the files", &error)
}

fn rewound(mut file: File) -> Result<File, ApiError> {
    file.rewind().map_err(not_received)?;
    Ok(file)
}

/// Writes a body of at most `most` bytes to a file; also says whether it ended with the mark of a whole one.
async fn store(
    host: &Arc<Host>,
    mut file: File,
    body: Body,
    most: u64,
) -> Result<(File, bool), ApiError> {
    let mut frames = frames(body, STREAM_SILENCE);
    let (mut bytes, mut room, mut is_whole) = (0, 0, false);
    while let Some(frame) = frames.next().await {
        let chunk = match frame.map_err(not_received)?.into_data() {
            Ok(chunk) => chunk,
            Err(other) => {
                is_whole = other.trailers_ref().is_some_and(|t| t.contains_key(WHOLE));
                continue;
            }
        };
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
        if bytes > most {
            let message = format!(
                "the upload takes more than the {most} bytes there is room for; make it smaller"
            );
            return Err(ApiError::new(ErrorCode::InvalidValue, message));
        }
        let written = tokio::task::spawn_blocking(move || file.write_all(&chunk).map(|()| file));
        file =
            written.await.map_err(|e| not_received(io::Error::other(e)))?.map_err(not_received)?;
    }
    Ok((file, is_whole))
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
