//! Every test builds the wire packets one by one, as a sender without offload would, and the super-frame that
//! stands for them from the same description; what the split makes of the super-frame must be those packets.

use proptest::prelude::*;

use super::*;
use crate::core::frame::FramePool;

/// A flow's burst of packets.
#[derive(Debug, Clone)]
pub(crate) struct Burst {
    pub(crate) tags: usize,
    pub(crate) family: Family,
    /// Bytes of IPv4 options or IPv6 extension headers.
    pub(crate) ip_options: usize,
    pub(crate) is_tcp: bool,
    pub(crate) tcp_options: usize,
    pub(crate) flags: u8,
    pub(crate) id: u16,
    pub(crate) sequence: u32,
    pub(crate) size: usize,
    pub(crate) payload: Vec<u8>,
}

impl Burst {
    pub(crate) fn count(&self) -> usize {
        self.payload.len().div_ceil(self.size)
    }

    /// A packet of these payload bytes; `check` fills the transport checksum in.
    fn build(&self, at: usize, payload: &[u8], flags: u8, id: u16, check: bool) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        for tag in 0..self.tags {
            frame.extend([0x81, 0, 0, u8::try_from(tag).unwrap() + 1]);
        }
        let transport_len = if self.is_tcp { 20 + self.tcp_options } else { 8 };
        let len = transport_len + payload.len();
        let protocol = if self.is_tcp { 6 } else { 17 };
        let network = frame.len() + 2;
        if self.family == Family::V4 {
            let header = 20 + self.ip_options;
            frame.extend([8, 0, 0x40 + u8::try_from(header / 4).unwrap(), 3]);
            frame.extend(u16::try_from(header + len).unwrap().to_be_bytes());
            frame.extend(id.to_be_bytes());
            frame.extend([0x40, 0, 63, protocol, 0, 0, 10, 1, 2, 3, 10, 4, 5, 6]);
            frame.extend(vec![1; self.ip_options]);
            let sum = naive_sum(&frame[network..]);
            frame[network + 10..network + 12].copy_from_slice(&(!sum).to_be_bytes());
        } else {
            let extension = self.ip_options > 0;
            frame.extend([0x86, 0xdd, 0x60, 1, 2, 3]);
            frame.extend(u16::try_from(self.ip_options + len).unwrap().to_be_bytes());
            frame.extend([if extension { 60 } else { protocol }, 63]);
            frame.extend((0..32).collect::<Vec<u8>>());
            if extension {
                let units = u8::try_from(self.ip_options / 8 - 1).unwrap();
                frame.extend([protocol, units]);
                frame.extend(vec![0; self.ip_options - 2]);
            }
        }
        let transport = frame.len();
        frame.extend([0x11, 0x22, 0x33, 0x44]);
        if self.is_tcp {
            let sequence = self.sequence.wrapping_add(u32::try_from(at).unwrap());
            frame.extend(sequence.to_be_bytes());
            let words = u8::try_from(transport_len / 4).unwrap();
            frame.extend([9, 8, 7, 6, words << 4, flags, 1, 2, 0, 0, 0, 0]);
            frame.extend(vec![1; self.tcp_options]);
        } else {
            frame.extend(u16::try_from(len).unwrap().to_be_bytes());
            frame.extend([0, 0]);
        }
        frame.extend(payload);
        // the pseudo header: addresses, protocol, length
        let mut pseudo = match self.family {
            Family::V4 => frame[network + 12..network + 20].to_vec(),
            Family::V6 => frame[network + 8..network + 40].to_vec(),
        };
        pseudo.extend([0, protocol]);
        pseudo.extend(u16::try_from(len).unwrap().to_be_bytes());
        let field = transport + if self.is_tcp { 16 } else { 6 };
        let sum = if check {
            let sum = !naive_sum(&[pseudo, frame[transport..].to_vec()].concat());
            if sum == 0 { 0xffff } else { sum }
        } else {
            naive_sum(&pseudo)
        };
        frame[field..field + 2].copy_from_slice(&sum.to_be_bytes());
        frame
    }

    /// What a sender without offload puts on the wire.
    pub(crate) fn packets(&self) -> Vec<Vec<u8>> {
        self.built(true)
    }

    /// The same; without `check`, checksums are left to a device to fill in.
    fn built(&self, check: bool) -> Vec<Vec<u8>> {
        let last = self.count() - 1;
        let chunks = self.payload.chunks(self.size).enumerate();
        let packets = chunks.map(|(n, payload)| {
            let mut flags = self.flags;
            if n != last {
                flags &= !0x09;
            }
            if n != 0 {
                flags &= !0x80;
            }
            let id = self.id.wrapping_add(u16::try_from(n).unwrap());
            self.build(n * self.size, payload, flags, id, check)
        });
        packets.collect()
    }

    /// The super-frame behind its virtio network header.
    pub(crate) fn super_frame(&self) -> Vec<u8> {
        let frame = self.build(0, &self.payload, self.flags, self.id, false);
        let mut header = [0u8; VNET_BYTES];
        header[0] = 1;
        header[1] = match (self.is_tcp, self.family) {
            (true, Family::V4) => 1,
            (true, Family::V6) => 4,
            (false, _) => 5,
        };
        header[4..6].copy_from_slice(&u16::try_from(self.size).unwrap().to_ne_bytes());
        [header.to_vec(), frame].concat()
    }
}

/// Word by word, with the carry brought around at once.
fn naive_sum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap()
}

/// Datagrams of 18 bytes over IPv4.
pub(crate) fn datagrams(count: usize) -> Burst {
    Burst {
        tags: 0,
        family: Family::V4,
        ip_options: 0,
        is_tcp: false,
        tcp_options: 0,
        flags: 0,
        id: 65_533,
        sequence: 0,
        size: 18,
        payload: (0..=255).cycle().take(18 * count).collect(),
    }
}

/// The packets of a burst without IP options as a port would have read them from a sender without segmentation offload.
pub(crate) fn open_frames(pool: &FramePool, burst: &Burst) -> Vec<Frame> {
    let at = 14 + 4 * burst.tags + if burst.family == Family::V4 { 20 } else { 40 };
    burst.built(false).iter().map(|packet| open_frame(pool, at, packet)).collect()
}

/// A packet with an UDP header at this place, its checksum open.
pub(crate) fn open_frame(pool: &FramePool, at: usize, packet: &[u8]) -> Frame {
    let header = vnet_header(None, Some((at, at + UDP_CHECKSUM)));
    frame_of(pool, &[&header, packet].concat())
}

/// The frame a port would have read.
pub(crate) fn frame_of(pool: &FramePool, bytes: &[u8]) -> Frame {
    let mut scratch = pool.scratch();
    scratch.bytes()[..bytes.len()].copy_from_slice(bytes);
    let header = bytes[..VNET_BYTES].try_into().unwrap();
    let offload = Offload::read(&header).expect("a kind we know");
    pool.freeze(&mut scratch, VNET_BYTES..bytes.len(), offload).expect("a good frame")
}

fn packets_of(train: &Train) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    (train.first..train.end())
        .map(|n| {
            train.packet(n, &mut out);
            out.clone()
        })
        .collect()
}

prop_compose! {
    pub(crate) fn burst()(
        tags in 0..3usize,
        is_v4 in any::<bool>(),
        ip_options in 0..4usize,
        is_tcp in any::<bool>(),
        tcp_options in 0..5usize,
        flags in any::<u8>(),
        id in any::<u16>(),
        sequence in any::<u32>(),
        size in 1..1500usize,
        payload in proptest::collection::vec(any::<u8>(), 2..6000),
    ) -> Burst {
        Burst {
            tags,
            family: if is_v4 { Family::V4 } else { Family::V6 },
            ip_options: ip_options * if is_v4 { 4 } else { 8 },
            is_tcp,
            tcp_options: tcp_options * 4,
            flags,
            id,
            sequence,
            size: size.max(payload.len() / 1000 + 1),
            payload,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_virtual_split_is_the_real_one(
        burst in burst(),
        cut in any::<proptest::sample::Index>(),
        end in any::<proptest::sample::Index>(),
    ) {
        let pool = FramePool::default();
        let expected = burst.packets();
        let train = Train::from(frame_of(&pool, &burst.super_frame()));
        prop_assert_eq!(usize::from(train.count), expected.len());
        prop_assert_eq!(&packets_of(&train), &expected);
        // any row of packets, written as one and read again by another port
        let first = cut.index(expected.len());
        let count = 1 + end.index(expected.len() - first);
        let part = train.part(u16::try_from(first).unwrap(), u16::try_from(count).unwrap());
        let mut room = [0; limits::MAX_HEADER_BYTES];
        let emission = part.emission(&mut room);
        let bytes = [&emission.vnet, emission.header, emission.rest].concat();
        let again = Train::from(frame_of(&pool, &bytes));
        let expected = &expected[first..first + count];
        prop_assert_eq!(&packets_of(&again), expected);
        // the same with a tag more or less
        let end = 12 + usize::from(burst.tags > 0) * 4;
        for splice in [
            Splice { at: 12, removed: 0, inserted: Some([0x81, 0, 0, 10]) },
            Splice { at: 12, removed: end - 12, inserted: None },
        ] {
            let spliced = part.spliced(&splice, &mut Vec::new()).expect("room for it");
            let mut expected = expected.to_vec();
            expected.iter_mut().for_each(|packet| splice.apply(packet));
            prop_assert_eq!(packets_of(&spliced), expected);
        }
        // lengths are told without building anything
        let sum: usize = expected.iter().map(Vec::len).sum();
        prop_assert_eq!(part.bytes(), u64::try_from(sum).unwrap());
        for (n, packet) in (0u16..).zip(expected) {
            let len = u64::try_from(packet.len()).unwrap();
            prop_assert_eq!(part.packet_bytes(part.first + n), len);
        }
    }

    #[test]
    fn hostile_offloads_are_refused_or_harmless(
        header in proptest::array::uniform12(any::<u8>()),
        mut frame in proptest::collection::vec(any::<u8>(), 14..300),
        kind in 0..8u8,
        looks_ip in any::<bool>(),
    ) {
        if looks_ip && frame.len() > 40 {
            frame[12..15].copy_from_slice(&[8, 0, 0x45]);
            frame[20..22].fill(0);
            frame[23] = 6;
        }
        let mut header = header;
        header[1] = kind;
        let Some(offload) = Offload::read(&header) else { return Ok(()) };
        let pool = FramePool::default();
        let mut scratch = pool.scratch();
        scratch.bytes()[..frame.len()].copy_from_slice(&frame);
        if let Ok(frame) = pool.freeze(&mut scratch, 0..frame.len(), offload) {
            let train = Train::from(frame);
            let mut room = [0; limits::MAX_HEADER_BYTES];
            let emission = train.emission(&mut room);
            assert!(emission.header.len() + emission.rest.len() <= limits::MAX_FRAME_BYTES);
            let sum: usize = packets_of(&train).iter().map(Vec::len).sum();
            assert_eq!(train.bytes(), u64::try_from(sum).unwrap());
        }
    }
}

#[test]
fn open_checksums_of_single_packets_are_kept_or_filled_in() {
    let pool = FramePool::default();
    let burst = Burst {
        tags: 0,
        family: Family::V4,
        ip_options: 0,
        is_tcp: true,
        tcp_options: 12,
        flags: 0x18,
        id: 7,
        sequence: 1000,
        size: 1448,
        payload: vec![5; 1000],
    };
    let mut bytes = burst.super_frame();
    bytes[1] = 0; // no super-frame, only an open checksum
    bytes[6..8].copy_from_slice(&34u16.to_ne_bytes());
    bytes[8..10].copy_from_slice(&16u16.to_ne_bytes());
    let train = Train::from(frame_of(&pool, &bytes));
    assert_eq!(packets_of(&train), burst.packets());
    let mut room = [0; limits::MAX_HEADER_BYTES];
    let emission = train.emission(&mut room);
    assert_eq!(
        [&emission.vnet[..2], &emission.vnet[6..]].concat(),
        [&bytes[..2], &bytes[6..12]].concat()
    );
    assert_eq!(emission.rest, &bytes[12..]);
    // a field beyond the frame
    bytes[6..8].copy_from_slice(&9000u16.to_ne_bytes());
    let offload = Offload::read(&bytes[..12].try_into().unwrap()).unwrap();
    assert_eq!(Shape::of(&bytes[12..], offload), None);
}
