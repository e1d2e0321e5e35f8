//! How frames come and go: ports on descriptors, and the thread that serves them.

use std::fmt::Debug;
use std::io;
use std::os::fd::AsFd;

use crate::core::frame::{Frame, FramePool, Scratch, Unfit};
use crate::core::merge::Run;
use crate::core::network::Undelivered;

mod pace;
pub mod packet;
pub mod socket;
mod sys;
pub mod tap;
mod topology;
pub mod wake;
pub mod worker;
pub mod workers;
mod write;

pub(crate) use sys::{block_signals, signal_descriptor};

/// A descriptor that frames come from and go to, one data thread at a time.
pub trait Port: Debug + Send + AsFd {
    /// Reads one frame without waiting; none if there is none.
    ///
    /// # Errors
    /// [`PortError::Gone`] if nothing can come any more.
    fn recv(
        &mut self,
        pool: &FramePool,
        scratch: &mut Scratch,
    ) -> Result<Option<Received>, PortError>;

    /// Writes packets without waiting.
    ///
    /// # Errors
    /// See [`Fault`].
    fn send(&mut self, run: &Run) -> Result<(), Fault>;

    /// Whether an error of its descriptor that no read tells means that nothing can come any more.
    fn ends_by_error(&self) -> bool {
        true
    }

    /// Whether it takes datagrams of one flow as one super-frame.
    fn merges(&self) -> bool {
        false
    }

    /// Tells the far side whether there is a link.
    ///
    /// # Errors
    /// If the descriptor refuses.
    fn set_carrier(&mut self, is_up: bool) -> io::Result<()>;

    /// Frames that were lost in front of the port since the last call, if the kernel counts them for it.
    fn lost_before(&mut self) -> u64 {
        0
    }
}

/// What came by one [`Port::recv`].
#[derive(Debug)]
pub struct Received {
    /// The frame, or why it is none.
    pub frame: Result<Frame, Unfit>,
    /// Bytes that were read.
    pub bytes: usize,
    /// When the kernel took it in, on the clock of the data path; none if the port cannot tell.
    pub stamp_ns: Option<u64>,
}

impl Received {
    /// Wire packets in it; one that is none counts as one.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.frame.as_ref().map_or(1, |frame| frame.shape().packets().into())
    }
}

/// Packets were not written.
#[derive(Debug)]
pub enum Fault {
    /// Not all were taken; later ones may be.
    Refused(Undelivered),
    /// The far side is gone for good.
    Gone(PortError),
}

/// A port did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
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
    /// Not a socket that keeps messages apart.
    #[error("the descriptor must be a connected socket of type SOCK_SEQPACKET or SOCK_DGRAM")]
    CheckSocket(#[source] io::Error),
    /// Not a packet socket, or its kernel is too old.
    #[error(
        "the descriptor must be a bound AF_PACKET socket of type SOCK_RAW, on Linux 5.0 or later"
    )]
    CheckPacket(#[source] io::Error),
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
