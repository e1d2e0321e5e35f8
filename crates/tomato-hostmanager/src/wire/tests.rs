use std::os::unix::net::UnixListener;
use std::time::Duration;

use tomato_wire::control::server::{self, Service};
use tomato_wire::control::{Answer, Request, VERSION, Welcome};

use super::*;

const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn calls_beyond_the_bound_are_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wire");
    // Takes connections and never answers.
    let silent = UnixListener::bind(&path).unwrap();
    let wire = SocketWire::new(path);
    let waiting: Vec<_> = (0..WIRE_CALLS_WAITING)
        .map(|_| {
            let wire = wire.clone();
            tokio::spawn(async move { wire.instance().await })
        })
        .collect();
    while wire.places.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let refused = tokio::time::timeout(DEADLINE, wire.instance()).await.unwrap();
    assert!(matches!(&refused, Err(WireFault::Away(text)) if text.contains("wait")), "{refused:?}");
    drop(silent);
    // The ones under way end with the connection, and there is room again.
    for call in waiting {
        let ended = tokio::time::timeout(DEADLINE, call).await.unwrap().unwrap();
        assert!(matches!(ended, Err(WireFault::Away(_))), "{ended:?}");
    }
    assert_eq!(wire.places.available_permits(), WIRE_CALLS_WAITING);
}

#[tokio::test]
async fn the_end_of_the_wire_is_seen_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wire");
    let listener = UnixListener::bind(&path).unwrap();
    let wire = SocketWire::new(path);
    let ended = tokio::spawn({
        let wire = wire.clone();
        async move { wire.ended().await }
    });
    let (taken, _) = tokio::task::spawn_blocking(move || listener.accept()).await.unwrap().unwrap();
    assert!(!ended.is_finished());
    drop(taken);
    tokio::time::timeout(DEADLINE, ended).await.unwrap().unwrap();
}

/// A wire that refuses every status.
struct Refusing(ErrorCode);

impl Service for Refusing {
    fn welcome(&self) -> Welcome {
        Welcome { version: VERSION, pid: 1, instance: 1 }
    }

    fn handle(&mut self, request: Request, _: Option<OwnedFd>) -> Result<Answer, Refusal> {
        match request {
            Request::Status { .. } => Err(Refusal::new(self.0, "no status")),
            other => panic!("{other:?} was not asked for"),
        }
    }
}

#[tokio::test]
async fn counters_that_the_wire_cannot_tell_are_not_zero() {
    for code in [ErrorCode::NotFound, ErrorCode::Internal, ErrorCode::Limit] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wire");
        let listener = UnixListener::bind(&path).unwrap();
        let serving = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            server::serve(&stream, &mut Refusing(code)).ok();
        });
        let wire = SocketWire::new(path);
        let status = tokio::time::timeout(DEADLINE, wire.status("t")).await.unwrap();
        match code {
            ErrorCode::NotFound => assert_eq!(status, Ok(TopologyStatus::default())),
            _ => assert!(matches!(&status, Err(WireFault::Away(_))), "{code:?}: {status:?}"),
        }
        drop(wire);
        serving.join().unwrap();
    }
}
