//! The last seconds of a link, kept in memory until somebody saves them.
//!
//! Invariants: what is kept is cut into parts, of which the oldest goes as a whole once its newest record is too old or there are
//! too many bytes; each part begins with the settings in force, so that any run of parts is a capture. What all
//! of them hold together is counted in one place.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::TellBlock;
use super::pcapng::{self, Interface, Record};
use crate::config::PastConfig;
use crate::limits;

/// Keeps the last records of a link.
#[derive(Debug)]
pub(super) struct PastRing {
    age_ns: u64,
    max_bytes: u64,
    header: Vec<u8>,
    /// Blocks with the settings of both directions, for the next part.
    settings: [Vec<u8>; 2],
    /// Oldest first.
    parts: VecDeque<Part>,
    held: Held,
    /// Of the records that were lost so far: those that the parts tell of.
    told_lost: u64,
}

/// A piece of the past.
#[derive(Debug, Default)]
struct Part {
    blocks: Vec<u8>,
    /// When its first record was, in nanoseconds since 1970; none without records.
    began_ns: Option<u64>,
    newest_ns: u64,
}

/// Bytes of one link, also counted in the sum of all.
#[derive(Debug)]
struct Held {
    bytes: u64,
    all: Arc<AtomicU64>,
}

impl Held {
    fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.all.fetch_add(bytes, Ordering::Relaxed);
    }

    fn sub(&mut self, bytes: u64) {
        self.bytes -= bytes;
        self.all.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.sub(self.bytes);
    }
}

impl PastRing {
    /// An empty one; `all` counts the bytes of all links.
    pub(super) fn new(config: &PastConfig, interfaces: &[Interface], all: Arc<AtomicU64>) -> Self {
        Self {
            age_ns: u64::from(config.age_s) * 1_000_000_000,
            max_bytes: config.bytes,
            header: pcapng::header(interfaces, config.snaplen),
            settings: [Vec::new(), Vec::new()],
            parts: VecDeque::new(),
            held: Held { bytes: 0, all },
            told_lost: 0,
        }
    }

    /// Adds a record and returns its bytes; `lost` records were lost so far in all.
    pub(super) fn write(&mut self, record: &Record, lost: u64) -> u64 {
        let mut block = Vec::with_capacity(record.data.len() + 256);
        pcapng::packet(&mut block, record, lost.saturating_sub(self.told_lost));
        self.told_lost = lost;
        let span_ns = self.age_ns / limits::PAST_PARTS;
        let began_ns = self.parts.back().and_then(|part| part.began_ns);
        if began_ns.is_some_and(|began| record.at_ns.saturating_sub(began) > span_ns) {
            self.begin();
        }
        let part = self.append(&block);
        part.began_ns.get_or_insert(record.at_ns);
        part.newest_ns = part.newest_ns.max(record.at_ns);
        self.forget_before(record.at_ns.saturating_sub(self.age_ns));
        super::bytes_of(block.len())
    }

    /// Adds a block about a direction.
    pub(super) fn tell(&mut self, told: &TellBlock) {
        let mut block = Vec::new();
        pcapng::told(&mut block, &told.data);
        self.append(&block);
        if let Some(side) = told.settings_of {
            self.settings[side] = block;
        }
    }

    fn append(&mut self, block: &[u8]) -> &mut Part {
        let bytes = super::bytes_of(block.len());
        let limit = self.max_bytes / limits::PAST_PARTS;
        let is_full =
            |part: &Part| super::bytes_of(part.blocks.len()).saturating_add(bytes) > limit;
        if self.parts.back().is_none_or(is_full) {
            self.begin();
        }
        self.held.add(bytes);
        while self.held.bytes > self.max_bytes && self.parts.len() > 1 {
            self.forget_oldest();
        }
        let part = self.parts.back_mut().expect("one was begun if there was none");
        part.blocks.extend_from_slice(block);
        part
    }

    fn begin(&mut self) {
        if let Some(last) = self.parts.back_mut() {
            last.blocks.shrink_to_fit();
        }
        let blocks = self.settings.concat();
        self.held.add(super::bytes_of(blocks.len()));
        self.parts.push_back(Part { blocks, ..Part::default() });
    }

    fn forget_before(&mut self, limit_ns: u64) {
        while self.parts.len() > 1 && self.parts[0].newest_ns < limit_ns {
            self.forget_oldest();
        }
    }

    /// Lets its oldest part go, also if it is the only one; false if nothing is held.
    pub(super) fn forget_oldest(&mut self) -> bool {
        let Some(part) = self.parts.pop_front() else { return false };
        self.held.sub(super::bytes_of(part.blocks.len()));
        true
    }

    /// Bytes it holds.
    pub(super) fn bytes(&self) -> u64 {
        self.held.bytes
    }

    /// Writes what is not too old at `now_ns`, in nanoseconds since 1970, and returns its bytes. It stays.
    pub(super) fn save(&self, out: &mut impl Write, now_ns: u64) -> io::Result<u64> {
        let limit_ns = now_ns.saturating_sub(self.age_ns);
        let young = self.parts.iter().filter(|part| part.newest_ns >= limit_ns);
        let mut bytes = 0;
        for piece in std::iter::once(&self.header).chain(young.map(|part| &part.blocks)) {
            out.write_all(piece)?;
            bytes += super::bytes_of(piece.len());
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
