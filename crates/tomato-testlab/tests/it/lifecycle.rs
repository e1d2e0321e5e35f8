//! A topology's life, from its creation to its end.

use std::time::Duration;

use serde_json::{Value, json};
use tomato_testlab::{Client, Lab};

/// A topology with two containers joined by a connection: its id and the connection's.
pub(crate) async fn pair(client: &Client) -> (String, String) {
    let topology = client.ok("POST", "/topologies", Some(json!({"name": "pair"}))).await.unwrap();
    let id = topology["id"].as_str().unwrap();
    let mut ends = Vec::new();
    for name in ["alice", "bob"] {
        let new =
            json!({"topology": id, "kind": "container", "name": name, "template": "debian-12"});
        let element = client.ok("POST", "/elements", Some(new)).await.unwrap();
        ends.push(element["id"].clone());
    }
    let new = json!({"topology": id, "ends": ends});
    let connection = client.ok("POST", "/connections", Some(new)).await.unwrap();
    (id.to_owned(), connection["id"].as_str().unwrap().to_owned())
}

/// The states of a topology's elements.
pub(crate) async fn states(client: &Client, topology: &str) -> Vec<Value> {
    let graph = client.ok("GET", &format!("/topologies/{topology}"), None).await.unwrap();
    graph["elements"].as_array().unwrap().iter().map(|e| e["state"].clone()).collect()
}

#[tokio::test]
async fn two_containers_live_from_create_to_destroy() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, connection) = pair(&owner).await;
    let action = |action: &str| format!("/topologies/{topology}/actions/{action}");
    let link = format!("/connections/{connection}");
    assert_eq!(states(&owner, &topology).await, ["created", "created"]);

    let job = owner.act(&action("start")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    assert_eq!(job["progress"]["done"], job["progress"]["total"]);
    assert_eq!(states(&owner, &topology).await, ["started", "started"]);
    let shown = owner.ok("GET", &link, None).await.unwrap();
    assert_eq!(shown["started"], true, "a finished start passes frames: {shown:#}");
    let config = lab.wire.config(&topology).expect("the wire knows the topology");
    assert_eq!((config.ports.len(), config.links.len()), (2, 1));
    assert_eq!(lab.wire.attached(&topology).len(), 2);
    let attaches = lab.wire.attaches();

    let patch = json!({"emulation": true, "forward": {"delay": "20ms"}});
    let patched = owner.ok("PATCH", &link, Some(patch)).await.unwrap();
    assert_ne!(patched["forward"], shown["forward"]);
    assert_eq!(patched["backward"], shown["backward"]);
    let deadline = tokio::time::Instant::now() + tomato_testlab::limits::WAIT_MAX;
    while lab.wire.config(&topology).expect("it stays").links == config.links {
        assert!(tokio::time::Instant::now() < deadline, "the wire never got the new delay");
        tokio::time::sleep(tomato_testlab::limits::WAIT_STEP).await;
    }
    assert_eq!(lab.wire.attaches(), attaches, "a live change attaches nothing anew");

    let stale = owner.request("PATCH", &link).unwrap().header("If-Match", "\"1\"");
    let stale = stale.json(&json!({"connected": false})).send().await.unwrap();
    let stale = tomato_testlab::client::answer(stale).await.unwrap();
    assert_eq!((stale.status, stale.code()), (409, Some("conflict")));
    assert_eq!(stale.body["data"]["current"]["revision"], patched["revision"]);

    let job = owner.act(&action("stop")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    assert_eq!(states(&owner, &topology).await, ["prepared", "prepared"]);
    let refused = owner.call("DELETE", &format!("/topologies/{topology}"), None).await.unwrap();
    assert_eq!(refused.status, 409, "{refused:?}");
    let job = owner.act(&action("destroy")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    assert_eq!(states(&owner, &topology).await, ["created", "created"]);
    owner.ok("DELETE", &format!("/topologies/{topology}"), None).await.unwrap();
    let gone = owner.call("GET", &format!("/topologies/{topology}"), None).await.unwrap();
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn one_failing_element_fails_alone() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, _) = pair(&owner).await;
    lab.containers.fail_next("start", "no such luck");
    let job = owner.act(&format!("/topologies/{topology}/actions/start")).await.unwrap();
    assert_eq!(job["state"], "failed", "{job:#}");
    let errors: Vec<&Value> = job["elements"]
        .as_object()
        .unwrap()
        .values()
        .filter(|e| e.get("error").is_some())
        .collect();
    assert_eq!(errors.len(), 1, "{job:#}");
    assert!(errors[0]["error"].to_string().contains("no such luck"), "{job:#}");
    let mut states = states(&owner, &topology).await;
    states.sort_by_key(ToString::to_string);
    assert_eq!(states, ["prepared", "started"]);
    let job = owner.act(&format!("/topologies/{topology}/actions/start")).await.unwrap();
    assert_eq!(job["state"], "done", "asking again tries again: {job:#}");
}
