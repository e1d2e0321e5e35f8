//! How frames come and go: ports on descriptors, and the thread that serves them.

use std::fmt::Debug;
use std::io;
use std::os::fd::AsFd;

pub mod socket;
mod sys;
pub mod tap;
mod topology;
pub mod worker;

pub(crate) use sys::{block_signals, signal_descriptor};

/// A descriptor that frames come from and go to, one data thread at a time.
pub trait Port: Debug + Send + AsFd {
    /// Reads up to `limit` frames without waiting. `scratch` has room for the longest frame and its header.
    ///
    /// # Errors
    /// [`PortError::Gone`] if nothing can come any more; frames before that were taken.
    fn recv_batch(
        &mut self,
        scratch: &mut [u8],
        limit: usize,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Batch, PortError>;

    /// Writes one frame without waiting.
    ///
    /// # Errors
    /// See [`PortError`].
    fn send(&mut self, frame: &[u8]) -> Result<(), PortError>;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Tells the far side whether there is a link.
    ///
    /// # Errors
    /// If the descriptor refuses.
    fn set_carrier(&mut self, is_up: bool) -> io::Result<()>;
}

/// What came by one [`Port::recv_batch`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Batch {
    /// Frames taken.
    pub frames: usize,
    /// Reads that were no single complete frame.
    pub refused: u64,
}

/// What a port can do. The network relies on none of it yet: every frame is one complete wire packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Frames may be longer than the wire allows and carry how to cut them.
    pub segmentation: bool,
    /// Frames may come without checksum.
    pub partial_checksum: bool,
}

/// A port did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// This frame was not taken; a later one may be.
    #[error("the port does not take frames now")]
    Refused(#[source] io::Error),
    /// The far side is gone for good.
    #[error("the port's device is gone")]
    Gone(#[source] io::Error),
}

/// A descriptor cannot be a port.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not a TAP, or opened with other flags.
    #[error("the descriptor must be a TAP opened with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR")]
    CheckTap(#[source] io::Error),
    /// Not a sequenced-packet socket.
    #[error("the descriptor must be a connected SOCK_SEQPACKET unix socket")]
    CheckSocket(#[source] io::Error),
    /// A setting was refused.
    #[error("cannot set {setting} of the port")]
    Set {
        /// The setting.
        setting: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}
