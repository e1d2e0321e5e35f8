//! Points are taken of what runs, and only of that.

use super::*;
use crate::host::tests::{World, element, wanted};

#[tokio::test]
async fn what_runs_gets_points_and_what_does_not_loses_them() {
    let world = World::new();
    let mut topology = wanted();
    world.host.want(topology.clone()).await.unwrap();
    world.settled(1).await;
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::new(dir.path().to_owned());
    let mut before = Before::default();
    for _ in 0..3 {
        step(&world.host, &mut before, &mut journal).await;
    }
    let usage = world.host.usage.element(&element(1));
    assert_eq!(usage.period_s, 5);
    assert!(usage.points.len() >= 3, "{usage:?}");
    let connection = world.host.usage.connection(&ConnectionId::new(3, 1));
    assert!(connection.points.len() >= 2, "a first look has no rates yet: {connection:?}");
    assert!(world.host.newest_usage(&topology.id).unwrap().contains_key(element(1).as_str()));
    topology.generation = 2;
    topology.elements[0].state = State::Prepared;
    world.host.want(topology).await.unwrap();
    world.settled(2).await;
    step(&world.host, &mut before, &mut journal).await;
    assert!(world.host.usage.element(&element(1)).points.is_empty());
    assert!(!world.host.usage.element(&element(2)).points.is_empty());
}

#[test]
fn processor_time_is_a_share_and_only_an_hour_is_kept() {
    let at = Instant::now();
    let then = Read { at, cpu_ns: 1_000_000_000 };
    let now = Read { at: at + Duration::from_secs(5), cpu_ns: 3_500_000_000 };
    assert_eq!(cpu_milli(then, now), 500);
    assert_eq!(
        cpu_milli(now, Read { at: now.at + Duration::from_secs(1), cpu_ns: 100_000_000 }),
        100
    );
    let mut kept = Kept(VecDeque::new());
    for n in 0..2 * USAGE_POINTS {
        kept.push(n);
    }
    assert_eq!((kept.0.len(), kept.0[0]), (USAGE_POINTS, USAGE_POINTS));
}
