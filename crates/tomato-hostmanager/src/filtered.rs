//! A capture with only those packets that a filter means.
//!
//! Invariant: blocks pass whole or not at all. What holds no packet passes, but for what the wire tells of directions: with packets missing nothing
//! can be recomputed from it.

use std::io::{self, Read};

use tomato_filter::Filter;

use crate::limits::CAPTURE_BLOCK_BYTES;

/// An enhanced packet block of pcapng.
const PACKET: u32 = 6;
/// An interface statistics block, in which the wire tells of directions.
const STATISTICS: u32 = 5;
/// Bytes of a block before its body: type and length.
const HEAD: usize = 8;
/// Bytes of a packet's block before its frame.
const PACKET_HEAD: usize = 28;

/// Reads a capture as our wire writes it (pcapng, little-endian).
#[derive(Debug)]
pub(crate) struct Filtered<R> {
    from: R,
    filter: Filter,
    block: Vec<u8>,
    given: usize,
}

impl<R: Read> Filtered<R> {
    /// What of `from` the filter means.
    pub(crate) fn new(from: R, filter: Filter) -> Self {
        Self { from, filter, block: Vec::new(), given: 0 }
    }

    /// Reads the next block that passes; false at the end.
    fn next_block(&mut self) -> io::Result<bool> {
        loop {
            let mut head = [0; HEAD];
            let mut have = 0;
            while have < HEAD {
                match self.from.read(&mut head[have..])? {
                    0 if have == 0 => return Ok(false),
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    more => have += more,
                }
            }
            let length = usize::try_from(word(&head, 4)).unwrap_or(usize::MAX);
            if !(HEAD + 4..=CAPTURE_BLOCK_BYTES).contains(&length) {
                return Err(io::Error::other("the capture is not pcapng"));
            }
            self.block.resize(length, 0);
            self.block[..HEAD].copy_from_slice(&head);
            self.from.read_exact(&mut self.block[HEAD..])?;
            self.given = 0;
            let passes = match word(&head, 0) {
                PACKET => self.is_meant(),
                STATISTICS => false,
                _ => true,
            };
            if passes {
                return Ok(true);
            }
        }
    }

    fn is_meant(&self) -> bool {
        let captured = usize::try_from(word(&self.block, 20)).unwrap_or(usize::MAX);
        let frame =
            PACKET_HEAD.checked_add(captured).and_then(|end| self.block.get(PACKET_HEAD..end));
        frame.is_some_and(|frame| self.filter.matches(frame))
    }
}

impl<R: Read> Read for Filtered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given == self.block.len() && !self.next_block()? {
            self.block.clear();
            self.given = 0;
            return Ok(0);
        }
        let taken = (&self.block[self.given..]).read(into)?;
        self.given += taken;
        Ok(taken)
    }
}

/// A little-endian word; 0 where there is none.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(12 + body.len()).expect("short").to_le_bytes();
        [&kind.to_le_bytes()[..], &length, body, &length].concat()
    }

    fn packet(frame: &[u8; 60]) -> Vec<u8> {
        let length = 60_u32.to_le_bytes();
        block(PACKET, &[&[0; 12][..], &length, &length, frame].concat())
    }

    #[test]
    fn only_packets_that_are_meant_pass_and_what_no_packet_needs_stays() {
        let (mut arp, mut ip) = ([0; 60], [0; 60]);
        arp[12..14].copy_from_slice(&[0x08, 0x06]);
        ip[12..14].copy_from_slice(&[0x08, 0x00]);
        let first = block(0x0a0d_0d0a, &[1; 16]);
        let told = block(STATISTICS, &[0; 16]);
        let whole = [first.clone(), told, packet(&arp), packet(&ip), packet(&arp)].concat();
        let filter = Filter::compile("ip").expect("a filter");
        let mut passed = Vec::new();
        Filtered::new(whole.as_slice(), filter).read_to_end(&mut passed).expect("read");
        assert_eq!(passed, [first, packet(&ip)].concat());
        let filter = Filter::compile("").expect("a filter");
        let broken = Filtered::new(&whole[..whole.len() - 3], filter).read_to_end(&mut passed);
        assert_eq!(broken.expect_err("cut").kind(), io::ErrorKind::UnexpectedEof);
    }
}
