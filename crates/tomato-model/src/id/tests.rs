use super::*;

#[test]
fn ids_sort_by_time_and_survive_a_round_trip() {
    let older = ElementId::new(0x6000_0000, u64::MAX);
    let newer = ElementId::new(0x6000_0001, 0);
    assert!(older < newer);
    assert_eq!(newer.as_str().parse(), Ok(newer.clone()));
    assert_eq!(serde_json::to_string(&newer).unwrap(), "\"600000010000000000000000\"");
}

#[test]
fn malformed_ids_are_refused() {
    for text in [
        "",
        "abc",
        "60000001000000000000000",
        "6000000100000000000000000",
        "6000000100000000000000 0",
        "6000000A0000000000000000",
        "６00000010000000000000",
    ] {
        assert!(text.parse::<TopologyId>().is_err(), "{text:?}");
    }
}
