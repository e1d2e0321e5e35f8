//! An `AF_PACKET` socket bound to a device: veth pairs, TAPs of other processes, network cards.
//!
//! Somebody else opens and binds it (`SOCK_RAW`, all protocols). Super-frames come and go behind a virtio network
//! header as on a TAP; the kernel stamps arrivals; VLAN tags, which the kernel takes off, are put back.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use crate::core::direction::DropCause;
use crate::core::frame::{FramePool, Scratch, Unfit};
use crate::core::network::Undelivered;
use crate::core::split::{Offload, Train, VNET_BYTES};
use crate::io::{Fault, OpenError, Port, PortError, Received, sys};
use crate::limits;

/// Bytes of the `virtio_net_hdr` of these sockets, which lacks the last field of the TAP's.
const HEADER_BYTES: usize = 10;
/// Where the header is read to, so that a tag can be put into the frame without moving more than the addresses.
const READ_AT: usize = limits::FRAME_HEADROOM_BYTES - HEADER_BYTES;
const TAG_BYTES: usize = 4;

/// A packet socket as port.
#[derive(Debug)]
pub struct PacketPort {
    descriptor: OwnedFd,
}

impl PacketPort {
    /// Takes a bound socket over.
    ///
    /// # Errors
    /// If it is of another kind or refuses the settings.
    pub fn open(descriptor: OwnedFd) -> Result<Self, OpenError> {
        sys::set_packet_options(descriptor.as_fd()).map_err(OpenError::CheckPacket)?;
        rustix::io::ioctl_fionbio(&descriptor, true).map_err(|error| OpenError::Set {
            setting: "non-blocking mode",
            source: error.into(),
        })?;
        Ok(Self { descriptor })
    }
}

impl AsFd for PacketPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Port for PacketPort {
    fn recv(
        &mut self,
        pool: &FramePool,
        scratch: &mut Scratch,
    ) -> Result<Option<Received>, PortError> {
        let packet = loop {
            match sys::recv_packet(self.descriptor.as_fd(), &mut scratch.bytes()[READ_AT..]) {
                Ok(packet) => break packet,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(None),
                    io::ErrorKind::Interrupted => {}
                    // the device is down, and may come up again
                    io::ErrorKind::NetworkDown => return Ok(None),
                    _ => return Err(PortError::Gone(error)),
                },
            }
        };
        let bytes = packet.bytes;
        let stamp_ns = packet.stamp_ns;
        let frame = if packet.is_cut || bytes < HEADER_BYTES {
            Err(Unfit::Malformed)
        } else {
            take_frame(pool, scratch, bytes, packet.tag)
        };
        Ok(Some(Received { frame, bytes, stamp_ns }))
    }

    fn send(&mut self, train: &Train) -> Result<(), Fault> {
        let mut room = [0; limits::MAX_HEADER_BYTES];
        let emission = train.emission(&mut room);
        let parts = [
            IoSlice::new(&emission.vnet[..HEADER_BYTES]),
            IoSlice::new(emission.header),
            IoSlice::new(emission.rest),
        ];
        match rustix::io::writev(&self.descriptor, &parts) {
            Ok(_) => Ok(()),
            Err(error @ (Errno::BADF | Errno::NXIO | Errno::NODEV)) => {
                Err(Fault::Gone(PortError::Gone(error.into())))
            }
            Err(_) => Err(Fault::Refused(Undelivered { passed: 0, cause: DropCause::Port })),
        }
    }

    /// The device's carrier is its other end's.
    fn set_carrier(&mut self, _is_up: bool) -> io::Result<()> {
        Ok(())
    }

    fn lost_before(&mut self) -> u64 {
        sys::packet_drops(self.descriptor.as_fd()).unwrap_or(0)
    }
}

/// The frame that was read, with its tag put back.
fn take_frame(
    pool: &FramePool,
    scratch: &mut Scratch,
    bytes: usize,
    tag: Option<(u16, u16)>,
) -> Result<crate::core::frame::Frame, Unfit> {
    let space = scratch.bytes();
    let mut header = [0; VNET_BYTES];
    header[..HEADER_BYTES].copy_from_slice(&space[READ_AT..READ_AT + HEADER_BYTES]);
    let (mut start, end) = (READ_AT + HEADER_BYTES, READ_AT + bytes);
    if let Some((protocol, tag)) = tag
        && end >= start + 12
    {
        space.copy_within(start..start + 12, start - TAG_BYTES);
        start -= TAG_BYTES;
        space[start + 12..start + 14].copy_from_slice(&protocol.to_be_bytes());
        space[start + 14..start + 16].copy_from_slice(&tag.to_be_bytes());
        // the open checksum moved with the payload
        let at = u16::from_ne_bytes([header[6], header[7]]);
        if header[0] != 0 {
            let moved = at.saturating_add(u16::try_from(TAG_BYTES).unwrap_or(0));
            header[6..8].copy_from_slice(&moved.to_ne_bytes());
        }
    }
    let offload = Offload::read(&header).ok_or(Unfit::Malformed)?;
    pool.freeze(scratch, start..end, offload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_put_back() {
        let pool = FramePool::default();
        let mut scratch = pool.scratch();
        let bytes = [vec![0; HEADER_BYTES], (1..=40).collect::<Vec<u8>>()].concat();
        scratch.bytes()[READ_AT..READ_AT + bytes.len()].copy_from_slice(&bytes);
        let frame =
            take_frame(&pool, &mut scratch, bytes.len(), Some((0x8100, 0x1234))).expect("room");
        let wanted = [&bytes[10..22], &[0x81, 0, 0x12, 0x34], &bytes[22..]].concat();
        assert_eq!(frame.bytes(), wanted);
    }

    #[test]
    fn another_descriptor_is_refused() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(matches!(PacketPort::open(file.into()), Err(OpenError::CheckPacket(_))));
    }
}
