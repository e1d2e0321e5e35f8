use super::*;
use crate::host::tests::{DEADLINE, World, element, single, with_fakes};
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
    let read = timeout(SHORT, read(host, &element(1), "/a".to_owned(), Begin::default())).await;
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

/// The last bytes of an upload.
fn whole(bytes: &'static [u8]) -> Body {
    let mark = http::HeaderMap::from_iter([(WHOLE, http::HeaderValue::from_static("true"))]);
    let frames = [Frame::data(Bytes::from_static(bytes)), Frame::trailers(mark)];
    let frames = stream::iter(frames.map(Ok::<_, io::Error>));
    Body::new(http_body_util::StreamBody::new(frames))
}

/// The first bytes of an upload, after which the connection breaks.
fn broken(bytes: &'static [u8]) -> Body {
    let first = stream::once(std::future::ready(Ok(Bytes::from_static(bytes))));
    let end = stream::once(std::future::ready(Err(io::Error::from(io::ErrorKind::BrokenPipe))));
    Body::from_stream(first.chain(end))
}

#[tokio::test]
async fn an_upload_that_broke_off_goes_on_where_it_was() {
    let world = World::new();
    let host = &world.host;
    host.want(single()).await.unwrap();
    world.settled(1).await;
    let id = element(1);
    let part = |offset, body| write_part(host, &id, "/a", ("name", offset), body);
    let held = async || part::held(host, &id, "name").await.unwrap();
    part(0, broken(b"first")).await.unwrap_err();
    assert_eq!(held().await, 5);
    let refused = part(6, Body::from("x")).await.unwrap_err();
    assert_eq!((refused.code, &refused.data), (ErrorCode::Conflict, &json!({"bytes": 5})));
    part(5, broken(b", secind")).await.unwrap_err();
    part(9, Body::from("co")).await.expect_err("not marked as whole");
    part(9, whole(b"cond")).await.unwrap();
    assert_eq!(held().await, 0, "a whole one is not kept");
    let (head, body) = read(host, &id, "/a".to_owned(), Begin::default()).await.unwrap();
    let all = axum::body::to_bytes(body, 100).await.unwrap();
    assert_eq!(all, "first, second");
    let again = Begin { offset: 7, version: Some(head.version_text()) };
    let (_, body) = read(host, &id, "/a".to_owned(), again).await.unwrap();
    assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), "second");
    let other = Begin { offset: 7, version: Some("00".to_owned()) };
    let refused = read(host, &id, "/a".to_owned(), other).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Conflict);
}

#[tokio::test]
async fn a_call_that_goes_on_ends_the_one_that_hangs() {
    let world = World::new();
    let host = &world.host;
    host.want(single()).await.unwrap();
    world.settled(1).await;
    let (send, chunks) = mpsc::channel::<io::Result<Bytes>>(1);
    let (own, id) = (Arc::clone(host), element(1));
    let hanging = tokio::spawn(async move {
        let body = Body::from_stream(ReceiverStream::new(chunks));
        write_part(&own, &id, "/a", ("name", 0), body).await
    });
    send.send(Ok(Bytes::from("one"))).await.unwrap();
    // Taken once there is room for another.
    send.reserve().await.unwrap().send(Ok(Bytes::from("two")));
    drop(send.reserve().await.unwrap());
    write_part(host, &element(1), "/a", ("name", 0), whole(b"other")).await.unwrap();
    let refused = hanging.await.unwrap().unwrap_err();
    assert_eq!(refused.code, ErrorCode::EntityBusy);
}

#[tokio::test]
async fn an_upload_takes_no_more_than_the_rest_of_its_profiles_disk() {
    let world = World::new();
    let host = &world.host;
    host.want(single()).await.unwrap();
    world.settled(1).await;
    let id = element(1);
    let disk = disk_limit(&host.topology_of(&id).await.unwrap(), &id);
    world.containers.set_disk(&id, disk - 5);
    let refused = write(host, &id, "/a", Body::from("larger")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidValue, "{refused}");
    let refused = write_part(host, &id, "/a", ("name", 0), whole(b"larger")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidValue, "{refused}");
    write(host, &id, "/a", Body::from("small")).await.unwrap();
    write_part(host, &id, "/a", ("name", 0), whole(b"small")).await.unwrap();
}

#[tokio::test]
async fn a_reader_that_leaves_before_the_first_byte_gives_its_place_back() {
    let world = World::new();
    let host = &world.host;
    host.want(single()).await.unwrap();
    world.settled(1).await;
    let places = Arc::clone(&host.topology_of(&element(1)).await.unwrap().places);
    world.containers.hold_at(Some(world.containers.calls().len()));
    let (own, id) = (Arc::clone(host), element(1));
    let reading =
        tokio::spawn(async move { read(&own, &id, "/a".to_owned(), Begin::default()).await });
    let begun = timeout(DEADLINE, async {
        while !world.containers.is_held() {
            tokio::task::yield_now().await;
        }
    });
    begun.await.expect("it begins to read");
    reading.abort();
    let mut held = Vec::new();
    for _ in 0..ARCHIVES_PER_TOPOLOGY {
        held.push(timeout(DEADLINE, places.archive()).await.expect("a place"));
    }
}
