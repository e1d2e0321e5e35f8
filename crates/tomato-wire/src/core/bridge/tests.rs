use super::*;

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
    let mut bridge = Bridge::new(&BridgeConfig { mode, ageing_s: 300 });
    (0..3).for_each(|n| bridge.attach(end(n)));
    bridge
}

#[test]
fn a_switch_learns_moves_and_ages() {
    let mut switch = bridge(BridgeMode::Switch);
    assert_eq!(switch.forward(0, end(0), &frame(B, A)), Egress::Flood);
    assert_eq!(switch.forward(0, end(1), &frame(A, B)), Egress::To(end(0)));
    assert_eq!(switch.forward(0, end(0), &frame(B, A)), Egress::To(end(1)));
    // A moves
    assert_eq!(switch.forward(S, end(2), &frame(ALL, A)), Egress::Flood);
    assert_eq!(switch.forward(S, end(1), &frame(A, B)), Egress::To(end(2)));
    // both behind the same end
    assert_eq!(switch.forward(S, end(2), &frame(A, B)), Egress::Nowhere);
    assert_eq!(switch.mac_entries(S), 2);
    // A is aged, B is not
    assert_eq!(switch.forward(301 * S, end(2), &frame(B, B)), Egress::Nowhere);
    assert_eq!(switch.forward(302 * S, end(2), &frame(A, B)), Egress::Flood);
    assert_eq!(switch.mac_entries(302 * S), 1);
}

#[test]
fn groups_are_flooded_and_never_learned() {
    let mut switch = bridge(BridgeMode::Switch);
    for to in [ALL, [1, 0x80, 0xc2, 0, 0, 0], [1, 0x80, 0xc2, 0, 0, 0x0e], [0x33, 0x33, 0, 0, 0, 1]]
    {
        assert_eq!(switch.forward(0, end(0), &frame(to, A)), Egress::Flood);
    }
    let odd = [3, 0, 0, 0, 0, 9];
    switch.forward(0, end(0), &frame(B, odd));
    assert_eq!(switch.mac_entries(0), 1);
}

#[test]
fn a_hub_floods_all() {
    let mut hub = bridge(BridgeMode::Hub);
    hub.forward(0, end(0), &frame(B, A));
    assert_eq!(hub.forward(0, end(1), &frame(A, B)), Egress::Flood);
    assert_eq!(hub.mac_entries(0), 0);
}

#[test]
fn unplugging_forgets_and_a_short_frame_goes_nowhere() {
    let mut switch = bridge(BridgeMode::Switch);
    switch.forward(0, end(0), &frame(B, A));
    switch.forget(end(0));
    assert_eq!(switch.forward(0, end(1), &frame(A, B)), Egress::Flood);
    switch.detach(end(1));
    assert_eq!(switch.ends(), [end(0), end(2)]);
    assert_eq!(switch.mac_entries(0), 0);
    assert_eq!(switch.forward(0, end(0), &[0; 11]), Egress::Nowhere);
}

#[test]
fn the_table_is_bounded_and_recovers_by_ageing() {
    let mut switch = bridge(BridgeMode::Switch);
    let mac = |n: usize| -> [u8; 6] {
        let n = u32::try_from(n).unwrap().to_be_bytes();
        [2, 1, n[0], n[1], n[2], n[3]]
    };
    for n in 0..limits::MAX_MAC_ENTRIES + 100 {
        switch.forward(S, end(0), &frame(ALL, mac(n)));
    }
    assert_eq!(switch.table.len(), limits::MAX_MAC_ENTRIES);
    assert_eq!(switch.forward(S, end(1), &frame(mac(limits::MAX_MAC_ENTRIES), B)), Egress::Flood);
    switch.forward(302 * S, end(0), &frame(ALL, A));
    assert_eq!(switch.table.len(), 1);
}
