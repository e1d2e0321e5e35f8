//! Switches that speak the spanning tree protocol, and loops of switches that do not.

use super::*;
use crate::config::StpConfig;
use crate::status::StpState;

const S: u64 = 1000 * MS;

fn stp(n: usize) -> Option<StpConfig> {
    let [.., low] = n.to_be_bytes();
    Some(StpConfig {
        priority: 32_768,
        address: [2, 0, 0, 0, 0, low],
        hello_s: 2,
        forward_delay_s: 15,
        max_age_s: 20,
    })
}

/// a - s0 = s1 - b: two switches joined twice.
fn twice_joined(with_tree: bool) -> TopologyConfig {
    let mut config = two_ports(0);
    config.links.clear();
    for n in 0..2 {
        add_switch(&mut config, n);
        config.bridges.get_mut(&format!("s{n:03}")).unwrap().stp = stp(n).filter(|_| with_tree);
    }
    config.links.insert("in".into(), link([port("a"), seat(0, 0)]));
    config.links.insert("one".into(), delayed(link([seat(0, 1), seat(1, 1)]), MS));
    config.links.insert("two".into(), delayed(link([seat(0, 2), seat(1, 2)]), MS));
    config.links.insert("out".into(), link([seat(1, 0), port("b")]));
    config
}

fn states(network: &Network, now_ns: u64) -> Vec<StpState> {
    let view = |n: usize| network.bridge_view(now_ns, &format!("s{n:03}")).unwrap();
    let ports = [(0, "1"), (0, "2"), (1, "1"), (1, "2")];
    ports.map(|(n, port)| view(n).ports[port].state.unwrap()).to_vec()
}

fn said(ends: &Ends, port: PortId) -> usize {
    let data = ends.seen.iter().filter(|(_, to, bytes)| *to == port && bytes[0] != 1);
    data.count()
}

#[test]
fn a_tree_breaks_the_loop_and_mends_itself() {
    use StpState::{Blocking, Disabled, Forwarding, Listening};
    let mut config = twice_joined(true);
    let mut network = network(&config);
    let (a, b) = (network.port("a").unwrap(), network.port("b").unwrap());
    let mut ends = Ends::default();
    run(&mut network, &mut ends, S);
    assert_eq!(states(&network, S), [Listening, Listening, Listening, Blocking]);
    run(&mut network, &mut ends, 40 * S);
    assert_eq!(states(&network, 40 * S), [Forwarding, Forwarding, Forwarding, Blocking]);
    let tree = network.bridge_view(40 * S, "s001").unwrap().tree.unwrap();
    assert_eq!(tree.root, 0x8000_0200_0000_0000);
    ingress(&mut network, 40 * S, a, &frame(ALL & !(1 << 40), 1));
    run(&mut network, &mut ends, 41 * S);
    assert_eq!(said(&ends, b), 1, "one copy of one frame");
    // the way in use is cut: the other takes over within two forward delays
    config.links.get_mut("one").unwrap().connected = false;
    network.apply(41 * S, &config).unwrap();
    run(&mut network, &mut ends, 80 * S);
    assert_eq!(states(&network, 80 * S), [Disabled, Forwarding, Disabled, Forwarding]);
    ingress(&mut network, 80 * S, b, &frame(ALL & !(1 << 40), 2));
    run(&mut network, &mut ends, 81 * S);
    assert_eq!(said(&ends, a), 1);
    // and back: no storm on the way
    config.links.get_mut("one").unwrap().connected = true;
    network.apply(81 * S, &config).unwrap();
    for second in 81..140 {
        ingress(&mut network, second * S, a, &frame(ALL & !(1 << 40), 1));
        run(&mut network, &mut ends, (second + 1) * S);
    }
    assert_eq!(states(&network, 140 * S), [Forwarding, Forwarding, Forwarding, Blocking]);
    assert!(said(&ends, b) < 1 + 60, "{}", said(&ends, b));
    let status = network.status(140 * S);
    assert!(!status.bridges["s000"].looping && !status.bridges["s001"].looping);
}

#[test]
fn what_a_late_timer_says_is_not_late_itself() {
    let mut network = network(&twice_joined(true));
    let mut ends = Ends::default();
    // Timers are served 4 ms late, but what is on the links at its time.
    let mut served_ns = 0;
    while let Some(due) = network.next_due().filter(|due| *due <= 40 * S) {
        let is_timer = due > served_ns + 10 * MS;
        served_ns = if is_timer { due + 4 * MS } else { due.max(served_ns) };
        ends.now_ns = served_ns;
        network.advance(served_ns, 1, &mut ends);
    }
    assert!(ends.seen.len() > 15, "{}", ends.seen.len());
    for (key, link) in network.status(served_ns).links {
        for direction in [link.forward, link.backward] {
            assert!(direction.degraded_intervals.is_empty(), "{key}: {direction:?}");
        }
    }
}

#[test]
fn one_silent_direction_is_not_forwarded_on_for_ever() {
    // the far end hears nothing any more on the way in use: what it heard ages, and the other way takes over
    let mut config = twice_joined(true);
    let mut network = network(&config);
    let mut ends = Ends::default();
    run(&mut network, &mut ends, 40 * S);
    config.links.get_mut("one").unwrap().forward.loss = Ratio::ALWAYS;
    network.apply(40 * S, &config).unwrap();
    run(&mut network, &mut ends, 100 * S);
    assert_eq!(states(&network, 100 * S)[3], StpState::Forwarding);
}

#[test]
fn without_a_tree_a_loop_storms_in_its_own_segment_and_is_told() {
    let mut config = twice_joined(false);
    add_port(&mut config, "c");
    add_port(&mut config, "d");
    config.links.insert("aside".into(), delayed(link([port("c"), port("d")]), MS));
    let mut network = network(&config);
    let ports = ["a", "c", "d"].map(|key| network.port(key).unwrap());
    let mut ends = Ends::default();
    ingress(&mut network, 0, ports[0], &frame(ALL, 1));
    for ms in 1..1000 {
        ingress(&mut network, ms * MS, ports[1], &frame(2, 3));
        run(&mut network, &mut ends, ms * MS);
    }
    run(&mut network, &mut ends, 1000 * MS);
    let status = network.status(1000 * MS);
    assert!(status.bridges["s000"].looping && status.bridges["s001"].looping);
    // the connection aside lost nothing and was late with nothing
    let aside = &status.links["aside"].forward;
    assert_eq!((aside.frames, aside.drops.sum(), aside.lateness_p99_ns), (999, 0, 0));
    let late = ends.seen.iter().filter(|(at, to, _)| *to == ports[2] && at % MS != 0);
    assert_eq!(late.count(), 0);
}

#[test]
fn a_switch_without_a_tree_passes_what_others_say() {
    let mut config = two_ports(0);
    config.links.clear();
    add_switch(&mut config, 0);
    config.links.insert("in".into(), link([port("a"), seat(0, 0)]));
    config.links.insert("out".into(), link([seat(0, 1), port("b")]));
    let bpdu = frame(0x0180_c200_0000, 1);
    for (with_tree, heard) in [(false, 1), (true, 0)] {
        config.bridges.get_mut("s000").unwrap().stp = stp(0).filter(|_| with_tree);
        let mut network = network(&config);
        let (a, b) = (network.port("a").unwrap(), network.port("b").unwrap());
        let mut ends = Ends::default();
        ingress(&mut network, 0, a, &bpdu);
        run(&mut network, &mut ends, S);
        let passed = ends.seen.iter().filter(|(_, to, bytes)| *to == b && *bytes == bpdu);
        assert_eq!(passed.count(), heard);
    }
}
