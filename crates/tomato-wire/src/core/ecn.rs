//! Congestion marks of IP packets (RFC 3168).

use crate::core::packet;

/// Whether the packet's flow takes marks: its field says ECT(0), ECT(1) or CE.
#[must_use]
pub fn takes_marks(frame: &[u8]) -> bool {
    match packet::ethertype(frame) {
        Some((0x0800, at)) => frame.get(at + 1).is_some_and(|tos| tos & 3 != 0),
        Some((0x86dd, at)) => frame.get(at + 1).is_some_and(|class| class & 0x30 != 0),
        _ => false,
    }
}

/// Sets "congestion experienced" and updates the header checksum of IPv4; one that was wrong stays so.
pub fn mark(frame: &mut [u8]) {
    match packet::ethertype(frame) {
        Some((0x0800, at)) if frame.len() >= at + 20 => {
            let word = |frame: &[u8], at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
            let before = word(frame, at);
            frame[at + 1] |= 3;
            let sum = updated(word(frame, at + 10), before, word(frame, at));
            frame[at + 10..at + 12].copy_from_slice(&sum.to_be_bytes());
        }
        Some((0x86dd, at)) if frame.len() >= at + 40 => frame[at + 1] |= 0x30,
        _ => {}
    }
}

/// A checksum after one of the words that it is of changed (RFC 1624, equation 3).
fn updated(sum: u16, before: u16, after: u16) -> u16 {
    let total = u32::from(!sum) + u32::from(!before) + u32::from(after);
    let folded = (total & 0xffff) + (total >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).expect("two folds leave 16 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::checksum::Sum;

    #[test]
    fn marks_keep_the_header_right() {
        let mut v4 = vec![0; 34];
        v4[12..16].copy_from_slice(&[8, 0, 0x45, 2]);
        v4[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        let sum = Sum::default().bytes(&v4[14..]).checksum();
        v4[24..26].copy_from_slice(&sum.to_be_bytes());
        let mut flipped = v4.clone();
        assert!(takes_marks(&v4));
        mark(&mut v4);
        assert_eq!(v4[15] & 3, 3);
        assert_eq!(Sum::default().bytes(&v4[14..]).checksum(), 0);
        flipped[30] ^= 4;
        mark(&mut flipped);
        assert_ne!(Sum::default().bytes(&flipped[14..]).checksum(), 0, "it stays wrong");
        let mut v6 = vec![0; 54];
        v6[12..16].copy_from_slice(&[0x86, 0xdd, 0x60, 0x10]);
        assert!(takes_marks(&v6));
        mark(&mut v6);
        assert_eq!(v6[15], 0x30);
        v6[15] = 0;
        assert!(!takes_marks(&v6));
        mark(&mut [8, 0, 1]);
    }
}
