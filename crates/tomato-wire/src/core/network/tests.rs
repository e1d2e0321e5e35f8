use super::*;
use crate::config::{BridgeConfig, BridgeMode, PortConfig, PortKind, Ratio, Step, Timeline};
use crate::core::journal::Spot;
use crate::core::split::Offload;

mod tree;

const MS: u64 = 1_000_000;
const ALL: u64 = 0xffff_ffff_ffff;

/// Collects what leaves: (time, port, frame).
#[derive(Default)]
struct Ends {
    now_ns: u64,
    seen: Vec<(u64, PortId, Vec<u8>)>,
    recorded: Vec<(usize, usize, Spot)>,
}

impl Sink for Ends {
    fn deliver(&mut self, port: PortId, run: &Run) -> Result<(), Undelivered> {
        let frames = run.trains().iter().map(|train| train.frame.bytes().to_vec());
        self.seen.extend(frames.map(|frame| (self.now_ns, port, frame)));
        Ok(())
    }

    fn note(&mut self, link: usize, side: usize, note: &Note) {
        if let Note::Seen(seen) = note {
            self.recorded.push((link, side, seen.spot));
        }
    }
}

/// Runs the network under its own virtual clock until nothing is due before `until_ns`.
fn run(network: &mut Network, ends: &mut Ends, until_ns: u64) {
    while let Some(due) = network.next_due().filter(|due| *due <= until_ns) {
        ends.now_ns = due;
        network.advance(due, 1, ends);
    }
}

fn ingress(network: &mut Network, now_ns: u64, port: PortId, bytes: &[u8]) {
    let mut scratch = network.pool().scratch();
    scratch.bytes()[..bytes.len()].copy_from_slice(bytes);
    let frame = network.pool().freeze(&mut scratch, 0..bytes.len(), Offload::default());
    network.ingress(now_ns, port, frame);
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap()
}

fn frame(to: u64, from: u64) -> Vec<u8> {
    [&to.to_be_bytes()[2..], &from.to_be_bytes()[2..], &[8, 0, 1, 2, 3, 4]].concat()
}

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

fn port(key: &str) -> End {
    End::Port(key.into())
}

fn seat(bridge: usize, port: usize) -> End {
    End::Bridge { bridge: format!("s{bridge:03}"), port: port.to_string() }
}

fn delayed(mut link: LinkConfig, delay_ns: u64) -> LinkConfig {
    link.forward.delay_ns = delay_ns;
    link.backward.delay_ns = delay_ns;
    link
}

fn add_port(config: &mut TopologyConfig, key: &str) {
    config.ports.insert(key.into(), PortConfig { kind: PortKind::Tap });
}

fn add_switch(config: &mut TopologyConfig, n: usize) {
    let bridge = BridgeConfig::plain(BridgeMode::Switch);
    config.bridges.insert(format!("s{n:03}"), bridge);
}

fn two_ports(delay_ns: u64) -> TopologyConfig {
    let mut config = TopologyConfig { seed: 1, ..TopologyConfig::default() };
    add_port(&mut config, "a");
    add_port(&mut config, "b");
    config.links.insert("l".into(), delayed(link([port("a"), port("b")]), delay_ns));
    config
}

fn network(config: &TopologyConfig) -> Network {
    let mut network = Network::new(FramePool::default());
    network.apply(0, config).expect("a valid test configuration");
    network
}

/// a - s0 - s1 - ... - s49 - b, 1 ms per hop.
fn chain() -> TopologyConfig {
    const SWITCHES: usize = 50;
    let mut config = two_ports(0);
    config.links.clear();
    (0..SWITCHES).for_each(|n| add_switch(&mut config, n));
    config.links.insert("in".into(), delayed(link([port("a"), seat(0, 0)]), MS));
    for n in 1..SWITCHES {
        let key = format!("l{n:03}");
        config.links.insert(key, delayed(link([seat(n - 1, 1), seat(n, 0)]), MS));
    }
    config.links.insert("out".into(), delayed(link([seat(SWITCHES - 1, 1), port("b")]), MS));
    config
}

/// However late a link comes, its timeline counts from the topology's beginning; an edited one from the edit.
#[test]
fn timelines_begin_with_the_topology() {
    let steps = |delay_ns: u64| {
        let step = Step { at_ns: 10 * MS, delay_ns: Some(delay_ns), ..Step::default() };
        Some(Timeline { steps: vec![step], repeat_ns: None })
    };
    let mut config = two_ports(0);
    let mut late = config.links.remove("l").unwrap();
    late.forward.timeline = steps(5 * MS);
    let mut network = network(&config);
    config.links.insert("l".into(), late);
    let due = |network: &mut Network, config: &TopologyConfig, now| {
        network.apply(now, config).unwrap();
        let from = network.port("a").unwrap();
        ingress(network, now, from, &frame(1, 2));
        let mut ends = Ends::default();
        run(network, &mut ends, 1000 * MS);
        ends.seen.last().unwrap().0
    };
    assert_eq!(due(&mut network, &config, 20 * MS), 25 * MS);
    for emulate in [false, true] {
        config.links.get_mut("l").unwrap().emulate = emulate;
        network.apply(30 * MS, &config).unwrap();
    }
    assert_eq!(due(&mut network, &config, 30 * MS), 35 * MS);
    config.links.get_mut("l").unwrap().forward.timeline = steps(7 * MS);
    assert_eq!(due(&mut network, &config, 40 * MS), 40 * MS);
    assert_eq!(due(&mut network, &config, 50 * MS), 57 * MS);
}

/// The same name makes the same draws whatever the key is, and another name others, from a live change on.
#[test]
fn fates_follow_the_draw_key() {
    let hashes = |key: &str, first: Option<&str>, second: &str| {
        let mut config = two_ports(0);
        let mut link = config.links.remove("l").unwrap();
        link.forward.loss = Ratio(u64::MAX / 2);
        link.draw_key = first.map(Into::into);
        config.links.insert(key.into(), link);
        let mut network = network(&config);
        let from = network.port("a").unwrap();
        let run = |network: &mut Network| {
            (0..200).for_each(|n| ingress(network, n, from, &frame(1, 2)));
            network.status(200).links[key].forward.verdict_hash
        };
        let before = run(&mut network);
        config.links.get_mut(key).unwrap().draw_key = Some(second.into());
        network.apply(200, &config).unwrap();
        [before, run(&mut network)]
    };
    let same = hashes("l", Some("x"), "x");
    assert_eq!(same, hashes("k", Some("x"), "x"));
    assert_eq!(same, hashes("x", None, "x"), "the key itself by default");
    assert_ne!(same[0], hashes("l", Some("y"), "x")[0]);
    assert_ne!(same[1], hashes("l", Some("x"), "y")[1]);
}

#[test]
fn a_chain_of_50_switches_passes_every_frame_on_time() {
    let mut network = network(&chain());
    let (a, b) = (network.port("a").unwrap(), network.port("b").unwrap());
    let mut ends = Ends::default();
    const FRAMES: u64 = 20_000; // times 51 links: 10^6 moves
    for n in 0..FRAMES {
        run(&mut network, &mut ends, n * 10_000);
        ingress(&mut network, n * 10_000, a, &frame(2, 1));
    }
    run(&mut network, &mut ends, u64::MAX);
    assert_eq!(count(ends.seen.len()), FRAMES);
    for (n, (at, to, _)) in (0..).zip(&ends.seen) {
        assert_eq!((*at, *to), (n * 10_000 + 51 * MS, b));
    }
    assert_eq!(network.pool.used_bytes(), 0);
    let status = network.status(300 * MS);
    assert_eq!(status.bridges["s049"].mac_entries, 1);
    assert_eq!(status.links["l049"].forward.frames, FRAMES);
}

#[test]
fn the_runner_being_late_does_not_add_up() {
    let mut network = network(&chain());
    let a = network.port("a").unwrap();
    let mut ends = Ends::default();
    ingress(&mut network, 0, a, &frame(2, 1));
    let mut now = 0;
    while let Some(due) = network.next_due() {
        now = due + MS / 2; // each wake-up comes half a delay late
        ends.now_ns = now;
        network.advance(now, 1, &mut ends);
    }
    assert_eq!(now, 51 * MS + MS / 2);
    assert_eq!(ends.seen[0].0, now);
}

/// Three switches in a triangle and nobody to break the loop.
fn triangle(emulate: bool) -> TopologyConfig {
    let mut config = two_ports(0);
    config.links.clear();
    (0..3).for_each(|n| add_switch(&mut config, n));
    for n in 0..3 {
        let mut link = link([seat(n, 0), seat((n + 1) % 3, 1)]);
        link.emulate = emulate;
        if emulate {
            link.forward.bandwidth_bit_s = Some(10_000_000);
            link.backward.bandwidth_bit_s = Some(10_000_000);
        }
        config.links.insert(format!("l{n}"), link);
    }
    config.links.insert("a".into(), link([port("a"), seat(0, 2)]));
    config.links.insert("b".into(), link([port("b"), seat(1, 2)]));
    config
}

#[test]
fn a_storm_is_bounded_and_does_not_hang() {
    for emulate in [false, true] {
        let mut network = network(&triangle(emulate));
        network.pool = FramePool::with_limit(256 << 10);
        let a = network.port("a").unwrap();
        let mut ends = Ends::default();
        for n in 0..2000u64 {
            ingress(&mut network, n * 1000, a, &frame(ALL, 1));
            assert!(network.advance(n * 1000, 500, &mut ends) <= 500);
            ends.seen.clear();
            assert!(network.pool.used_bytes() <= 256 << 10);
            assert!(network.events.len() <= 16);
        }
        let status = network.status(0);
        let drops: u64 = status.links.values().map(|l| l.forward.drops.sum()).sum();
        assert!(drops > 0, "a storm must hit a bound");
        // pulling one cable ends it
        let mut cut = triangle(emulate);
        cut.links.get_mut("l0").unwrap().connected = false;
        network.apply(2 * MS, &cut).unwrap();
        run(&mut network, &mut ends, u64::MAX);
        assert_eq!(network.pool.used_bytes(), 0);
    }
}

#[test]
fn three_ports_of_a_switch_see_what_is_theirs() {
    let mut config = TopologyConfig::default();
    add_switch(&mut config, 0);
    for (n, key) in ["a", "b", "c"].into_iter().enumerate() {
        add_port(&mut config, key);
        config.links.insert(format!("l{n}"), link([port(key), seat(0, n)]));
    }
    let mut network = network(&config);
    let [a, b, c] = ["a", "b", "c"].map(|key| network.port(key).unwrap());
    let mut ends = Ends::default();
    for (from, frame, to) in [
        (a, frame(ALL, 1), vec![b, c]),
        (b, frame(1, 2), vec![a]),
        (a, frame(2, 1), vec![b]),
        (c, frame(9, 3), vec![a, b]),
    ] {
        ingress(&mut network, 5, from, &frame);
        run(&mut network, &mut ends, 5);
        let got: Vec<PortId> = ends.seen.drain(..).map(|s| s.1).collect();
        assert_eq!(got, to);
    }
}

#[test]
fn apply_touches_only_what_it_names() {
    let mut config = chain();
    let mut network = network(&config);
    let (a, b) = (network.port("a").unwrap(), network.port("b").unwrap());
    let mut ends = Ends::default();
    ingress(&mut network, 0, a, &frame(2, 1));
    run(&mut network, &mut ends, 20 * MS + 1);
    let before = network.status(20 * MS + 1);
    assert_eq!(network.apply(21 * MS, &config).unwrap(), Removed::default());
    // another link, another port, another switch, another delay behind the frame
    add_port(&mut config, "c");
    add_switch(&mut config, 99);
    config.links.insert("new".into(), link([port("c"), seat(99, 0)]));
    config.links.get_mut("l003").unwrap().forward.delay_ns = 500 * MS;
    assert_eq!(network.apply(21 * MS, &config).unwrap(), Removed::default());
    let after = network.status(20 * MS + 1);
    for (key, status) in &before.links {
        assert_eq!(status, &after.links[key], "{key}");
    }
    assert_eq!(before.bridges["s010"], after.bridges["s010"]);
    assert_eq!((network.port("a"), network.port("b")), (Some(a), Some(b)));
    run(&mut network, &mut ends, u64::MAX);
    assert_eq!(ends.seen.iter().map(|s| (s.0, s.1)).collect::<Vec<_>>(), [(51 * MS, b)]);
    // a link with new ends is a new link; a port that is gone is reported
    config.links.get_mut("new").unwrap().ends[1] = seat(99, 1);
    config.links.remove("in");
    config.ports.remove("a");
    let removed = network.apply(0, &config).unwrap();
    assert_eq!((removed.ports, removed.links.len()), (vec![a], 2));
    ingress(&mut network, 0, a, &frame(2, 1));
    assert_eq!(network.next_due(), None);
}

#[test]
fn a_refused_configuration_changes_nothing() {
    let config = two_ports(MS);
    let mut network = network(&config);
    let mut broken = config;
    broken.links.get_mut("l").unwrap().forward.delay_ns = u64::MAX;
    broken.ports.remove("b");
    network.apply(0, &broken).expect_err("it breaks bounds");
    let a = network.port("a").unwrap();
    let mut ends = Ends::default();
    ingress(&mut network, 0, a, &frame(2, 1));
    run(&mut network, &mut ends, u64::MAX);
    assert_eq!(ends.seen.len(), 1);
}

#[test]
fn unplugging_cuts_at_once_and_plugging_works_again() {
    let mut config = two_ports(600 * MS);
    let mut network = network(&config);
    let (a, b) = (network.port("a").unwrap(), network.port("b").unwrap());
    let mut ends = Ends::default();
    assert!(network.has_carrier(b));
    ingress(&mut network, 0, a, &frame(2, 1));
    config.links.get_mut("l").unwrap().connected = false;
    network.apply(MS, &config).unwrap();
    assert!(!network.has_carrier(b));
    ingress(&mut network, 2 * MS, a, &frame(2, 1));
    config.links.get_mut("l").unwrap().connected = true;
    config.links.get_mut("l").unwrap().forward.delay_ns = MS;
    network.apply(3 * MS, &config).unwrap();
    ingress(&mut network, 4 * MS, a, &frame(2, 1));
    run(&mut network, &mut ends, u64::MAX);
    assert_eq!(ends.seen.iter().map(|s| s.0).collect::<Vec<_>>(), [5 * MS]);
    let forward = &network.status(0).links["l"].forward;
    assert_eq!((forward.offered, forward.frames, forward.drops.disconnected), (3, 1, 2));
}

#[test]
fn records_are_taken_of_what_passes() {
    let mut config = two_ports(0);
    let l = config.links.get_mut("l").unwrap();
    l.backward.loss = Ratio::ALWAYS;
    let mut network = network(&config);
    let wants = Wants { left: true, lost: true, ..Wants::default() };
    network.set_journal(0, 0, [wants; 2]);
    let (a, b) = (network.port("a").unwrap(), network.port("b").unwrap());
    let mut ends = Ends::default();
    ingress(&mut network, 0, a, &frame(2, 1));
    ingress(&mut network, 0, b, &frame(1, 2));
    run(&mut network, &mut ends, u64::MAX);
    assert_eq!(ends.recorded, [(0, 0, Spot::Left), (0, 1, Spot::Lost)]);
}

#[test]
fn short_and_unlinked_frames_are_counted() {
    let mut config = two_ports(0);
    add_port(&mut config, "lone");
    let mut network = network(&config);
    let (a, lone) = (network.port("a").unwrap(), network.port("lone").unwrap());
    ingress(&mut network, 0, a, &[0; 13]);
    ingress(&mut network, 0, lone, &frame(1, 2));
    let status = network.status(0);
    assert_eq!(status.links["l"].forward.drops.malformed, 1);
    assert_eq!(status.ports["lone"].unlinked_frames, 1);
    assert!(!status.ports["lone"].carrier);
}

/// Same seed, same frames: same verdicts, whatever else is in the topology and in which order it came.
#[test]
fn verdicts_follow_seed_and_link_key() {
    let hash = |extra: bool, seed: u64| {
        let mut config = two_ports(MS);
        config.seed = seed;
        config.links.get_mut("l").unwrap().forward.loss = Ratio(1 << 62);
        if extra {
            add_port(&mut config, "0");
            add_switch(&mut config, 0);
            config.links.insert("0".into(), link([port("0"), seat(0, 0)]));
        }
        let mut network = network(&config);
        let a = network.port("a").unwrap();
        (0..1000).for_each(|n| ingress(&mut network, n, a, &frame(2, 1)));
        network.status(0).links["l"].forward.verdict_hash
    };
    assert_eq!(hash(false, 5), hash(true, 5));
    assert_ne!(hash(false, 5), hash(false, 6));
}

#[test]
fn a_frame_that_overtakes_is_not_held_up_by_those_it_passes() {
    let mut config = two_ports(50 * MS);
    let link = config.links.get_mut("l").unwrap();
    link.forward.reorder = Ratio(u64::MAX / 4);
    let mut network = network(&config);
    let a = network.port("a").unwrap();
    let mut ends = Ends::default();
    for n in 0..40 {
        run(&mut network, &mut ends, n * MS);
        ingress(&mut network, n * MS, a, &frame(2, 1));
    }
    run(&mut network, &mut ends, u64::MAX);
    assert!(network.status(0).links["l"].forward.reordered > 3);
    assert_eq!(network.status(0).links["l"].forward.lateness_p99_ns, 0);
}

#[test]
fn each_end_has_the_carrier_that_the_other_sends() {
    use crate::config::{Step, Timeline};
    let mut config = two_ports(MS);
    let mut network = network(&config);
    let ports = ["a", "b"].map(|key| network.port(key).unwrap());
    let carriers = |network: &Network| ports.map(|port| network.has_carrier(port));
    assert_eq!(carriers(&network), [true, true]);
    config.links.get_mut("l").unwrap().forward.down = true;
    network.apply(0, &config).unwrap();
    assert_eq!(carriers(&network), [true, false]);
    config.links.get_mut("l").unwrap().connected = false;
    network.apply(0, &config).unwrap();
    assert_eq!(carriers(&network), [false, false]);
    let link = config.links.get_mut("l").unwrap();
    (link.connected, link.forward.down) = (true, false);
    let step = Step { at_ns: 10 * MS, down: Some(true), ..Step::default() };
    link.backward.timeline = Some(Timeline { steps: vec![step], repeat_ns: Some(20 * MS) });
    network.apply(0, &config).unwrap();
    assert_eq!(carriers(&network), [true, true]);
    // nobody sends anything, and the carrier goes and comes all the same
    let mut ends = Ends::default();
    network.take_turn();
    run(&mut network, &mut ends, 10 * MS);
    assert_eq!((carriers(&network), network.take_turn()), ([false, true], true));
    assert!(network.status(10 * MS).links["l"].backward.down);
    run(&mut network, &mut ends, 20 * MS);
    assert_eq!((carriers(&network), network.take_turn()), ([true, true], true));
    ingress(&mut network, 20 * MS, ports[1], &frame(1, 2));
    run(&mut network, &mut ends, 29 * MS);
    assert_eq!(ends.seen.len(), 1);
}
