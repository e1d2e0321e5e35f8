//! A run must give the bytes of its packets back when it is cut again, and nothing else may join it.

use proptest::prelude::*;

use super::*;
use crate::core::frame::FramePool;
use crate::core::split::tests::{Burst, datagrams, frame_of, open_frame, open_frames};

fn singles(pool: &FramePool, burst: &Burst) -> Vec<Train> {
    open_frames(pool, burst).into_iter().map(Train::from).collect()
}

/// All runs that these packets leave in.
fn runs(trains: &[Train]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for train in trains {
        if runs.last_mut().is_some_and(|run| run.takes(train)) {
            runs.last_mut().expect("it took").push(train.clone());
        } else {
            let mut run = Run::default();
            run.begin(train.clone(), true);
            runs.push(run);
        }
    }
    runs
}

fn lens(runs: &[Run]) -> Vec<usize> {
    runs.iter().map(|run| run.trains().len()).collect()
}

/// What the next one that reads a run finds in it.
fn packets_of(pool: &FramePool, run: &Run) -> Vec<Vec<u8>> {
    let mut room = [0; limits::MAX_HEADER_BYTES];
    let emission = run.emission(&mut room).expect("not empty");
    let mut bytes = [&emission.vnet, emission.header, emission.rest].concat();
    run.rests().for_each(|rest| bytes.extend(rest));
    let train = Train::from(frame_of(pool, &bytes));
    assert_eq!(u64::from(train.count), run.packets());
    let packet = |index| {
        let mut out = Vec::new();
        train.packet(index, &mut out);
        out
    };
    (0..train.count).map(packet).collect()
}

/// Changes bytes of one of the packets, and the open checksum and the header's sum as its sender would have.
fn changed(pool: &FramePool, train: &Train, change: impl Fn(&mut [u8])) -> Train {
    let mut bytes = train.frame.bytes().to_vec();
    change(&mut bytes);
    let layout = packet::parse(&bytes).expect("a datagram");
    if layout.family == Family::V4 {
        bytes[24..26].fill(0);
        let sum = Sum::default().bytes(&bytes[14..34]).checksum();
        bytes[24..26].copy_from_slice(&sum.to_be_bytes());
    }
    raw(pool, &bytes)
}

/// A datagram of these bytes over IPv4 with an open checksum.
fn raw(pool: &FramePool, bytes: &[u8]) -> Train {
    open_frame(pool, 34, bytes).into()
}

proptest! {
    #[test]
    fn a_run_is_the_packets_it_was_made_of(
        tags in 0usize..3,
        is_v6: bool,
        id: u16,
        size in 1usize..1400,
        payload in proptest::collection::vec(any::<u8>(), 1..9000),
    ) {
        let family = if is_v6 { Family::V6 } else { Family::V4 };
        let payload = payload[..payload.len().min(size * 200)].to_vec();
        let burst = Burst { tags, family, id, size, payload, ..datagrams(1) };
        let pool = FramePool::default();
        let runs = runs(&singles(&pool, &burst));
        let expected = burst.count().div_ceil(limits::MAX_MERGED);
        prop_assert_eq!(runs.len(), expected);
        let packets = runs.iter().flat_map(|run| packets_of(&pool, run)).collect::<Vec<_>>();
        prop_assert_eq!(packets, burst.packets());
        let bytes: u64 = runs.iter().map(|run| run.bytes_of(run.packets())).sum();
        let wanted: usize = burst.packets().iter().map(Vec::len).sum();
        prop_assert_eq!(bytes, u64::try_from(wanted).unwrap());
    }
}

#[test]
fn a_run_ends_with_a_shorter_datagram_and_before_a_longer_one() {
    let pool = FramePool::default();
    let short = Burst { payload: vec![7; 18 * 3 + 5], ..datagrams(1) };
    let more = Burst { id: short.id.wrapping_add(4), ..datagrams(2) };
    let trains = [singles(&pool, &short), singles(&pool, &more)].concat();
    assert_eq!(lens(&runs(&trains)), [4, 2]);
    let long =
        Burst { id: more.id.wrapping_add(2), size: 19, payload: vec![7; 38], ..datagrams(1) };
    let trains = [singles(&pool, &more), singles(&pool, &long)].concat();
    assert_eq!(lens(&runs(&trains)), [2, 2]);
}

#[test]
fn what_a_cut_would_not_give_back_stays_alone() {
    type Change = fn(&mut [u8]);
    let pool = FramePool::default();
    let all = singles(&pool, &datagrams(3));
    assert_eq!(lens(&runs(&all)), [3]);
    let spoilt: [(&str, Change); 8] = [
        ("another station", |frame| frame[11] ^= 1),
        ("another lifetime", |frame| frame[22] -= 1),
        ("a congestion mark", |frame| frame[15] ^= 1),
        ("another identification", |frame| frame[19] ^= 8),
        ("may be cut in fragments", |frame| frame[20] ^= 0x40),
        ("another port", |frame| frame[35] ^= 1),
        ("another open checksum", |frame| frame[41] ^= 1),
        ("another length", |frame| frame[39] ^= 1),
    ];
    for (what, change) in spoilt {
        let middle = changed(&pool, &all[1], change);
        let trains = [all[0].clone(), middle, all[2].clone()];
        assert_eq!(lens(&runs(&trains)), [1, 1, 1], "{what}");
    }
    let mut bytes = all[1].frame.bytes().to_vec();
    bytes[24] ^= 1;
    assert_eq!(lens(&runs(&[all[0].clone(), raw(&pool, &bytes)])), [1, 1], "wrong header sum");
    let padded = [all[1].frame.bytes(), &[0; 4]].concat();
    assert_eq!(lens(&runs(&[all[0].clone(), raw(&pool, &padded)])), [1, 1], "padding");
    let complete: Vec<Train> = datagrams(3)
        .packets()
        .iter()
        .map(|packet| pool.frame(packet).expect("room").into())
        .collect();
    assert_eq!(lens(&runs(&complete)), [1, 1, 1], "checksums filled in");
    assert_eq!(lens(&runs(&[all[0].clone(), all[0].clone()])), [1, 1], "doubled");
    let stream = Burst { is_tcp: true, payload: vec![1; 36], ..datagrams(1) };
    assert_eq!(lens(&runs(&singles(&pool, &stream))), [1, 1], "no datagrams");
}

#[test]
fn a_run_is_bounded() {
    let pool = FramePool::default();
    let runs_of = |size: usize, count: usize| {
        let burst = Burst { size, payload: vec![1; size * count], ..datagrams(1) };
        lens(&runs(&singles(&pool, &burst)))
    };
    assert_eq!(runs_of(1, 150), [64, 64, 22]);
    assert_eq!(runs_of(9000, 9), [7, 2]);
}
