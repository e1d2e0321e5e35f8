//! Rates from counters; lines with what changed only.

use tomato_model::id::TopologyId;

use super::*;
use crate::host::tests::{DEADLINE, World, wanted};

fn sample(at: Instant, forward: Count) -> Sample {
    let link =
        Link { counts: [forward, Count::default()], degraded: false, degraded_from_ago: None };
    let links = BTreeMap::from([("c".to_owned(), link)]);
    Sample { at, unix_ms: 0, links }
}

#[test]
fn rates_are_differences_over_time_and_counters_may_begin_anew() {
    let begun = Instant::now();
    let before = sample(begun, Count { frames: 1000, bytes: 1_000_000, drops: 5 });
    let later = begun + Duration::from_millis(500);
    let now = sample(later, Count { frames: 1050, bytes: 1_050_000, drops: 8 });
    let rates = now.rates_since(&before)["c"];
    let expected = Rates { bits_per_second: 800_000, packets_per_second: 100, drops_per_second: 6 };
    assert_eq!((rates.forward, rates.backward), (expected, Rates::default()));
    // Another wire counts from zero.
    let now = sample(later, Count { frames: 10, bytes: 1000, drops: 1 });
    assert_eq!(now.rates_since(&before)["c"].forward.packets_per_second, 20);
    assert_eq!(now.rates_since(&before)["c"].forward.bits_per_second, 16_000);
    // At the same time nothing can be said, and nothing breaks.
    now.rates_since(&now);
}

#[tokio::test]
async fn lines_tell_what_changed() {
    let world = World::new();
    world.host.want(wanted()).await.unwrap();
    world.settled(1).await;
    let mut lines = world.host.traffic(TopologyId::new(1, 1), Duration::ZERO);
    let mut told = Vec::new();
    while told.len() < 2 {
        let line = tokio::time::timeout(DEADLINE, lines.recv()).await.unwrap().unwrap();
        match serde_json::from_slice(&line).unwrap() {
            Line::Traffic(traffic) => told.push(traffic),
            Line::Usage(_) => {}
        }
    }
    assert_eq!(told[0].connections.len(), 2, "at first all of them: {told:?}");
    assert!(told[1].connections.is_empty(), "then none that is as before: {told:?}");
    assert!(told[1].time > told[0].time);
}
