//! Writing to descriptors that take a virtio network header in front of each frame.

use std::io::IoSlice;
use std::os::fd::AsFd;

use rustix::io::Errno;

use crate::core::direction::DropCause;
use crate::core::frame::Frame;
use crate::core::merge::Run;
use crate::core::network::Undelivered;
use crate::core::packet::{self, Transport};
use crate::core::split::Train;
use crate::io::{Fault, PortError};
use crate::limits;

/// How a port writes.
#[derive(Debug)]
pub(super) struct Writer {
    /// Bytes of the header that the descriptor wants.
    pub(super) header_bytes: usize,
    /// The errors that mean that the device is gone.
    pub(super) gone: &'static [Errno],
    /// The descriptor may take UDP super-frames.
    pub(super) takes_datagrams: bool,
    /// What came last from the other side had its checksum filled in: offloads are off there.
    pub(super) is_complete: bool,
}

impl Writer {
    /// Notes what came from the other side.
    pub(super) fn saw(&mut self, frame: &Frame) {
        if !frame.shape().is_complete() {
            self.is_complete = false;
        } else if !self.is_complete {
            let layout = packet::parse(frame.bytes());
            self.is_complete = layout.is_some_and(|layout| layout.transport != Transport::Other);
        }
    }

    /// Whether datagrams may leave as one.
    pub(super) fn merges(&self) -> bool {
        self.takes_datagrams && !self.is_complete
    }

    /// Writes without waiting.
    pub(super) fn send(&mut self, descriptor: impl AsFd, run: &Run) -> Result<(), Fault> {
        match self.write(&descriptor, run) {
            // a kernel before 6.2 does not know UDP super-frames
            Err(Errno::INVAL) if run.trains().len() > 1 => {
                self.takes_datagrams = false;
                self.send_singly(&descriptor, run.trains())
            }
            result => result.map_err(|error| self.fault(error, 0)),
        }
    }

    fn send_singly(&self, descriptor: &impl AsFd, trains: &[Train]) -> Result<(), Fault> {
        for (passed, train) in (0..).zip(trains) {
            let run = Run::of(train.clone());
            self.write(descriptor, &run).map_err(|error| self.fault(error, passed))?;
        }
        Ok(())
    }

    fn write(&self, descriptor: &impl AsFd, run: &Run) -> Result<(), Errno> {
        let mut room = [0; limits::MAX_HEADER_BYTES];
        let Some(emission) = run.emission(&mut room) else { return Ok(()) };
        let mut parts = [IoSlice::new(&[]); limits::MAX_MERGED + 2];
        let firsts = [&emission.vnet[..self.header_bytes], emission.header, emission.rest];
        let all = firsts.into_iter().chain(run.rests());
        let mut count = 0;
        for (part, bytes) in parts.iter_mut().zip(all) {
            *part = IoSlice::new(bytes);
            count += 1;
        }
        rustix::io::writev(descriptor, &parts[..count]).map(|_| ())
    }

    fn fault(&self, error: Errno, passed: u16) -> Fault {
        if self.gone.contains(&error) {
            Fault::Gone(PortError::Gone(error.into()))
        } else {
            // such as EIO: the device is administratively down, and may come up again
            Fault::Refused(Undelivered { passed, cause: DropCause::Port })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::frame::FramePool;
    use crate::core::split::tests::{Burst, datagrams, frame_of, open_frames};

    #[test]
    fn ends_without_checksum_offload_get_datagrams_one_by_one() {
        let pool = FramePool::default();
        let mut writer =
            Writer { header_bytes: 12, gone: &[], takes_datagrams: true, is_complete: false };
        let burst = datagrams(2);
        let complete = pool.frame(&burst.packets()[0]).expect("room");
        writer.saw(&complete);
        assert!(!writer.merges());
        writer.saw(&open_frames(&pool, &burst)[0]);
        assert!(writer.merges());
        writer.saw(&frame_of(&pool, &Burst { is_tcp: true, ..burst }.super_frame()));
        assert!(writer.merges());
    }
}
