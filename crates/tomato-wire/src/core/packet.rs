//! Where the headers of an Ethernet frame lie. Total: any bytes give an answer, none reads outside of them.

use crate::core::checksum::Sum;

/// The network header's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The transport header's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// Another, or a fragment.
    Other,
}

/// Offsets of the headers of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Kind of the network header.
    pub family: Family,
    /// Where the network header begins.
    pub network_at: usize,
    /// Kind of the transport header.
    pub transport: Transport,
    /// The IP protocol number.
    pub protocol: u8,
    /// Where the transport header begins.
    pub transport_at: usize,
    /// Where the payload begins; the transport header's place for [`Transport::Other`].
    pub payload_at: usize,
}

impl Layout {
    /// The sum of the pseudo header (RFC 768, RFC 8200 section 8.1) for `len` bytes from the transport header on.
    #[must_use]
    pub fn pseudo_sum(&self, frame: &[u8], len: u16) -> u16 {
        let addresses = match self.family {
            Family::V4 => 12..20,
            Family::V6 => 8..40,
        };
        Sum::default()
            .bytes(&frame[self.network_at..][addresses])
            .word(u16::from(self.protocol))
            .word(len)
            .folded()
    }
}

/// VLAN tags that are followed.
const MAX_TAGS: usize = 4;
/// IPv6 extension headers that are followed.
const MAX_EXTENSIONS: usize = 8;
const ETHERTYPE_V4: u16 = 0x0800;
const ETHERTYPE_V6: u16 = 0x86dd;

/// Type and place of what follows the Ethernet header and its VLAN tags (802.1Q, 802.1ad, 0x9100).
#[must_use]
pub fn ethertype(frame: &[u8]) -> Option<(u16, usize)> {
    let mut at = 12;
    for _ in 0..=MAX_TAGS {
        let kind = word(frame, at)?;
        if !matches!(kind, 0x8100 | 0x88a8 | 0x9100) {
            return Some((kind, at + 2));
        }
        at += 4;
    }
    None
}

/// The layout of an IP packet in a frame; none if it is none or is cut off.
#[must_use]
pub fn parse(frame: &[u8]) -> Option<Layout> {
    let (kind, network_at) = ethertype(frame)?;
    let (family, protocol, transport_at, is_fragment) = match kind {
        ETHERTYPE_V4 => {
            let first = *frame.get(network_at)?;
            let len = usize::from(first & 15) * 4;
            if first >> 4 != 4 || len < 20 || frame.len() < network_at + len {
                return None;
            }
            let is_fragment = word(frame, network_at + 6)? & 0x3fff != 0;
            (Family::V4, *frame.get(network_at + 9)?, network_at + len, is_fragment)
        }
        ETHERTYPE_V6 => {
            let (protocol, at, is_fragment) = extensions(frame, network_at)?;
            (Family::V6, protocol, at, is_fragment)
        }
        _ => return None,
    };
    let (transport, payload_at) = match protocol {
        6 if !is_fragment => {
            let len = usize::from(*frame.get(transport_at + 12)? >> 4) * 4;
            if len < 20 {
                return None;
            }
            (Transport::Tcp, transport_at + len)
        }
        17 if !is_fragment => (Transport::Udp, transport_at + 8),
        _ => (Transport::Other, transport_at),
    };
    if frame.len() < payload_at {
        return None;
    }
    Some(Layout { family, network_at, transport, protocol, transport_at, payload_at })
}

/// Protocol, place and whether it is a fragment of what follows an IPv6 header and its extensions (RFC 8200).
fn extensions(frame: &[u8], network_at: usize) -> Option<(u8, usize, bool)> {
    if frame.get(network_at)? >> 4 != 6 || frame.len() < network_at + 40 {
        return None;
    }
    let mut next = *frame.get(network_at + 6)?;
    let mut at = network_at + 40;
    for _ in 0..MAX_EXTENSIONS {
        match next {
            // hop-by-hop, routing, destination options: length in units of 8 bytes beyond the first
            0 | 43 | 60 => {
                next = *frame.get(at)?;
                at += (usize::from(*frame.get(at + 1)?) + 1) * 8;
            }
            44 => return Some((*frame.get(at)?, at + 8, true)),
            _ => return Some((next, at, false)),
        }
    }
    None
}

/// The big-endian word at a place.
#[must_use]
pub fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}

#[cfg(test)]
mod tests;
