//! A socket that keeps messages apart, one frame per message: unix sequenced-packet or datagram, or connected UDP. For
//! programs that speak Ethernet themselves, virtual machines and other hosts.
//!
//! Such ends verify checksums, so packets are written one by one and complete.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketType, recv, send, sockopt};

use crate::core::direction::DropCause;
use crate::core::frame::{FramePool, Scratch, Unfit};
use crate::core::network::Undelivered;
use crate::core::split::{Offload, Train};
use crate::io::{Fault, OpenError, Port, PortError, Received};

/// A socket as port.
#[derive(Debug)]
pub struct SocketPort {
    descriptor: OwnedFd,
    /// A message of no bytes means that the other end is closed.
    has_end: bool,
    /// A packet that is being written.
    room: Vec<u8>,
}

impl SocketPort {
    /// Takes a socket over.
    ///
    /// # Errors
    /// If it is a stream.
    pub fn open(descriptor: OwnedFd) -> Result<Self, OpenError> {
        let kind = sockopt::socket_type(&descriptor)
            .map_err(|error| OpenError::CheckSocket(error.into()))?;
        if kind != SocketType::SEQPACKET && kind != SocketType::DGRAM {
            let error = io::Error::other("it is a socket of another type");
            return Err(OpenError::CheckSocket(error));
        }
        let has_end = kind == SocketType::SEQPACKET;
        Ok(Self { descriptor, has_end, room: Vec::new() })
    }
}

impl AsFd for SocketPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Port for SocketPort {
    fn recv(
        &mut self,
        pool: &FramePool,
        scratch: &mut Scratch,
    ) -> Result<Option<Received>, PortError> {
        let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
        loop {
            let (kept, len) = match recv(&self.descriptor, scratch.bytes(), flags) {
                Ok((0, 0)) if self.has_end => {
                    return Err(PortError::Gone(io::ErrorKind::UnexpectedEof.into()));
                }
                Ok(lengths) => lengths,
                Err(Errno::AGAIN) => return Ok(None),
                // refused: what an earlier datagram met
                Err(Errno::INTR | Errno::CONNREFUSED) => continue,
                Err(error) => return Err(PortError::Gone(error.into())),
            };
            let frame = if kept == len {
                pool.freeze(scratch, 0..len, Offload::default())
            } else {
                Err(Unfit::Malformed)
            };
            return Ok(Some(Received { frame, bytes: kept, stamp_ns: None }));
        }
    }

    fn send(&mut self, train: &Train) -> Result<(), Fault> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        for (passed, index) in (0..).zip(train.first..train.end()) {
            train.packet(index, &mut self.room);
            match send(&self.descriptor, &self.room, flags) {
                Ok(_) => {}
                Err(error @ (Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN)) => {
                    return Err(Fault::Gone(PortError::Gone(error.into())));
                }
                Err(_) => {
                    return Err(Fault::Refused(Undelivered { passed, cause: DropCause::Port }));
                }
            }
        }
        Ok(())
    }

    /// A socket has no carrier.
    fn set_carrier(&mut self, _is_up: bool) -> io::Result<()> {
        Ok(())
    }
}
