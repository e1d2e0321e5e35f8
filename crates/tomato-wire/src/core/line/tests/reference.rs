//! RED and PIE beside step-by-step transcriptions of what defines them: each packet must have the same fate.

use super::*;

/// A line of 10 Mbit/s with packets of 1000 bytes and no framing, by the times at which they have left.
#[derive(Default)]
struct Queue {
    departures: Vec<u64>,
}

const PACKET_NS: u64 = 800_000;

impl Queue {
    fn free_ns(&self) -> u64 {
        self.departures.last().copied().unwrap_or(0)
    }

    fn bytes(&self, now: u64) -> u64 {
        let waiting = self.departures.iter().rev().take_while(|at| **at > now).count();
        1000 * u64::try_from(waiting).unwrap()
    }

    fn enqueue(&mut self, now: u64) {
        self.departures.push(self.free_ns().max(now) + PACKET_NS);
    }
}

/// Arrivals that overload the line, stop, and come again.
fn arrivals() -> impl Iterator<Item = (u64, u64)> {
    let streams = Streams::new(5, "arrivals", 0);
    let gap = move |n: u64| {
        let mean = match n % 10_000 {
            0 => 300 * MS,
            1..6000 => 700_000,
            6000..7000 => 300_000,
            _ => 1_100_000,
        };
        mean / 2 + streams.draw(Stage::Loss, n) % mean
    };
    let at = (0..40_000).scan(0, move |now, n| {
        *now += gap(n);
        Some(*now)
    });
    at.zip((0..).map(move |n| streams.draw(Stage::Queue, n)))
}

/// The fates of [`arrivals`] on a [`Line`]: true for dropped early.
fn fates(discipline: Discipline) -> Vec<bool> {
    let params = params(discipline);
    let mut line = Line::default();
    line.change(&params);
    let fate = |(now, draw)| match line.offer(now, 1000, &params, None, (draw, false)) {
        Admission::Departs(_) => false,
        Admission::Early => true,
        other => panic!("{other:?} at {now}"),
    };
    arrivals().map(fate).collect()
}

#[track_caller]
fn assert_same(found: &[bool], expected: &[bool]) {
    let first = found.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!((first, found.len()), (None, expected.len()));
    let drops = found.iter().filter(|is_dropped| **is_dropped).count();
    assert!((1000..30_000).contains(&drops), "{drops} dropped");
}

/// Floyd and Jacobson 1993: figure 2 for the average, section 7 (method 2) for the drops; gentle as in Floyd's note of
/// 2000. The queue is measured in bytes, an idle line in packets of 1500.
#[test]
fn red_is_the_published_algorithm() {
    let tenth = Ratio(u64::MAX / 10);
    let (min, max, top) = (5000.0, 15_000.0, tenth.fraction());
    let weight = 0.002;
    let mut queue = Queue::default();
    let (mut average, mut unmarked) = (0.0, 0.0);
    let expected: Vec<bool> = arrivals()
        .map(|(now, draw)| {
            let length = queue.bytes(now);
            if length > 0 {
                average += weight * (float(length) - average);
            } else {
                let idle = (now - queue.free_ns()) / 1_200_000;
                average *= libm::pow(1.0 - weight, float(idle));
            }
            if average < min {
                unmarked = 0.0;
                queue.enqueue(now);
                return false;
            }
            let basic = if average < max {
                top * (average - min) / (max - min)
            } else if average < 2.0 * max {
                top + (1.0 - top) * (average - max) / max
            } else {
                1.0
            };
            let probability =
                if unmarked * basic < 1.0 { basic / (1.0 - unmarked * basic) } else { 1.0 };
            let is_dropped = unit(draw) < probability;
            if is_dropped {
                unmarked = 0.0;
            } else {
                unmarked += 1.0;
                queue.enqueue(now);
            }
            is_dropped
        })
        .collect();
    let red =
        Discipline::Red { min_bytes: Some(5000), max_bytes: Some(15_000), probability: tenth };
    assert_same(&fates(red), &expected);
}

/// RFC 8033 sections 4.1 to 4.4 and 5, with the defaults there, the true wait as latency, and one packet as mean size
/// of half of 3000 bytes.
#[test]
fn pie_is_what_rfc_8033_says() {
    let (reference, period) = (0.015, 15 * MS);
    let mut queue = Queue::default();
    let (mut probability, mut old, mut burst) = (0.0, 0.0, 0.150);
    let mut next: Option<u64> = None;
    let expected: Vec<bool> = arrivals()
        .map(|(now, draw)| {
            let mut tick = *next.get_or_insert(now + period);
            while tick <= now {
                // section 4.2
                let current = float(queue.free_ns().saturating_sub(tick)) / 1e9;
                let mut p = 0.125 * (current - reference) + 1.25 * (current - old);
                for (bound, divisor) in
                    [(0.000_001, 4.0), (0.000_01, 4.0), (0.0001, 4.0), (0.001, 4.0), (0.01, 4.0)]
                {
                    // 2048, 512, 128, 32 and 8, of which the last step leaves 2
                    if probability < bound {
                        p /= divisor;
                    }
                }
                if probability < 0.1 {
                    p /= 2.0;
                } else {
                    p = p.min(0.02);
                }
                probability += p;
                if current == 0.0 && old == 0.0 {
                    probability *= 0.98;
                }
                probability = probability.clamp(0.0, 1.0);
                // section 4.4
                burst = f64::max(0.0, burst - 0.015);
                if burst < 1e-9 {
                    burst = 0.0;
                }
                if probability == 0.0 && current < reference / 2.0 && old < reference / 2.0 {
                    burst = 0.150;
                }
                old = current;
                tick += period;
            }
            next = Some(tick);
            // section 4.1
            let is_calm = old < reference / 2.0 && probability < 0.2;
            let is_short = queue.bytes(now) <= 3000;
            let is_dropped = burst == 0.0 && !is_calm && !is_short && unit(draw) < probability;
            if !is_dropped {
                queue.enqueue(now);
            }
            is_dropped
        })
        .collect();
    let pie = Discipline::Pie { target_ns: 15 * MS, update_ns: period };
    assert_same(&fates(pie), &expected);
}
