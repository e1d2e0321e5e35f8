use super::*;
use crate::config::Distribution;
use crate::core::frame::FramePool;

mod chosen;
mod live;

const MS: u64 = 1_000_000;

fn direction(params: LinkParams) -> Direction {
    Direction::new(0, Streams::new(1, "l", 0), Some(params))
}

fn frame(pool: &FramePool, n: u64) -> Train {
    let mut bytes = vec![0; 100];
    bytes[14..22].copy_from_slice(&n.to_be_bytes());
    pool.frame(&bytes).expect("room for a test frame").into()
}

fn number(train: &Train) -> u64 {
    u64::from_be_bytes(train.frame.bytes()[14..22].try_into().unwrap())
}

/// Numbers and due times of what is due.
fn take(direction: &mut Direction, now: u64, out: &mut Vec<(u64, u64)>) {
    while let Some((train, due)) = direction.pop_due(now) {
        direction.passed(train.count.into(), train.bytes());
        out.push((number(&train), due));
    }
}

/// Offers `n` frames, one per `step_ns`, and returns (number, due time) of what left, in order.
fn run(direction: &mut Direction, n: u64, step_ns: u64) -> Vec<(u64, u64)> {
    let pool = FramePool::default();
    let mut out = Vec::new();
    for i in 0..n {
        let now = i * step_ns;
        take(direction, now, &mut out);
        direction.offer(now, &frame(&pool, i));
    }
    while let Some(due) = direction.next_due() {
        take(direction, due, &mut out);
    }
    assert_eq!(pool.used_bytes(), 0);
    let status = direction.status(u64::MAX);
    assert_eq!(status.offered + status.duplicated, status.frames + status.drops.sum());
    out
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap()
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the parts are chosen below"
)]
fn ratio(part: f64) -> Ratio {
    Ratio((part * 2f64.powi(64)) as u64)
}

/// `count` of `n` is within 3.3 standard errors (99.9 %) of `p`.
#[track_caller]
fn assert_binomial(count: u64, n: u64, p: f64) {
    let bound = 3.3 * (n as f64 * p * (1.0 - p)).sqrt();
    let off = count as f64 - n as f64 * p;
    assert!(off.abs() <= bound, "{count} of {n}, expected {p} within {bound}");
}

#[test]
fn nothing_set_changes_nothing() {
    let out = run(&mut direction(LinkParams::default()), 1000, 7);
    assert_eq!(out, (0..1000).map(|i| (i, i * 7)).collect::<Vec<_>>());
    let out = run(&mut Direction::new(0, Streams::new(1, "l", 0), None), 1000, 7);
    assert_eq!(out, (0..1000).map(|i| (i, i * 7)).collect::<Vec<_>>());
}

#[test]
fn ratios_are_met_and_their_ends_exact() {
    const N: u64 = 100_000;
    for (p, exact) in [(0.0, Some(0)), (0.001, None), (0.1, None), (0.5, None)] {
        let params = LinkParams { loss: ratio(p), ..LinkParams::default() };
        let lost = N - count(run(&mut direction(params), N, 1).len());
        match exact {
            Some(exact) => assert_eq!(lost, exact),
            None => assert_binomial(lost, N, p),
        }
    }
    let all = LinkParams { loss: Ratio::ALWAYS, ..LinkParams::default() };
    assert_eq!(run(&mut direction(all), N, 1), []);
    let twice = LinkParams { duplicate: Ratio::ALWAYS, ..LinkParams::default() };
    let out = run(&mut direction(twice), 10, 1);
    assert_eq!(out, (0..20).map(|i| (i / 2, i / 2)).collect::<Vec<_>>());
    let params = LinkParams { duplicate: ratio(0.02), ..LinkParams::default() };
    assert_binomial(count(run(&mut direction(params), N, 1).len()) - N, N, 0.02);
    let params = LinkParams { corrupt: ratio(0.03), ..LinkParams::default() };
    let mut corrupting = direction(params);
    run(&mut corrupting, N, 1);
    assert_binomial(corrupting.status(0).corrupted, N, 0.03);
}

#[test]
fn corruption_flips_one_bit_anywhere() {
    let pool = FramePool::default();
    let params = LinkParams { corrupt: Ratio::ALWAYS, ..LinkParams::default() };
    let mut direction = direction(params);
    let mut hit = std::collections::BTreeSet::new();
    for now in 0..5000 {
        direction.offer(now, &pool.frame(&[0; 20]).unwrap().into());
        let (frame, _) = direction.pop_due(now).expect("no delay");
        let frame = &frame.frame;
        let bits = frame.bytes().iter().map(|b| b.count_ones()).sum::<u32>();
        assert_eq!(bits, 1);
        hit.insert(frame.bytes().iter().position(|&b| b != 0).unwrap());
    }
    assert_eq!(hit.len(), 20);
}

#[test]
fn the_rate_counts_framing_and_keeps_the_rest() {
    // 124 bytes on the wire at 3 Mbit/s: 330 666.67 ns each
    let params = LinkParams { bandwidth_bit_s: Some(3_000_000), ..LinkParams::default() };
    let mut slow = direction(params.clone());
    let out = run(&mut slow, 300, 0);
    assert_eq!(out[0].1, 330_666);
    assert_eq!(out[2].1, 992_000);
    assert_eq!(out[299].1, 99_200_000);
    // with gaps longer than a frame the queue never fills
    let out = run(&mut direction(params), 100, MS);
    assert!(out.iter().all(|(n, due)| *due == n * MS + 330_666), "{out:?}");
}

#[test]
fn the_byte_queue_drops_its_tail() {
    let params = LinkParams {
        bandwidth_bit_s: Some(1_000_000),
        delay_ns: 5 * MS,
        queue_bytes: Some(1240),
        ..LinkParams::default()
    };
    let mut direction = direction(params);
    let out = run(&mut direction, 100, 0);
    assert_eq!(out.iter().map(|o| o.0).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert_eq!(direction.status(0).drops.queue, 90);
    // one frame leaves each 992 us; propagation does not count as queue
    let pool = FramePool::default();
    let mut accepted = 0;
    for now in [100 * MS, 100 * MS + 992_000, 100 * MS + 2 * 992_000] {
        for n in 0..20 {
            direction.offer(now, &frame(&pool, n));
        }
        let status = direction.status(now);
        assert_eq!(status.queue_bytes, 1240);
        accepted = status.queue_frames;
    }
    assert_eq!(accepted, 12);
}

#[test]
fn a_queue_shorter_than_a_frame_passes_single_frames() {
    let params = LinkParams {
        bandwidth_bit_s: Some(1_000_000),
        queue_bytes: Some(1),
        ..LinkParams::default()
    };
    assert_eq!(run(&mut direction(params), 10, 2 * MS).len(), 10);
}

#[test]
fn jitter_keeps_order_and_mean() {
    let params = LinkParams {
        delay_ns: 100 * MS,
        jitter_ns: 10 * MS,
        distribution: Distribution::Normal,
        ..LinkParams::default()
    };
    // far apart: no clamp, the mean is the delay within four standard errors
    let out = run(&mut direction(params.clone()), 10_000, 1000 * MS);
    let sum: f64 = out.iter().map(|(n, due)| (due - n * 1000 * MS) as f64).sum();
    let mean = sum / 10_000.0;
    assert!((mean - 1e8).abs() < 4.0 * 1e7 / 100.0, "mean {mean}");
    // close together: order is kept
    let out = run(&mut direction(params), 10_000, MS / 10);
    assert!(out.windows(2).all(|w| w[0].0 + 1 == w[1].0 && w[0].1 <= w[1].1));
}

#[test]
fn one_effect_does_not_shift_another() {
    let lossy = LinkParams { loss: ratio(0.1), ..LinkParams::default() };
    let both = LinkParams {
        loss: ratio(0.1),
        duplicate: ratio(0.2),
        corrupt: ratio(0.3),
        jitter_ns: MS,
        delay_ns: 2 * MS,
        bandwidth_bit_s: Some(1_000_000_000),
        ..LinkParams::default()
    };
    let numbers = |params: LinkParams| -> std::collections::BTreeSet<u64> {
        let pool = FramePool::default();
        let mut direction = direction(params);
        (0..5000)
            .filter(|&n| {
                let before = direction.status(0).drops.loss;
                direction.offer(n * MS, &frame(&pool, n));
                direction.status(n * MS).drops.loss > before
            })
            .collect()
    };
    assert_eq!(numbers(lossy), numbers(both));
}

#[test]
fn verdicts_do_not_depend_on_time() {
    let params = LinkParams {
        loss: ratio(0.1),
        duplicate: ratio(0.1),
        corrupt: ratio(0.1),
        delay_ns: MS,
        jitter_ns: MS,
        bandwidth_bit_s: Some(1_000_000),
        queue_bytes: Some(2000),
        ..LinkParams::default()
    };
    let hash = |step, seed| {
        let mut direction = Direction::new(0, Streams::new(seed, "l", 0), Some(params.clone()));
        run(&mut direction, 3000, step);
        direction.status(0).verdict_hash
    };
    assert_eq!(hash(1, 1), hash(MS, 1));
    assert_ne!(hash(1, 1), hash(1, 2));
}

#[test]
fn a_change_keeps_what_is_under_way() {
    let pool = FramePool::default();
    let streams = Streams::new(1, "l", 0);
    let mut direction = direction(LinkParams { delay_ns: 50 * MS, ..LinkParams::default() });
    direction.offer(0, &frame(&pool, 0));
    direction.offer(MS, &frame(&pool, 1));
    direction.change(0, streams, Some(LinkParams { delay_ns: 10 * MS, ..LinkParams::default() }));
    direction.offer(2 * MS, &frame(&pool, 2));
    direction.change(0, streams, None);
    direction.offer(3 * MS, &frame(&pool, 3));
    let due = [50 * MS, 51 * MS, 51 * MS, 51 * MS];
    for (n, due) in due.into_iter().enumerate() {
        assert!(direction.pop_due(due - 1).is_none());
        let (frame, at) = direction.pop_due(due).expect("due");
        assert_eq!((number(&frame), at), (u64::try_from(n).unwrap(), due));
    }
    // drained: the new behaviour alone
    direction.offer(52 * MS, &frame(&pool, 4));
    assert_eq!(direction.next_due(), Some(52 * MS));
}

#[test]
fn a_cut_loses_what_is_under_way() {
    let pool = FramePool::default();
    let params =
        LinkParams { delay_ns: MS, bandwidth_bit_s: Some(1_000_000), ..LinkParams::default() };
    let mut direction = direction(params);
    (0..5).for_each(|n| direction.offer(0, &frame(&pool, n)));
    direction.cut(0);
    let status = direction.status(0);
    assert_eq!((status.drops.disconnected, status.queue_bytes, status.queue_frames), (5, 0, 0));
    assert_eq!(pool.used_bytes(), 0);
    direction.offer(10, &frame(&pool, 9));
    assert_eq!(direction.next_due(), Some(10 + 992_000 + MS));
}

#[test]
fn plain_queues_are_bounded() {
    let pool = FramePool::default();
    let mut plain = Direction::new(0, Streams::new(1, "l", 0), None);
    let big = Train::from(pool.frame(&[0; 60_000]).unwrap());
    (0..100).for_each(|_| plain.offer(0, &big));
    let status = plain.status(0);
    assert_eq!(status.queue_frames, limits::MAX_PLAIN_QUEUE_BYTES / 60_000);
    assert_eq!(status.drops.overload, 100 - status.queue_frames);
}

/// The same wire packets bundled as one burst, in parts or alone: same fate, same due times, same bytes.
#[test]
fn bundling_changes_no_fate() {
    use crate::core::packet::Family;
    use crate::core::split::tests::{Burst, frame_of};
    let params = LinkParams {
        bandwidth_bit_s: Some(20_000_000),
        delay_ns: MS,
        jitter_ns: MS / 2,
        loss: ratio(0.05),
        duplicate: ratio(0.05),
        corrupt: ratio(0.05),
        queue_bytes: Some(12_000),
        ..LinkParams::default()
    };
    let bursts = (0..40u8).map(|n| Burst {
        tags: 0,
        family: if n % 2 == 0 { Family::V4 } else { Family::V6 },
        ip_options: 0,
        is_tcp: n % 3 != 0,
        tcp_options: 12,
        flags: 0x18,
        id: u16::from(n),
        sequence: u32::from(n) << 24,
        size: 1000,
        payload: vec![n; 1000 * usize::from(n % 8 + 1) + 300],
    });
    let bursts: Vec<Burst> = bursts.collect();
    let run = |bundle: &dyn Fn(&FramePool, &Burst) -> Vec<Train>| {
        let pool = FramePool::default();
        let mut direction = direction(params.clone());
        for (n, burst) in (0u64..).zip(&bursts) {
            for train in bundle(&pool, burst) {
                direction.offer(n * MS, &train);
            }
        }
        let mut out = Vec::new();
        let mut room = Vec::new();
        while let Some((train, due)) = direction.pop_due(u64::MAX) {
            for index in train.first..train.end() {
                train.packet(index, &mut room);
                out.push((due, room.clone()));
            }
        }
        (out, direction.status(0).verdict_hash, direction.status(0).drops)
    };
    let whole = run(&|pool, burst| vec![frame_of(pool, &burst.super_frame()).into()]);
    let alone = run(&|pool, burst| {
        burst.packets().iter().map(|packet| pool.frame(packet).unwrap().into()).collect()
    });
    let parts = run(&|pool, burst| {
        let train = Train::from(frame_of(pool, &burst.super_frame()));
        let half = train.count / 2;
        vec![train.part(0, half), train.part(half, train.count - half)]
    });
    assert!(whole.2.loss > 0 && whole.2.queue > 0, "{:?}", whole.2);
    assert_eq!(whole, alone);
    assert_eq!(whole, parts);
}

/// With everything on, nothing vanishes: offered + doubled = passed + dropped by a cause, whatever the discipline.
#[test]
fn every_packet_is_accounted_for() {
    use crate::config::{Discipline, LossModel, Step, Timeline};
    let disciplines = [
        Discipline::DropTail,
        Discipline::Red { min_bytes: None, max_bytes: None, probability: ratio(0.1) },
        Discipline::Codel { target_ns: MS, interval_ns: 10 * MS },
        Discipline::FqCodel { target_ns: MS, interval_ns: 10 * MS, flows: 16, quantum_bytes: 300 },
        Discipline::Pie { target_ns: MS, update_ns: MS },
    ];
    for discipline in disciplines {
        let step = Step {
            at_ns: 100 * MS,
            bandwidth_bit_s: Some(400_000),
            jitter_ns: Some(0),
            ..Step::default()
        };
        let params = LinkParams {
            bandwidth_bit_s: Some(1_000_000),
            burst_bytes: 500,
            delay_ns: 3 * MS,
            jitter_ns: 2 * MS,
            jitter_reorders: true,
            reorder: ratio(0.02),
            loss: ratio(0.02),
            loss_model: Some(LossModel::Every(50)),
            duplicate: ratio(0.05),
            corrupt: ratio(0.02),
            bit_error: ratio(0.0001),
            queue_packets: Some(40),
            mtu: Some(86),
            timeline: Some(Timeline { steps: vec![step], repeat_ns: Some(300 * MS) }),
            discipline,
            ..LinkParams::default()
        };
        let mut direction = direction(params.clone());
        // run() checks the sum at its end
        let out = run(&mut direction, 3000, 900_000);
        let status = direction.status(u64::MAX);
        assert!(out.len() > 1000, "{discipline:?}: {status:?}");
        assert!(status.reordered > 0 && status.duplicated > 0 && status.drops.loss > 60);
        assert_eq!(status.drops.mtu, 0);
        let mut short = Direction::new(
            0,
            Streams::new(1, "l", 0),
            Some(LinkParams { mtu: Some(85), ..params }),
        );
        assert_eq!(run(&mut short, 10, MS), []);
        assert_eq!(short.status(0).drops.mtu, 10);
    }
}

/// Packets under way live through many changes: none lost, doubled or out of order.
#[test]
fn edits_leave_packets_alone() {
    use crate::config::Discipline;
    let pool = FramePool::default();
    let streams = Streams::new(1, "l", 0);
    let mut direction = direction(LinkParams::default());
    let mut out = Vec::new();
    for n in 0..20_000 {
        let now = n * 10_000;
        if n % 100 == 0 {
            let pick = n / 100;
            let codel = Discipline::Codel { target_ns: 1000 * MS, interval_ns: 1000 * MS };
            let params = LinkParams {
                delay_ns: pick * 7919 % 10 * MS,
                jitter_ns: pick % 3 * MS / 2,
                bandwidth_bit_s: (pick % 4 == 0).then_some(500_000_000),
                discipline: if pick % 8 == 0 { codel } else { Discipline::DropTail },
                ..LinkParams::default()
            };
            direction.change(now, streams, (pick % 5 != 0).then_some(params));
        }
        take(&mut direction, now, &mut out);
        direction.offer(now, &frame(&pool, n));
    }
    take(&mut direction, u64::MAX, &mut out);
    let numbers: Vec<u64> = out.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..20_000).collect::<Vec<_>>());
}

/// What left, when and in which order, as one number: what was measured with one release repeats with the next.
#[test]
fn packets_that_overtake_have_the_fates_they_always_had() {
    let params = LinkParams {
        bandwidth_bit_s: Some(50_000_000),
        delay_ns: 20 * MS,
        jitter_ns: 9 * MS,
        distribution: Distribution::Pareto,
        jitter_reorders: true,
        reorder: ratio(0.03),
        duplicate: ratio(0.05),
        loss: ratio(0.02),
        ..LinkParams::default()
    };
    let mut direction = direction(params);
    let out = run(&mut direction, 20_000, 60_000);
    let digest = out.iter().fold(0, |digest, (n, due)| mix(digest ^ mix(*n) ^ mix(due ^ 1 << 63)));
    let status = direction.status(u64::MAX);
    let counts = (status.frames, status.reordered, status.drops.loss, status.drops.queue);
    assert_eq!(counts, (20_579, 20_272, 383, 0));
    let hashes = (digest, status.verdict_hash);
    assert_eq!(hashes, (14_298_360_967_142_025_604, 475_653_953_746_495_648));
}
