use proptest::prelude::*;

use super::*;
use crate::core::frame::FramePool;

/// A train of one packet that says `number`.
fn packet(pool: &FramePool, number: usize) -> Train {
    let mut bytes = [0; 64];
    bytes[14..22].copy_from_slice(&number.to_be_bytes());
    pool.frame(&bytes).expect("room for a test frame").into()
}

fn number(entry: &Entry) -> usize {
    usize::from_be_bytes(entry.train.frame.bytes()[14..22].try_into().expect("8 bytes"))
}

/// Numbers of what leaves until then, in order.
fn leave(transit: &mut Transit, until_ns: u64) -> Vec<usize> {
    std::iter::from_fn(|| transit.pop(until_ns)).map(|entry| number(&entry)).collect()
}

proptest! {
    /// The same as one sorted list, in which a packet goes behind all that are due no later.
    #[test]
    fn packets_leave_by_due_time_and_then_as_they_came(
        dues in prop::collection::vec(0u64..40, 0..120),
        cut_ns in 0u64..40,
    ) {
        let pool = FramePool::default();
        let mut transit = Transit::default();
        let mut sorted: Vec<(u64, usize)> = Vec::new();
        let mut last_ns = 0;
        for (n, &due_ns) in dues.iter().enumerate() {
            let at = sorted.partition_point(|(due, _)| *due <= due_ns);
            if due_ns < last_ns {
                let overtakes = transit.overtake(due_ns, packet(&pool, n), Tag::default());
                prop_assert_eq!(overtakes, at < sorted.len());
            } else {
                transit.push(due_ns, packet(&pool, n), Tag::default());
                last_ns = due_ns;
            }
            sorted.insert(at, (due_ns, n));
            if n % 7 == 6 {
                let (due_ns, first) = sorted.remove(0);
                prop_assert_eq!(transit.pop(u64::MAX).map(|entry| number(&entry)), Some(first));
                prop_assert!(transit.next().is_none_or(|next| next.due_ns >= due_ns));
            }
        }
        prop_assert_eq!(transit.len(), sorted.len());
        let count = u64::try_from(sorted.len()).expect("few");
        prop_assert_eq!((transit.packets(), transit.bytes()), (count, count * 64));
        let later: Vec<_> = transit.split_off(cut_ns).iter().map(number).collect();
        let at = sorted.partition_point(|(due, _)| *due <= cut_ns);
        prop_assert_eq!(later, sorted[at..].iter().map(|(_, n)| *n).collect::<Vec<_>>());
        prop_assert_eq!(transit.len(), at);
        prop_assert_eq!(leave(&mut transit, 0).len(), sorted.partition_point(|(due, _)| *due == 0));
        let left: Vec<_> = transit.split_off(0).iter().map(number).collect();
        let due_later = sorted[..at].iter().filter(|(due, _)| *due > 0);
        prop_assert_eq!(left, due_later.map(|(_, n)| *n).collect::<Vec<_>>());
        prop_assert_eq!((transit.packets(), transit.bytes(), pool.used_bytes()), (0, 0, 0));
    }
}
