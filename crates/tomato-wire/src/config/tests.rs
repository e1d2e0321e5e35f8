use super::*;

fn two_ports() -> TopologyConfig {
    let port = PortConfig { kind: PortKind::Tap };
    let link = LinkConfig {
        ends: [End::Port("a".into()), End::Port("b".into())],
        forward: LinkParams::default(),
        backward: LinkParams::default(),
        draw_key: None,
        emulate: true,
        connected: true,
        capture: None,
        past: None,
    };
    TopologyConfig {
        seed: 7,
        ports: BTreeMap::from([("a".into(), port.clone()), ("b".into(), port)]),
        bridges: BTreeMap::new(),
        links: BTreeMap::from([("l".into(), link)]),
    }
}

fn refused(change: impl FnOnce(&mut LinkConfig)) -> String {
    let mut config = two_ports();
    change(config.links.get_mut("l").expect("it was just put there"));
    config.check().expect_err("the change breaks a bound").to_string()
}

#[test]
fn every_broken_bound_names_its_field() {
    assert_eq!(two_ports().check(), Ok(()));
    let cases: Vec<(String, &str)> = vec![
        (refused(|l| l.forward.delay_ns = u64::MAX), "links.l.forward.delay_ns: "),
        (refused(|l| l.backward.jitter_ns = u64::MAX), "links.l.backward.jitter_ns: "),
        (refused(|l| l.forward.bandwidth_bit_s = Some(0)), "links.l.forward.bandwidth_bit_s: "),
        (refused(|l| l.forward.queue_bytes = Some(0)), "links.l.forward.queue_bytes: "),
        (refused(|l| l.ends[1] = End::Port("c".into())), "links.l.ends[1]: no port \"c\""),
        (refused(|l| l.ends[1] = End::Port("a".into())), "links.l.ends[1]: already the end"),
        (
            refused(|l| l.ends[0] = End::Bridge { bridge: "s".into(), port: "1".into() }),
            "links.l.ends[0]: no bridge \"s\"",
        ),
        (
            refused(|l| {
                l.forward.bandwidth_bit_s = Some(100_000_000_000);
                l.forward.delay_ns = 1_000_000_000;
            }),
            "links.l.forward: 12",
        ),
        (
            refused(|l| {
                l.capture = Some(CaptureConfig {
                    dir: "relative".into(),
                    file_bytes: 1 << 20,
                    files: 2,
                    snaplen: 100,
                    points: Point::out(),
                    lost: false,
                    age_s: None,
                    names: None,
                });
            }),
            "links.l.capture.dir: ",
        ),
    ];
    for (message, start) in cases {
        assert!(message.starts_with(start), "{message:?} does not start with {start:?}");
    }
    let mut config = two_ports();
    config.ports.insert("x".repeat(65), PortConfig { kind: PortKind::Tap });
    assert!(matches!(config.check(), Err(ConfigError::KeyLength { bytes: 65, .. })));
}

#[test]
fn default_queue_follows_rate_and_delay() {
    let mut params = LinkParams::default();
    assert_eq!(params.effective_queue_bytes(), 64 << 10);
    params.bandwidth_bit_s = Some(10_000_000);
    params.delay_ns = 20_000_000;
    // 1.25 MB/s over 65 ms
    assert_eq!(params.effective_queue_bytes(), 81_250);
    params.queue_bytes = Some(5);
    assert_eq!(params.effective_queue_bytes(), 5);
}

/// This many links with these values in both directions.
fn lines(count: usize, rate: u64, delay_ms: u64, queue_bytes: Option<u64>) -> TopologyConfig {
    let mut config = TopologyConfig::default();
    for n in 0..count {
        let mut link = two_ports().links.remove("l").expect("it is there");
        link.ends = [format!("a{n}"), format!("b{n}")].map(End::Port);
        for end in &link.ends {
            let key = end.bridge_port().to_owned();
            config.ports.insert(key, PortConfig { kind: PortKind::Tap });
        }
        link.forward = LinkParams {
            bandwidth_bit_s: Some(rate),
            delay_ns: delay_ms * 1_000_000,
            queue_bytes,
            ..LinkParams::default()
        };
        link.backward = link.forward.clone();
        config.links.insert(n.to_string(), link);
    }
    config
}

#[test]
fn a_topology_holds_what_can_be_under_way_at_once() {
    const GBIT: u64 = 1_000_000_000;
    // each alone is fine; no more than a data thread carries is under way on all
    for (count, rate, delay_ms) in [(1000, GBIT, 20), (1000, 50_000_000, 250), (10, 10 * GBIT, 100)]
    {
        assert_eq!(lines(count, rate, delay_ms, None).check(), Ok(()), "{count} x {rate}");
    }
    let mut long = lines(10, 10 * GBIT, 400, Some(1_000_000));
    let refused = ConfigError::UnderWay { bytes: 1_250_000_000, max: 1 << 30 };
    assert_eq!(long.check(), Err(refused));
    for link in long.links.values_mut().skip(1) {
        link.emulate = false;
    }
    assert_eq!(long.check(), Ok(()), "what is not emulated has no delay");
}

#[test]
fn json_refuses_unknown_fields_and_keeps_whole_ratios() {
    let config = two_ports();
    let text = serde_json::to_string(&config).expect("plain data");
    assert_eq!(serde_json::from_str::<TopologyConfig>(&text).expect("just written"), config);
    let odd = text.replace("\"seed\"", "\"sead\"");
    serde_json::from_str::<TopologyConfig>(&odd).expect_err("no such field");
    let text = format!("{{\"loss\":{}}}", u64::MAX);
    let params: LinkParams = serde_json::from_str(&text).expect("a ratio is a whole number");
    assert_eq!(params.loss, Ratio::ALWAYS);
    serde_json::from_str::<LinkParams>("{\"lost\":1}").expect_err("no such field");
}

#[test]
fn ratio_ends_are_exact() {
    for draw in [0, 1, u64::MAX / 2, u64::MAX] {
        assert!(!Ratio::NEVER.hits(draw));
        assert!(Ratio::ALWAYS.hits(draw));
    }
    assert!(Ratio(1 << 63).hits((1 << 63) - 1));
    assert!(!Ratio(1 << 63).hits(1 << 63));
}
