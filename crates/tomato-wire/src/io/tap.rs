//! A TAP device, opened by somebody else with `IFF_TAP | IFF_NO_PI | IFF_VNET_HDR`.
//!
//! Segmentation and checksum offloads are granted, so the kernel hands out super-frames; they are cut by
//! [`crate::core::split`] where the model wants it and written back as long as possible.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use crate::core::direction::DropCause;
use crate::core::frame::{FramePool, Scratch, Unfit};
use crate::core::network::Undelivered;
use crate::core::split::{Offload, Train, VNET_BYTES};
use crate::io::{Fault, OpenError, Port, PortError, Received, sys};
use crate::limits;

// linux/if_tun.h
const TUN_F_CSUM: libc::c_ulong = 0x01;
const TUN_F_TSO4: libc::c_ulong = 0x02;
const TUN_F_TSO6: libc::c_ulong = 0x04;
const TUN_F_TSO_ECN: libc::c_ulong = 0x08;
const TUN_F_USO4: libc::c_ulong = 0x20;
const TUN_F_USO6: libc::c_ulong = 0x40;
const TCP: libc::c_ulong = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

/// A TAP as port.
#[derive(Debug)]
pub struct TapPort {
    descriptor: OwnedFd,
}

impl TapPort {
    /// Takes a TAP over.
    ///
    /// # Errors
    /// If it is not one, has other flags, or refuses the settings.
    pub fn open(descriptor: OwnedFd) -> Result<Self, OpenError> {
        let flags = sys::tun_flags(descriptor.as_fd()).map_err(OpenError::CheckTap)?;
        let wanted = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
        if libc::c_int::from(flags) & wanted != wanted {
            let error = io::Error::other(format!("its flags are {flags:#x}"));
            return Err(OpenError::CheckTap(error));
        }
        let set = |setting| move |source| OpenError::Set { setting, source };
        rustix::io::ioctl_fionbio(&descriptor, true)
            .map_err(|error| set("non-blocking mode")(error.into()))?;
        let header = libc::c_int::try_from(VNET_BYTES).unwrap_or(libc::c_int::MAX);
        sys::set_vnet_header_size(descriptor.as_fd(), header).map_err(set("the header size"))?;
        // UDP segmentation is known since Linux 6.2
        sys::set_offload(descriptor.as_fd(), TCP | TUN_F_USO4 | TUN_F_USO6)
            .or_else(|_unknown| sys::set_offload(descriptor.as_fd(), TCP))
            .map_err(set("the offloads"))?;
        Ok(Self { descriptor })
    }
}

impl AsFd for TapPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Port for TapPort {
    fn recv(
        &mut self,
        pool: &FramePool,
        scratch: &mut Scratch,
    ) -> Result<Option<Received>, PortError> {
        let len = loop {
            match rustix::io::read(&self.descriptor, scratch.bytes()) {
                Ok(0) => return Err(PortError::Gone(io::ErrorKind::UnexpectedEof.into())),
                Ok(len) => break len,
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(error) => return Err(PortError::Gone(error.into())),
            }
        };
        let header = scratch.bytes()[..len].first_chunk::<VNET_BYTES>().copied();
        let offload = header.as_ref().and_then(Offload::read);
        let frame = match offload {
            Some(offload) => pool.freeze(scratch, VNET_BYTES..len, offload),
            None => Err(Unfit::Malformed),
        };
        Ok(Some(Received { frame, bytes: len, stamp_ns: None }))
    }

    fn send(&mut self, train: &Train) -> Result<(), Fault> {
        let mut room = [0; limits::MAX_HEADER_BYTES];
        let emission = train.emission(&mut room);
        let parts = [
            IoSlice::new(&emission.vnet),
            IoSlice::new(emission.header),
            IoSlice::new(emission.rest),
        ];
        match rustix::io::writev(&self.descriptor, &parts) {
            Ok(_) => Ok(()),
            Err(error @ (Errno::BADFD | Errno::BADF)) => {
                Err(Fault::Gone(PortError::Gone(error.into())))
            }
            // EIO: the device is administratively down, and may come up again
            Err(_) => Err(Fault::Refused(Undelivered { passed: 0, cause: DropCause::Port })),
        }
    }

    fn set_carrier(&mut self, is_up: bool) -> io::Result<()> {
        match sys::set_carrier(self.descriptor.as_fd(), is_up) {
            // before Linux 5.0 there is no such request
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            result => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_descriptor_is_refused() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(matches!(TapPort::open(file.into()), Err(OpenError::CheckTap(_))));
    }
}
