use super::*;
use crate::core::random::{Stage, Streams};

mod reference;

const MS: u64 = 1_000_000;

/// Offers packets of 1000 bytes each `step_ns` at 10 Mbit/s; the share dropped early, the share of full, and the
/// mean wait of those taken in the second half.
fn run(params: &LinkParams, n: u64, step_ns: u64, may_mark: bool) -> (f64, f64, f64) {
    let mut line = Line::default();
    line.change(params);
    let streams = Streams::new(3, "l", 0);
    let (mut early, mut full, mut wait, mut taken) = (0u64, 0u64, 0u64, 0u64);
    for i in 0..n {
        let now = i * step_ns;
        match line.offer(now, 1000, params, None, (streams.draw(Stage::Queue, i), may_mark)) {
            Admission::Departs(at) => {
                if i > n / 2 {
                    wait += at - now;
                    taken += 1;
                }
            }
            Admission::Marked(_) | Admission::Early => early += 1,
            Admission::Full => full += 1,
        }
    }
    (float(early) / float(n), float(full) / float(n), float(wait) / float(taken.max(1)))
}

fn params(discipline: Discipline) -> LinkParams {
    LinkParams {
        bandwidth_bit_s: Some(10_000_000),
        framing_bytes: 0,
        queue_bytes: Some(500_000),
        discipline,
        ..LinkParams::default()
    }
}

#[test]
fn a_burst_leaves_at_once_after_a_pause_and_the_rate_holds_over_time() {
    let params = LinkParams { burst_bytes: 3000, ..params(Discipline::DropTail) };
    let mut line = Line::default();
    line.change(&params);
    let departs = |line: &mut Line, now| match line.offer(now, 1000, &params, None, (0, false)) {
        Admission::Departs(at) => at,
        other => panic!("{other:?}"),
    };
    let start = 100 * MS;
    let out: Vec<u64> = (0..5).map(|_| departs(&mut line, start) - start).collect();
    assert_eq!(out, [0, 0, 0, 800_000, 1_600_000]);
    // the tokens come back with the rate
    let later: Vec<u64> =
        (0..2).map(|_| departs(&mut line, start + 2 * MS) - start - 2 * MS).collect();
    assert_eq!(later, [400_000, 1_200_000]);
}

#[test]
fn queues_are_bounded_by_packets_and_by_time() {
    let accepted = |params: LinkParams| {
        let mut line = Line::default();
        line.change(&params);
        (0..1000)
            .filter(|_| line.offer(0, 1000, &params, None, (0, false)) != Admission::Full)
            .count()
    };
    let base = params(Discipline::DropTail);
    assert_eq!(accepted(LinkParams { queue_packets: Some(7), ..base.clone() }), 7);
    // 0.8 ms each: the one that would wait longer than 8 ms is not taken
    assert_eq!(accepted(LinkParams { queue_ns: Some(8 * MS), ..base.clone() }), 11);
    assert_eq!(accepted(base), 500);
}

/// Twice the rate is offered: half of it must go. RED does it early, with the average inside its bounds.
#[test]
fn red_drops_early_and_marks_instead_if_it_may() {
    let red = Discipline::Red {
        min_bytes: Some(20_000),
        max_bytes: Some(60_000),
        probability: Ratio(u64::MAX / 10),
    };
    let (early, full, wait) = run(&params(red), 40_000, 400_000, false);
    assert!((0.47..0.53).contains(&early) && full < 0.01, "{early} {full}");
    assert!((16.0..100.0).contains(&(wait / 1e6)), "{wait}");
    // below the rate nothing is dropped
    assert_eq!(run(&params(red), 10_000, 900_000, false).0, 0.0);
    // who only marks keeps the queue full
    let (marked, full, _) = run(&params(red), 40_000, 400_000, true);
    assert!(marked > 0.4 && full > 0.4, "{marked} {full}");
}

/// PIE holds the wait at its target under a steady overload.
#[test]
fn pie_holds_its_target() {
    let pie = Discipline::Pie { target_ns: 15 * MS, update_ns: 15 * MS };
    let (early, full, wait) = run(&params(pie), 100_000, 400_000, false);
    assert!((0.47..0.53).contains(&early) && full < 0.02, "{early} {full}");
    assert!((10.0..20.0).contains(&(wait / 1e6)), "{wait}");
    assert_eq!(run(&params(pie), 10_000, 900_000, false).0, 0.0);
}

/// 1000 bytes at 8 Mbit/s take 1 ms; the rate halves in the middle of the third packet.
#[test]
fn a_changing_rate_counts_while_a_packet_is_sent() {
    use crate::config::{Step, Timeline};
    let mut params =
        LinkParams { bandwidth_bit_s: Some(8_000_000), ..params(Discipline::DropTail) };
    let step = Step { at_ns: 2_500_000, bandwidth_bit_s: Some(4_000_000), ..Step::default() };
    params.timeline = Some(Timeline { steps: vec![step], repeat_ns: Some(6 * MS) });
    let course = Course::new(0, &params, params.timeline.as_ref().expect("just set"));
    let mut line = Line::default();
    line.change(&params);
    let out: Vec<u64> = (0..6).map(|_| line.send(0, 1000, &params, Some(&course))).collect();
    // 3 ms: half at each rate; then 2 ms each until the round ends at 6 ms
    assert_eq!(out, [MS, 2 * MS, 3_500_000, 5_500_000, 6_750_000, 7_750_000]);
}

/// Whoever sends alone, as queues that decide late do, leaves nothing behind.
#[test]
fn what_has_departed_is_forgotten() {
    let params = params(Discipline::DropTail);
    let mut line = Line::default();
    line.change(&params);
    for n in 0..100_000 {
        line.send(n * MS, 1000, &params, None);
        assert!(line.waiting.len() <= 1 && line.backlog_bytes <= 1000, "packet {n}");
    }
}

/// A frame is padded to 60 bytes and framed: 84 bytes of Ethernet's line at least.
#[test]
fn short_frames_take_as_much_as_the_shortest() {
    let params = LinkParams { bandwidth_bit_s: Some(8_000_000_000), ..LinkParams::default() };
    let took = |bytes| {
        let mut line = Line::default();
        line.change(&params);
        line.send(0, bytes, &params, None)
    };
    assert_eq!([42, 54, 60, 61, 1514].map(took), [84, 84, 84, 85, 1538]);
}

/// RFC 8033 section 4.2: the probability moves every period, however the packets come.
#[test]
fn pie_updates_on_a_fixed_grid() {
    let (target_ns, update_ns) = (15 * MS, 15 * MS);
    // the line is free at 100 ms; packets come at 0, 20, 40 ... ms
    let mut pie = Pie::default();
    for n in 0..10 {
        pie.update(n * 20 * MS, 100 * MS, target_ns, update_ns);
    }
    let mut grid = Pie { burst_left_ns: PIE_BURST_NS, ..Pie::default() };
    for tick in 1..=12 {
        grid.step((100 * MS).saturating_sub(tick * update_ns), target_ns, update_ns);
    }
    grid.updated_ns = Some(12 * update_ns);
    assert_eq!(pie, grid);
}

#[test]
fn red_is_completed_as_iproute2_does() {
    assert_eq!(red_bounds(None, None, 120_000), (10_000, 30_000));
    assert_eq!(red_bounds(None, Some(900), 120_000), (300, 900));
    assert_eq!(red_bounds(Some(900), None, 120_000), (900, 2700));
    assert_eq!(red_bounds(Some(5), Some(6), 1), (5, 6));
}

/// RFC 8033 section 5.1: marks stand for drops only while the probability is below a tenth.
#[test]
fn pie_drops_what_could_be_marked_when_it_is_bad() {
    let params = params(Discipline::Pie { target_ns: 15 * MS, update_ns: 15 * MS });
    let mut line = Line::default();
    line.change(&params);
    let streams = Streams::new(3, "l", 0);
    let (mut marked, mut dropped) = (0, 0);
    // twice the rate, which needs a probability of about a half
    for i in 0..40_000 {
        let draw = streams.draw(Stage::Queue, i);
        match line.offer(i * 400_000, 1000, &params, None, (draw, true)) {
            Admission::Marked(_) => {
                assert!(line.pie.probability < 0.1, "packet {i}");
                marked += 1;
            }
            Admission::Early => {
                assert!(line.pie.probability >= 0.1, "packet {i}");
                dropped += 1;
            }
            Admission::Departs(_) => {}
            Admission::Full => panic!("packet {i} finds the queue full"),
        }
    }
    assert!(marked > 0 && dropped > 15_000, "{marked} {dropped}");
}

/// The default queue fits the fastest and longest line that the timeline makes.
#[test]
fn the_default_queue_follows_the_timeline() {
    use crate::config::{Step, Timeline};
    let mut params = LinkParams { bandwidth_bit_s: None, ..LinkParams::default() };
    assert_eq!(params.effective_queue_bytes(), 64 << 10);
    let fast = Step { at_ns: MS, bandwidth_bit_s: Some(80_000_000), ..Step::default() };
    let slow = Step { at_ns: 2 * MS, bandwidth_bit_s: Some(100), ..Step::default() };
    let long = Step { at_ns: 3 * MS, delay_ns: Some(100 * MS), ..Step::default() };
    params.timeline = Some(Timeline { steps: vec![fast, slow, long], repeat_ns: None });
    // 10 bytes a microsecond for 225 ms
    assert_eq!(params.effective_queue_bytes(), 2_250_000);
    params.queue_bytes = Some(7);
    assert_eq!(params.effective_queue_bytes(), 7);
}

/// What may wait before a packet in queues that decide late: by bytes and by time.
#[test]
fn a_longest_wait_bounds_queues_that_decide_late() {
    let mut params = params(Discipline::Codel { target_ns: 5 * MS, interval_ns: 100 * MS });
    (params.bandwidth_bit_s, params.queue_bytes) = (Some(8_000_000), Some(50_000));
    let mut line = Line::default();
    line.change(&params);
    assert_eq!(line.late_limit_bytes(0, 1000, &params), 50_000);
    params.queue_ns = Some(10 * MS);
    let framing = u64::from(params.framing_bytes);
    assert_eq!(line.late_limit_bytes(0, 1000, &params), 10_000 + 1000 + framing);
    // 4 ms of it are what is being sent
    line.send(0, 4000 - framing, &params, None);
    assert_eq!(line.late_limit_bytes(0, 1000, &params), 6_000 + 1000 + framing);
    params.queue_ns = Some(1000 * MS);
    assert_eq!(line.late_limit_bytes(0, 1000, &params), 50_000);
}
