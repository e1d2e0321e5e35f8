//! What frames really do between namespaces.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::UdpSocket;

use tomato_wire::capture::read_ring;
use tomato_wire::client::WireClient;
use tomato_wire::config::{
    BridgeConfig, BridgeMode, CaptureConfig, End, LinkConfig, LinkParams, Point, PortConfig,
    PortKind, PortVlan, Ratio, Step, Timeline, TopologyConfig,
};
use tomato_wire::status::{Drops, TopologyStatus};
use tomato_wire::verify::verify;

use crate::lab::{DEADLINE, Host, WireProcess, until};
use crate::sys;

const MS: u64 = 1_000_000;

fn link(ends: [End; 2]) -> LinkConfig {
    LinkConfig {
        ends,
        forward: LinkParams::default(),
        backward: LinkParams::default(),
        draw_key: None,
        emulate: true,
        connected: true,
        capture: None,
        past: None,
    }
}

fn port(n: usize) -> End {
    End::Port(n.to_string())
}

fn ports(count: usize) -> TopologyConfig {
    let port = PortConfig { kind: PortKind::Tap };
    let ports = (0..count).map(|n| (n.to_string(), port.clone())).collect();
    TopologyConfig { seed: 1, ports, ..TopologyConfig::default() }
}

/// Two ports and a link `l` with this behaviour both ways.
fn pair(params: &LinkParams) -> TopologyConfig {
    let mut config = ports(2);
    let mut link = link([port(0), port(1)]);
    link.forward = params.clone();
    link.backward = params.clone();
    config.links.insert("l".into(), link);
    config
}

fn attach(client: &mut WireClient, config: &TopologyConfig, hosts: &[Host]) {
    client.apply("t", config.clone()).expect("applied");
    for (n, host) in hosts.iter().enumerate() {
        client.attach("t", &n.to_string(), &host.tap).expect("attached");
    }
}

fn status(client: &mut WireClient) -> TopologyStatus {
    client.status(Some("t")).expect("a status").remove("t").expect("it is there")
}

fn hosts(count: u32) -> Vec<Host> {
    (1..=count).map(Host::new).collect()
}

fn delayed(ms: u64) -> LinkParams {
    LinkParams { delay_ns: ms * MS, ..LinkParams::default() }
}

#[test]
fn delay_loss_and_cut_do_what_they_say_while_running() {
    let dir = tempfile::tempdir().expect("a directory");
    let wire = WireProcess::start(dir.path());
    let mut client = wire.client();
    let hosts = hosts(2);
    attach(&mut client, &pair(&delayed(20)), &hosts);
    until("the carrier", || hosts[0].has_carrier().then_some(()));
    hosts[0].ping(&hosts[1], 1); // resolves the address
    let mut times = hosts[0].ping(&hosts[1], 9);
    assert_eq!(times.len(), 9, "{times:?}");
    times.sort_by(f64::total_cmp);
    assert!(times[0] >= 40.0 && times[4] < 60.0, "{times:?}");
    // live: shorter, then nothing, then well again
    client.apply("t", pair(&delayed(5))).expect("applied");
    let mut times = hosts[0].ping(&hosts[1], 9);
    times.sort_by(f64::total_cmp);
    assert!(times.len() == 9 && times[0] >= 10.0 && times[4] < 30.0, "{times:?}");
    let deaf = LinkParams { loss: Ratio::ALWAYS, ..LinkParams::default() };
    client.apply("t", pair(&deaf)).expect("applied");
    assert_eq!(hosts[0].ping(&hosts[1], 2), Vec::<f64>::new());
    let before = status(&mut client).links["l"].forward.clone();
    assert!(before.drops.loss >= 2, "{before:?}");
    client.apply("t", pair(&LinkParams::default())).expect("applied");
    assert_eq!(hosts[0].ping(&hosts[1], 3).len(), 3);
    assert!(status(&mut client).links["l"].forward.frames > before.frames);
    // unplugged: the far side sees it
    let mut cut = pair(&LinkParams::default());
    cut.links.get_mut("l").expect("it is there").connected = false;
    client.apply("t", cut).expect("applied");
    until("the loss of carrier", || (!hosts[1].has_carrier()).then_some(()));
    assert_eq!(hosts[0].ping(&hosts[1], 1), Vec::<f64>::new());
    client.apply("t", pair(&LinkParams::default())).expect("applied");
    until("the carrier", || hosts[1].has_carrier().then_some(()));
    until("an answer", || (!hosts[0].ping(&hosts[1], 1).is_empty()).then_some(()));
    wire.stop();
}

#[test]
fn a_dead_direction_takes_the_carrier_from_the_end_it_goes_to() {
    let dir = tempfile::tempdir().expect("a directory");
    let wire = WireProcess::start(dir.path());
    let mut client = wire.client();
    let hosts = hosts(2);
    let mut config = pair(&LinkParams::default());
    attach(&mut client, &config, &hosts);
    let see = |what, wanted: [bool; 2]| {
        let seen = || [hosts[0].has_carrier(), hosts[1].has_carrier()];
        until(what, || (seen() == wanted).then_some(()));
    };
    see("the carrier", [true, true]);
    until("an answer", || (!hosts[0].ping(&hosts[1], 1).is_empty()).then_some(()));
    config.links.get_mut("l").expect("it is there").forward.down = true;
    client.apply("t", config.clone()).expect("applied");
    see("the loss of one carrier", [true, false]);
    assert_eq!(hosts[0].ping(&hosts[1], 1), Vec::<f64>::new());
    // flapping by itself, without traffic
    let step = |at_ns, down| Step { at_ns, down: Some(down), ..Step::default() };
    let steps = vec![step(100 * MS, true), step(200 * MS, false)];
    let link = config.links.get_mut("l").expect("it is there");
    link.forward.down = false;
    link.forward.timeline = Some(Timeline { steps, repeat_ns: Some(300 * MS) });
    client.apply("t", config).expect("applied");
    for _ in 0..2 {
        see("both carriers", [true, true]);
        see("the loss of one carrier", [true, false]);
    }
    wire.stop();
}

#[test]
fn a_switch_of_three_joins_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let wire = WireProcess::start(dir.path());
    let mut client = wire.client();
    let hosts = hosts(3);
    let mut config = ports(3);
    let switch = BridgeConfig::plain(BridgeMode::Switch);
    config.bridges = BTreeMap::from([("s".to_owned(), switch)]);
    for n in 0..3 {
        let seat = End::Bridge { bridge: "s".into(), port: n.to_string() };
        config.links.insert(n.to_string(), link([port(n), seat]));
    }
    attach(&mut client, &config, &hosts);
    for from in &hosts {
        for to in hosts.iter().filter(|to| to.name != from.name) {
            until("an answer", || (!from.ping(to, 1).is_empty()).then_some(()));
            assert_eq!(from.ping(to, 3).len(), 3, "{} to {}", from.address, to.address);
        }
    }
    assert_eq!(status(&mut client).bridges["s"].mac_entries, 3);
    // once learned, the third hears nothing of the others
    let before = status(&mut client).links["2"].backward.frames;
    assert_eq!(hosts[0].ping(&hosts[1], 20).len(), 20);
    assert!(status(&mut client).links["2"].backward.frames < before + 5);
    wire.stop();
}

/// Two switches joined by a trunk, two ports in VLAN 10 and one in VLAN 20; TCP crosses the trunk in tagged super-frames.
#[test]
fn vlans_are_apart_across_a_trunk() {
    let dir = tempfile::tempdir().expect("a directory");
    let wire = WireProcess::start(dir.path());
    let mut client = wire.client();
    let hosts = hosts(3);
    let mut config = ports(3);
    let seat = |bridge: &str, port: &str| End::Bridge { bridge: bridge.into(), port: port.into() };
    for (key, own) in [("s", 10), ("t", 10)] {
        let mut bridge = BridgeConfig::plain(BridgeMode::Switch);
        let trunk = PortVlan::Trunk { allowed: vec![(1, 100)], native: None };
        bridge.vlans =
            [("own", PortVlan::Access(own)), ("other", PortVlan::Access(20)), ("trunk", trunk)]
                .map(|(port, vlan)| (port.to_owned(), vlan))
                .into();
        config.bridges.insert(key.to_owned(), bridge);
    }
    config.links.insert("0".into(), link([port(0), seat("s", "own")]));
    config.links.insert("1".into(), link([port(1), seat("t", "own")]));
    config.links.insert("2".into(), link([port(2), seat("t", "other")]));
    config.links.insert("trunk".into(), link([seat("s", "trunk"), seat("t", "trunk")]));
    attach(&mut client, &config, &hosts);
    until("an answer", || (!hosts[0].ping(&hosts[1], 1).is_empty()).then_some(()));
    assert_eq!(hosts[0].ping(&hosts[2], 2), Vec::<f64>::new());
    assert_eq!(hosts[1].ping(&hosts[2], 2), Vec::<f64>::new());
    let goodput = hosts[0].tcp_bit_s(&hosts[1], 1);
    assert!(goodput > 100e6, "{goodput} bit/s");
    let view = client.bridge("t", "t").expect("it runs");
    assert!(view.table.iter().any(|known| known.vlan == 10 && known.port == "trunk"));
    let trunk = &view.ports["trunk"];
    // packets are counted as a cable would carry them
    assert!(trunk.received_bytes / trunk.received <= 1518, "{trunk:?}");
    wire.stop();
}

#[test]
fn a_capture_shows_what_passed() {
    let dir = tempfile::tempdir().expect("a directory");
    let wire = WireProcess::start(dir.path());
    let mut client = wire.client();
    let hosts = hosts(2);
    let mut config = pair(&LinkParams::default());
    let ring = dir.path().join("ring");
    config.links.get_mut("l").expect("it is there").capture = Some(CaptureConfig {
        dir: ring.clone(),
        file_bytes: 1 << 20,
        files: 4,
        snaplen: 128,
        points: Point::out(),
        lost: false,
        age_s: None,
        names: None,
    });
    attach(&mut client, &config, &hosts);
    until("an answer", || (!hosts[0].ping(&hosts[1], 1).is_empty()).then_some(()));
    assert_eq!(hosts[0].ping(&hosts[1], 10).len(), 10);
    let file = dir.path().join("all.pcapng");
    let dump = until("the records on disk", || {
        let mut bytes = Vec::new();
        read_ring(&ring).ok()?.read_to_end(&mut bytes).ok()?;
        if bytes.is_empty() {
            return None; // between the making of the file and its first block
        }
        std::fs::write(&file, bytes).expect("there is room");
        let dump = crate::lab::run(&format!("tcpdump -nr {} icmp", file.display()));
        (dump.matches("echo reply").count() >= 11).then_some(dump)
    });
    assert!(dump.matches("echo request").count() >= 11, "{dump}");
    wire.stop();
}

#[test]
fn what_a_rough_link_did_to_a_tcp_stream_is_recorded_whole_and_verifies() {
    let dir = tempfile::tempdir().expect("a directory");
    let wire = WireProcess::start(dir.path());
    let mut client = wire.client();
    let hosts = hosts(2);
    let params = LinkParams {
        bandwidth_bit_s: Some(30_000_000),
        delay_ns: 2_000_000,
        jitter_ns: 500_000,
        loss: Ratio(u64::MAX / 200),
        duplicate: Ratio(u64::MAX / 300),
        ..LinkParams::default()
    };
    let mut config = pair(&params);
    let ring = dir.path().join("ring");
    let captured = config.links.get_mut("l").expect("it is there");
    captured.capture = Some(CaptureConfig {
        dir: ring.clone(),
        file_bytes: 256 << 20,
        files: 2,
        snaplen: 65_535,
        points: [Point::ForwardIn, Point::ForwardOut, Point::BackwardIn, Point::BackwardOut].into(),
        lost: true,
        age_s: None,
        names: Some(["one".into(), "two".into()]),
    });
    attach(&mut client, &config, &hosts);
    until("an answer", || (!hosts[0].ping(&hosts[1], 1).is_empty()).then_some(()));
    assert!(hosts[0].tcp_bit_s(&hosts[1], 1) > 0.0);
    config.links.get_mut("l").expect("it is there").forward.loss = Ratio(u64::MAX / 50);
    client.apply("t", config.clone()).expect("applied");
    assert!(hosts[0].tcp_bit_s(&hosts[1], 1) > 0.0);
    config.links.get_mut("l").expect("it is there").capture = None;
    client.apply("t", config).expect("applied");
    // ends in order: everything is on disk
    wire.stop();
    let mut bytes = Vec::new();
    read_ring(&ring).expect("it is there").read_to_end(&mut bytes).expect("it can be read");
    let report = verify(bytes.as_slice()).expect("it is a capture");
    assert!(report.agrees(), "{report:#?}");
    let replayed = report.directions.each_ref().map(|direction| direction.replayed);
    assert!(replayed.iter().all(|&packets| packets > 1000), "{report:#?}");
    let file = dir.path().join("all.pcapng");
    std::fs::write(&file, bytes).expect("there is room");
    let dump = crate::lab::run(&format!("tcpdump -vv -nr {} tcp", file.display()));
    assert!(dump.matches("(correct)").count() > 4000, "checksums are there");
    assert!(!dump.contains("incorrect") && !dump.contains("bad cksum"), "and are right");
}

#[test]
fn a_killed_wire_is_attached_again_by_the_kept_descriptors() {
    let dir = tempfile::tempdir().expect("a directory");
    let wire = WireProcess::start(dir.path());
    let mut client = wire.client();
    let hosts = hosts(2);
    let config = pair(&LinkParams::default());
    attach(&mut client, &config, &hosts);
    until("an answer", || (!hosts[0].ping(&hosts[1], 1).is_empty()).then_some(()));
    let first = client.welcome();
    wire.kill();
    client.ping().expect_err("nobody is there");
    assert!(hosts[0].has_carrier(), "the kept descriptor keeps the carrier");
    assert_eq!(hosts[0].ping(&hosts[1], 1), Vec::<f64>::new());
    let wire = WireProcess::start(dir.path());
    let mut client = wire.client();
    assert_ne!(client.welcome().instance, first.instance);
    assert!(client.list().expect("a list").is_empty());
    attach(&mut client, &config, &hosts);
    until("an answer", || (!hosts[0].ping(&hosts[1], 1).is_empty()).then_some(()));
    // attached once more while attached: nothing changes for the traffic
    attach(&mut client, &config, &hosts);
    assert_eq!(hosts[0].ping(&hosts[1], 5).len(), 5);
    wire.stop();
}

#[test]
fn a_device_that_is_down_comes_back_and_one_that_is_gone_is_reported() {
    let dir = tempfile::tempdir().expect("a directory");
    let wire = WireProcess::start(dir.path());
    let mut client = wire.client();
    let hosts = hosts(2);
    attach(&mut client, &pair(&LinkParams::default()), &hosts);
    until("an answer", || (!hosts[0].ping(&hosts[1], 1).is_empty()).then_some(()));
    hosts[1].run("ip link set eth0 down");
    assert_eq!(hosts[0].ping(&hosts[1], 2), Vec::<f64>::new());
    let down = status(&mut client);
    assert!(down.ports["1"].attached, "{:?}", down.ports["1"]);
    assert!(down.links["l"].forward.drops.port >= 2, "{:?}", down.links["l"].forward);
    hosts[1].run("ip link set eth0 up");
    until("an answer", || (!hosts[0].ping(&hosts[1], 1).is_empty()).then_some(()));
    hosts[1].run("ip link del eth0");
    let error = until("the report", || status(&mut client).ports["1"].error.clone());
    assert!(error.starts_with("the port's device is gone"), "{error}");
    assert!(!status(&mut client).ports["1"].attached);
    wire.stop();
}

/// No target, only a floor far below what the plain wire does anywhere.
#[test]
fn a_plain_wire_carries_tcp() {
    let dir = tempfile::tempdir().expect("a directory");
    let wire = WireProcess::start(dir.path());
    let mut client = wire.client();
    let hosts = hosts(2);
    let mut config = pair(&LinkParams::default());
    config.links.get_mut("l").expect("it is there").emulate = false;
    attach(&mut client, &config, &hosts);
    until("an answer", || (!hosts[0].ping(&hosts[1], 1).is_empty()).then_some(()));
    let goodput = hosts[0].tcp_bit_s(&hosts[1], 2);
    assert!(goodput > 100e6, "{goodput} bit/s");
    // offloads are on, and still everything is counted as a cable would carry it
    let forward = status(&mut client).links["l"].forward.clone();
    let mean = forward.bytes / forward.frames;
    assert!((1000..=1514).contains(&mean), "{mean} bytes per frame");
    wire.stop();
}

/// Super-frames of veth pairs, cut and put together by the model on the way, come through packet sockets.
#[test]
fn packet_sockets_carry_tcp_and_keep_the_delay() {
    let dir = tempfile::tempdir().expect("a directory");
    let wire = WireProcess::start(dir.path());
    let mut client = wire.client();
    let hosts: Vec<Host> = (1..=2).map(Host::cabled).collect();
    let mut config = pair(&delayed(10));
    for port in config.ports.values_mut() {
        port.kind = PortKind::Packet;
    }
    let forward = &mut config.links.get_mut("l").expect("it is there").forward;
    forward.loss = Ratio(u64::MAX / 1000);
    forward.bandwidth_bit_s = Some(200_000_000);
    attach(&mut client, &config, &hosts);
    until("an answer", || (!hosts[0].ping(&hosts[1], 1).is_empty()).then_some(()));
    let mut times = hosts[0].ping(&hosts[1], 9);
    times.sort_by(f64::total_cmp);
    assert!(times.len() == 9 && times[0] >= 19.5 && times[4] < 40.0, "{times:?}");
    let goodput = hosts[0].tcp_bit_s(&hosts[1], 2);
    assert!((1e6..200e6).contains(&goodput), "{goodput} bit/s");
    let forward = status(&mut client).links["l"].forward.clone();
    assert!(forward.bytes / forward.frames <= 1514, "{forward:?}");
    assert_eq!(forward.drops.malformed, 0);
    wire.stop();
}

#[test]
fn a_packet_socket_outlives_its_device_being_down() {
    let dir = tempfile::tempdir().expect("a directory");
    let wire = WireProcess::start(dir.path());
    let mut client = wire.client();
    let hosts: Vec<Host> = (1..=2).map(Host::cabled).collect();
    let mut config = pair(&LinkParams::default());
    for port in config.ports.values_mut() {
        port.kind = PortKind::Packet;
    }
    attach(&mut client, &config, &hosts);
    let answers = || (!hosts[0].ping(&hosts[1], 1).is_empty()).then_some(());
    until("an answer", answers);
    for _ in 0..3 {
        hosts[1].set_far("down");
        until("silence", || answers().is_none().then_some(()));
        hosts[1].set_far("up");
        until("an answer after it came up", answers);
    }
    let ports = status(&mut client).ports;
    assert!(ports.values().all(|port| port.attached && port.error.is_none()), "{ports:?}");
    wire.stop();
}

/// 1448 bytes of every 1538 are payload: Ethernet's 38, IP's 20 and TCP's 32 bytes are not.
#[test]
fn tcp_fills_a_rate_and_no_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let wire = WireProcess::start(dir.path());
    let mut client = wire.client();
    let hosts = hosts(2);
    let params = LinkParams { bandwidth_bit_s: Some(20_000_000), ..delayed(5) };
    attach(&mut client, &pair(&params), &hosts);
    until("an answer", || (!hosts[0].ping(&hosts[1], 1).is_empty()).then_some(()));
    let goodput = hosts[0].tcp_bit_s(&hosts[1], 4) / (20e6 * 1448.0 / 1538.0);
    assert!((0.95..1.01).contains(&goodput), "{goodput} of what the rate allows");
    wire.stop();
}

#[test]
fn datagrams_that_leave_as_one_arrive_one_by_one() {
    const BURST: u64 = 64;
    let dir = tempfile::tempdir().expect("a directory");
    let wire = WireProcess::start(dir.path());
    let mut client = wire.client();
    let hosts = hosts(2);
    attach(&mut client, &pair(&LinkParams::default()), &hosts);
    until("an answer", || (!hosts[0].ping(&hosts[1], 1).is_empty()).then_some(()));
    let sink = UdpSocket::from(hosts[1].open(|| Ok(UdpSocket::bind("0.0.0.0:7000")?.into())));
    sink.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let source = UdpSocket::from(hosts[0].open(|| Ok(UdpSocket::bind("0.0.0.0:0")?.into())));
    source.connect((hosts[1].address.as_str(), 7000)).expect("a route");
    let looker = hosts[1].open(sys::open_packet);
    let mut number = 0u64;
    until("datagrams that left as one", || {
        for n in number..number + BURST {
            source.send(&[n.to_be_bytes(), [7; 8]].concat()).expect("sent");
        }
        for n in number..number + BURST {
            let mut room = [0; 100];
            let len = sink.recv(&mut room).expect("none is lost");
            assert_eq!(room[..len], [n.to_be_bytes(), [7; 8]].concat());
        }
        number += BURST;
        // Ethernet, IP and UDP headers, and two datagrams at least
        let mut room = [0; 2048];
        let mut seen = std::iter::from_fn(|| {
            rustix::net::recv(&looker, &mut room[..], rustix::net::RecvFlags::DONTWAIT).ok()
        });
        seen.any(|(_, len)| len >= 14 + 20 + 8 + 2 * 16).then_some(())
    });
    let forward = status(&mut client).links["l"].forward.clone();
    assert!(forward.frames >= number && forward.drops == Drops::default(), "{forward:?}");
    wire.stop();
}

/// What came out of a link of two TAPs that frames were sent onto, and the digest of all verdicts about them.
fn fates(client: &mut WireClient, topology: &str, config: &TopologyConfig) -> (Vec<Vec<u8>>, u64) {
    /// All of them fit the buffer of the packet socket that looks on.
    const FRAMES: u64 = 100;
    let hosts = hosts(2);
    client.apply(topology, config.clone()).expect("applied");
    for (n, host) in hosts.iter().enumerate() {
        client.attach(topology, &n.to_string(), &host.tap).expect("attached");
    }
    until("the carrier", || hosts.iter().all(Host::has_carrier).then_some(()));
    let [source, sink] = [0, 1].map(|n| hosts[n].open(sys::open_packet));
    for n in 0..FRAMES {
        // of an EtherType for experiments, which nobody else sends
        let head = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5];
        let frame = [head.as_slice(), &n.to_be_bytes(), &[7; 42]].concat();
        rustix::net::send(&source, &frame, rustix::net::SendFlags::empty()).expect("sent");
    }
    let forward = until("the last frame", || {
        let forward =
            client.status(Some(topology)).ok()?.remove(topology)?.links["l"].forward.clone();
        (forward.offered == FRAMES && forward.queue_frames == 0).then_some(forward)
    });
    let mut room = [0; 2048];
    let seen = std::iter::from_fn(|| {
        let flags = rustix::net::RecvFlags::DONTWAIT;
        let (len, _) = rustix::net::recv(&sink, &mut room[..], flags).ok()?;
        Some(room[..len].to_vec())
    });
    let seen: Vec<_> = seen.collect();
    assert_eq!(u64::try_from(seen.len()).expect("few"), forward.frames, "{forward:?}");
    (seen, forward.verdict_hash)
}

#[test]
fn fates_are_the_same_whatever_the_number_of_data_threads() {
    let params = LinkParams {
        loss: Ratio(u64::MAX / 10),
        duplicate: Ratio(u64::MAX / 10),
        corrupt: Ratio(u64::MAX / 10),
        jitter_ns: MS / 2,
        ..delayed(2)
    };
    let mut all = Vec::new();
    for workers in [1, 2] {
        let dir = tempfile::tempdir().expect("a directory");
        let wire = WireProcess::start_with(dir.path(), workers);
        let mut client = wire.client();
        for topology in ["t", "u"] {
            all.push(fates(&mut client, topology, &pair(&params)));
        }
        let held = client.workers().expect("an answer");
        assert!(held.iter().all(|worker| worker.links > 0), "{held:?}");
        wire.stop();
    }
    assert!(all[0].0.len() > 60, "{}", all[0].0.len());
    for other in &all[1..] {
        assert_eq!(*other, all[0]);
    }
}
