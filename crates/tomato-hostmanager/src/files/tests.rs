use super::*;
use crate::host::tests::{World, element, single, with_fakes};
use crate::limits::ARCHIVES_PER_TOPOLOGY;

/// Long enough for whatever is done at once, and waited for in vain by whatever is not done at all.
const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_reader_that_takes_nothing_ends_the_transfer() {
    let (to, _taken_by_nobody) = mpsc::channel(1);
    let mut writer = ChunkWriter { to, runtime: Handle::current(), silence: SHORT };
    let written = tokio::task::spawn_blocking(move || {
        writer.write_all(b"taken by the channel")?;
        writer.write_all(b"taken by nobody")
    });
    let error = written.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
}

#[tokio::test]
async fn a_writer_that_sends_nothing_ends_the_transfer() {
    let first = stream::once(std::future::ready(io::Result::Ok(Bytes::from("first"))));
    let body = Body::from_stream(first.chain(stream::pending()));
    let mut chunks = chunks(body, SHORT);
    assert_eq!(chunks.next().await.unwrap().unwrap(), "first");
    let error = chunks.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
}

#[tokio::test]
async fn transfers_hold_places_of_their_topology() {
    let world = World::new();
    let host = &world.host;
    host.want(single()).await.unwrap();
    world.settled(1).await;
    let topology = host.topology_of(&element(1)).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..ARCHIVES_PER_TOPOLOGY {
        held.push(topology.places.archive().await);
    }
    let read = timeout(SHORT, read(host, &element(1), "/a".to_owned())).await;
    assert!(read.is_err(), "it was read without a place");
    let written = timeout(SHORT, write(host, &element(1), "/a", Body::from("a"))).await;
    assert!(written.is_err(), "it was written without a place");
    drop(held);
    write(host, &element(1), "/a", Body::from("a")).await.unwrap();
}

#[tokio::test]
async fn an_archive_never_takes_the_last_of_the_disk() {
    let (_dir, host, containers) = with_fakes();
    let body = || Body::from(vec![1; 100]);
    drop(receive(&host, body()).await.unwrap());
    containers.set_disk_short(true);
    let refused = receive(&host, body()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::NoResources);
}
