//! Congestion marks of IP packets (RFC 3168).

use crate::core::checksum::Sum;
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

/// Sets "congestion experienced" and corrects the header checksum of IPv4.
pub fn mark(frame: &mut [u8]) {
    match packet::ethertype(frame) {
        Some((0x0800, at)) if frame.len() >= at + 20 => {
            let header = at..(at + usize::from(frame[at] & 15) * 4).min(frame.len());
            frame[at + 1] |= 3;
            frame[at + 10..at + 12].fill(0);
            let sum = Sum::default().bytes(&frame[header]).checksum();
            frame[at + 10..at + 12].copy_from_slice(&sum.to_be_bytes());
        }
        Some((0x86dd, at)) if frame.len() >= at + 40 => frame[at + 1] |= 0x30,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_keep_the_header_right() {
        let mut v4 = vec![0; 34];
        v4[12..16].copy_from_slice(&[8, 0, 0x45, 2]);
        assert!(takes_marks(&v4));
        mark(&mut v4);
        assert_eq!(v4[15] & 3, 3);
        assert_eq!(Sum::default().bytes(&v4[14..]).checksum(), 0);
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
