//! What must hold of each parser, whatever it is given: no panic, and what is said beside each function.
//!
//! Shared by the fuzz targets here and by the test that replays `fuzz/corpus` (`crates/tomato-testlab`).

use std::collections::BTreeSet;

use tomato_api::console::{Frame as ConsoleFrame, FrameError, Frames};
use tomato_api::host::WantedTopology;
use tomato_filter::Filter;
use tomato_model::file;
use tomato_model::graph::CountingIds;
use tomato_model::link::{LinkParams, LinkPatch};
use tomato_model::original::import::{self, Known};
use tomato_wire::capture::live::Passed;
use tomato_wire::config::{Discipline, LinkParams as WireParams, TopologyConfig};
use tomato_wire::core::direction::Direction;
use tomato_wire::core::frame::{Frame, FramePool, Scratch};
use tomato_wire::core::packet;
use tomato_wire::core::random::Streams;
use tomato_wire::core::split::{Emission, HeaderRoom, Offload, Train, VNET_BYTES};
use tomato_wire::{limits, verify};

/// A parser by its name, as its folder in the corpus and its target are called.
pub(super) type Parser = (&'static str, fn(&[u8]));

/// All of them.
pub(super) const ALL: [Parser; 10] = [
    ("frame", frame),
    ("filter", filter),
    ("capture", capture),
    ("live_message", live_message),
    ("wire_config", wire_config),
    ("topology_file", topology_file),
    ("link_params", link_params),
    ("original_file", original_file),
    ("console_stream", console_stream),
    ("host_message", host_message),
];

/// Packets of a super-frame that are compared; the others are alike.
const PACKETS: u16 = 24;

/// A virtio network header and a frame: every part of a super-frame, written as a shorter super-frame and cut again,
/// holds the same wire packets as the whole one cut at once.
pub(super) fn frame(data: &[u8]) {
    let pool = FramePool::default();
    let mut scratch = pool.scratch();
    let Some((header, bytes)) = data.split_first_chunk::<VNET_BYTES>() else { return };
    let Some(whole) = frozen(&pool, &mut scratch, header, bytes) else { return };
    let _layout = packet::parse(whole.bytes());
    let train = Train::from(whole);
    let all = packets(&train);
    for (n, one) in (0..train.count).zip(&all) {
        assert_eq!(u64::try_from(one.len()).ok(), Some(train.packet_bytes(n)), "packet {n}");
    }
    for first in 0..train.count.min(PACKETS) {
        for count in [1, 2, 7, train.count] {
            let count = count.min(train.count - first);
            let part = train.part(first, count);
            let mut room: HeaderRoom = [0; limits::MAX_HEADER_BYTES];
            let Emission { vnet, header, rest } = part.emission(&mut room);
            let written = [header, rest].concat();
            let again = frozen(&pool, &mut scratch, &vnet, &written).expect("it can be read back");
            let end = usize::from(first + count).min(all.len());
            let expected = all.get(usize::from(first)..end).unwrap_or_default();
            let made = packets(&Train::from(again));
            assert_eq!(&made[..made.len().min(expected.len())], expected, "{first} and {count}");
        }
    }
    let discipline = Discipline::FqCodel {
        target_ns: 5_000_000,
        interval_ns: 100_000_000,
        flows: 16,
        quantum_bytes: 1514,
    };
    let params = WireParams {
        discipline,
        ecn: true,
        mtu: Some(1500),
        bandwidth_bit_s: Some(1_000_000),
        corrupt: tomato_wire::config::Ratio(u64::MAX / 2),
        ..WireParams::default()
    };
    let mut direction = Direction::new(0, Streams::new(1, "l", 0), Some(params));
    direction.offer(0, &train);
    direction.skip(u64::MAX / 2, u64::MAX / 2);
}

fn frozen(
    pool: &FramePool,
    scratch: &mut Scratch,
    header: &[u8; VNET_BYTES],
    bytes: &[u8],
) -> Option<Frame> {
    scratch.bytes().get_mut(..bytes.len())?.copy_from_slice(bytes);
    pool.freeze(scratch, 0..bytes.len(), Offload::read(header)?).ok()
}

fn packets(train: &Train) -> Vec<Vec<u8>> {
    let mut room = Vec::new();
    let one = |n| {
        train.packet(n, &mut room);
        room.clone()
    };
    (0..train.count.min(2 * PACKETS)).map(one).collect()
}

/// A line with a filter, and a frame that it is tried on.
pub(super) fn filter(data: &[u8]) {
    let (text, frame) = match data.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[][..]),
    };
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Ok(filter) = Filter::compile(text) {
        let _is_meant = filter.matches(frame);
    }
}

/// A capture file: read and verified.
pub(super) fn capture(data: &[u8]) {
    if let Ok(report) = verify::verify(data) {
        let _agrees = report.agrees();
    }
}

/// A packet on its way to a live reader: what is read is written the same.
pub(super) fn live_message(data: &[u8]) {
    if let Some(passed) = Passed::parse(data) {
        assert_eq!(Passed::parse(&passed.message()), Some(passed));
    }
}

/// What the data path is told.
pub(super) fn wire_config(data: &[u8]) {
    if let Ok(config) = serde_json::from_slice::<TopologyConfig>(data) {
        let _checked = config.check();
    }
}

/// A topology file: one that is understood is so again after it was written.
pub(super) fn topology_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(file) = file::parse(text) {
        let json = file.to_json().expect("it can be written");
        file::parse(&json).expect("it can be read back");
    }
}

/// Parameters of a direction with all their texts (units, models, disciplines, CSV, Mahimahi traces): canonical once
/// they were read.
pub(super) fn link_params(data: &[u8]) {
    let Ok(patch) = serde_json::from_slice::<LinkPatch>(data) else { return };
    let params = patch.applied(&LinkParams::default());
    let _problems = params.problems();
    let _curve = params.curve();
    let text = serde_json::to_string(&params).expect("parameters are JSON");
    let again: LinkParams = serde_json::from_str(&text).expect("they can be read back");
    assert_eq!(again, params);
}

/// A file of the original.
pub(super) fn original_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(json) = import::recognise(text) {
        let known = Known { templates: None, profiles: Some(BTreeSet::new()) };
        let _made = import::import(&json, "owner", &known, &mut CountingIds::default());
    }
}

/// The length of the pieces in which a stream of a console comes, and the stream: what comes out does not depend on the
/// pieces, and written again it is what was read.
pub(super) fn console_stream(data: &[u8]) {
    let Some((step, stream)) = data.split_first() else { return };
    let (frames, error) = console_frames(stream.chunks(usize::from(*step).max(1)));
    assert_eq!(console_frames(std::iter::once(stream)), (frames.clone(), error));
    let written: Vec<u8> = frames.iter().flat_map(ConsoleFrame::encode).collect();
    assert!(stream.starts_with(&written));
}

fn console_frames<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<ConsoleFrame>, Option<FrameError>) {
    let (mut frames, mut found) = (Frames::default(), Vec::new());
    for piece in pieces {
        frames.push(piece);
        loop {
            match frames.take() {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

/// What a host is told to run: one that is understood is so again after it was written.
pub(super) fn host_message(data: &[u8]) {
    let Ok(wanted) = serde_json::from_slice::<WantedTopology>(data) else { return };
    let text = serde_json::to_string(&wanted).expect("it can be written");
    let again: WantedTopology = serde_json::from_str(&text).expect("it can be read back");
    assert_eq!(again, wanted);
}
