//! What a reader gets, what it loses, and how it ends.

use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};

use super::*;
use crate::capture::CaptureWriter;

const DEADLINE: Duration = Duration::from_secs(20);

fn sockets() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

fn until(what: &str, is_met: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_met() {
        assert!(begun.elapsed() < DEADLINE, "waited for {what}");
        std::thread::yield_now();
    }
}

fn next(socket: &OwnedFd) -> Vec<u8> {
    let mut buffer = vec![0; HEAD_BYTES + limits::MAX_FRAME_BYTES];
    let (count, _) = recv(socket, &mut buffer, RecvFlags::empty()).unwrap();
    buffer.truncate(count);
    buffer
}

#[test]
fn messages_survive_and_others_are_refused() {
    let passed = Passed { side: 1, at_ns: u64::MAX - 1, full_len: 3, lost: 7, data: &[1, 2, 3] };
    assert_eq!(Passed::parse(&passed.message()), Some(passed));
    assert_eq!(Passed::parse(&[0; HEAD_BYTES - 1]), None);
    assert_eq!(Passed::parse(&[2; HEAD_BYTES]), None, "there is no third side");
}

#[test]
fn packets_come_in_order_and_what_is_lost_is_told_with_the_next() {
    let writer = CaptureWriter::start().unwrap();
    let (ours, theirs) = sockets();
    let mut recorder = writer.captures().open_live(theirs);
    recorder.record_left(0, 1, &[1; 60]);
    recorder.record_left(1, 2, &[2; 60]);
    let (first, second) = (next(&ours), next(&ours));
    let first = Passed::parse(&first).unwrap();
    assert_eq!((first.side, first.at_ns, first.full_len, first.lost), (0, 1, 60, 0));
    assert_eq!(Passed::parse(&second).unwrap().data, [2; 60]);
    // Nobody reads: the room fills, the wire is not held up.
    let mut sent = 0;
    while recorder.status().dropped_records < 5 {
        recorder.record_left(0, 3, &[3; 9000]);
        sent += 1;
        until("the writer", || {
            let status = recorder.status();
            status.records + status.dropped_records == sent + 2
        });
    }
    let kept = recorder.status().records - 2;
    for _ in 0..kept {
        assert_eq!(Passed::parse(&next(&ours)).unwrap().lost, 0);
    }
    recorder.record_left(0, 4, &[4; 60]);
    let after = next(&ours);
    let after = Passed::parse(&after).unwrap();
    assert_eq!((after.data[0], after.lost), (4, sent - kept));
    // Its reader goes: it is over at the next packet.
    assert!(!recorder.is_over());
    drop(ours);
    recorder.record_left(0, 5, &[5; 60]);
    until("the end", || recorder.is_over());
}

#[test]
fn blocks_tell_what_their_reader_lost() {
    let passed = Passed { side: 0, at_ns: 5, full_len: 60, lost: 0, data: &[9; 60] };
    let (whole, after_loss) = (block(&passed, 0), block(&passed, 3));
    assert_eq!(after_loss.len(), whole.len() + 12, "one option more");
    let at = 28 + 60 + 8;
    assert_eq!(after_loss[at..at + 12], [4, 0, 8, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
}
