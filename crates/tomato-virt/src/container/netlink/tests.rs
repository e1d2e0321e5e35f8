//! Tests of the message format; what the kernel makes of them is tested with real containers.

use super::*;

#[test]
fn attributes_are_padded_and_counted() {
    let mut message = Message::new(libc::RTM_NEWLINK, NLM_F_CREATE);
    message.body(&[1, 2, 3, 4]).attribute(7, &[9; 6]).attribute(8, &[5; 4]);
    let bytes = message.finish(3);
    assert_eq!(bytes.len(), HEADER + 4 + 12 + 8);
    assert_eq!(bytes[..4], 40u32.to_ne_bytes());
    assert_eq!(bytes[8..12], 3u32.to_ne_bytes());
    assert_eq!(bytes[20..24], [10, 0, 7, 0], "the length does not count the padding");
    assert_eq!(bytes[32..36], [8, 0, 8, 0]);
}

#[test]
fn answers_of_other_requests_and_garbage_are_told_apart() {
    let mut ack = Message::new(u16::try_from(libc::NLMSG_ERROR).expect("small"), 0);
    ack.body(&(-17i32).to_ne_bytes());
    let bytes = ack.finish(5);
    assert!(matches!(parse(&bytes, 5), Some(Part::Ack(17))));
    assert!(matches!(parse(&bytes, 6), Some(Part::Other)));
    assert!(parse(&bytes[..10], 5).is_none());
    assert!(parse(&[255; 64], 5).is_none());
}
