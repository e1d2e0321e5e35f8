//! Traffic and usage over the public interface.

use std::time::Duration;

use futures_util::StreamExt;
use tomato_testlab::Lab;
use tomato_testlab::limits::WAIT_MAX;

use crate::lifecycle::pair;

#[tokio::test]
async fn traffic_is_told_by_events_in_the_documented_form() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, connection) = pair(&owner).await;
    let job = owner.act(&format!("/topologies/{topology}/actions/start")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    let path = format!("/topologies/{topology}/traffic?interval=100");
    let response = owner.request("GET", &path).unwrap().send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut chunks = response.bytes_stream();
    let mut text = String::new();
    let whole = async {
        while !(text.matches("event: traffic\n").count() >= 2 && text.ends_with("\n\n")) {
            text += std::str::from_utf8(&chunks.next().await.unwrap().unwrap()).unwrap();
        }
    };
    tokio::time::timeout(WAIT_MAX, whole).await.unwrap();
    let event = text.split("\n\n").find(|event| event.contains("event: traffic")).unwrap();
    let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let rates = &data["connections"][&connection];
    for direction in ["forward", "backward"] {
        for rate in ["bits_per_second", "packets_per_second", "drops_per_second"] {
            assert_eq!(rates[direction][rate], 0, "{data:#}");
        }
    }
    assert!(data["time"].as_str().unwrap().ends_with('Z'), "{data:#}");
    for interval in ["99", "soon"] {
        let path = format!("/topologies/{topology}/traffic?interval={interval}");
        let refused = owner.call("GET", &path, None).await.unwrap();
        assert_eq!((refused.status, refused.code()), (400, Some("invalid_value")), "{refused:?}");
    }
    let path = format!("/connections/{connection}/usage");
    let usage = owner.ok("GET", &path, None).await.unwrap();
    assert_eq!(usage["period_s"], 5, "{usage:#}");
}
