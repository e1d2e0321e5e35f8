//! Live captures on a wire that only remembers, with real sockets.

use std::pin::Pin;

use tomato_model::id::{ConnectionId, TopologyId};

use super::*;
use crate::host::tests::{DEADLINE, World, wanted};

type Blocks = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

const SECTION: u32 = 0x0a0d_0d0a;

fn key() -> String {
    TopologyId::new(1, 1).to_string()
}

fn link() -> ConnectionId {
    ConnectionId::new(3, 1)
}

/// A frame with that IPv4 protocol.
fn frame(protocol: u8) -> Vec<u8> {
    let mut frame = vec![0; 60];
    frame[12] = 8;
    frame[14] = 0x45;
    frame[23] = protocol;
    frame
}

async fn reader(world: &World, filter: &str) -> Blocks {
    let filter = Filter::compile(filter).unwrap();
    let mut blocks: Blocks = Box::pin(world.host.live(&link(), filter).await.unwrap());
    let header = next(&mut blocks).await;
    assert_eq!(header[..4], SECTION.to_le_bytes());
    let text = String::from_utf8_lossy(&header);
    assert!(text.contains("host1:eth0->host9:eth0"), "{text}");
    blocks
}

async fn next(blocks: &mut Blocks) -> Bytes {
    let next = tokio::time::timeout(DEADLINE, blocks.next()).await;
    next.expect("in time").expect("goes on")
}

async fn tapped(world: &World) {
    while !world.wire.is_tapped(&key(), link().as_str()) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn each_reader_gets_what_its_filter_means() {
    let world = World::new();
    world.host.want(wanted()).await.unwrap();
    world.settled(1).await;
    let mut all = reader(&world, "").await;
    let mut udp = reader(&world, "udp").await;
    tapped(&world).await;
    for protocol in [6, 17] {
        world.wire.pass(&key(), link().as_str(), &frame(protocol));
    }
    let (tcp, both) = (next(&mut all).await, next(&mut all).await);
    assert_eq!((tcp[28 + 23], both[28 + 23]), (6, 17));
    assert_eq!(next(&mut udp).await, both, "the first packet is not meant");
    // Another wire: the readers go on.
    world.wire.restart();
    world.settled(1).await;
    loop {
        if world.wire.is_tapped(&key(), link().as_str()) {
            world.wire.pass(&key(), link().as_str(), &frame(17));
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(next(&mut udp).await[28 + 23], 17);
}

#[tokio::test]
async fn one_reader_too_many_is_refused_until_another_is_gone() {
    let world = World::new();
    world.host.want(wanted()).await.unwrap();
    world.settled(1).await;
    let mut all = Vec::new();
    for _ in 0..LIVE_READERS {
        all.push(reader(&world, "").await);
    }
    let more = world.host.live(&link(), Filter::compile("").unwrap()).await.map(drop);
    let refused = more.expect_err("there is no place");
    assert_eq!(refused.code, ErrorCode::NoResources);
    assert!(refused.message.contains("live captures already"), "{}", refused.message);
    all.pop();
    drop(reader(&world, "").await);
}

#[tokio::test]
async fn a_slow_reader_loses_packets_and_is_told_how_many() {
    let world = World::new();
    world.host.want(wanted()).await.unwrap();
    world.settled(1).await;
    let mut slow = reader(&world, "").await;
    let mut quick = reader(&world, "").await;
    tapped(&world).await;
    let count = 3 * LIVE_RECORDS;
    for _ in 0..count {
        world.wire.pass(&key(), link().as_str(), &frame(6));
        next(&mut quick).await;
    }
    let mut seen = 0;
    while seen < LIVE_RECORDS - 1 {
        next(&mut slow).await;
        seen += 1;
    }
    world.wire.pass(&key(), link().as_str(), &frame(17));
    let last = loop {
        let block = next(&mut slow).await;
        if block[28 + 23] == 17 {
            break block;
        }
        seen += 1;
    };
    // epb_dropcount, option 4 of 8 bytes, behind the flags.
    let at = 28 + 60 + 8;
    assert_eq!(last[at..at + 4], [4, 0, 8, 0]);
    let lost = u64::from_le_bytes(last[at + 4..at + 12].try_into().unwrap());
    assert_eq!(seen + usize::try_from(lost).unwrap(), count);
    let unknown = world.host.live(&ConnectionId::new(9, 9), Filter::compile("").unwrap()).await;
    assert_eq!(unknown.err().map(|error| error.code), Some(ErrorCode::NoDataAvailable));
}

#[tokio::test]
async fn too_many_readers_are_refused_in_words() {
    let world = World::new();
    world.host.want(wanted()).await.unwrap();
    world.settled(1).await;
    let mut readers = Vec::new();
    for _ in 0..LIVE_READERS {
        readers.push(reader(&world, "").await);
    }
    let refused = world.host.live(&link(), Filter::compile("").unwrap()).await;
    assert_eq!(refused.err().map(|error| error.code), Some(ErrorCode::NoResources));
    tapped(&world).await;
    world.wire.pass(&key(), link().as_str(), &frame(6));
    next(&mut readers[0]).await;
}
