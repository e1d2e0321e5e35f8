use std::collections::BTreeSet;

use super::*;
use crate::capture::spots::Spots;
use crate::config::Point;

const SECOND: u64 = 1_000_000_000;

fn ring(age_s: u32, bytes: u64, all: &Arc<AtomicU64>) -> PastRing {
    let points = BTreeSet::from([Point::ForwardOut]);
    let config = PastConfig { age_s, bytes, snaplen: 65_535, points, names: None };
    let interfaces = Spots::of_past(&config).interfaces(&["a>b".into(), "b>a".into()]);
    PastRing::new(&config, &interfaces, Arc::clone(all))
}

fn record(number: u8, at_ns: u64, len: usize) -> Record {
    let data = vec![number; len];
    Record { interface: 0, side: 0, at_ns, full_len: len, data, trail: None }
}

/// Kinds of the blocks of a whole capture, and the first byte of each packet.
fn saved(ring: &PastRing, now_ns: u64) -> (Vec<u32>, Vec<u8>) {
    let mut bytes = Vec::new();
    let len = ring.save(&mut bytes, now_ns).expect("memory takes it");
    assert_eq!(len, crate::capture::bytes_of(bytes.len()));
    let (mut kinds, mut numbers, mut left) = (Vec::new(), Vec::new(), bytes.as_slice());
    while let Some((kind, block)) =
        crate::capture::ring::read_block(&mut left).expect("memory can be read")
    {
        kinds.push(kind);
        numbers.extend((kind == pcapng::PACKET).then(|| block[28]));
    }
    assert!(left.is_empty());
    (kinds, numbers)
}

#[test]
fn the_oldest_go_when_there_are_too_many_bytes() {
    let all = Arc::default();
    let mut ring = ring(600, 80_000, &all);
    for number in 0..100 {
        ring.write(&record(number, SECOND, 3000), 0);
        assert!(ring.bytes() <= 80_000, "{} bytes", ring.bytes());
        assert_eq!(ring.bytes(), all.load(Ordering::Relaxed));
    }
    let (_, numbers) = saved(&ring, SECOND);
    // three to a part
    assert!(numbers.len() >= 21, "{numbers:?}");
    let count = u8::try_from(numbers.len()).unwrap();
    assert_eq!(numbers, (100 - count..100).collect::<Vec<_>>());
    drop(ring);
    assert_eq!(all.load(Ordering::Relaxed), 0);
}

#[test]
fn what_is_too_old_goes_and_is_not_saved() {
    let all = Arc::default();
    let mut ring = ring(8, 1 << 20, &all);
    for number in 0..20 {
        ring.write(&record(number, u64::from(number) * SECOND, 60), 0);
    }
    let held = ring.bytes();
    // at 19 s: 11 to 19, and up to a second more in the part that holds 11
    let (_, numbers) = saved(&ring, 19 * SECOND);
    assert_eq!(numbers, (10..20).collect::<Vec<_>>());
    let (kinds, numbers) = saved(&ring, 25 * SECOND);
    assert_eq!(numbers, (16..20).collect::<Vec<_>>());
    assert_eq!(kinds[0], pcapng::SECTION);
    assert_eq!(saved(&ring, 1000 * SECOND).1, [0; 0]);
    assert_eq!(ring.bytes(), held, "saving takes nothing away");
}

#[test]
fn each_part_begins_with_the_settings_in_force() {
    let all = Arc::default();
    let mut ring = ring(600, 80_000, &all);
    ring.tell(&TellBlock { data: vec![1; 40], settings_of: Some(0) });
    ring.tell(&TellBlock { data: vec![2; 40], settings_of: Some(1) });
    for number in 0..100 {
        ring.write(&record(number, SECOND, 3000), 0);
    }
    let (kinds, _) = saved(&ring, SECOND);
    let packets_at = kinds.iter().position(|kind| *kind == pcapng::PACKET).unwrap();
    assert_eq!(kinds[packets_at - 2..packets_at], [pcapng::STATISTICS; 2]);
    while ring.forget_oldest() {}
    assert_eq!((ring.bytes(), all.load(Ordering::Relaxed)), (0, 0));
    ring.write(&record(7, SECOND, 60), 0);
    let (kinds, numbers) = saved(&ring, SECOND);
    assert_eq!(numbers, [7]);
    assert_eq!(kinds[kinds.len() - 3..], [pcapng::STATISTICS, pcapng::STATISTICS, pcapng::PACKET]);
}
