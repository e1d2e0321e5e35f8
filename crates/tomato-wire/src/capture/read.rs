//! Reads captures as we write them, block by block.

use std::io::{self, Read};

use super::pcapng;
use super::ring::read_block;
use super::trail::{ENTERPRISE, Told, Trail};
use crate::core::journal::Spot;

/// What a capture holds, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// Another part begins, with interfaces of its own.
    Section,
    /// Packets are recorded here.
    Interface {
        /// Its name.
        name: String,
        /// 0 forward, 1 backward.
        side: usize,
        /// What of them.
        spot: Spot,
    },
    /// A packet.
    Packet(Packet),
    /// About a direction.
    Told(Box<Told>),
}

/// A packet of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Nanoseconds since 1970.
    pub at_ns: u64,
    /// 0 forward, 1 backward.
    pub side: usize,
    /// Length before cutting.
    pub full_len: usize,
    /// The bytes kept.
    pub data: Vec<u8>,
    /// Records that are missing before it.
    pub missing: u64,
    /// Its way, if it is told.
    pub trail: Option<Trail>,
}

/// A capture cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file.
    #[error("cannot read the capture")]
    Read(#[source] io::Error),
    /// Not pcapng, or not as we write it.
    #[error(
        "block {block} of the capture is not as ToMaTo writes it; give the file as it was saved"
    )]
    Block {
        /// Its number, from 1.
        block: u64,
    },
}

/// Reads a capture.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    block: u64,
    /// Side and spot of each.
    interfaces: Vec<(usize, Spot)>,
}

impl<R: Read> Reader<R> {
    /// A reader of a whole file.
    pub fn new(from: R) -> Self {
        Self { from, block: 0, interfaces: Vec::new() }
    }

    fn next_item(&mut self) -> Result<Option<Item>, ReadError> {
        loop {
            let Some((kind, block)) = read_block(&mut self.from).map_err(ReadError::Read)? else {
                return self.end();
            };
            self.block += 1;
            let body = &block[8..block.len() - 4];
            let item = match kind {
                pcapng::SECTION => {
                    self.interfaces.clear();
                    pcapng::is_ours(body).then_some(Some(Item::Section))
                }
                pcapng::INTERFACE => pcapng::interface(body).map(|interface| {
                    let pcapng::Interface { name, side, spot, .. } = interface;
                    self.interfaces.push((side, spot));
                    Some(Item::Interface { name, side, spot })
                }),
                pcapng::PACKET => packet(body, &self.interfaces).map(|p| Some(Item::Packet(p))),
                pcapng::STATISTICS => match pcapng::told_data(body) {
                    data if data.is_empty() => Some(None),
                    data => Told::parse(&data).map(|told| Some(Item::Told(Box::new(told)))),
                },
                _ => Some(None),
            };
            match item {
                Some(Some(item)) => return Ok(Some(item)),
                Some(None) => {}
                None => return Err(ReadError::Block { block: self.block }),
            }
        }
    }

    /// What is left is no whole block: fine only if there is nothing.
    fn end(&mut self) -> Result<Option<Item>, ReadError> {
        let is_empty = self.block > 0 && self.from.read(&mut [0]).map_err(ReadError::Read)? == 0;
        if is_empty { Ok(None) } else { Err(ReadError::Block { block: self.block + 1 }) }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Item, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_item().transpose()
    }
}

fn packet(body: &[u8], interfaces: &[(usize, Spot)]) -> Option<Packet> {
    let (head, rest) = body.split_first_chunk::<20>()?;
    let word = |at: usize| head[at..at + 4].try_into().ok().map(u32::from_le_bytes);
    let size = |at: usize| usize::try_from(word(at)?).ok();
    let kept = size(12)?;
    let data = rest.get(..kept)?.to_vec();
    let (side, spot) = *interfaces.get(size(0)?)?;
    let mut packet = Packet {
        at_ns: u64::from(word(4)?) << 32 | u64::from(word(8)?),
        side,
        full_len: size(16)?,
        data,
        missing: 0,
        trail: None,
    };
    for (code, value) in pcapng::options(rest.get(kept.next_multiple_of(4)..)?) {
        match code {
            pcapng::OPT_EPB_DROPCOUNT => {
                packet.missing = u64::from_le_bytes(value.try_into().ok()?);
            }
            pcapng::OPT_CUSTOM if value.starts_with(&ENTERPRISE.to_le_bytes()) => {
                packet.trail = Some(Trail::parse(&value[4..])?);
            }
            _ => {}
        }
    }
    // its way must be that of the interface
    packet.trail.is_none_or(|trail| trail.spot == spot).then_some(packet)
}

#[cfg(test)]
mod tests;
