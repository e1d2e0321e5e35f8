//! Frames taken apart by a real `tshark`, good ones and hostile ones.

use std::time::Instant;

use tomato_virt::cmd::CmdError;
use tomato_virt::dissect::Written;
use tomato_virt::limits::{DISSECT_DEADLINE, DISSECT_TREE_BYTES};

/// A DNS query for example.com.
fn query() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend([0x45, 0, 0, 57, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend([0x9c, 0x40, 0, 53, 0, 37, 0, 0]);
    frame.extend([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    frame.extend(b"\x07example\x03com\0\0\x01\0\x01");
    frame
}

/// Bytes that no two runs differ in (xorshift by Marsaglia).
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let next = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    });
    next.take(length).collect()
}

/// What is written while somebody waits for it.
fn dissect(frames: &[Vec<u8>]) -> Result<Written, CmdError> {
    let (gone, _caller) = std::io::pipe().expect("a pipe");
    tomato_virt::dissect::dissect(frames, gone.into())
}

fn texts(written: &Written) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&written.columns), text(&written.fields))
}

#[test]
fn a_query_is_understood() {
    let (columns, fields) = texts(&dissect(&[query(), query()]).expect("taken apart"));
    let lines: Vec<_> = columns.lines().collect();
    assert_eq!(lines.len(), 2, "{columns}");
    assert_eq!(lines[1].trim(), "2\tDNS\tStandard query 0x1234 A example.com");
    assert!(
        fields.contains(r#"name="dns.qry.name" showname="Name: example.com" size="13" pos="54""#)
    );
    assert!(fields.ends_with("</pdml>\n"), "complete");
}

#[test]
fn hostile_frames_are_bounded() {
    let sizes = (1..64u64).map(|seed| noise(seed, usize::try_from(seed).expect("small") * 23));
    let columns = texts(&dissect(&sizes.collect::<Vec<_>>()).expect("taken apart")).0;
    assert_eq!(columns.lines().count(), 63, "every frame of noise has its line");

    // Labels of MPLS without an end: the longest description of a frame.
    let mut labels = query();
    labels.truncate(12);
    labels.extend([0x88, 0x47]);
    labels.resize(65_534, 0);
    for frame in [labels, noise(7, 65_536)] {
        let begun = Instant::now();
        let written = dissect(&vec![frame; 64]).expect("what there is of it");
        assert!(begun.elapsed() < 3 * DISSECT_DEADLINE, "it was ended");
        let bound = usize::try_from(DISSECT_TREE_BYTES).expect("fits");
        assert!((1..=bound).contains(&written.fields.len()), "{}", written.fields.len());
    }
}

#[test]
fn a_dissector_that_nobody_waits_for_ends_at_once() {
    let (gone, caller) = std::io::pipe().expect("a pipe");
    drop(caller);
    let ended = tomato_virt::dissect::dissect(&[query()], gone.into());
    assert!(matches!(ended, Err(CmdError::Cancelled { .. })), "{ended:?}");
}
