//! pcapng as it is recorded to pcap as the original's clients expect it.
//!
//! Section and block formats: draft-ietf-opsawg-pcapng; pcap: draft-ietf-opsawg-pcap. Written with nanosecond times.
//! Invariant: at most one block, or the newest bytes asked for, are in memory.

use std::collections::VecDeque;

use async_stream::try_stream;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use crate::hostlink::ByteStream;
use crate::limits::{CAPTURE_BLOCK_BYTES_MAX, CAPTURE_NEWEST_BYTES_MAX};

/// The media type of pcap.
pub(super) const CONTENT_TYPE: &str = "application/vnd.tcpdump.pcap";

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
/// Nanoseconds, little-endian.
const MAGIC: u32 = 0xa1b2_3c4d;
const SNAP_LENGTH: u32 = 262_144;
const ETHERNET: u32 = 1;
/// Options of an interface: its time resolution.
const IF_TSRESOL: u16 = 9;
const NS_PER_S: u128 = 1_000_000_000;

/// The stream as pcap, its `newest` bytes of records or all of them.
pub(crate) fn converted(mut input: ByteStream, newest: Option<u64>) -> ByteStream {
    Box::pin(try_stream! {
        let mut reader = Reader::default();
        let mut newest = newest.map(Newest::new);
        // Without a limit it begins at once: who reads live wants to see that.
        if newest.is_none() {
            yield header();
        }
        while let Some(chunk) = input.next().await {
            reader.pending.extend_from_slice(&chunk?);
            while let Some(record) = reader.record()? {
                match &mut newest {
                    Some(newest) => newest.add(record),
                    None => yield record,
                }
            }
        }
        if newest.is_some() {
            yield header();
        }
        for record in newest.into_iter().flat_map(|newest| newest.records) {
            yield record;
        }
    })
}

fn header() -> Bytes {
    let mut header = BytesMut::new();
    header.extend_from_slice(&MAGIC.to_le_bytes());
    header.extend_from_slice(&2_u16.to_le_bytes());
    header.extend_from_slice(&4_u16.to_le_bytes());
    header.extend_from_slice(&[0; 8]);
    header.extend_from_slice(&SNAP_LENGTH.to_le_bytes());
    header.extend_from_slice(&ETHERNET.to_le_bytes());
    header.freeze()
}

/// The newest records up to a number of bytes.
struct Newest {
    limit: usize,
    bytes: usize,
    records: VecDeque<Bytes>,
}

impl Newest {
    fn new(limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(CAPTURE_NEWEST_BYTES_MAX);
        Self { limit, bytes: 0, records: VecDeque::new() }
    }

    fn add(&mut self, record: Bytes) {
        self.bytes += record.len();
        self.records.push_back(record);
        while self.bytes > self.limit {
            let Some(oldest) = self.records.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }
}

/// Takes records out of blocks.
#[derive(Default)]
struct Reader {
    pending: BytesMut,
    is_big_endian: bool,
    /// Ticks of a second, per interface of the section.
    resolutions: Vec<u128>,
}

impl Reader {
    fn u32(&self, bytes: &[u8], at: usize) -> u32 {
        let word: [u8; 4] = bytes.get(at..at + 4).and_then(|w| w.try_into().ok()).unwrap_or([0; 4]);
        if self.is_big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
    }

    fn u16(&self, bytes: &[u8], at: usize) -> u16 {
        let word: [u8; 2] = bytes.get(at..at + 2).and_then(|w| w.try_into().ok()).unwrap_or([0; 2]);
        if self.is_big_endian { u16::from_be_bytes(word) } else { u16::from_le_bytes(word) }
    }

    /// The next record as pcap has it, or none until there is more.
    fn record(&mut self) -> std::io::Result<Option<Bytes>> {
        const BROKEN: &str = "the capture is not pcapng";
        while self.pending.len() >= 12 {
            if self.pending[..4] == SECTION.to_le_bytes() {
                // The same both ways; the next word tells the order of bytes.
                self.is_big_endian = self.pending[8..12] == [0x1a, 0x2b, 0x3c, 0x4d];
                self.resolutions.clear();
            }
            let kind = self.u32(&self.pending, 0);
            let length = usize::try_from(self.u32(&self.pending, 4)).unwrap_or(usize::MAX);
            if !(12..=CAPTURE_BLOCK_BYTES_MAX).contains(&length) || !length.is_multiple_of(4) {
                return Err(std::io::Error::other(BROKEN));
            }
            if self.pending.len() < length {
                return Ok(None);
            }
            let block = self.pending.split_to(length);
            let body = &block[8..length - 4];
            match kind {
                INTERFACE => self.resolutions.push(self.resolution(body)),
                PACKET => {
                    return self
                        .packet(body)
                        .map(Some)
                        .ok_or_else(|| std::io::Error::other(BROKEN));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Ticks of a second that an interface description says; a millionth by default.
    fn resolution(&self, body: &[u8]) -> u128 {
        let mut at = 8;
        while at + 4 <= body.len() {
            let (code, length) = (self.u16(body, at), usize::from(self.u16(body, at + 2)));
            match (code, body.get(at + 4)) {
                (0, _) => break,
                (IF_TSRESOL, Some(power)) if power & 0x80 == 0 => {
                    return 10_u128.checked_pow(u32::from(*power)).unwrap_or(1);
                }
                (IF_TSRESOL, Some(power)) => {
                    return 2_u128.checked_pow(u32::from(power & 0x7f)).unwrap_or(1);
                }
                _ => at += 4 + length.next_multiple_of(4),
            }
        }
        1_000_000
    }

    fn packet(&self, body: &[u8]) -> Option<Bytes> {
        let interface = usize::try_from(self.u32(body, 0)).ok()?;
        let resolution = *self.resolutions.get(interface)?;
        let ticks = u128::from(self.u32(body, 4)) << 32 | u128::from(self.u32(body, 8));
        let captured = self.u32(body, 12);
        let frame = body.get(20..20 + usize::try_from(captured).ok()?)?;
        let ns = ticks.checked_mul(NS_PER_S)? / resolution;
        let word = |value: u128| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
        let mut record = BytesMut::with_capacity(16 + frame.len());
        record.extend_from_slice(&word(ns / NS_PER_S));
        record.extend_from_slice(&word(ns % NS_PER_S));
        record.extend_from_slice(&captured.to_le_bytes());
        record.extend_from_slice(&self.u32(body, 16).to_le_bytes());
        record.extend_from_slice(frame);
        Some(record.freeze())
    }
}

#[cfg(test)]
mod tests;
