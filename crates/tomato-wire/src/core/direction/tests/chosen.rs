//! What depends on which packet it is: rules, draws by content; and lines that go down.

use super::*;
use crate::config::{DrawKey, LossModel, Rule, Step, Timeline};
use crate::core::packet::Family;
use crate::core::split::tests::{Burst, frame_of};

/// A super-frame of four packets of TCP or UDP.
fn burst(is_tcp: bool, n: u8) -> Burst {
    Burst {
        tags: usize::from(n % 2),
        family: if n.is_multiple_of(3) { Family::V6 } else { Family::V4 },
        ip_options: 0,
        is_tcp,
        tcp_options: 0,
        flags: 0x18,
        id: u16::from(n),
        sequence: u32::from(n) << 16,
        size: 500,
        payload: (0..1900u16).map(|at| n ^ u8::try_from(at % 251).unwrap()).collect(),
    }
}

fn rule(filter: &str) -> Rule {
    Rule { filter: filter.to_owned(), ..Rule::default() }
}

/// Packets as they left, with their due times.
fn passed(direction: &mut Direction) -> Vec<(u64, Vec<u8>)> {
    let (mut out, mut room) = (Vec::new(), Vec::new());
    while let Some((train, due)) = direction.pop_due(u64::MAX) {
        for index in train.first..train.end() {
            train.packet(index, &mut room);
            out.push((due, room.clone()));
        }
    }
    out
}

#[test]
fn a_rule_decides_about_the_packets_it_means_and_no_others() {
    let lose = Rule { loss: Some(Ratio::ALWAYS), ..rule("vlan and udp") };
    let slow = Rule { delay_ns: Some(9 * MS), ..rule("udp or (vlan and udp)") };
    let params = LinkParams { delay_ns: MS, rules: vec![lose, slow], ..LinkParams::default() };
    let run = |is_whole: bool| {
        let pool = FramePool::default();
        let mut direction = direction(LinkParams { jitter_reorders: true, ..params.clone() });
        for n in 0..60 {
            let burst = burst(n % 3 == 1, n);
            if is_whole {
                direction.offer(0, &frame_of(&pool, &burst.super_frame()).into());
            } else {
                for packet in burst.packets() {
                    direction.offer(0, &pool.frame(&packet).unwrap().into());
                }
            }
        }
        (passed(&mut direction), direction.status(0))
    };
    let (out, status) = run(true);
    // two thirds are UDP, every second of all has a tag
    let rules: Vec<_> = status.rules.iter().map(|rule| (rule.matched, rule.lost)).collect();
    assert_eq!(rules, [(80, 80), (80, 0)]);
    assert_eq!((status.drops.loss, out.len()), (80, 160));
    let late = out.iter().filter(|(due, _)| *due == 9 * MS).count();
    assert_eq!((late, out.iter().filter(|(due, _)| *due == MS).count()), (80, 80));
    assert_eq!(run(false), (out, status), "the same whatever the offload");
}

/// ICMP at 0 ms waits for 200 ms and holds up neither what comes behind it nor, after an edit, what follows it.
#[test]
fn a_rule_that_delays_holds_up_its_own_packets_alone() {
    let pool = FramePool::default();
    let icmp = burst(false, 1).packets().remove(0);
    let packet = |protocol: u8, ms: u64| {
        let mut bytes = icmp.clone();
        bytes[27] = protocol;
        (ms * MS, Train::from(pool.frame(&bytes).unwrap()))
    };
    let slow = Rule { delay_ns: Some(200 * MS), ..rule("vlan and ip[9] == 1") };
    let params = LinkParams { delay_ns: 20 * MS, rules: vec![slow], ..LinkParams::default() };
    let mut direction = direction(params.clone());
    let offer = |direction: &mut Direction, packets: &[(u8, u64)]| {
        for (now, train) in packets.iter().map(|(protocol, ms)| packet(*protocol, *ms)) {
            direction.offer(now, &train);
        }
    };
    offer(&mut direction, &[(1, 0), (6, 1), (1, 2), (6, 3)]);
    let mut quick = params.clone();
    quick.rules[0].delay_ns = Some(MS);
    direction.change(4 * MS, Streams::new(1, "l", 0), Some(quick));
    // its own keep their order through the edit
    offer(&mut direction, &[(1, 5), (6, 6)]);
    direction.change(
        7 * MS,
        Streams::new(1, "l", 0),
        Some(LinkParams { rules: Vec::new(), ..params }),
    );
    // nobody knows any more which are which
    offer(&mut direction, &[(1, 8)]);
    let due: Vec<(u64, u8)> =
        passed(&mut direction).iter().map(|(due, bytes)| (due / MS, bytes[27])).collect();
    assert_eq!(due, [(21, 6), (23, 6), (26, 6), (200, 1), (202, 1), (202, 1), (202, 1)]);
}

#[test]
fn a_rule_has_losses_of_its_own_if_it_names_any() {
    let pool = FramePool::default();
    let every = |n| Some(LossModel::Every(n));
    let lose = Rule { loss_model: every(2), ..rule("tcp or (vlan and tcp)") };
    let keep = Rule { delay_ns: Some(MS), ..rule("ip6 or (vlan and ip6)") };
    let params =
        LinkParams { loss_model: every(4), rules: vec![lose, keep], ..LinkParams::default() };
    let mut direction = direction(params.clone());
    let offer = |direction: &mut Direction| {
        for n in 0..60 {
            direction.offer(0, &frame_of(&pool, &burst(n % 3 == 1, n).super_frame()).into());
        }
        let rules = direction.status(0).rules;
        rules.iter().map(|rule| (rule.matched, rule.lost)).collect::<Vec<_>>()
    };
    // every second TCP packet, every fourth of all others, the second rule's among them
    assert_eq!(offer(&mut direction), [(80, 40), (80, 20)]);
    assert_eq!(direction.status(0).drops.loss, 40 + 20 + 20);
    // counters stay with their filter, and go with it
    let mut edited = params;
    edited.rules[0].loss_model = every(1);
    edited.rules[1].filter = "arp".to_owned();
    direction.change(0, Streams::new(1, "l", 0), Some(edited));
    assert_eq!(offer(&mut direction), [(160, 120), (0, 0)]);
}

#[test]
fn a_timeline_changes_what_rules_do_not_name() {
    let step = Step {
        at_ns: 10 * MS,
        delay_ns: Some(5 * MS),
        loss: Some(Ratio::ALWAYS),
        ..Step::default()
    };
    let params = LinkParams {
        timeline: Some(Timeline { steps: vec![step], repeat_ns: None }),
        rules: vec![Rule { loss: Some(Ratio::NEVER), ..rule("ether[0] == 0") }],
        ..LinkParams::default()
    };
    let out = run(&mut direction(params), 3, 10 * MS);
    assert_eq!(out, [(0, 0), (1, 15 * MS), (2, 25 * MS)]);
}

#[test]
fn draws_by_content_do_not_depend_on_other_packets() {
    let params = |draws| LinkParams {
        loss: ratio(0.3),
        jitter_ns: MS,
        delay_ns: 2 * MS,
        jitter_reorders: true,
        duplicate: ratio(0.2),
        draws,
        ..LinkParams::default()
    };
    // what left of the even packets, with and without odd ones in between
    let evens = |draws, is_mixed: bool| {
        let pool = FramePool::default();
        let mut direction = direction(params(draws));
        for n in 0..400 {
            if n % 2 == 0 || is_mixed {
                direction.offer(0, &frame(&pool, n));
            }
        }
        let mut out = Vec::new();
        take(&mut direction, u64::MAX, &mut out);
        out.retain(|(n, _)| n % 2 == 0);
        out.sort_unstable();
        out
    };
    let alone = evens(DrawKey::Content, false);
    assert!((100..220).contains(&alone.len()), "{}", alone.len());
    assert_eq!(alone, evens(DrawKey::Content, true));
    assert_ne!(evens(DrawKey::Ordinal, false), evens(DrawKey::Ordinal, true));
}

#[test]
fn a_line_that_is_down_loses_what_comes_and_what_is_on_it() {
    let pool = FramePool::default();
    let params = |down| LinkParams { delay_ns: 5 * MS, down, ..LinkParams::default() };
    let streams = Streams::new(1, "l", 0);
    let mut direction = direction(params(false));
    direction.offer(0, &frame(&pool, 0));
    direction.change(MS, streams, Some(params(true)));
    assert!(!direction.is_up());
    direction.offer(2 * MS, &frame(&pool, 1));
    assert_eq!(direction.next_due(), None);
    direction.change(3 * MS, streams, Some(params(false)));
    direction.offer(4 * MS, &frame(&pool, 2));
    let mut out = Vec::new();
    take(&mut direction, u64::MAX, &mut out);
    assert_eq!(out, [(2, 9 * MS)]);
    assert_eq!(direction.status(0).drops.disconnected, 2);
    // without emulation nothing is down
    direction.change(10 * MS, streams, None);
    assert!(direction.is_up());
}

#[test]
fn a_line_flaps_on_time_however_late_one_looks() {
    let step = |at_ns, down| Step { at_ns, down: Some(down), ..Step::default() };
    let timeline = Timeline {
        steps: vec![step(10 * MS, true), step(20 * MS, false)],
        repeat_ns: Some(30 * MS),
    };
    let params = LinkParams { delay_ns: 3 * MS, timeline: Some(timeline), ..LinkParams::default() };
    let sent: Vec<u64> = (0..60).map(|ms| ms * MS).collect();
    // arrived: sent and due while the line was up
    let is_up = |ns: u64| !(10 * MS..20 * MS).contains(&(ns % (30 * MS)));
    let wanted: Vec<u64> = sent
        .iter()
        .map(|at| at + 3 * MS)
        .filter(|due| is_up(due - 3 * MS) && (is_up(*due) || due % (30 * MS) == 10 * MS))
        .collect();
    for look_every in [1, 7, 25] {
        let pool = FramePool::default();
        let mut direction = direction(params.clone());
        let mut out = Vec::new();
        for (n, at) in (0..).zip(&sent) {
            if n % look_every == 0 {
                take(&mut direction, *at, &mut out);
            }
            direction.offer(*at, &frame(&pool, n));
        }
        take(&mut direction, 100 * MS, &mut out);
        let due: Vec<u64> = out.iter().map(|(_, due)| *due).collect();
        assert_eq!(due, wanted, "looked at every {look_every} ms");
        let status = direction.status(100 * MS);
        assert_eq!(status.offered, status.frames + status.drops.disconnected);
        assert!(direction.take_turn() && !direction.take_turn());
    }
}
