//! What live changes do to packets under way, and to those behind them.

use super::*;
use crate::config::Discipline;
use crate::core::journal::{Note, Spot, Wants};

/// A tenth too much for the rate, with a discipline that has to act.
fn crowded(discipline: Discipline, queue_bytes: u64) -> LinkParams {
    LinkParams {
        bandwidth_bit_s: Some(1_000_000),
        queue_bytes: Some(queue_bytes),
        discipline,
        ..LinkParams::default()
    }
}

fn disciplines() -> [Discipline; 5] {
    [
        Discipline::DropTail,
        Discipline::Red { min_bytes: None, max_bytes: None, probability: ratio(0.1) },
        Discipline::Codel { target_ns: 5 * MS, interval_ns: 20 * MS },
        Discipline::FqCodel {
            target_ns: 5 * MS,
            interval_ns: 20 * MS,
            flows: 16,
            quantum_bytes: 300,
        },
        Discipline::Pie { target_ns: 5 * MS, update_ns: 5 * MS },
    ]
}

/// The packets that pass when every hundredth is preceded by an edit of something that does nothing.
#[test]
fn an_edit_of_something_else_leaves_the_discipline_alone() {
    let outcome = |params: &LinkParams, edits: bool| {
        let pool = FramePool::default();
        let mut direction = direction(params.clone());
        let mut out = Vec::new();
        for n in 0..4000 {
            let now = n * 900_000;
            if edits && n % 100 == 50 {
                let jitter_correlation = if n % 200 == 50 { ratio(0.5) } else { Ratio::NEVER };
                let edited = LinkParams { jitter_correlation, ..params.clone() };
                direction.change(now, Streams::new(1, "l", 0), Some(edited));
            }
            take(&mut direction, now, &mut out);
            direction.offer(now, &frame(&pool, n));
        }
        (out, direction.status(0).drops)
    };
    for discipline in disciplines() {
        let params = crowded(discipline, 20_000);
        let plain = outcome(&params, false);
        assert!(plain.1.sum() > 0, "{discipline:?}: {:?}", plain.1);
        assert_eq!(outcome(&params, true), plain, "{discipline:?}");
    }
}

#[test]
fn what_is_due_before_the_cable_is_cut_arrives() {
    let pool = FramePool::default();
    let mut cut = direction(LinkParams { delay_ns: 10 * MS, ..LinkParams::default() });
    (0..5).for_each(|n| cut.offer(n * MS, &frame(&pool, n)));
    let mut down = direction(LinkParams { delay_ns: 10 * MS, ..LinkParams::default() });
    (0..5).for_each(|n| down.offer(n * MS, &frame(&pool, n)));
    cut.cut(12 * MS);
    let params = LinkParams { delay_ns: 10 * MS, down: true, ..LinkParams::default() };
    down.change(12 * MS, Streams::new(1, "l", 0), Some(params));
    for mut direction in [cut, down] {
        let mut out = Vec::new();
        take(&mut direction, 20 * MS, &mut out);
        assert_eq!(out, [(0, 10 * MS), (1, 11 * MS), (2, 12 * MS)]);
        assert_eq!(direction.status(20 * MS).drops.disconnected, 2);
    }
}

/// A discipline that decides late tells how long its queue is when it drops.
#[test]
fn packets_lost_late_tell_the_queue_of_that_time() {
    let wants = Wants { lost: true, ..Wants::default() };
    for discipline in &disciplines()[2..4] {
        let pool = FramePool::default();
        let mut direction = direction(crowded(*discipline, 60_000));
        direction.set_journal(0, wants);
        for n in 0..1000 {
            direction.offer(n * 500_000, &frame(&pool, n));
        }
        direction.cut(500 * MS);
        let mut causes = std::collections::BTreeMap::new();
        for note in direction.take_notes() {
            let Note::Seen(seen) = note else { continue };
            assert_eq!(seen.spot, Spot::Lost);
            let Fate::Lost(cause) = seen.fate else { panic!("{seen:?}") };
            assert!((1..=60_124).contains(&seen.queue_bytes), "{seen:?}");
            *causes.entry(format!("{cause:?}")).or_insert(0) += 1;
        }
        assert!(causes["Early"] > 10 && causes["Disconnected"] > 10, "{causes:?}");
    }
}
