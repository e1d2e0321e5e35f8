//! A TAP device, opened by somebody else with `IFF_TAP | IFF_NO_PI | IFF_VNET_HDR`.
//!
//! No offload is granted, so the kernel hands out complete wire packets with full checksums behind a virtio
//! network header that says so. The header does not leave this module.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use crate::io::{Batch, Capabilities, OpenError, Port, PortError, sys};

/// Bytes of a `virtio_net_hdr_mrg_rxbuf`.
pub(super) const HEADER_BYTES: usize = 12;
const NEEDS_CSUM: u8 = 1;
const GSO_NONE: u8 = 0;

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
        let header = libc::c_int::try_from(HEADER_BYTES).unwrap_or(libc::c_int::MAX);
        sys::set_vnet_header_size(descriptor.as_fd(), header).map_err(set("the header size"))?;
        sys::set_offload(descriptor.as_fd(), 0).map_err(set("the offloads"))?;
        Ok(Self { descriptor })
    }
}

impl AsFd for TapPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Port for TapPort {
    fn recv_batch(
        &mut self,
        scratch: &mut [u8],
        limit: usize,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Batch, PortError> {
        let mut batch = Batch::default();
        for _ in 0..limit {
            let len = match rustix::io::read(&self.descriptor, &mut *scratch) {
                Ok(0) => return Err(PortError::Gone(io::ErrorKind::UnexpectedEof.into())),
                Ok(len) => len,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(PortError::Gone(error.into())),
            };
            match complete(&mut scratch[..len]) {
                Some(frame) => {
                    batch.frames += 1;
                    take(frame);
                }
                None => batch.refused += 1,
            }
        }
        Ok(batch)
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), PortError> {
        let parts = [IoSlice::new(&[0; HEADER_BYTES]), IoSlice::new(frame)];
        match rustix::io::writev(&self.descriptor, &parts) {
            Ok(_) => Ok(()),
            Err(error @ (Errno::BADFD | Errno::BADF)) => Err(PortError::Gone(error.into())),
            // EIO: the device is administratively down, and may come up again
            Err(error) => Err(PortError::Refused(error.into())),
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { segmentation: false, partial_checksum: false }
    }

    fn set_carrier(&mut self, is_up: bool) -> io::Result<()> {
        match sys::set_carrier(self.descriptor.as_fd(), is_up) {
            // before Linux 5.0 there is no such request
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            result => result,
        }
    }
}

/// The frame behind a header; none if it is no single complete frame. A checksum that the header leaves open
/// (a packet queued before the offloads were set) is filled in.
fn complete(packet: &mut [u8]) -> Option<&[u8]> {
    let (header, frame) = packet.split_at_mut_checked(HEADER_BYTES)?;
    let (flags, gso) = (header[0], header[1]);
    if gso != GSO_NONE {
        return None;
    }
    if flags & NEEDS_CSUM != 0 {
        let start = usize::from(u16::from_ne_bytes([header[6], header[7]]));
        let at = start + usize::from(u16::from_ne_bytes([header[8], header[9]]));
        let sum = checksum(frame.get(start..)?);
        frame.get_mut(at..at + 2)?.copy_from_slice(&sum.to_be_bytes());
    }
    Some(frame)
}

/// The internet checksum (RFC 1071); the field holds the sum of the pseudo header already. Zero is written as
/// all ones, which means the same and is what UDP wants.
fn checksum(bytes: &[u8]) -> u16 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut sum: u64 = pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum();
    if let [last] = rest {
        sum += u64::from(*last) << 8;
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !u16::try_from(sum).expect("folded to 16 bits");
    if sum == 0 { 0xffff } else { sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_frame_passes_and_a_super_frame_does_not() {
        let mut packet = [vec![0; HEADER_BYTES], vec![5; 20]].concat();
        assert_eq!(complete(&mut packet), Some([5; 20].as_slice()));
        packet[1] = 1;
        assert_eq!(complete(&mut packet), None);
        assert_eq!(complete(&mut [0; 5]), None);
    }

    #[test]
    fn an_open_checksum_is_filled_in() {
        // RFC 1071 section 3: 00 01 f2 03 f4 f5 f6 f7 sum to ddf2
        let mut packet = vec![0; HEADER_BYTES];
        packet[0] = NEEDS_CSUM;
        packet[6..8].copy_from_slice(&14u16.to_ne_bytes());
        packet[8..10].copy_from_slice(&8u16.to_ne_bytes());
        packet.extend([9; 14]);
        packet.extend([0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7, 0, 0]);
        let frame = complete(&mut packet).expect("it is whole");
        assert_eq!(frame[22..], (!0xddf2u16).to_be_bytes());
        assert_eq!(checksum(&[0xff, 0xff]), 0xffff);
        packet[6..8].copy_from_slice(&900u16.to_ne_bytes());
        assert_eq!(complete(&mut packet), None);
    }

    #[test]
    fn another_descriptor_is_refused() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(matches!(TapPort::open(file.into()), Err(OpenError::CheckTap(_))));
    }
}
