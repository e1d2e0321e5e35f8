//! A sequenced-packet unix socket, one frame per message: for programs that speak Ethernet themselves.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketType, recv, send, sockopt};

use crate::io::{Batch, Capabilities, OpenError, Port, PortError};

/// A socket as port.
#[derive(Debug)]
pub struct SocketPort {
    descriptor: OwnedFd,
}

impl SocketPort {
    /// Takes a socket over.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn open(descriptor: OwnedFd) -> Result<Self, OpenError> {
        let kind = sockopt::socket_type(&descriptor)
            .map_err(|error| OpenError::CheckSocket(error.into()))?;
        if kind != SocketType::SEQPACKET {
            let error = io::Error::other("it is a socket of another type");
            return Err(OpenError::CheckSocket(error));
        }
        Ok(Self { descriptor })
    }
}

impl AsFd for SocketPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Port for SocketPort {
    fn recv_batch(
        &mut self,
        scratch: &mut [u8],
        limit: usize,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Batch, PortError> {
        let mut batch = Batch::default();
        for _ in 0..limit {
            let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
            match recv(&self.descriptor, &mut *scratch, flags) {
                Ok((0, 0)) => return Err(PortError::Gone(io::ErrorKind::UnexpectedEof.into())),
                Ok((kept, len)) if kept == len => {
                    batch.frames += 1;
                    take(&scratch[..kept]);
                }
                Ok(_cut) => batch.refused += 1,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(PortError::Gone(error.into())),
            }
        }
        Ok(batch)
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), PortError> {
        match send(&self.descriptor, frame, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(_) => Ok(()),
            Err(error @ (Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN)) => {
                Err(PortError::Gone(error.into()))
            }
            Err(error) => Err(PortError::Refused(error.into())),
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// A socket has no carrier.
    fn set_carrier(&mut self, _is_up: bool) -> io::Result<()> {
        Ok(())
    }
}
