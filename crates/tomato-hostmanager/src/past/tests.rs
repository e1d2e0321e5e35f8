use std::io::Read;

use tomato_model::units::ByteCount;
use tomato_virt::container::ExitReason;

use super::*;
use crate::host::tests::{DEADLINE, World, element, wanted};
use crate::usage::journal::Journal;
use crate::usage::{Before, step};

/// Both connections; the first keeps its past.
fn keeping() -> (WantedTopology, [ConnectionId; 2]) {
    let mut topology = wanted();
    let recording = &mut topology.connections[0].recording;
    (recording.past, recording.past_size) = (Span(30_000_000_000), ByteCount(4 << 20));
    let ids = [0, 1].map(|n: usize| topology.connections[n].id.clone());
    (topology, ids)
}

fn read(mut file: File) -> String {
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    text
}

fn causes(world: &World, id: &ConnectionId) -> Vec<SaveCause> {
    world.host.saved_pasts(id).unwrap().into_iter().map(|saved| saved.cause).collect()
}

#[tokio::test]
async fn the_past_is_given_where_it_is_kept() {
    let world = World::new();
    let (topology, [kept, other]) = keeping();
    let before = world.host.past(&kept).await.unwrap_err();
    assert_eq!(before.code, ErrorCode::NoDataAvailable);
    world.host.want(topology).await.unwrap();
    world.settled(1).await;
    assert_eq!(read(world.host.past(&kept).await.unwrap()), format!("the past of {kept}"));
    let error = world.host.past(&other).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NoDataAvailable);
    assert!(error.message.starts_with("recording.past: "), "{error}");
    assert_eq!(causes(&world, &kept), []);
    world.wire.set_away(true);
    assert_eq!(world.host.past(&kept).await.unwrap_err().code, ErrorCode::HostError);
}

#[tokio::test]
async fn it_is_saved_once_when_the_connection_is_degraded() {
    let world = World::new();
    let (topology, [kept, other]) = keeping();
    world.host.want(topology).await.unwrap();
    world.settled(1).await;
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::new(dir.path().to_owned());
    let mut before = Before::default();
    step(&world.host, &mut before, &mut journal).await;
    step(&world.host, &mut before, &mut journal).await;
    assert_eq!(causes(&world, &kept), []);
    for id in [&kept, &other] {
        world.wire.degrade(id.as_str());
    }
    step(&world.host, &mut before, &mut journal).await;
    step(&world.host, &mut before, &mut journal).await;
    assert_eq!(causes(&world, &kept), [SaveCause::Degraded]);
    assert_eq!(causes(&world, &other), []);
    let saved = world.host.saved_pasts(&kept).unwrap().remove(0);
    let file = world.host.saved_past(&kept, &saved.name).unwrap();
    assert_eq!(file.metadata().unwrap().len(), saved.bytes);
    assert_eq!(read(file), format!("the past of {kept}"));
    for name in ["", "1-degraded", "../x", "+1-degraded", "x-degraded", "1-other"] {
        let error = world.host.saved_past(&kept, name).unwrap_err();
        assert_eq!(error.code, ErrorCode::NoDataAvailable, "{name}");
    }
}

#[tokio::test]
async fn it_is_saved_before_an_ended_element_takes_its_links_along() {
    let world = World::new();
    let (topology, [kept, _]) = keeping();
    world.host.want(topology.clone()).await.unwrap();
    world.settled(1).await;
    world.containers.die(&element(1), ExitReason::Died);
    let running = world.host.topology(&topology.id).unwrap();
    lock(&running.live).recheck = true;
    running.wake.notify_one();
    let seen = async {
        while causes(&world, &kept).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, seen).await.expect("it is saved");
    assert_eq!(causes(&world, &kept), [SaveCause::ElementEnded]);
}

#[tokio::test]
async fn a_stop_that_was_asked_for_saves_nothing() {
    let world = World::new();
    let (mut topology, [kept, _]) = keeping();
    world.host.want(topology.clone()).await.unwrap();
    world.settled(1).await;
    topology.generation = 2;
    topology.elements[0].state = State::Prepared;
    world.host.want(topology).await.unwrap();
    world.settled(2).await;
    assert_eq!(causes(&world, &kept), []);
}

#[tokio::test]
async fn the_newest_are_kept() {
    let world = World::new();
    let (topology, [kept, _]) = keeping();
    world.host.want(topology.clone()).await.unwrap();
    world.settled(1).await;
    let folder = dir(&world.host).join(kept.as_str());
    std::fs::create_dir_all(&folder).unwrap();
    for n in 0..PASTS_SAVED {
        std::fs::write(folder.join(format!("{n}-degraded.pcapng")), "old").unwrap();
    }
    world.host.save_past(&topology.id, &kept, SaveCause::ElementEnded).await;
    let names: Vec<_> =
        world.host.saved_pasts(&kept).unwrap().into_iter().map(|saved| saved.name).collect();
    assert_eq!(names.len(), PASTS_SAVED);
    assert!(names[0].ends_with("-element-ended"), "{names:?}");
    assert_eq!(names[PASTS_SAVED - 1], "1-degraded");
}
