use super::*;
use crate::link::LinkPatch;

fn native(attrs: &Json) -> Map<String, Json> {
    patch(&BTreeMap::new(), attrs.as_object().expect("an object")).expect("accepted")
}

fn refused(attrs: &Json) -> OriginalError {
    let attrs = attrs.as_object().expect("an object");
    patch(&BTreeMap::new(), attrs).expect_err("must be refused")
}

fn direction_of(patch: &Map<String, Json>, name: &str) -> LinkParams {
    let patch: LinkPatch = serde_json::from_value(patch[name].clone()).expect("a native patch");
    patch.applied(&LinkParams::default())
}

#[test]
fn from_is_forward_and_to_is_backward() {
    let patch = native(&json!({
        "bandwidth_from": 2000, "delay_from": 20.5, "jitter_from": "2", "distribution_from": "normal", "lossratio_from": 1.0,
        "bandwidth_to": 0, "duplicate_to": 100, "corrupt_to": 0.1, "_note": [1]
    }));
    let forward = direction_of(&patch, "forward");
    assert_eq!(forward.bandwidth, Some(Bandwidth(2_000_000)));
    assert_eq!((forward.delay, forward.jitter), (Span(20_500_000), Span(2_000_000)));
    assert_eq!(
        (forward.distribution, forward.loss.to_string()),
        (Distribution::Normal, "1%".to_owned())
    );
    let backward = direction_of(&patch, "backward");
    assert_eq!(
        (backward.bandwidth, backward.duplicate.to_string(), backward.corrupt.to_string()),
        (None, "100%".to_owned(), "0.1%".to_owned())
    );
    assert_eq!(patch["_note"], json!([1]));
}

#[test]
fn unnamed_directions_stay_out_of_the_patch() {
    let patch = native(
        &json!({"emulation": 0, "capturing": true, "capture_mode": "file", "capture_filter": ""}),
    );
    let kept = json!({"capture_mode": "file", "capture_filter": ""});
    let expected = json!({"emulation": false, "capturing": true, "_original": kept});
    assert_eq!(Json::Object(patch), expected);
}

#[test]
fn wrong_names_and_values_are_told_apart() {
    for bad in [json!({"colour_from": 1}), json!({"bandwidth": 1})] {
        assert!(matches!(refused(&bad), OriginalError::UnknownAttribute { .. }), "{bad}");
    }
    for bad in [
        json!({"delay_to": -1}),
        json!({"lossratio_to": 100.5}),
        json!({"bandwidth_from": 1e12}),
        json!({"distribution_from": "flat"}),
        json!({"emulation": "yes"}),
        json!({"capture_mode": "disk"}),
        json!({"capture_filter": 5}),
        json!({"delay_to": null}),
    ] {
        assert!(matches!(refused(&bad), OriginalError::InvalidValue { .. }), "{bad}");
    }
}
