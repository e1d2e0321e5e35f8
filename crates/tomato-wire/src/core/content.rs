//! A number for what a packet says, to draw by in place of its ordinal.
//!
//! The number depends on what does not change from run to run and hop to hop: not on the lower-layer header, on
//! identification, lifetime, congestion marks or checksums. The n-th packet that says the same has another number
//! than the first; what was said is remembered for at least the last [`limits::CONTENT_MEMORY`] different packets.

use std::collections::BTreeMap;

use crate::core::packet::{self, Family, Layout, Transport};
use crate::core::random::mix;
use crate::limits;

/// Bytes behind the headers that count.
const PAYLOAD_BYTES: usize = 32;
/// Bytes of a frame that is not IP that count: all of an ARP packet.
const OTHER_BYTES: usize = 60;

/// How often each packet was seen, in two generations so that it is bounded.
#[derive(Debug, Default)]
pub struct Occurrences {
    fresh: BTreeMap<u64, u64>,
    old: BTreeMap<u64, u64>,
}

impl Occurrences {
    /// Whether nothing was seen yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.old.is_empty()
    }

    /// The number of a complete wire packet, from its Ethernet header on.
    pub fn number(&mut self, frame: &[u8]) -> u64 {
        let content = content(frame);
        let seen = self.fresh.get(&content).or_else(|| self.old.get(&content));
        let count = seen.copied().unwrap_or(0);
        if self.fresh.len() >= limits::CONTENT_MEMORY && !self.fresh.contains_key(&content) {
            self.old = std::mem::take(&mut self.fresh);
        }
        self.fresh.insert(content, count + 1);
        mix(content ^ mix(count))
    }
}

/// A digest of what stays the same: for IP addresses, protocol, length, fragment offset, the transport header without
/// checksum and the first bytes behind it.
fn content(frame: &[u8]) -> u64 {
    let length = u64::try_from(frame.len()).unwrap_or(u64::MAX);
    let Some(layout) = packet::parse(frame) else {
        return digest(mix(length), frame.get(..OTHER_BYTES).unwrap_or(frame));
    };
    let Layout { family, network_at, transport, protocol, transport_at, payload_at } = layout;
    let (addresses, fragment) = match family {
        Family::V4 => (network_at + 12..network_at + 20, network_at + 6..network_at + 8),
        Family::V6 => (network_at + 8..network_at + 40, network_at..network_at),
    };
    // trailing bytes that pad a short frame to Ethernet's minimum do not count
    let stated = match family {
        Family::V4 => packet::word(frame, network_at + 2).map_or(0, usize::from),
        Family::V6 => 40 + packet::word(frame, network_at + 4).map_or(0, usize::from),
    };
    let end = frame.len().min(network_at + stated).max(payload_at);
    let sum = mix(u64::try_from(stated).unwrap_or(0)) ^ u64::from(protocol);
    let sum = digest(digest(sum, &frame[addresses]), &frame[fragment]);
    let checksum_at = match transport {
        Transport::Tcp => transport_at + 16,
        Transport::Udp => transport_at + 6,
        Transport::Other => payload_at,
    };
    let behind = (checksum_at + 2).min(payload_at);
    let sum = digest(sum, &frame[transport_at..checksum_at]);
    let sum = digest(sum, &frame[behind..payload_at]);
    digest(sum, &frame[payload_at..end.min(payload_at + PAYLOAD_BYTES)])
}

fn digest(start: u64, bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(start, |sum, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(sum ^ u64::from_le_bytes(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A UDP packet with this lifetime, identification and payload.
    fn udp(ttl: u8, id: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![2; 12];
        frame.extend([8, 0, 0x45, 0]);
        let total = u16::try_from(28 + payload.len()).unwrap();
        frame.extend(total.to_be_bytes());
        frame.extend(id.to_be_bytes());
        frame.extend([0, 0, ttl, 17, ttl, 99, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend([0, 7, 0, 8]);
        frame.extend((total - 20).to_be_bytes());
        frame.extend([ttl, 1]);
        frame.extend(payload);
        frame
    }

    #[test]
    fn what_changes_on_the_way_does_not_count() {
        let number = |frame: &[u8]| Occurrences::default().number(frame);
        let first = number(&udp(64, 1, b"hello"));
        assert_eq!(first, number(&udp(63, 700, b"hello")));
        let mut padded = udp(64, 1, b"hello");
        padded.resize(60, 0);
        assert_eq!(first, number(&padded));
        assert_ne!(first, number(&udp(64, 1, b"hellp")));
        let mut other = udp(64, 1, b"hello");
        other[29] = 9;
        assert_ne!(first, number(&other));
        let arp = [vec![0xff; 12], vec![8, 6], vec![1; 28]].concat();
        assert_ne!(number(&arp), number(&[arp.as_slice(), &[0]].concat()));
    }

    #[test]
    fn a_packet_said_again_has_another_number() {
        let mut seen = Occurrences::default();
        let numbers: Vec<u64> = (0..3).map(|_| seen.number(&udp(64, 1, b"again"))).collect();
        assert!(numbers[0] != numbers[1] && numbers[1] != numbers[2], "{numbers:?}");
        // forgotten after two generations, which bounds the memory
        for n in 0..u64::try_from(2 * limits::CONTENT_MEMORY).unwrap() {
            seen.number(&udp(64, 1, &n.to_be_bytes()));
        }
        assert!(seen.fresh.len() + seen.old.len() <= 2 * limits::CONTENT_MEMORY);
        assert_eq!(seen.number(&udp(64, 1, b"again")), numbers[0]);
    }
}
