use super::*;

const STAGES: [Stage; 8] = [
    Stage::Loss,
    Stage::Duplicate,
    Stage::Corrupt,
    Stage::CorruptBit,
    Stage::Jitter,
    Stage::CopyCorrupt,
    Stage::CopyCorruptBit,
    Stage::CopyJitter,
];

/// What a seed means must not change between versions: recorded results name only the seed.
#[test]
fn known_draws_stay() {
    assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf); // first output of SplitMix64 seeded with 0
    let [forward, backward] = [0, 1].map(|side| Streams::new(42, "e1:eth0 e2:eth0", side));
    assert_eq!(forward.draw(Stage::Loss, 0), 0x3769_3b06_e521_d8ca);
    assert_eq!(forward.draw(Stage::Loss, 1), 0x9950_3b1d_835b_c4e0);
    assert_eq!(backward.draw(Stage::Jitter, 7), 0x0535_ca80_a787_6859);
    assert_eq!(forward.draw(Stage::CopyBitError, (1 << 40) + 3), 0xddbb_e4e0_2b27_ff5d);
}

#[test]
fn every_coordinate_matters() {
    let base = Streams::new(1, "l", 0).draw(Stage::Loss, 5);
    for other in [
        Streams::new(2, "l", 0).draw(Stage::Loss, 5),
        Streams::new(1, "k", 0).draw(Stage::Loss, 5),
        Streams::new(1, "l", 1).draw(Stage::Loss, 5),
        Streams::new(1, "l", 0).draw(Stage::Duplicate, 5),
        Streams::new(1, "l", 0).draw(Stage::Loss, 6),
    ] {
        assert_ne!(base, other);
    }
}

/// Each bit is even within five standard errors, and so is the correlation of any two stages.
#[test]
fn draws_are_even_and_stages_independent() {
    const N: u32 = 100_000;
    let streams = Streams::new(3, "x", 1);
    let bound = 5.0 * f64::from(N).sqrt() / 2.0;
    for (n, stage) in STAGES.into_iter().enumerate() {
        for other in STAGES.into_iter().skip(n + 1) {
            let same = (0..u64::from(N))
                .filter(|&i| (streams.draw(stage, i) ^ streams.draw(other, i)) >> 63 == 0)
                .count();
            let off = f64::from(u32::try_from(same).unwrap()) - f64::from(N) / 2.0;
            assert!(off.abs() < bound, "{stage:?} and {other:?} agree {same} of {N}");
        }
        for bit in 0..64 {
            let ones =
                (0..u64::from(N)).filter(|&i| streams.draw(stage, i) >> bit & 1 == 1).count();
            let off = f64::from(u32::try_from(ones).unwrap()) - f64::from(N) / 2.0;
            assert!(off.abs() < bound, "{stage:?} bit {bit}: {ones} of {N}");
        }
    }
}
