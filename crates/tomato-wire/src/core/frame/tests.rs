use super::*;

#[test]
fn pools_of_several_threads_share_one_limit() {
    let all = Holdings::default();
    let (one, two) = (FramePool::beside(all.clone()), FramePool::beside(all));
    let fill = |pool: &FramePool| -> Vec<Frame> {
        let mut scratch = pool.scratch();
        let next = || pool.freeze(&mut scratch, 0..60_000, Offload::default()).ok();
        std::iter::from_fn(next).collect()
    };
    let bytes = vec![0; 8000];
    let held: Vec<Frame> = std::iter::from_fn(|| two.frame(&bytes)).take(2000).collect();
    let rest = fill(&one);
    let sum = one.used_bytes() + two.used_bytes();
    let least = limits::MAX_IN_FLIGHT_BYTES - limits::HOLDINGS_STEP_BYTES;
    assert!((least..=limits::MAX_IN_FLIGHT_BYTES + limits::HOLDINGS_STEP_BYTES).contains(&sum));
    assert!(fill(&one).is_empty() && !rest.is_empty());
    drop((held, rest));
    assert!(two.frame(&bytes).is_some(), "what was given back can be had by all");
}

#[test]
fn buffers_come_back_and_are_used_again() {
    let pool = FramePool::default();
    let frame = pool.frame(&[1; 100]).expect("room");
    let place = frame.bytes().as_ptr();
    let copy = frame.clone();
    assert_eq!(pool.used_bytes(), 256 + 2 * limits::QUEUE_ENTRY_BYTES);
    drop(frame);
    assert_eq!(copy.bytes(), [1; 100]);
    drop(copy);
    assert_eq!(pool.used_bytes(), 0);
    let again = pool.frame(&[2; 50]).expect("room");
    assert_eq!(again.bytes().as_ptr(), place);
    assert_eq!(again.bytes(), [2; 50]);
}

#[test]
fn the_pool_refuses_beyond_its_limit() {
    let pool = FramePool::with_limit(1000);
    let frames: Vec<Frame> = std::iter::from_fn(|| pool.frame(&[0; 64])).take(10).collect();
    assert_eq!(frames.len(), 3);
    assert!(frames[0].pool_is_full());
    assert!(FramePool::default().frame(&vec![0; limits::MAX_FRAME_BYTES + 1]).is_none());
}

#[test]
fn a_long_frame_keeps_the_buffer_it_was_read_into() {
    let pool = FramePool::default();
    let mut scratch = pool.scratch();
    scratch.bytes()[12..20_012].fill(7);
    let place = scratch.bytes()[12..].as_ptr();
    let frame = pool.freeze(&mut scratch, 12..20_012, Offload::default()).expect("room");
    assert_eq!((frame.bytes().as_ptr(), frame.bytes().len()), (place, 20_000));
    scratch.bytes()[12..112].fill(8);
    let place = scratch.bytes()[12..].as_ptr();
    let short = pool.freeze(&mut scratch, 12..112, Offload::default()).expect("room");
    assert_eq!(short.bytes(), [8; 100]);
    assert_eq!(scratch.bytes()[12..].as_ptr(), place);
    drop((frame, short));
    assert_eq!(pool.used_bytes(), 0);
    for bytes in [0..13, 0..limits::MAX_FRAME_BYTES + 1, 65_000..99_999] {
        let refused = pool.freeze(&mut scratch, bytes, Offload::default());
        assert_eq!(refused.err(), Some(Unfit::Malformed));
    }
    let full = FramePool::with_limit(100);
    let refused = full.freeze(&mut scratch, 0..20_000, Offload::default());
    assert_eq!(refused.err(), Some(Unfit::Exhausted));
}

#[test]
fn who_holds_much_leaves_room_for_who_holds_little() {
    let whole = FramePool::with_limit(64 << 20);
    let (greedy, modest) = (whole.share(), whole.share());
    let bytes = vec![0; 8000];
    let held: Vec<_> = std::iter::from_fn(|| greedy.frame(&bytes)).collect();
    assert!(!held.is_empty() && greedy.used_bytes() <= 56 << 20, "an eighth is left");
    let frame = modest.frame(&bytes).expect("there is room for it");
    assert_eq!(whole.used_bytes(), greedy.used_bytes() + modest.used_bytes());
    drop((held, frame));
    assert_eq!((whole.used_bytes(), greedy.used_bytes()), (0, 0));
}
