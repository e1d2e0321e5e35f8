use super::*;

#[test]
fn parameters_with_several_values_are_read_and_written() {
    for text in [
        "drop-tail",
        "red min=30KiB max=90KiB probability=10%",
        "codel target=5ms interval=100ms",
        "fq-codel target=5ms interval=100ms flows=1024 quantum=1514B",
        "pie target=15ms update=15ms",
    ] {
        let value: Discipline = text.parse().expect("a discipline");
        assert_eq!(value.to_string().parse(), Ok(value), "{text}");
    }
    assert_eq!(
        "codel".parse::<Discipline>().expect("defaults").to_string(),
        "codel target=5ms interval=100ms"
    );
    for text in ["", "cake", "codel 5ms", "codel target=5", "pie limit=3"] {
        let error = text.parse::<Discipline>().expect_err("it is wrong").to_string();
        assert!(error.contains("write it like"), "{error}");
    }
    for text in [
        "gilbert-elliott to_bad=1% to_good=10% loss_good=0% loss_bad=100%",
        "markov p13=1% p31=20% p32=5% p23=30% p14=0.5%",
        "every 100",
        "trace 0010",
    ] {
        let value: LossModel = text.parse().expect("a loss model");
        assert_eq!(value.to_string(), text);
    }
    for text in ["gilbert-elliott", "every", "every x", "trace 1 0", "markov p31=1%"] {
        text.parse::<LossModel>().expect_err("it is wrong");
    }
}

#[test]
fn patches_name_what_they_change() {
    let params = LinkParams {
        loss: "1%".parse().expect("a ratio"),
        mtu: Some(1400),
        ..LinkParams::default()
    };
    let patch: LinkPatch = serde_json::from_str(
        r#"{"mtu": null, "delay": "5ms", "discipline": "codel", "ecn": true}"#,
    )
    .expect("a patch");
    let after = patch.applied(&params);
    assert_eq!(
        (after.mtu, after.delay.0, after.loss, after.ecn),
        (None, 5_000_000, params.loss, true)
    );
    assert_eq!(LinkPatch::default().applied(&params), params);
    let json = serde_json::to_string(&params).expect("JSON");
    assert_eq!(json, r#"{"mtu":1400,"loss":"1%"}"#);
}

#[test]
fn bounds_are_told_with_a_remedy() {
    let problems = |json: &str| {
        let params: LinkParams = serde_json::from_str(json).expect("parameters");
        params.problems().into_iter().map(|(name, ..)| name).collect::<Vec<_>>()
    };
    assert_eq!(problems("{}"), Vec::<&str>::new());
    assert_eq!(problems(r#"{"bandwidth": "0bit/s", "delay": "11min"}"#), ["bandwidth", "delay"]);
    assert_eq!(problems(r#"{"mtu": 10, "loss_model": "every 0"}"#), ["mtu", "loss_model"]);
    assert_eq!(problems(r#"{"loss_model": "markov p13=60% p31=1% p14=50%"}"#), ["loss_model"]);
    for trap in [
        "gilbert-elliott to_bad=1% to_good=0%",
        "markov p13=1% p31=0%",
        "markov p13=1% p31=20% p32=10% p23=0%",
    ] {
        assert_eq!(problems(&format!(r#"{{"loss_model": "{trap}"}}"#)), ["loss_model"], "{trap}");
    }
    assert_eq!(problems(r#"{"discipline": "red min=9KiB max=8KiB"}"#), ["discipline"]);
    assert_eq!(problems(r#"{"timeline": {}}"#), ["timeline"]);
    assert_eq!(problems(r#"{"rules": [{"match": "udp", "loss": "5%"}]}"#), Vec::<&str>::new());
    for rule in [
        r#"{"match": "udp port x", "loss": "5%"}"#,
        r#"{"match": "udp"}"#,
        r#"{"match": "udp", "delay": "11min"}"#,
        r#"{"match": "udp", "loss_model": "every 0"}"#,
    ] {
        assert_eq!(problems(&format!(r#"{{"rules": [{rule}]}}"#)), ["rules"], "{rule}");
    }
}

#[test]
fn a_wrong_rule_is_named_with_its_filter() {
    let json =
        r#"{"rules": [{"match": "icmp", "loss": "5%"}, {"match": "tcp prt 3", "loss": "5%"}]}"#;
    let params: LinkParams = serde_json::from_str(json).expect("parameters");
    let (name, message, remedy) = params.problems().remove(0);
    assert_eq!(name, "rules");
    assert!(message.starts_with("rule 2 (tcp prt 3): filter: "), "{message}");
    assert!(remedy.contains("tcpdump"), "{remedy}");
}

fn curve(json: &str) -> Result<(Vec<Step>, Option<Span>), String> {
    let params: LinkParams = serde_json::from_str(json).expect("parameters");
    params.curve().expect("a timeline").map(|Curve { points, repeat }| (points, repeat))
}

#[test]
fn ramps_become_even_steps() {
    let (points, repeat) = curve(
        r#"{"delay": "10ms", "timeline": {"repeat": "1s", "steps":
            [{"at": "100ms", "loss": "1%"}, {"at": "200ms", "delay": "20ms", "ramp": true}]}}"#,
    )
    .expect("a curve");
    assert_eq!(repeat, Some(Span(1_000_000_000)));
    let delays: Vec<(u64, Option<u64>)> = points
        .iter()
        .map(|point| (point.at.0 / 1_000_000, point.delay.map(|d| d.0 / 1000)))
        .collect();
    let ramp = [(120, 12_000), (140, 14_000), (160, 16_000), (180, 18_000), (200, 20_000)];
    assert_eq!(delays[0], (100, None));
    assert_eq!(delays[1..], ramp.map(|(at, delay)| (at, Some(delay))));
    let error = curve(r#"{"timeline": {"steps": [{"at": "2s"}, {"at": "1s"}]}}"#);
    assert!(error.expect_err("not in order").contains("order them by at"));
}

#[test]
fn traces_become_rates() {
    // 20 packets in the first 20 ms, none in the next, 10 after that
    let mut lines: Vec<String> = (1..=20).map(|ms| ms.to_string()).collect();
    lines.extend((0..10).map(|n| (41 + n).to_string()));
    let json = serde_json::json!({"timeline": {"mahimahi": lines.join("\n")}}).to_string();
    let (points, repeat) = curve(&json).expect("a curve");
    let rates: Vec<(u64, u64)> = points
        .iter()
        .map(|point| (point.at.0 / 1_000_000, point.bandwidth.expect("a rate").0))
        .collect();
    // 1500 bytes of IP are 1538 on the line; the last chance is in the middle of a bin
    assert_eq!(rates, [(0, 12_304_000), (20, 100), (40, 12_304_000)]);
    assert_eq!(repeat, Some(Span(50_000_000)));
    let (points, _) = curve(
        &serde_json::json!({"timeline": {"csv": "at,bandwidth,loss,down\n0s,1Mbit/s,,\n2s,,5%,true\n"}})
            .to_string(),
    )
    .expect("a curve");
    assert_eq!(points[0].bandwidth, Some(Bandwidth(1_000_000)));
    assert_eq!((points[0].down, points[1].down), (None, Some(true)));
    assert_eq!(
        (points[1].bandwidth, points[1].loss.map(|l| l.to_string())),
        (None, Some("5%".into()))
    );
    for wrong in [
        r#"{"mahimahi": "3\n2"}"#,
        r#"{"csv": "time\n1"}"#,
        r#"{"csv": "at\nx"}"#,
        r#"{"mahimahi": ""}"#,
    ] {
        curve(&format!(r#"{{"timeline": {wrong}}}"#)).expect_err("it is wrong");
    }
}

/// What is not named is netem's: after a burst comes the next packet, and what is received in one loses the next.
#[test]
fn the_markov_model_is_completed_as_netem_does() {
    let short = "markov p13=25% p32=10%".parse().expect("a model");
    let LossModel::Markov { p13, p31, p23, p14, .. } = short else { panic!("{short}") };
    assert_eq!((p31.0, p23, p14), (u64::MAX - p13.0, Ratio::ALWAYS, Ratio::NEVER));
}

/// A trace means the same rate and period however short it is, and its packets are of 1500 bytes.
#[test]
fn short_traces_keep_their_rate_and_period() {
    let lines: Vec<String> = (0..=11).map(|ms| ms.to_string()).collect();
    for (trace, chances, length_ms) in [("1".to_owned(), 1, 1), (lines.join("\n"), 12, 11)] {
        let json = serde_json::json!({"framing": "0B", "timeline": {"mahimahi": trace}});
        let (points, repeat) = curve(&json.to_string()).expect("a curve");
        let period_ns = repeat.expect("it repeats").0;
        assert!(period_ns >= 20_000_000 && period_ns.is_multiple_of(length_ms * 1_000_000));
        let ends = points.iter().skip(1).map(|point| point.at.0).chain([period_ns]);
        let work = points.iter().zip(ends).map(|(point, end)| {
            u128::from(point.bandwidth.expect("a rate").0) * u128::from(end - point.at.0)
        });
        let bytes = work.sum::<u128>().div_ceil(8_000_000_000);
        let rounds = u128::from(period_ns / (length_ms * 1_000_000));
        assert_eq!(bytes, rounds * chances * 1514, "{trace:?}");
    }
}

#[test]
fn presets_are_known_by_direction() {
    for known in PRESETS {
        for direction in ["up", "down"] {
            let params = preset(&format!("{}-{direction}", known.name)).expect("known");
            assert_eq!(params.problems(), Vec::new());
        }
    }
    assert_eq!(preset("lte-up").expect("known").delay, Span(35_000_000));
    assert_eq!(preset("lte"), None);
}
