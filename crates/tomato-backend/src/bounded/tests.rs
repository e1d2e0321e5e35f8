//! Connections beyond the bounds, and those that say nothing.

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::serve::{Peer, hear};

const DEADLINE: Duration = Duration::from_secs(20);

/// A server that answers `GET /` with "ok".
async fn server(bounds: Bounds) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/", get(async || "ok"));
    let router = router.layer(axum::middleware::from_fn(async |request, next| {
        hear(&request);
        axum::middleware::Next::run(next, request).await
    }));
    let service = router.into_make_service_with_connect_info::<Peer>();
    tokio::spawn(axum::serve(Bounded::new(listener, bounds), service).into_future());
    address
}

/// Whether a request on the connection is answered.
async fn asks(stream: &mut TcpStream) -> bool {
    if stream.write_all(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n").await.is_err() {
        return false;
    }
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok") {
        let mut buffer = [0; 512];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return false,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
        }
    }
    true
}

/// Returns once the other end has closed the connection.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let end = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut rest));
    drop(end.await.expect("it is closed"));
}

#[tokio::test]
async fn what_is_too_much_is_closed_and_places_come_back() {
    for (all, each) in [(2, 9), (9, 2)] {
        let address = server(Bounds { all, each, patience: DEADLINE }).await;
        let mut kept = TcpStream::connect(address).await.unwrap();
        assert!(asks(&mut kept).await);
        let silent = TcpStream::connect(address).await.unwrap();
        closed(&mut TcpStream::connect(address).await.unwrap()).await;
        assert!(asks(&mut kept).await, "it had its place before");
        drop(silent);
        let comes_back = async {
            while !asks(&mut TcpStream::connect(address).await.unwrap()).await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, comes_back).await.expect("the place comes back");
    }
}

#[tokio::test]
async fn who_sends_no_request_is_not_waited_for() {
    let patience = Duration::from_millis(200);
    let address = server(Bounds { all: 9, each: 9, patience }).await;
    let mut served = TcpStream::connect(address).await.unwrap();
    assert!(asks(&mut served).await);
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    closed(&mut silent).await;
    closed(&mut slow).await;
    assert!(asks(&mut served).await, "it may rest between its requests");
}
