use super::*;

const STAGES: FlipStages = FlipStages {
    corrupt: Stage::Corrupt,
    corrupt_bit: Stage::CorruptBit,
    bit_error: Stage::BitError,
};

fn flipped(ratio: Ratio, bits: u64, number: u64) -> Vec<u64> {
    let params = LinkParams { bit_error: ratio, ..LinkParams::default() };
    flips(Streams::new(7, "l", 0), number, bits, &params, STAGES)
}

/// The share of flipped bits is the one asked for, within five standard deviations, on both sides of the change of method.
#[test]
fn any_share_of_bits_is_flipped() {
    for percent in [0.1, 1.0, 1.5, 1.6, 5.0, 25.0, 50.0, 99.0] {
        let share: f64 = percent / 100.0;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^64")]
        let ratio = Ratio((share * 18_446_744_073_709_551_616.0) as u64);
        let (bits, packets) = (12_000_u32, 50_u32);
        let all: usize = (0..packets.into()).map(|n| flipped(ratio, bits.into(), n).len()).sum();
        let draws = f64::from(bits) * f64::from(packets);
        let expected = draws * share;
        let bound = 5.0 * (expected * (1.0 - share)).sqrt();
        let found = f64::from(u32::try_from(all).unwrap());
        assert!((found - expected).abs() < bound, "{percent} %: {found}, not {expected}");
    }
}

#[test]
fn each_bit_is_inside_and_flipped_once() {
    assert_eq!(flipped(Ratio::ALWAYS, 1001, 3), (0..1001).collect::<Vec<_>>());
    assert_eq!(flipped(Ratio::NEVER, 1001, 3), [0; 0]);
    for ratio in [Ratio(DENSE.0 - 1), DENSE, Ratio(1 << 63)] {
        let found = flipped(ratio, 1001, 3);
        assert!(found.is_sorted_by(|a, b| a < b), "{ratio:?}");
        assert!(found.last().is_some_and(|last| *last < 1001), "{ratio:?}");
        assert_eq!(found, flipped(ratio, 1001, 3), "the same draws again");
        assert_ne!(found, flipped(ratio, 1001, 4));
    }
}

/// The same bits on every machine.
#[test]
fn known_bit_errors_stay() {
    let thousandth = Ratio(u64::MAX / 1000);
    assert_eq!(flipped(thousandth, 12_000, 0), [1985, 4028, 5533, 5606, 7410, 7682, 9971, 11_647]);
}
