//! What a console says: terminal bytes and control messages, as the frames of a WebSocket towards users, and framed on a
//! stream of bytes between backend and hostmanager.
//!
//! On such a stream a frame is its kind (one byte), its length (32 bits, big-endian) and that many bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

/// Longest payload of a frame, in bytes.
pub const FRAME_BYTES_MAX: usize = 256 << 10;
/// Fewest columns or rows of a terminal.
pub const SIZE_MIN: u16 = 2;
/// Most columns or rows of a terminal.
pub const SIZE_MAX: u16 = 500;

const HEAD_BYTES: usize = 5;
const KIND_BYTES: u8 = 0;
const KIND_CONTROL: u8 = 1;

/// What a viewer says besides what is typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Asked {
    /// The viewer's window has this size; the terminal takes it over for all viewers.
    Resize {
        /// Letters of a row.
        columns: u16,
        /// Rows.
        rows: u16,
    },
}

/// What a viewer is told besides what the terminal shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Told {
    /// The terminal has this size.
    Size {
        /// Letters of a row.
        columns: u16,
        /// Rows.
        rows: u16,
    },
    /// The shell has ended; the next key starts another one.
    Exit {
        /// Its exit code, 128 and the signal's number if a signal ended it.
        code: i32,
    },
    /// The console ends with this, or could not do what was asked.
    Error {
        /// In words.
        message: String,
    },
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Bytes of the terminal.
    Bytes(Bytes),
    /// JSON of [`Asked`] or [`Told`].
    Control(String),
}

/// The stream is not one of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A kind nobody knows.
    #[error("a console frame of unknown kind {0}; run both sides from the same release")]
    Kind(u8),
    /// Too long.
    #[error("a console frame of {0} bytes, at most {FRAME_BYTES_MAX}")]
    Length(usize),
    /// A control message that is no text.
    #[error("a control message that is no UTF-8 text")]
    Text,
}

impl Frame {
    /// The frame of a control message.
    pub fn control(message: &impl Serialize) -> Self {
        Self::Control(serde_json::to_string(message).unwrap_or_default())
    }

    /// As it goes over a stream.
    pub fn encode(&self) -> Bytes {
        let (kind, payload) = match self {
            Self::Bytes(bytes) => (KIND_BYTES, bytes.as_ref()),
            Self::Control(text) => (KIND_CONTROL, text.as_bytes()),
        };
        let mut out = BytesMut::with_capacity(HEAD_BYTES + payload.len());
        out.put_u8(kind);
        // Longer ones than 4 GiB are not made; the reader would refuse them.
        out.put_u32(u32::try_from(payload.len()).unwrap_or(u32::MAX));
        out.put_slice(payload);
        out.freeze()
    }
}

/// Takes frames out of a stream.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: BytesMut,
}

impl Frames {
    /// Adds bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame; `None` until more of the stream has come.
    ///
    /// # Errors
    /// If the stream makes no sense; it is of no use then.
    pub fn take(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(&[kind, a, b, c, d]) = self.buffer.first_chunk::<HEAD_BYTES>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > FRAME_BYTES_MAX {
            return Err(FrameError::Length(length));
        }
        if self.buffer.len() < HEAD_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(HEAD_BYTES);
        let payload = self.buffer.split_to(length).freeze();
        match kind {
            KIND_BYTES => Ok(Some(Frame::Bytes(payload))),
            KIND_CONTROL => match String::from_utf8(payload.into()) {
                Ok(text) => Ok(Some(Frame::Control(text))),
                Err(_) => Err(FrameError::Text),
            },
            other => Err(FrameError::Kind(other)),
        }
    }
}

#[cfg(test)]
mod tests;
