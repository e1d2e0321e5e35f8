use super::*;

#[test]
fn times_are_written_as_rfc_3339() {
    for (unix_ms, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
        (1_735_689_600_007, "2025-01-01T00:00:00.007Z"),
        (4_102_444_800_000, "2100-01-01T00:00:00.000Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    ] {
        assert_eq!(rfc3339(unix_ms), text);
    }
}

#[test]
fn traffic_has_the_documented_form() {
    let rates = Rates { bits_per_second: 8, packets_per_second: 1, drops_per_second: 0 };
    let point = ConnectionRates { forward: rates, backward: Rates::default() };
    let line = Line::Traffic(Traffic {
        time: "t".to_owned(),
        connections: BTreeMap::from([("c".to_owned(), point)]),
    });
    let text = r#"{"traffic":{"time":"t","connections":{"c":{"forward":{"bits_per_second":8,"packets_per_second":1,"drops_per_second":0},"backward":{"bits_per_second":0,"packets_per_second":0,"drops_per_second":0}}}}}"#;
    assert_eq!(serde_json::to_string(&line).unwrap(), text);
}
