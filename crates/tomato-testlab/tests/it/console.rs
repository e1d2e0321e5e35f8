//! Consoles over the public interface.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tomato_testlab::limits::WAIT_MAX;
use tomato_testlab::{Client, Lab};

use crate::lifecycle::pair;

/// A viewer with all it was shown.
struct Viewer {
    socket: WebSocketStream<reqwest::Upgraded>,
    text: String,
    told: Vec<Value>,
}

impl Viewer {
    async fn open(client: &Client, element: &str, query: &str) -> anyhow::Result<Self> {
        let socket = client.socket(&format!("/elements/{element}/console{query}")).await?;
        Ok(Self { socket, text: String::new(), told: Vec::new() })
    }

    async fn types(&mut self, text: &'static str) {
        self.socket.send(Message::Binary(text.as_bytes().into())).await.unwrap();
    }

    /// False once it was closed.
    async fn take(&mut self) -> bool {
        let next = tokio::time::timeout(WAIT_MAX, self.socket.next()).await;
        match next.unwrap_or_else(|_| panic!("nothing after {:?} {:?}", self.text, self.told)) {
            Some(Ok(Message::Binary(bytes))) => self.text += &String::from_utf8_lossy(&bytes),
            Some(Ok(Message::Text(text))) => self.told.push(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(_)) | Err(_)) | None => return false,
        }
        true
    }

    async fn until(&mut self, is_met: impl Fn(&Self) -> bool) {
        while !is_met(self) {
            assert!(self.take().await, "it was closed: {:?} {:?}", self.text, self.told);
        }
    }
}

/// A lab in which a pair runs; the id of its topology and of its first element.
async fn running() -> (Lab, String, String) {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, _) = pair(&owner).await;
    let job = owner.act(&format!("/topologies/{topology}/actions/start")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    let graph = owner.ok("GET", &format!("/topologies/{topology}"), None).await.unwrap();
    let element = graph["elements"][0]["id"].as_str().unwrap().to_owned();
    (lab, topology, element)
}

#[tokio::test]
async fn a_console_is_shared_resized_and_survives_the_backend() {
    let (mut lab, _, element) = running().await;
    let mut first = Viewer::open(&lab.client(Some("owner")), &element, "").await.unwrap();
    first.types("hello").await;
    first.until(|v| v.text.contains("hello")).await;
    let admin = lab.client(Some("admin"));
    let mut second = Viewer::open(&admin, &element, "?view=true").await.unwrap();
    second.until(|v| v.text.contains("hello")).await;
    second.types("not mine").await;
    let resize = json!({"type": "resize", "columns": 132, "rows": 43}).to_string();
    first.socket.send(Message::Text(resize.into())).await.unwrap();
    let size = json!({"type": "size", "columns": 132, "rows": 43});
    second.until(|v| v.told.contains(&size)).await;
    first.types("mine").await;
    second.until(|v| v.text.contains("mine")).await;
    assert!(!second.text.contains("not mine"), "a viewer that only looks on is not listened to");

    lab.kill_backend();
    while first.take().await {}
    lab.start_backend().await.unwrap();
    let mut again = Viewer::open(&lab.client(Some("owner")), &element, "").await.unwrap();
    again.until(|v| v.text.contains("hello") && v.text.contains("mine")).await;
    assert_eq!(again.told[0], size);
}

#[tokio::test]
async fn what_is_wrong_is_told_in_the_console() {
    let (lab, topology, element) = running().await;
    let owner = lab.client(Some("owner"));
    for account in [None, Some("stranger")] {
        let refused = Viewer::open(&lab.client(account), &element, "").await;
        let status = if account.is_none() { "status: 401" } else { "status: 404" };
        let error = refused.err().expect("refused").to_string();
        assert!(error.contains(status), "{error}");
    }
    let mut viewer = Viewer::open(&owner, &element, "").await.unwrap();
    viewer.types("x").await;
    viewer.until(|v| v.text.contains('x')).await;
    let job = owner.act(&format!("/topologies/{topology}/actions/stop")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    while viewer.take().await {}
    let last = viewer.told.last().expect("told why");
    assert!(last["message"].to_string().contains("stopped"), "{last}");
    let mut viewer = Viewer::open(&owner, &element, "").await.unwrap();
    while viewer.take().await {}
    assert_eq!(viewer.told[0]["type"], "error");
    assert!(viewer.told[0]["message"].to_string().contains("start it first"), "{:?}", viewer.told);
}

#[tokio::test]
async fn pages_of_other_origins_open_no_console() {
    let (lab, _, element) = running().await;
    let path = format!("/elements/{element}/console");
    let request = lab.client(Some("owner")).request("GET", &path).unwrap();
    let request = request
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Origin", "http://elsewhere.example");
    assert_eq!(request.send().await.unwrap().status(), 403);
}
