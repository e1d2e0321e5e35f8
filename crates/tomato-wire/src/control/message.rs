//! Messages on a stream: length, JSON, at most one descriptor.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits;

/// A message could not be exchanged.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The stream failed or a deadline passed in the middle of a message.
    #[error("cannot {action} a control message")]
    Stream {
        /// Read or write.
        action: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Longer than [`limits::MAX_CONTROL_BYTES`].
    #[error("a control message of {bytes} bytes, at most {max}", max = limits::MAX_CONTROL_BYTES)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not the JSON that was expected.
    #[error("cannot understand a control message")]
    Parse(#[source] serde_json::Error),
    /// It cannot be expressed as JSON.
    #[error("cannot express a control message")]
    Express(#[source] serde_json::Error),
}

impl MessageError {
    /// Whether nothing had come when the read timed out.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        match self {
            MessageError::Stream { action: "await", source } => {
                matches!(source.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
            }
            _ => false,
        }
    }
}

/// Sends a message, with a descriptor if there is one.
///
/// # Errors
/// If it is too long or the stream fails.
pub fn send(
    mut stream: &UnixStream,
    message: &impl Serialize,
    descriptor: Option<BorrowedFd<'_>>,
) -> Result<(), MessageError> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message).map_err(MessageError::Express)?;
    let len = bytes.len() - 4;
    let head = u32::try_from(len).ok().filter(|_| len <= limits::MAX_CONTROL_BYTES);
    let head = head.ok_or(MessageError::TooLong { bytes: len })?;
    bytes[..4].copy_from_slice(&head.to_be_bytes());
    let fail = |source| MessageError::Stream { action: "write", source };
    let sent = match &descriptor {
        None => 0,
        Some(descriptor) => {
            let descriptors = std::slice::from_ref(descriptor);
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let fits = control.push(SendAncillaryMessage::ScmRights(descriptors));
            debug_assert!(fits, "the space is made for one descriptor");
            let first = [IoSlice::new(&bytes)];
            sendmsg(stream, &first, &mut control, SendFlags::NOSIGNAL)
                .map_err(|error| fail(error.into()))?
        }
    };
    stream.write_all(&bytes[sent..]).map_err(fail)
}

/// Receives a message and the descriptor that came with it; none at the end of the stream.
///
/// # Errors
/// If it is too long, not understood, or the stream fails.
pub fn receive<T: DeserializeOwned>(
    mut stream: &UnixStream,
) -> Result<Option<(T, Option<OwnedFd>)>, MessageError> {
    let fail = |source| MessageError::Stream { action: "read", source };
    let mut head = [0; 4];
    let (count, descriptor) = receive_first(stream, &mut head)
        .map_err(|source| MessageError::Stream { action: "await", source })?;
    if count == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut head[count..]).map_err(fail)?;
    let len = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
    if len > limits::MAX_CONTROL_BYTES {
        return Err(MessageError::TooLong { bytes: len });
    }
    // grows with what really comes
    let mut bytes = Vec::new();
    let limit = u64::try_from(len).unwrap_or(u64::MAX);
    let read = stream.take(limit).read_to_end(&mut bytes).map_err(fail)?;
    if read < len {
        return Err(fail(ErrorKind::UnexpectedEof.into()));
    }
    let message = serde_json::from_slice(&bytes).map_err(MessageError::Parse)?;
    Ok(Some((message, descriptor)))
}

fn receive_first(stream: &UnixStream, head: &mut [u8; 4]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(head)];
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(stream, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let mut descriptor = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            // one is expected; further ones are closed here
            for received in descriptors {
                descriptor.get_or_insert(received);
            }
        }
    }
    Ok((received.bytes, descriptor))
}
