use super::*;

const CONFIG: StpConfig = StpConfig {
    priority: 4096,
    address: [2, 0, 0, 0, 0, 9],
    hello_s: 1,
    forward_delay_s: 4,
    max_age_s: 6,
};

fn end(link: usize) -> LinkEnd {
    LinkEnd { link, side: 0 }
}

fn switch() -> Stp {
    let mut stp = Stp::new(0, CONFIG);
    stp.set_up(0, end(1), true);
    stp.take_outbox();
    stp
}

/// The bytes of the standard, field by field (802.1D-1998, figure 9-1).
#[test]
fn units_have_the_standards_bytes() {
    let mut stp = Stp::new(0, CONFIG);
    stp.set_up(0, end(1), true);
    let sent = stp.take_outbox();
    let (_, bytes) = &sent[0];
    assert_eq!(bytes.len(), 60);
    assert_eq!(bytes[..17], [1, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 9, 0, 38, 0x42, 0x42, 3]);
    let id = [0x10, 0, 2, 0, 0, 0, 0, 9];
    let unit =
        [&[0, 0, 0, 0, 0][..], &id, &[0; 4], &id, &[0x80, 1], &[0, 0], &[6, 0], &[1, 0], &[4, 0]];
    assert_eq!(bytes[17..52], unit.concat());
    assert_eq!(Message::read(&bytes[17..]).expect("it is right").write(), bytes[17..52]);
}

#[test]
fn hostile_units_change_nothing() {
    let mut stp = switch();
    let frame = envelope([2, 0, 0, 0, 0, 1], &[0; CONFIG_BYTES]);
    for len in 0..frame.len() {
        stp.receive(0, end(1), &frame[..len]);
        stp.receive(0, end(2), &frame[..len]);
    }
    assert_eq!((stp.root(), stp.state(end(1))), (stp.id(), StpState::Listening));
}

#[test]
fn a_change_is_told_until_it_is_acknowledged() {
    let mut stp = switch();
    let better = Message {
        offer: Offer { root: 1, cost: 0, bridge: 1, port: 1 },
        flags: 0,
        age_ns: 0,
        times: Times::of(CONFIG),
    };
    let hear = |stp: &mut Stp, now_ns, flags| {
        let frame = envelope([0, 0, 0, 0, 0, 1], &Message { flags, ..better }.write());
        stp.receive(now_ns, end(1), &frame);
    };
    let tells = |stp: &mut Stp| {
        stp.take_outbox().iter().any(|(_, frame)| frame[UNIT_AT + 3] == TYPE_CHANGE)
    };
    hear(&mut stp, 0, 0);
    assert_eq!(stp.root(), 1);
    for second in 1..=8 {
        hear(&mut stp, second * SECOND_NS, 0);
        stp.tick(second * SECOND_NS);
    }
    assert_eq!(stp.state(end(1)), StpState::Forwarding);
    assert!(tells(&mut stp));
    hear(&mut stp, 9 * SECOND_NS, 0);
    stp.tick(9 * SECOND_NS);
    assert!(tells(&mut stp));
    hear(&mut stp, 10 * SECOND_NS, FLAG_ACKNOWLEDGED | FLAG_CHANGE);
    stp.tick(10 * SECOND_NS);
    assert!(!tells(&mut stp));
    assert_eq!(stp.ageing_ns(10 * SECOND_NS), Some(4 * SECOND_NS));
}
