//! Live captures: what passes a link, handed to another process as it passes.
//!
//! Each packet is one message on a packet socket: a head of [`HEAD_BYTES`] and the bytes. The reader never holds the wire up: what it does
//! not take in time is lost, and the next message says how much. [`header`] and [`block`] make pcapng of it.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use super::pcapng;
use super::spots::Spots;
use crate::limits;

/// Bytes before a packet's own: side, three unused, full length, time, lost.
pub const HEAD_BYTES: usize = 24;

/// A packet that has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed<'a> {
    /// 0 forward, 1 backward.
    pub side: usize,
    /// Nanoseconds since 1970.
    pub at_ns: u64,
    /// Its length; more than `data` holds if it was cut.
    pub full_len: usize,
    /// Packets lost between the one before and this one.
    pub lost: u64,
    /// From the Ethernet header on.
    pub data: &'a [u8],
}

impl<'a> Passed<'a> {
    /// Reads a message; `None` if it is none.
    #[must_use]
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let (head, data) = message.split_first_chunk::<HEAD_BYTES>()?;
        let number = |at: usize| head.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        let full_len = u32::from_le_bytes(head.get(4..8)?.try_into().ok()?);
        let side = usize::from(head[0]);
        (side < 2).then_some(())?;
        let full_len = usize::try_from(full_len).ok()?;
        Some(Self { side, at_ns: number(8)?, full_len, lost: number(16)?, data })
    }

    /// The message of it.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + self.data.len());
        out.extend([u8::from(self.side == 1), 0, 0, 0]);
        out.extend(u32::try_from(self.full_len).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(self.at_ns.to_le_bytes());
        out.extend(self.lost.to_le_bytes());
        out.extend_from_slice(self.data);
        out
    }
}

/// The beginning of a pcapng file about a link whose directions have these names.
#[must_use]
pub fn header(names: &[String; 2]) -> Vec<u8> {
    pcapng::header(&Spots::live().interfaces(names), limits::LIVE_SNAPLEN)
}

/// A packet as pcapng, after so many that its reader lost.
#[must_use]
pub fn block(passed: &Passed<'_>, lost: u64) -> Vec<u8> {
    let Passed { side, at_ns, full_len, data, .. } = *passed;
    let interface = side; // one for each direction
    let data = data.to_vec();
    let record = pcapng::Record { interface, side, at_ns, full_len, data, trail: None };
    let mut out = Vec::new();
    pcapng::packet(&mut out, &record, lost);
    out
}

/// Writes to a reader.
#[derive(Debug)]
pub(super) struct LiveWriter {
    socket: OwnedFd,
    /// Of the packets the recorder could not hand over: those the reader was told of.
    told: u64,
}

impl LiveWriter {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self { socket, told: 0 }
    }

    /// Hands a packet over and returns its bytes; `None`: the reader has no room now. `dropped` were lost so far in all.
    pub(super) fn write(
        &mut self,
        record: &pcapng::Record,
        dropped: u64,
    ) -> io::Result<Option<u64>> {
        let passed = Passed {
            side: record.side,
            at_ns: record.at_ns,
            full_len: record.full_len,
            lost: dropped.saturating_sub(self.told),
            data: &record.data,
        };
        match send(&self.socket, &passed.message(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(count) => {
                self.told = dropped;
                Ok(Some(u64::try_from(count).unwrap_or(0)))
            }
            Err(Errno::AGAIN | Errno::NOBUFS | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;
