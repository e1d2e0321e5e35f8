//! The pcapng file format, as far as we write it (draft-ietf-opsawg-pcapng).
//!
//! A file is one section: section header, one Ethernet interface per direction, enhanced packet blocks with
//! nanosecond stamps and the direction in `epb_flags`. Everything is little-endian.

use crate::limits;

/// Type of a section header block; reads the same in either byte order.
pub(super) const SECTION: u32 = 0x0a0d_0d0a;
/// Type of an interface description block.
pub(super) const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const LINKTYPE_ETHERNET: u16 = 1;
const OPT_USER_APPL: u16 = 4;
const OPT_IF_NAME: u16 = 2;
const OPT_IF_TSRESOL: u16 = 9;
const OPT_EPB_FLAGS: u16 = 2;
const OPT_EPB_DROPCOUNT: u16 = 4;
/// Bytes of a packet block beside the padded data.
const PACKET_OVERHEAD: usize = 8 + 20 + 12 + 4;

/// One frame as it was seen.
#[derive(Debug)]
pub(super) struct Record {
    /// 0 forward, 1 backward.
    pub(super) side: usize,
    /// Nanoseconds since 1970.
    pub(super) at_ns: u64,
    /// Length before cutting.
    pub(super) full_len: usize,
    /// The bytes kept.
    pub(super) data: Vec<u8>,
}

/// What a record of that many bytes takes in a file and about takes in memory.
pub(super) fn cost(data_len: usize) -> u64 {
    u64::try_from(data_len.next_multiple_of(4) + PACKET_OVERHEAD)
        .expect("a frame is far below 2^64 bytes")
}

/// The blocks at the beginning of each file.
pub(super) fn header(names: &[String; 2], snaplen: u32) -> Vec<u8> {
    let mut out = Vec::new();
    block(&mut out, SECTION, |body| {
        body.extend(BYTE_ORDER_MAGIC.to_le_bytes());
        body.extend([1, 0, 0, 0]); // version 1.0
        body.extend(u64::MAX.to_le_bytes()); // length not given
        option(body, OPT_USER_APPL, b"tomato wire");
        option(body, 0, b"");
    });
    for name in names {
        block(&mut out, INTERFACE, |body| {
            body.extend(LINKTYPE_ETHERNET.to_le_bytes());
            body.extend([0, 0]);
            body.extend(snaplen.to_le_bytes());
            option(body, OPT_IF_NAME, name.as_bytes());
            option(body, OPT_IF_TSRESOL, &[9]);
            option(body, 0, b"");
        });
    }
    out
}

/// Appends a packet block; `lost` packets are missing before it.
pub(super) fn packet(out: &mut Vec<u8>, record: &Record, lost: u64) {
    let stamp = record.at_ns.to_le_bytes();
    block(out, PACKET, |body| {
        body.extend(length(record.side).to_le_bytes());
        body.extend_from_slice(&stamp[4..]); // the upper half comes first
        body.extend_from_slice(&stamp[..4]);
        body.extend(length(record.data.len()).to_le_bytes());
        body.extend(length(record.full_len).to_le_bytes());
        body.extend_from_slice(&record.data);
        pad(body);
        // seen from ends[0]: forward leaves (2), backward arrives (1)
        let flags: u32 = if record.side == 0 { 2 } else { 1 };
        option(body, OPT_EPB_FLAGS, &flags.to_le_bytes());
        if lost > 0 {
            option(body, OPT_EPB_DROPCOUNT, &lost.to_le_bytes());
        }
        option(body, 0, b"");
    });
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
const MAX_BLOCK_BYTES: usize = 2 * limits::MAX_FRAME_BYTES;

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
