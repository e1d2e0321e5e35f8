//! Super-frames: many wire packets of one flow in one buffer, as segmentation offload hands them out.
//!
//! The model works on wire packets, and the buffer is never cut: a [`Train`] names a row of consecutive packets of a
//! frame and is written out as one shorter super-frame with rewritten headers ([`Train::emission`]), or packet by
//! packet with full checksums ([`Train::packet`]) for ends that take no offloads. Both give the bytes that the
//! sender's own kernel would have sent without offload: IPv4 identification counts up, TCP sequence numbers move on,
//! FIN and PSH are on the last packet only, CWR on the first only, lengths and checksums fit.
//!
//! Terms of the virtio network header are those of the virtio specification 1.2, section 5.1.6.

use std::ops::Range;

use crate::core::checksum::{self, Sum};
use crate::core::frame::Frame;
use crate::core::packet::{self, Family, Layout, Transport};
use crate::limits;

/// Bytes of a `virtio_net_hdr_mrg_rxbuf`.
pub const VNET_BYTES: usize = 12;
const NEEDS_CSUM: u8 = 1;
const GSO_TCP4: u8 = 1;
const GSO_TCP6: u8 = 4;
const GSO_UDP: u8 = 5;
const GSO_ECN: u8 = 0x80;

const TCP_SEQUENCE: usize = 4;
const TCP_FLAGS: usize = 13;
const TCP_CHECKSUM: usize = 16;
const UDP_LENGTH: usize = 4;
const UDP_CHECKSUM: usize = 6;
const FIN_PSH: u8 = 0x09;
const CWR: u8 = 0x80;

/// What a virtio network header says of a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offload {
    /// Kind of super-frame, without the ECN bit; 0: none.
    gso: u8,
    /// Payload bytes per wire packet.
    segment_bytes: u16,
    /// Where the open checksum begins, and its field's offset from there.
    checksum: Option<(u16, u16)>,
}

impl Offload {
    /// Reads a header; none if it is of no kind that a port was told to send.
    #[must_use]
    pub fn read(header: &[u8; VNET_BYTES]) -> Option<Self> {
        let word = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        let gso = header[1] & !GSO_ECN;
        if !matches!(gso, 0 | GSO_TCP4 | GSO_TCP6 | GSO_UDP) {
            return None;
        }
        let checksum = (header[0] & NEEDS_CSUM != 0).then(|| (word(6), word(8)));
        Some(Self { gso, segment_bytes: word(4), checksum })
    }
}

/// How the bytes of a frame are cut into wire packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Place of an open checksum: start of what it covers, field.
    open_checksum: Option<(usize, usize)>,
    cut: Option<Cut>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    layout: Layout,
    /// Payload bytes of every packet but the last.
    size: usize,
    count: u16,
    /// Payload bytes of all.
    payload: usize,
}

impl Shape {
    /// One complete wire packet.
    pub const WHOLE: Shape = Shape { open_checksum: None, cut: None };

    /// The shape of a frame that came with `offload`; none if the two do not fit.
    #[must_use]
    pub fn of(frame: &[u8], offload: Offload) -> Option<Shape> {
        if offload.gso == 0 {
            return Self::of_packet(frame, offload);
        }
        let layout = packet::parse(frame)?;
        let fits = match offload.gso {
            GSO_TCP4 => layout.family == Family::V4 && layout.transport == Transport::Tcp,
            GSO_TCP6 => layout.family == Family::V6 && layout.transport == Transport::Tcp,
            _ => layout.transport == Transport::Udp,
        };
        let size = usize::from(offload.segment_bytes);
        let payload = frame.len() - layout.payload_at;
        if !fits || size == 0 || layout.payload_at > limits::MAX_HEADER_BYTES {
            return None;
        }
        let count = u16::try_from(payload.div_ceil(size)).ok()?;
        if usize::from(count) > limits::MAX_SEGMENTS {
            return None;
        }
        if count <= 1 {
            let start = layout.transport_at;
            return Some(Self { open_checksum: Some((start, start + field(&layout))), cut: None });
        }
        Some(Self { open_checksum: None, cut: Some(Cut { layout, size, count, payload }) })
    }

    fn of_packet(frame: &[u8], offload: Offload) -> Option<Shape> {
        let Some((start, offset)) = offload.checksum else { return Some(Self::WHOLE) };
        let start = usize::from(start);
        let at = start + usize::from(offset);
        (at + 2 <= frame.len()).then_some(Self { open_checksum: Some((start, at)), cut: None })
    }

    /// Wire packets.
    #[must_use]
    pub fn packets(&self) -> u16 {
        self.cut.map_or(1, |cut| cut.count)
    }
}

impl Cut {
    /// The payload bytes of a row of packets.
    fn payload(&self, first: u16, count: u16) -> Range<usize> {
        let start = usize::from(first) * self.size;
        let end = (start + usize::from(count) * self.size).min(self.payload);
        self.layout.payload_at + start..self.layout.payload_at + end
    }
}

/// Where the checksum lies in the transport header.
fn field(layout: &Layout) -> usize {
    if layout.transport == Transport::Tcp { TCP_CHECKSUM } else { UDP_CHECKSUM }
}

/// Consecutive wire packets of one frame.
#[derive(Debug, Clone)]
pub struct Train {
    /// The frame they are of.
    pub frame: Frame,
    /// The first of them.
    pub first: u16,
    /// How many they are; at least one.
    pub count: u16,
}

impl From<Frame> for Train {
    fn from(frame: Frame) -> Self {
        let count = frame.shape().packets();
        Self { frame, first: 0, count }
    }
}

/// Bytes of a header that are taken out, and those that take their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Splice {
    /// Where, before any header that offloads know.
    pub at: usize,
    /// How many are taken out.
    pub removed: usize,
    /// What is put there.
    pub inserted: Option<[u8; 4]>,
}

impl Splice {
    /// Changes a packet.
    pub fn apply(&self, packet: &mut Vec<u8>) {
        let end = (self.at + self.removed).min(packet.len());
        let inserted = self.inserted.as_ref().map_or(&[][..], |bytes| bytes);
        packet.splice(self.at.min(end)..end, inserted.iter().copied());
    }

    /// Where a byte behind it comes to lie.
    fn shifted(&self, at: u16) -> u16 {
        let at = usize::from(at) + self.inserted.map_or(0, |bytes| bytes.len());
        u16::try_from(at.saturating_sub(self.removed)).unwrap_or(u16::MAX)
    }
}

/// A train as a port with offloads writes it: all parts one after the other.
#[derive(Debug)]
pub struct Emission<'a> {
    /// The virtio network header.
    pub vnet: [u8; VNET_BYTES],
    /// Rewritten headers; empty if the frame's own are right.
    pub header: &'a [u8],
    /// What follows them.
    pub rest: &'a [u8],
}

/// Room for rewritten headers.
pub type HeaderRoom = [u8; limits::MAX_HEADER_BYTES];

impl Train {
    /// Bytes of one of the packets, counted from the first of the frame, as it is on the wire without check
    /// sequence.
    #[must_use]
    pub fn packet_bytes(&self, index: u16) -> u64 {
        let len = match &self.frame.shape().cut {
            None => self.frame.bytes().len(),
            Some(cut) => cut.layout.payload_at + cut.payload(index, 1).len(),
        };
        u64::try_from(len).expect("a frame is far below 2^64 bytes")
    }

    /// Bytes of all packets of the train.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes_of(self.count)
    }

    /// Bytes of the first `count` packets of the train.
    #[must_use]
    pub fn bytes_of(&self, count: u16) -> u64 {
        let len = match &self.frame.shape().cut {
            None if count == 0 => 0,
            None => self.frame.bytes().len(),
            Some(cut) => {
                usize::from(count) * cut.layout.payload_at + cut.payload(self.first, count).len()
            }
        };
        u64::try_from(len).expect("a frame is far below 2^64 bytes")
    }

    /// The place of the packet after the last.
    #[must_use]
    pub fn end(&self) -> u16 {
        self.first + self.count
    }

    /// Part of the train.
    #[must_use]
    pub fn part(&self, first: u16, count: u16) -> Train {
        Train { frame: self.frame.clone(), first, count }
    }

    /// Takes `next` in if it goes on where this train ends.
    #[must_use]
    pub fn extends_to(&self, next: &Train) -> bool {
        self.end() == next.first && self.frame.is_same(&next.frame)
    }

    /// The train in one piece, with open checksums; `room` takes rewritten headers.
    #[must_use]
    pub fn emission<'a>(&'a self, room: &'a mut HeaderRoom) -> Emission<'a> {
        let shape = self.frame.shape();
        let bytes = self.frame.bytes();
        let Some(cut) = &shape.cut else {
            let checksum = shape.open_checksum;
            return Emission { vnet: vnet_header(None, checksum), header: &[], rest: bytes };
        };
        let header = &mut room[..cut.layout.payload_at];
        self.write_header(cut, header);
        let start = cut.layout.transport_at;
        let checksum = Some((start, start + field(&cut.layout)));
        let gso = (self.count > 1).then(|| {
            let kind = match (cut.layout.transport, cut.layout.family) {
                (Transport::Tcp, family) => {
                    let kind = if family == Family::V4 { GSO_TCP4 } else { GSO_TCP6 };
                    let has_cwr = header[start + TCP_FLAGS] & CWR != 0;
                    kind | if has_cwr { GSO_ECN } else { 0 }
                }
                (Transport::Udp | Transport::Other, _) => GSO_UDP,
            };
            (kind, cut.layout.payload_at, cut.size)
        });
        Emission {
            vnet: vnet_header(gso, checksum),
            header,
            rest: &bytes[cut.payload(self.first, self.count)],
        }
    }

    /// One of the packets, counted from the first of the frame, complete with checksums. `out` is replaced.
    pub fn packet(&self, index: u16, out: &mut Vec<u8>) {
        out.clear();
        let shape = self.frame.shape();
        let bytes = self.frame.bytes();
        let checksum = match &shape.cut {
            None => {
                out.extend_from_slice(bytes);
                shape.open_checksum
            }
            Some(cut) => {
                out.resize(cut.layout.payload_at, 0);
                self.part(index, 1).write_header(cut, out);
                out.extend_from_slice(&bytes[cut.payload(index, 1)]);
                let start = cut.layout.transport_at;
                Some((start, start + field(&cut.layout)))
            }
        };
        if let Some((start, at)) = checksum {
            let is_inside = checksum::complete(out, start, at);
            debug_assert!(is_inside, "the shape was checked against the frame");
        }
    }

    /// The train with other bytes in its header, as a frame of its own; none if the pool is exhausted. `room` is
    /// replaced.
    #[must_use]
    pub fn spliced(&self, splice: &Splice, room: &mut Vec<u8>) -> Option<Train> {
        let mut headers = [0; limits::MAX_HEADER_BYTES];
        let emission = self.emission(&mut headers);
        room.clear();
        room.extend_from_slice(emission.header);
        room.extend_from_slice(emission.rest);
        splice.apply(room);
        let mut offload = Offload::read(&emission.vnet)?;
        offload.checksum = offload.checksum.map(|(start, field)| (splice.shifted(start), field));
        let shape = Shape::of(room, offload)?;
        Some(self.frame.sibling_of(room, shape)?.into())
    }

    /// Headers of this train as a super-frame (or as a packet) with an open checksum.
    fn write_header(&self, cut: &Cut, header: &mut [u8]) {
        let Layout { family, network_at, transport, transport_at, payload_at, protocol } =
            cut.layout;
        header.copy_from_slice(&self.frame.bytes()[..payload_at]);
        let is_last = self.end() == cut.count;
        let payload = cut.payload(self.first, self.count).len();
        let below = payload_at - transport_at + payload;
        // longer than 64 KiB only in IPv6 jumbograms, which no port is told to send
        let short = |len: usize| u16::try_from(len).unwrap_or(0);
        let addresses = match family {
            Family::V4 => {
                let ip = &mut header[network_at..transport_at];
                put(ip, 2, short(ip.len() + below));
                let id = packet::word(ip, 4).unwrap_or(0).wrapping_add(self.first);
                put(ip, 4, id);
                put(ip, 10, 0);
                put(ip, 10, Sum::default().bytes(ip).checksum());
                12..20
            }
            Family::V6 => {
                put(header, network_at + 4, short(transport_at - network_at - 40 + below));
                8..40
            }
        };
        let sum = Sum::default()
            .bytes(&header[network_at + addresses.start..network_at + addresses.end])
            .word(u16::from(protocol))
            .word(short(below))
            .folded();
        let head = &mut header[transport_at..];
        if transport == Transport::Tcp {
            let at = TCP_SEQUENCE;
            let sequence = u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            let skipped = u32::try_from(usize::from(self.first) * cut.size).unwrap_or(0);
            head[at..at + 4].copy_from_slice(&sequence.wrapping_add(skipped).to_be_bytes());
            if !is_last {
                head[TCP_FLAGS] &= !FIN_PSH;
            }
            if self.first > 0 {
                head[TCP_FLAGS] &= !CWR;
            }
        } else {
            put(head, UDP_LENGTH, short(below));
        }
        put(head, field(&cut.layout), sum);
    }
}

fn put(bytes: &mut [u8], at: usize, word: u16) {
    bytes[at..at + 2].copy_from_slice(&word.to_be_bytes());
}

/// A virtio network header. `gso` is kind, header length and segment size; `checksum` start and field.
fn vnet_header(
    gso: Option<(u8, usize, usize)>,
    checksum: Option<(usize, usize)>,
) -> [u8; VNET_BYTES] {
    let mut out = [0; VNET_BYTES];
    let mut put = |at: usize, value: usize| {
        let value = u16::try_from(value).unwrap_or(0);
        out[at..at + 2].copy_from_slice(&value.to_ne_bytes());
    };
    if let Some((_, header, size)) = gso {
        put(2, header);
        put(4, size);
    }
    if let Some((start, at)) = checksum {
        put(6, start);
        put(8, at - start);
        out[0] = NEEDS_CSUM;
    }
    if let Some((kind, ..)) = gso {
        out[1] = kind;
    }
    out
}

#[cfg(test)]
pub(crate) mod tests;
