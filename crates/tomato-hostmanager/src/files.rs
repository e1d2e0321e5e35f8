//! Files of elements, streamed in both directions as tar.
//!
//! The containers see to it that nothing leads out of them; here bytes go through, as fast as the slower side takes them.

use std::io::{self, Read, Write};
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::{StreamReader, SyncIoBridge};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::id::ElementId;
use tomato_model::lifecycle::State;

use crate::error::of_container;
use crate::host::Host;
use crate::limits::{STREAM_CHUNK_BYTES, STREAM_CHUNKS};

/// Hands what is written to a stream.
struct ChunkWriter(mpsc::Sender<io::Result<Bytes>>);

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(STREAM_CHUNK_BYTES);
        let chunk = Bytes::copy_from_slice(&bytes[..count]);
        self.0
            .blocking_send(Ok(chunk))
            .map_err(|_gone| io::ErrorKind::BrokenPipe.into())
            .map(|()| count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
    let (send, mut receive) = mpsc::channel(STREAM_CHUNKS);
    let (containers, id) = (Arc::clone(&host.parts.containers), id.clone());
    let work = tokio::spawn(async move {
        let packed = containers.read_files(&id, &path, Box::new(ChunkWriter(send.clone()))).await;
        if let Err(error) = &packed {
            send.send(Err(io::Error::other(of_container(error).message))).await.ok();
        }
        packed
    });
    match receive.recv().await {
        Some(Ok(first)) => {
            let first = futures_util::stream::once(std::future::ready(Ok(first)));
            Ok(Body::from_stream(first.chain(ReceiverStream::new(receive))))
        }
        _ => match work.await {
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
    let chunks = body.into_data_stream().map(|chunk| chunk.map_err(io::Error::other));
    let reader: Box<dyn Read + Send> = Box::new(SyncIoBridge::new(StreamReader::new(chunks)));
    let written = host.parts.containers.write_files(id, path, reader).await;
    written.map_err(|error| of_files(&error))
}

/// What the container itself refuses is the caller's to change.
fn of_files(error: &tomato_virt::container::ContainerError) -> ApiError {
    let mut error = of_container(error);
    if error.code == ErrorCode::HostError {
        let is_missing = error.message.contains("No such file or directory");
        error.code = if is_missing { ErrorCode::NoDataAvailable } else { ErrorCode::CommandFailed };
        error.message = format!("path: {}", error.message);
    }
    error
}
