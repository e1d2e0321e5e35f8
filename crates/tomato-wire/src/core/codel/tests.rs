use super::*;
use crate::core::frame::FramePool;
use crate::core::packet::Family;
use crate::core::split::tests::{Burst, frame_of};

mod reference;

const MS: u64 = 1_000_000;

fn held(pool: &FramePool, flow: u8, at_ns: u64, may_mark: bool) -> Held {
    let burst = Burst {
        tags: 0,
        family: Family::V4,
        ip_options: 0,
        is_tcp: false,
        tcp_options: 0,
        flags: 0,
        id: 0,
        sequence: 0,
        size: 958,
        payload: vec![0; 958],
    };
    let mut packet = burst.packets().remove(0);
    packet[29] = flow;
    let train: Train = pool.frame(&packet).unwrap().into();
    assert_eq!(frame_of(pool, &[vec![0; 12], packet].concat()).shape().packets(), 1);
    let tag = Tag::default();
    let lane = Lane::default();
    Held { train, tag, bytes: 1000, arrived_ns: at_ns, delay_ns: 0, lane, may_mark }
}

/// One packet of each flow per `step_ns`, one sent per 0.8 ms; what was sent by flow, dropped, marked, and the
/// longest wait in the second half.
fn run(
    queues: &mut FlowQueues,
    flows: &[u8],
    step_ns: u64,
    may_mark: bool,
) -> ([u64; 4], u64, u64, u64) {
    let pool = FramePool::default();
    let (mut sent, mut dropped, mut marked, mut worst) = ([0; 4], 0, 0, 0);
    let (mut arrives, mut leaves) = (0, 0);
    while leaves < 20_000 * MS {
        if arrives <= leaves {
            for &flow in flows {
                let held = held(&pool, flow, arrives, may_mark);
                dropped += queues.push(held, 7, 1 << 20, u64::MAX).len();
            }
            arrives += step_ns;
            continue;
        }
        let departure = queues.pop(leaves);
        dropped += departure.dropped.len();
        if let Some((packet, is_marked)) = departure.sent {
            sent[usize::from(packet.train.frame.bytes()[29])] += 1;
            marked += u64::from(is_marked);
            if leaves > 10_000 * MS {
                worst = worst.max(leaves - packet.arrived_ns);
            }
        }
        leaves += 800_000;
    }
    (sent, u64::try_from(dropped).unwrap(), marked, worst)
}

const CODEL: Discipline = Discipline::Codel { target_ns: 5 * MS, interval_ns: 100 * MS };
const FQ: Discipline = Discipline::FqCodel {
    target_ns: 5 * MS,
    interval_ns: 100 * MS,
    flows: 1024,
    quantum_bytes: 1514,
};

#[test]
fn codel_drops_more_and_more_until_the_load_fits() {
    // one tenth too much: without CoDel the queue would be full of a megabyte
    let mut queues = FlowQueues::of(CODEL, 24).unwrap();
    let (_, dropped, _, worst) = run(&mut queues, &[1], 720_000, false);
    assert!(dropped > 1500 && worst < 700 * MS, "{dropped} {worst}");
    // what fits is left alone
    let mut queues = FlowQueues::of(CODEL, 24).unwrap();
    assert_eq!(run(&mut queues, &[1], 900_000, false).1, 0);
    // marks in place of drops
    let mut queues = FlowQueues::of(CODEL, 24).unwrap();
    let (_, dropped, marked, _) = run(&mut queues, &[1], 790_000, true);
    assert!(marked > 100 && dropped == 0, "{marked} {dropped}");
}

#[test]
fn flows_share_evenly_and_a_sparse_one_does_not_wait() {
    let mut queues = FlowQueues::of(FQ, 0).unwrap();
    // flow 1 offers four times as much as flow 2; together twice the rate
    let (sent, ..) = run(&mut queues, &[1, 1, 1, 1, 2], 2_000_000, false);
    assert!(sent[2] > 9900, "{sent:?}");
    assert_eq!(sent[1] + sent[2], 25_000);
    let mut queues = FlowQueues::of(FQ, 0).unwrap();
    let (sent, ..) = run(&mut queues, &[1, 2], 500_000, false);
    assert!(sent[1].abs_diff(sent[2]) < 100, "{sent:?}");
}

#[test]
fn a_full_queue_drops_from_the_longest_flow() {
    let pool = FramePool::default();
    let mut queues = FlowQueues::of(FQ, 0).unwrap();
    for _ in 0..50 {
        assert!(queues.push(held(&pool, 1, 0, false), 7, 60_000, u64::MAX).is_empty());
    }
    for _ in 0..10 {
        assert!(queues.push(held(&pool, 2, 0, false), 7, 60_000, u64::MAX).is_empty());
    }
    assert_eq!(queues.push(held(&pool, 2, 0, false), 7, 60_000, u64::MAX).len(), 25);
    assert_eq!((queues.packets(), queues.bytes()), (36, 36_000));
    assert_eq!(queues.drain().len(), 36);
    assert_eq!(queues.packets(), 0);
}

#[test]
fn a_limit_holds_for_many_short_flows_too() {
    let pool = FramePool::default();
    let mut queues = FlowQueues::of(FQ, 0).unwrap();
    let mut dropped = 0;
    for flow in 0..200 {
        dropped += queues.push(held(&pool, flow, 0, false), 7, u64::MAX, 10).len();
        assert!(queues.packets() <= 10, "{} wait", queues.packets());
    }
    assert_eq!(dropped, 190);
}

/// 1000 bytes are 1024 on the line.
#[test]
fn framing_counts_in_the_limit() {
    let pool = FramePool::default();
    for (framing_bytes, fit) in [(0, 10), (24, 9)] {
        let mut queues = FlowQueues::of(CODEL, framing_bytes).unwrap();
        let dropped: usize =
            (0..20).map(|_| queues.push(held(&pool, 1, 0, false), 7, 10_000, u64::MAX).len()).sum();
        assert_eq!(dropped, 20 - fit, "{framing_bytes}");
        let fit = u64::try_from(fit).unwrap();
        assert_eq!(queues.bytes(), fit * (1000 + u64::from(framing_bytes)));
    }
}
