//! CoDel beside a transcription of the pseudocode of RFC 8289 section 5: the same packets must be sent and dropped.

use super::*;

const TARGET: u64 = 5 * MS;
const INTERVAL: u64 = 100 * MS;

/// The object of section 5.1, with the names there; times are zero for never.
#[derive(Default)]
struct CodelQueue {
    queue: VecDeque<(u64, u64)>,
    first_above_time: u64,
    drop_next: u64,
    count: u32,
    lastcount: u32,
    dropping: bool,
}

impl CodelQueue {
    /// Section 5.6: the packet and whether it is ok to drop it.
    fn dodequeue(&mut self, now: u64) -> (Option<(u64, u64)>, bool) {
        let Some(packet) = self.queue.pop_front() else {
            self.first_above_time = 0;
            return (None, false);
        };
        let sojourn_time = now - packet.1;
        let bytes = 1000 * u64::try_from(self.queue.len()).unwrap();
        if sojourn_time < TARGET || bytes <= 1514 {
            self.first_above_time = 0;
        } else if self.first_above_time == 0 {
            self.first_above_time = now + INTERVAL;
        } else if now >= self.first_above_time {
            return (Some(packet), true);
        }
        (Some(packet), false)
    }

    /// Section 5.5: the number of the packet that is sent; those of the dropped ones go to `dropped`.
    fn dequeue(&mut self, now: u64, dropped: &mut Vec<u64>) -> Option<u64> {
        let (mut packet, mut ok_to_drop) = self.dodequeue(now);
        if self.dropping {
            if !ok_to_drop {
                self.dropping = false;
            }
            while now >= self.drop_next && self.dropping {
                dropped.extend(packet.map(|packet| packet.0));
                self.count += 1;
                (packet, ok_to_drop) = self.dodequeue(now);
                if ok_to_drop {
                    self.drop_next = Self::control_law(self.drop_next, self.count);
                } else {
                    self.dropping = false;
                }
            }
        } else if ok_to_drop {
            dropped.extend(packet.map(|packet| packet.0));
            (packet, _) = self.dodequeue(now);
            self.dropping = true;
            let delta = self.count - self.lastcount;
            self.count = 1;
            if delta > 1 && now - self.drop_next < 16 * INTERVAL {
                self.count = delta;
            }
            self.drop_next = Self::control_law(now, self.count);
            self.lastcount = self.count;
        }
        packet.map(|packet| packet.0)
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time of at most 100 ms"
    )]
    fn control_law(t: u64, count: u32) -> u64 {
        t + (1e8 / f64::from(count).sqrt()) as u64
    }
}

#[test]
fn codel_is_what_rfc_8289_says() {
    let pool = FramePool::default();
    let mut queues = FlowQueues::of(CODEL, 0).unwrap();
    let mut reference = CodelQueue::default();
    let (mut found, mut expected) = (Vec::new(), Vec::new());
    let mut arrives = MS;
    let mut n = 0;
    // packets of 0.8 ms; overload for some seconds, then for some less, and again
    for leaves in (0..37_500).map(|turn| MS + turn * 800_000) {
        while arrives <= leaves {
            let held = Held { delay_ns: n, ..held(&pool, 1, arrives, false) };
            assert!(queues.push(held, 7, u64::MAX, u64::MAX).is_empty());
            reference.queue.push_back((n, arrives));
            n += 1;
            arrives += match arrives / (1500 * MS) % 4 {
                0 | 2 => 640_000,
                1 => 1_300_000,
                _ => 900_000,
            };
        }
        let departure = queues.pop(leaves);
        found.extend(departure.dropped.iter().map(|held| (leaves, held.delay_ns, false)));
        found.extend(departure.sent.map(|(held, _)| (leaves, held.delay_ns, true)));
        let mut dropped = Vec::new();
        let sent = reference.dequeue(leaves, &mut dropped);
        expected.extend(dropped.into_iter().map(|n| (leaves, n, false)));
        expected.extend(sent.map(|n| (leaves, n, true)));
    }
    let first = found.iter().zip(&expected).find(|(a, b)| a != b);
    assert_eq!((first, found.len()), (None, expected.len()));
    let drops = found.iter().filter(|(.., is_sent)| !is_sent).count();
    assert!((100..5000).contains(&drops), "{drops} dropped");
}
