use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::config::Point;
use crate::core::frame::FramePool;
use crate::core::journal::{Fate, Spot, Tag};
use crate::core::split::Train;

impl Recorder {
    /// Takes a packet that leaves in direction `side`.
    pub(super) fn record_left(&mut self, side: usize, at_ns: u64, bytes: &[u8]) {
        let frame = FramePool::default().frame(bytes).expect("room for a test frame");
        let seen = Seen {
            spot: Spot::Left,
            at_ns,
            train: Train::from(frame),
            ordinal: Some(0),
            tag: Tag::default(),
            fate: Fate::Due(at_ns),
            queue_bytes: 0,
        };
        let origin = Origin { side, link: "l", seed: 1, epoch_ns: 0 };
        self.note(&origin, &Note::Seen(seen), &mut Vec::new());
    }
}

/// (type, body) of each block; the stream must be whole.
fn blocks(mut stream: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut blocks = Vec::new();
    while !stream.is_empty() {
        let len = word(stream, 4) as usize;
        assert_eq!(word(stream, len - 4), word(stream, 4), "the lengths of a block agree");
        blocks.push((word(stream, 0), stream[8..len - 4].to_vec()));
        stream = &stream[len..];
    }
    blocks
}

fn read(dir: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    read_ring(dir).expect("the ring is there").read_to_end(&mut out).expect("it can be read");
    out
}

/// The first data byte of each packet.
fn numbers(stream: &[u8]) -> Vec<u8> {
    blocks(stream).into_iter().filter(|b| b.0 == 6).map(|b| b.1[20]).collect()
}

fn config(dir: &Path, files: u32) -> CaptureConfig {
    CaptureConfig {
        dir: dir.join("ring"),
        file_bytes: limits::MIN_CAPTURE_FILE_BYTES,
        files,
        snaplen: 40_000,
        points: Point::out(),
        lost: false,
        age_s: None,
        names: None,
    }
}

fn names() -> [String; 2] {
    ["a->b".into(), "b->a".into()]
}

fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_capture_has_one_interface_per_direction_and_exact_stamps() {
    let dir = tempfile::tempdir().unwrap();
    let writer = CaptureWriter::start().unwrap();
    let mut recorder = writer.captures().open(&config(dir.path(), 3), &names());
    recorder.record_left(0, 1_700_000_000_123_456_789, &[7; 61]);
    recorder.record_left(1, 1_700_000_000_123_456_790, &[8; 50_000]);
    // flushed by time alone, while it runs
    until("the directory", || config(dir.path(), 3).dir.is_dir().then_some(()));
    let stream = until("both records", || {
        Some(read(&config(dir.path(), 3).dir)).filter(|stream| numbers(stream).len() == 2)
    });
    let blocks = blocks(&stream);
    assert_eq!(blocks.iter().map(|b| b.0).collect::<Vec<_>>(), [pcapng::SECTION, 1, 1, 6, 6]);
    assert!(String::from_utf8_lossy(&blocks[1].1).contains("a->b"));
    assert!(String::from_utf8_lossy(&blocks[2].1).contains("b->a"));
    let packet = &blocks[3].1;
    let stamp: u64 = 1_700_000_000_123_456_789;
    assert_eq!(packet[..4], 0u32.to_le_bytes());
    assert_eq!(packet[4..8], u32::try_from(stamp >> 32).unwrap().to_le_bytes());
    assert_eq!(packet[8..12], stamp.to_le_bytes()[..4]);
    assert_eq!(packet[12..20], [61, 0, 0, 0, 61, 0, 0, 0]);
    assert_eq!(packet[20..84], [[7; 61].as_slice(), &[0; 3]].concat());
    assert_eq!(packet[84..92], [2, 0, 4, 0, 2, 0, 0, 0]);
    assert_eq!(packet[92..100], [0xad, 0x0b, 52, 0, 0xd9, 0x7e, 0, 0]);
    assert_eq!(packet[100..104], *b"TMT\x01");
    assert_eq!(packet[148..], [0; 4]);
    let cut = &blocks[4].1;
    assert_eq!(cut[12..16], 40_000u32.to_le_bytes());
    assert_eq!(cut[16..20], 50_000u32.to_le_bytes());
    let status = recorder.status();
    assert_eq!((status.records, status.dropped_records, status.error), (2, 0, None));
}

#[test]
fn the_ring_keeps_the_newest_and_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), 3);
    for run in 0..2u8 {
        let writer = CaptureWriter::start().unwrap();
        let mut recorder = writer.captures().open(&config, &names());
        for n in 0..20 {
            recorder.record_left(0, 1, &[run * 100 + n; 30_000]); // four to a file
        }
        drop(recorder);
        drop(writer);
        let sizes: Vec<u64> = fs::read_dir(&config.dir)
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect();
        assert_eq!(sizes.len(), 3);
        assert!(sizes.iter().all(|&size| size <= config.file_bytes), "{sizes:?}");
        let stream = read(&config.dir);
        assert_eq!(numbers(&stream), (run * 100 + 8..run * 100 + 20).collect::<Vec<_>>());
        let sections = blocks(&stream).iter().filter(|b| b.0 == pcapng::SECTION).count();
        assert_eq!(sections, 1, "files with the same head are one section");
    }
}

#[test]
fn a_ring_with_an_age_ends_files_by_time_and_removes_the_old_ones() {
    let dir = tempfile::tempdir().unwrap();
    let config = CaptureConfig { age_s: Some(8), ..config(dir.path(), 4) };
    let interfaces = Spots::of(&config).interfaces(&names());
    let mut ring = ring::RingWriter::new(config.clone(), &interfaces);
    let second = |n: u8| u64::from(n) * 1_000_000_000;
    for number in 0..12 {
        let data = vec![number; 60];
        let at_ns = second(number);
        let record =
            pcapng::Record { interface: 0, side: 0, at_ns, full_len: 60, data, trail: None };
        ring.write(&record, 0).unwrap();
    }
    ring.flush().unwrap();
    // a quarter of 8 s is a file: 0 to 2, 3 to 5, ...
    assert_eq!(fs::read_dir(&config.dir).unwrap().count(), 4);
    assert_eq!(numbers(&read(&config.dir)), (0..12).collect::<Vec<_>>());
    ring.remove_old(SystemTime::now() + Duration::from_secs(4)).unwrap();
    assert_eq!(numbers(&read(&config.dir)).len(), 12, "none is older than 8 s");
    // all but the one that is written
    ring.remove_old(SystemTime::now() + Duration::from_secs(9)).unwrap();
    assert_eq!(numbers(&read(&config.dir)), [9, 10, 11]);
}

#[test]
fn a_file_cut_anywhere_reads_up_to_its_last_whole_block() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), 3);
    let writer = CaptureWriter::start().unwrap();
    let mut recorder = writer.captures().open(&config, &names());
    (0..8).for_each(|n| recorder.record_left(0, 1, &[n; 30_000]));
    drop(recorder);
    drop(writer);
    let files = fs::read_dir(&config.dir).unwrap();
    let mut files: Vec<_> = files.map(|f| f.unwrap().path()).collect();
    files.sort();
    let whole = fs::read(&files[0]).unwrap();
    for (cut, expected) in [
        (whole.len(), 8),
        (whole.len() - 1, 7),
        (whole.len() - 30_200, 6),
        (100, 4),
        (3, 4),
        (0, 4),
    ] {
        fs::write(&files[0], &whole[..cut]).unwrap();
        let stream = read(&config.dir);
        assert_eq!(numbers(&stream).len(), expected, "cut at {cut}");
        assert_eq!(blocks(&stream)[0].0, pcapng::SECTION);
    }
    // garbage ends a file, not the stream
    let mut broken = whole;
    let at = broken.len() - 30_100;
    broken[at + 4] = 0xff;
    fs::write(&files[0], &broken).unwrap();
    assert_eq!(numbers(&read(&config.dir)).len(), 7);
}

#[test]
fn a_directory_that_cannot_be_written_is_said_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), 3);
    fs::write(&config.dir, "in the way").unwrap();
    let writer = CaptureWriter::start().unwrap();
    let mut recorder = writer.captures().open(&config, &names());
    let error = until("the error", || recorder.status().error);
    recorder.record_left(0, 1, &[0; 60]);
    until("the drop", || (recorder.status().dropped_records == 1).then_some(()));
    assert!(error.starts_with("cannot begin a capture file in "), "{error}");
    // and it recovers
    fs::remove_file(&config.dir).unwrap();
    recorder.record_left(0, 1, &[5; 60]);
    until("the record", || (recorder.status().records == 1).then_some(()));
}

#[test]
fn a_capture_of_nothing_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), 3);
    for _ in 0..5 {
        let writer = CaptureWriter::start().unwrap();
        drop(writer.captures().open(&config, &names()));
        drop(writer);
        assert_eq!(fs::read_dir(&config.dir).unwrap().count(), 1);
        let kinds: Vec<u32> = blocks(&read(&config.dir)).iter().map(|b| b.0).collect();
        assert_eq!(kinds, [pcapng::SECTION, 1, 1]);
    }
}

#[test]
fn an_empty_ring_is_an_empty_stream() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(read(dir.path()), Vec::<u8>::new());
    read_ring(&dir.path().join("none")).expect_err("there is no directory");
}
