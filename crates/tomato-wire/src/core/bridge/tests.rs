use super::*;
use crate::config::PortVlan;

const A: [u8; 6] = [2, 0, 0, 0, 0, 1];
const B: [u8; 6] = [2, 0, 0, 0, 0, 2];
const ALL: [u8; 6] = [0xff; 6];
const S: u64 = 1_000_000_000;

fn end(link: usize) -> LinkEnd {
    LinkEnd { link, side: 0 }
}

fn frame(to: [u8; 6], from: [u8; 6]) -> Vec<u8> {
    [&to[..], &from[..], &[8, 0]].concat()
}

fn bridge(mode: BridgeMode) -> Bridge {
    let mut bridge = Bridge::new(0, &BridgeConfig::plain(mode));
    (0..3).for_each(|n| bridge.attach(end(n), &n.to_string()));
    bridge
}

/// Where one packet goes.
fn pass(bridge: &mut Bridge, now_ns: u64, from: LinkEnd, frame: &[u8]) -> Egress {
    bridge.forward(now_ns, from, frame, (1, count(frame.len()))).egress
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap()
}

#[test]
fn a_switch_learns_moves_and_ages() {
    let mut switch = bridge(BridgeMode::Switch);
    assert_eq!(pass(&mut switch, 0, end(0), &frame(B, A)), Egress::Flood);
    assert_eq!(pass(&mut switch, 0, end(1), &frame(A, B)), Egress::To(end(0)));
    assert_eq!(pass(&mut switch, 0, end(0), &frame(B, A)), Egress::To(end(1)));
    // A moves
    assert_eq!(pass(&mut switch, S, end(2), &frame(ALL, A)), Egress::Flood);
    assert_eq!(pass(&mut switch, S, end(1), &frame(A, B)), Egress::To(end(2)));
    // both behind the same end
    assert_eq!(pass(&mut switch, S, end(2), &frame(A, B)), Egress::Nowhere);
    assert_eq!(switch.status(S).mac_entries, 2);
    // A is aged, B is not
    assert_eq!(pass(&mut switch, 301 * S, end(2), &frame(B, B)), Egress::Nowhere);
    assert_eq!(pass(&mut switch, 302 * S, end(2), &frame(A, B)), Egress::Flood);
    assert_eq!(switch.status(302 * S).mac_entries, 1);
}

#[test]
fn groups_are_flooded_and_never_learned() {
    let mut switch = bridge(BridgeMode::Switch);
    for to in [ALL, [1, 0x80, 0xc2, 0, 0, 0], [1, 0x80, 0xc2, 0, 0, 0x0e], [0x33, 0x33, 0, 0, 0, 1]]
    {
        assert_eq!(pass(&mut switch, 0, end(0), &frame(to, A)), Egress::Flood);
    }
    let odd = [3, 0, 0, 0, 0, 9];
    pass(&mut switch, 0, end(0), &frame(B, odd));
    assert_eq!(switch.status(0).mac_entries, 1);
}

#[test]
fn a_hub_floods_all() {
    let mut hub = bridge(BridgeMode::Hub);
    pass(&mut hub, 0, end(0), &frame(B, A));
    assert_eq!(pass(&mut hub, 0, end(1), &frame(A, B)), Egress::Flood);
    assert_eq!(hub.status(0).mac_entries, 0);
}

#[test]
fn unplugging_forgets_and_a_short_frame_goes_nowhere() {
    let mut switch = bridge(BridgeMode::Switch);
    pass(&mut switch, 0, end(0), &frame(B, A));
    switch.set_carrier(0, end(0), true);
    switch.set_carrier(0, end(0), false);
    assert_eq!(pass(&mut switch, 0, end(1), &frame(A, B)), Egress::Flood);
    switch.detach(0, end(1));
    assert_eq!(switch.ends(), [end(0), end(2)]);
    assert_eq!(switch.status(0).mac_entries, 0);
    assert_eq!(pass(&mut switch, 0, end(0), &[0; 11]), Egress::Nowhere);
}

#[test]
fn the_table_is_bounded_and_recovers_by_ageing() {
    let mut switch = bridge(BridgeMode::Switch);
    let mac = |n: usize| -> [u8; 6] {
        let n = u32::try_from(n).unwrap().to_be_bytes();
        [2, 1, n[0], n[1], n[2], n[3]]
    };
    for n in 0..limits::MAX_MAC_ENTRIES + 100 {
        pass(&mut switch, S, end(0), &frame(ALL, mac(n)));
    }
    assert_eq!(switch.table.len(), limits::MAX_MAC_ENTRIES);
    assert_eq!(
        pass(&mut switch, S, end(1), &frame(mac(limits::MAX_MAC_ENTRIES), B)),
        Egress::Flood
    );
    pass(&mut switch, 302 * S, end(0), &frame(ALL, A));
    assert_eq!(switch.table.len(), 1);
}

#[test]
fn vlans_are_apart_and_counted() {
    let mut config = BridgeConfig::plain(BridgeMode::Switch);
    config.vlans.insert("0".into(), PortVlan::Access(10));
    config.vlans.insert("1".into(), PortVlan::Trunk { allowed: vec![], native: None });
    let mut switch = Bridge::new(0, &config);
    (0..3).for_each(|n| switch.attach(end(n), &n.to_string()));
    // port 2 is in VLAN 1
    let way = switch.forward(0, end(0), &frame(ALL, A), (3, 60));
    assert_eq!(way.egress, Egress::Flood);
    assert_eq!(switch.leave(end(2), &way, (3, 60)), None);
    assert!(matches!(switch.leave(end(1), &way, (3, 60)), Some(Dress::Spliced(_))));
    // the same address in another VLAN is another entry
    switch.forward(0, end(2), &frame(ALL, A), (1, 14));
    // untagged on a trunk without native VLAN
    assert_eq!(pass(&mut switch, 0, end(1), &frame(ALL, B)), Egress::Nowhere);
    let view = switch.view(7);
    let known: Vec<_> = view.table.iter().map(|e| (e.vlan, e.mac, e.port.as_str())).collect();
    assert_eq!(known, [(1, A, "2"), (10, A, "0")]);
    assert_eq!((view.ports["0"].received, view.ports["0"].received_bytes), (3, 60));
    assert_eq!((view.ports["1"].sent, view.ports["1"].filtered), (3, 1));
    assert_eq!((view.ports["2"].sent, view.status.moves), (0, 0));
    // other VLANs: what was learned is void
    config.vlans.clear();
    switch.change(0, &config);
    assert_eq!(switch.status(0).mac_entries, 0);
}

#[test]
fn addresses_that_move_all_the_time_tell_a_loop() {
    let mut switch = bridge(BridgeMode::Switch);
    for n in 0..limits::LOOP_MOVES {
        let from = usize::try_from(n % 2).unwrap();
        pass(&mut switch, n * 1_000_000, end(from), &frame(ALL, A));
    }
    assert!(!switch.status(S).looping);
    pass(&mut switch, S / 2, end(2), &frame(ALL, A));
    assert!(switch.status(S).looping);
    assert!(!switch.status(3 * S).looping);
}
