//! The pcapng file format, as far as we write it (draft-ietf-opsawg-pcapng).
//!
//! A file is one section: section header, one Ethernet interface per spot, enhanced packet blocks with
//! nanosecond stamps and the direction in `epb_flags`, and custom options of ours (see
//! [`crate::capture::trail`]) in blocks of packets, interfaces and statistics. Everything is little-endian.

use crate::capture::trail::{ENTERPRISE, Trail, interface_bytes, parse_interface};
use crate::core::journal::Spot;
use crate::limits;

/// Type of a section header block; reads the same in either byte order.
pub(super) const SECTION: u32 = 0x0a0d_0d0a;
/// Type of an interface description block.
pub(super) const INTERFACE: u32 = 1;
/// Type of an enhanced packet block.
pub(super) const PACKET: u32 = 6;
/// Type of an interface statistics block.
pub(super) const STATISTICS: u32 = 5;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const LINKTYPE_ETHERNET: u16 = 1;
/// Bytes of a statistics block before its options: interface and stamp.
const STATISTICS_HEAD: usize = 12;
/// Most bytes of ours in one option, whose length has 16 bits.
const PIECE_BYTES: usize = 60_000;
const OPT_COMMENT: u16 = 1;
/// A custom option that may be copied and holds bytes.
pub(super) const OPT_CUSTOM: u16 = 2989;
const OPT_USER_APPL: u16 = 4;
const OPT_IF_NAME: u16 = 2;
const OPT_IF_DESCRIPTION: u16 = 3;
const OPT_IF_TSRESOL: u16 = 9;
pub(super) const OPT_EPB_FLAGS: u16 = 2;
pub(super) const OPT_EPB_DROPCOUNT: u16 = 4;
/// Bytes of a packet block beside the padded data, with a trail.
const PACKET_OVERHEAD: usize = 8 + 20 + 12 + 4 + 56;

/// One frame as it was seen.
#[derive(Debug)]
pub(super) struct Record {
    /// Which of the file's interfaces.
    pub(super) interface: usize,
    /// 0 forward, 1 backward.
    pub(super) side: usize,
    /// Nanoseconds since 1970.
    pub(super) at_ns: u64,
    /// Length before cutting.
    pub(super) full_len: usize,
    /// The bytes kept.
    pub(super) data: Vec<u8>,
    /// Where it comes from and goes.
    pub(super) trail: Option<Trail>,
}

/// A spot that packets are recorded at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    /// Short, for filters.
    pub(super) name: String,
    /// In words; may be empty.
    pub(super) description: String,
    /// 0 forward, 1 backward.
    pub(super) side: usize,
    /// What of its packets.
    pub(super) spot: Spot,
}

/// What a record of that many bytes takes in a file and about takes in memory.
pub(super) fn cost(data_len: usize) -> u64 {
    u64::try_from(data_len.next_multiple_of(4) + PACKET_OVERHEAD)
        .expect("a frame is far below 2^64 bytes")
}

/// The blocks at the beginning of each file.
pub(super) fn header(interfaces: &[Interface], snaplen: u32) -> Vec<u8> {
    let mut out = Vec::new();
    block(&mut out, SECTION, |body| {
        body.extend(BYTE_ORDER_MAGIC.to_le_bytes());
        body.extend([1, 0, 0, 0]); // version 1.0
        body.extend(u64::MAX.to_le_bytes()); // length not given
        option(body, OPT_USER_APPL, b"tomato wire");
        option(body, 0, b"");
    });
    for Interface { name, description, side, spot } in interfaces {
        block(&mut out, INTERFACE, |body| {
            body.extend(LINKTYPE_ETHERNET.to_le_bytes());
            body.extend([0, 0]);
            body.extend(snaplen.to_le_bytes());
            option(body, OPT_IF_NAME, name.as_bytes());
            if !description.is_empty() {
                option(body, OPT_IF_DESCRIPTION, description.as_bytes());
            }
            option(body, OPT_IF_TSRESOL, &[9]);
            let spot = interface_bytes(*side, *spot);
            option(body, OPT_CUSTOM, &[ENTERPRISE.to_le_bytes().as_slice(), &spot].concat());
            option(body, 0, b"");
        });
    }
    out
}

/// Appends a packet block; `lost` packets are missing before it.
pub(super) fn packet(out: &mut Vec<u8>, record: &Record, lost: u64) {
    let stamp = record.at_ns.to_le_bytes();
    block(out, PACKET, |body| {
        body.extend(length(record.interface).to_le_bytes());
        body.extend_from_slice(&stamp[4..]); // the upper half comes first
        body.extend_from_slice(&stamp[..4]);
        body.extend(length(record.data.len()).to_le_bytes());
        body.extend(length(record.full_len).to_le_bytes());
        body.extend_from_slice(&record.data);
        pad(body);
        if let Some(comment) = record.trail.as_ref().and_then(Trail::comment) {
            option(body, OPT_COMMENT, comment.as_bytes());
        }
        // seen from ends[0]: forward leaves (2), backward arrives (1)
        let flags: u32 = if record.side == 0 { 2 } else { 1 };
        option(body, OPT_EPB_FLAGS, &flags.to_le_bytes());
        if lost > 0 {
            option(body, OPT_EPB_DROPCOUNT, &lost.to_le_bytes());
        }
        if let Some(trail) = &record.trail {
            let value = [ENTERPRISE.to_le_bytes().as_slice(), &trail.bytes()].concat();
            option(body, OPT_CUSTOM, &value);
        }
        option(body, 0, b"");
    });
}

/// Appends a statistics block with `data` in custom options of ours. It belongs to the first interface and has no stamp. A custom block
/// would be a frame without a time to Wireshark.
pub(super) fn told(out: &mut Vec<u8>, data: &[u8]) {
    block(out, STATISTICS, |body| {
        body.extend([0; STATISTICS_HEAD]);
        for piece in data.chunks(PIECE_BYTES) {
            option(body, OPT_CUSTOM, &[ENTERPRISE.to_le_bytes().as_slice(), piece].concat());
        }
        option(body, 0, b"");
    });
}

/// What [`told`] wrote, by the body of the block; nothing if it is another's.
pub(super) fn told_data(body: &[u8]) -> Vec<u8> {
    let all = options(body.get(STATISTICS_HEAD..).unwrap_or_default());
    let ours = all.filter(|(code, _)| *code == OPT_CUSTOM);
    ours.filter_map(|(_, value)| value.strip_prefix(&ENTERPRISE.to_le_bytes()))
        .flatten()
        .copied()
        .collect()
}

/// Whether the body of a section header is little-endian, of version 1.
pub(super) fn is_ours(body: &[u8]) -> bool {
    body.starts_with(&BYTE_ORDER_MAGIC.to_le_bytes()) && body.get(4..6) == Some(&[1, 0])
}

/// An interface description of ours by its body; none if it is another's.
pub(super) fn interface(body: &[u8]) -> Option<Interface> {
    let (mut name, mut about) = (String::new(), None);
    for (code, value) in options(body.get(8..)?) {
        match code {
            OPT_IF_NAME => name = String::from_utf8_lossy(value).into_owned(),
            OPT_CUSTOM => about = value.strip_prefix(&ENTERPRISE.to_le_bytes()),
            _ => {}
        }
    }
    let (side, spot) = parse_interface(about?)?;
    Some(Interface { name, description: String::new(), side, spot })
}

/// The options of a block, up to their end or the first that is broken.
pub(super) fn options(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (head, rest) = bytes.split_first_chunk::<4>()?;
        let code = u16::from_le_bytes([head[0], head[1]]);
        let len = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let value = rest.get(..len)?;
        bytes = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        (code != 0).then_some((code, value))
    })
}

/// Type and length of the block that begins with these bytes; none if no block of ours can begin so.
pub(super) fn block_head(bytes: [u8; 8]) -> Option<(u32, usize)> {
    let [a, b, c, d, e, f, g, h] = bytes;
    let kind = u32::from_le_bytes([a, b, c, d]);
    let len = usize::try_from(u32::from_le_bytes([e, f, g, h])).ok()?;
    let is_sane = len >= 12 && len.is_multiple_of(4) && len <= MAX_BLOCK_BYTES;
    is_sane.then_some((kind, len))
}

/// Longest block we write, with room.
const MAX_BLOCK_BYTES: usize = limits::MAX_TOLD_BYTES + 2 * limits::MAX_FRAME_BYTES;

fn block(out: &mut Vec<u8>, kind: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend(kind.to_le_bytes());
    out.extend([0; 4]);
    fill(out);
    let len = length(out.len() - start + 4).to_le_bytes();
    out[start + 4..start + 8].copy_from_slice(&len);
    out.extend(len);
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend(code.to_le_bytes());
    let len = u16::try_from(value.len()).expect("option values are short");
    out.extend(len.to_le_bytes());
    out.extend_from_slice(value);
    pad(out);
}

/// Fills up to four bytes; every block and option begins at a multiple of four.
fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

fn length(len: usize) -> u32 {
    u32::try_from(len).expect("blocks are far below 4 GiB")
}
