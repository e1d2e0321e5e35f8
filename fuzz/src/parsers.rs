//! What must hold of each parser, whatever it is given: no panic, and what is said beside each function.
//!
//! Shared by the fuzz targets here and by the test that replays `fuzz/corpus` (`crates/tomato-testlab`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde_json::json;
use tomato_api::console::{Frame as ConsoleFrame, FrameError, Frames};
use tomato_api::host::WantedTopology;
use tomato_backend::xmlrpc::codec;
use tomato_filter::Filter;
use tomato_model::file;
use tomato_model::graph::CountingIds;
use tomato_model::link::{LinkParams, LinkPatch};
use tomato_model::original::import::{self, Known};
use tomato_virt::template::{
    Blob, BlobDigest, ImageSource, ImportOptions, Imported, TemplateError, TemplateName,
    TemplateStore,
};
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
pub(super) const ALL: [Parser; 13] = [
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
    ("xmlrpc_call", xmlrpc_call),
    ("archive", archive),
    ("oci_image", oci_image),
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

/// A call of XML-RPC, packed or not: its arguments, sent back, make an answer without characters that XML has no way to write.
pub(super) fn xmlrpc_call(data: &[u8]) {
    if let Ok(unpacked) = codec::gunzip(data) {
        let _read = codec::read(&unpacked);
    }
    let Ok(call) = codec::read(data) else { return };
    let answer = codec::write(&Ok(codec::Reply::Value(call.args.into())));
    assert!(answer.chars().all(|c| c >= ' ' || matches!(c, '\t' | '\n')));
}

/// The archive of a root file system; checksums of its headers need not be right. It is a template, or nothing is left of
/// it; beside the templates nothing changes.
pub(super) fn archive(data: &[u8]) {
    let tar = with_checksums(data);
    store(|store, name| store.import_tar(name, tar.as_slice(), ImportOptions::default(), &|_| ()));
}

/// An image in parts of one line `--` each: the document that its name stands for, the configuration, layers. `$config`
/// and `$layers` in the first and `$diffs` in the second stand for what belongs there. It holds what holds of an archive.
pub(super) fn oci_image(data: &[u8]) {
    let mut parts = Parts::of(data);
    store(|store, name| store.import_image(name, &mut parts, ImportOptions::default(), &|_| ()));
}

/// Bytes of a tar header.
const BLOCK: usize = 512;

/// `data` as a tar archive whose headers sum up, so that the fuzzer gets behind them.
fn with_checksums(data: &[u8]) -> Vec<u8> {
    let mut tar = data.to_vec();
    let mut at = 0;
    while let Some(block) = tar.get_mut(at..at + BLOCK).filter(|block| block[0] != 0) {
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        let old: u32 = block[148..156].iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{:06o}\0 ", sum - old + 8 * 32).as_bytes());
        let size = std::str::from_utf8(&block[124..135]).ok();
        let size = size.and_then(|size| usize::from_str_radix(size.trim_matches('\0'), 8).ok());
        at += BLOCK + size.unwrap_or(0).next_multiple_of(BLOCK);
    }
    tar
}

/// An image whose parts have the digests that they are asked for by.
struct Parts {
    root: Vec<u8>,
    blobs: BTreeMap<BlobDigest, Vec<u8>>,
}

impl Parts {
    fn of(data: &[u8]) -> Self {
        let text = |bytes: Option<&Vec<u8>>| {
            String::from_utf8_lossy(bytes.map_or(&[], |b| b)).into_owned()
        };
        let mut parts = vec![Vec::new()];
        for line in data.split_inclusive(|byte| *byte == b'\n') {
            match line {
                b"--\n" => {
                    parts.last_mut().expect("there is one").pop();
                    parts.push(Vec::new());
                }
                _ => parts.last_mut().expect("there is one").extend_from_slice(line),
            }
        }
        let layers: Vec<_> = parts.iter().skip(2).map(|layer| with_checksums(layer)).collect();
        let digests: Vec<_> =
            layers.iter().map(|layer| BlobDigest::of(layer).to_string()).collect();
        let config = text(parts.get(1)).replace("$diffs", &json!(digests).to_string());
        let blob = |bytes: &[u8]| json!({"digest": BlobDigest::of(bytes).to_string(), "size": bytes.len()});
        let listed = layers.iter().map(|layer| {
            let mut listed = blob(layer);
            listed["mediaType"] = "application/vnd.oci.image.layer.v1.tar".into();
            listed
        });
        let listed: Vec<_> = listed.collect();
        let root = text(parts.first())
            .replace("$config", &blob(config.as_bytes()).to_string())
            .replace("$layers", &json!(listed).to_string());
        let blobs = layers.into_iter().chain([config.into_bytes()]);
        Self { root: root.into_bytes(), blobs: blobs.map(|b| (BlobDigest::of(&b), b)).collect() }
    }
}

impl ImageSource for Parts {
    fn root(&mut self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.root.as_slice()))
    }

    fn blob(&mut self, blob: &Blob) -> io::Result<Box<dyn Read + '_>> {
        let bytes = self.blobs.get(&blob.digest).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(bytes.as_slice()))
    }
}

/// Imports into a store of its own, and looks at what became of it.
fn store(import: impl FnOnce(&TemplateStore, &TemplateName) -> Result<Imported, TemplateError>) {
    let dir = tempfile::tempdir().expect("there is room");
    let store = TemplateStore::open(dir.path().join("templates")).expect("it can be made");
    let before = tree(dir.path());
    let name: TemplateName = "fuzzed".parse().expect("a name");
    match import(&store, &name) {
        Ok(imported) => assert!(imported.template.rootfs.starts_with(store.dir())),
        Err(_refused) => assert_eq!(tree(dir.path()), before, "nothing is left behind"),
    }
    let beside: Vec<_> = fs::read_dir(dir.path()).expect("it is there").flatten().collect();
    assert_eq!(beside.len(), 1, "{beside:?}");
}

/// What lies in a directory, links not followed, without the locks of names, which stay.
fn tree(dir: &Path) -> BTreeSet<std::path::PathBuf> {
    let mut found = BTreeSet::new();
    let mut left = vec![dir.to_path_buf()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).expect("it is there").flatten() {
            if entry.file_name() != "locks" && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                left.push(entry.path());
            }
            found.insert(entry.path());
        }
    }
    found
}
