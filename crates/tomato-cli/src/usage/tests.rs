use super::*;

#[test]
fn amounts_are_short() {
    for (count, text) in [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_540_000, "1.5 MB"),
        (u64::MAX, "18446744.0 TB"),
    ] {
        assert_eq!(bytes(count), text);
    }
    assert_eq!(bits(9_870_000), "9.8 Mbit/s");
}
