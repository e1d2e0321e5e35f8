use super::*;

fn counters(bytes: u64) -> Pair {
    let one = DirectionCounters {
        offered: 100,
        frames: 98,
        bytes,
        drops: BTreeMap::from([("loss".to_owned(), 2)]),
        ..DirectionCounters::default()
    };
    [one.clone(), one]
}

#[test]
fn rates_are_bits_between_two_readings() {
    let old = BTreeMap::from([("a".to_owned(), counters(1000)), ("b".to_owned(), counters(5000))]);
    let new = BTreeMap::from([
        ("a".to_owned(), counters(3500)),
        ("b".to_owned(), counters(10)),
        ("c".to_owned(), counters(1)),
    ]);
    // b began anew and c is new: neither has a rate
    assert_eq!(rates(&old, &new, 2.0), BTreeMap::from([("a".to_owned(), [10_000.0, 10_000.0])]));
}

#[test]
fn measured_loss_is_dropped_over_offered() {
    assert_eq!(html::lost(&counters(1)[0]), "2.00%");
    assert_eq!(html::lost(&DirectionCounters::default()), "–");
}

#[test]
fn text_of_users_cannot_become_markup() {
    assert_eq!(html::escape("<b a='\"'>&"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;");
    assert!(!html::error("<script>").contains("<script>"));
}

#[test]
fn rates_are_written_with_their_unit() {
    assert_eq!(
        [html::rate(12.0), html::rate(2500.0), html::rate(9.5e6)],
        ["12 bit/s", "2.5 kbit/s", "9.50 Mbit/s"]
    );
}
