//! The internet checksum (RFC 1071).

/// A sum of 16-bit words that is not folded yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sum(u64);

impl Sum {
    /// Adds bytes that begin at an even place; an odd last byte counts as the upper half of a word.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        // 32 bits at a time: the sum of ones' complement words does not depend on their width
        let (quads, rest) = bytes.as_chunks::<4>();
        let mut sum = self.0;
        for quad in quads {
            sum += u64::from(u32::from_be_bytes(*quad));
        }
        let (pairs, last) = rest.as_chunks::<2>();
        for pair in pairs {
            sum += u64::from(u16::from_be_bytes(*pair));
        }
        if let [last] = last {
            sum += u64::from(*last) << 8;
        }
        Self(sum)
    }

    /// Adds one word.
    #[must_use]
    pub fn word(self, word: u16) -> Self {
        Self(self.0 + u64::from(word))
    }

    /// The sum folded to 16 bits, as the field holds it while a device is to fill the rest in.
    #[must_use]
    pub fn folded(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::try_from(sum).expect("folded to 16 bits")
    }

    /// The checksum: the complement of the folded sum.
    #[must_use]
    pub fn checksum(self) -> u16 {
        !self.folded()
    }
}

/// Fills in the checksum at `at` over everything from `start` on; the field holds the pseudo header's sum. Zero
/// is written as all ones, which means the same and is what UDP wants. False: it lies outside of the frame.
#[must_use]
pub fn complete(frame: &mut [u8], start: usize, at: usize) -> bool {
    let Some(covered) = frame.get(start..) else { return false };
    let sum = Sum::default().bytes(covered).checksum();
    let sum = if sum == 0 { 0xffff } else { sum };
    match frame.get_mut(at..at + 2) {
        Some(field) => field.copy_from_slice(&sum.to_be_bytes()),
        None => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_holds() {
        // RFC 1071 section 3
        let bytes = [0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().bytes(&bytes).folded(), 0xddf2);
        assert_eq!(Sum::default().bytes(&bytes[..7]).word(0xf7).folded(), 0xddf2);
        assert_eq!(Sum::default().bytes(&[0xff, 0xff]).checksum(), 0);
    }

    #[test]
    fn completing_stays_inside() {
        let mut frame = vec![9, 9, 0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7, 0, 0];
        assert!(complete(&mut frame, 2, 10));
        assert_eq!(frame[10..], (!0xddf2u16).to_be_bytes());
        assert!(!complete(&mut frame, 13, 2));
        assert!(!complete(&mut frame, 2, 11));
        let mut ones = [0xff, 0xff, 0, 0];
        assert!(complete(&mut ones, 0, 2));
        assert_eq!(ones[2..], [0xff, 0xff]);
    }
}
