//! Killed processes lose nothing that was acknowledged, and what they were at is finished.

use std::time::Duration;

use serde_json::json;
use tomato_testlab::Lab;
use tomato_testlab::limits::{WAIT_MAX, WAIT_STEP};

use crate::lifecycle::{pair, states};

/// Long enough that a start is under way when its process is killed.
const STEP: Duration = Duration::from_millis(200);

async fn until_a_container_is_touched(lab: &Lab) {
    let deadline = tokio::time::Instant::now() + WAIT_MAX;
    while lab.containers.calls().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "the host never began");
        tokio::time::sleep(WAIT_STEP).await;
    }
}

#[tokio::test]
async fn a_backend_killed_in_a_start_finishes_it() {
    let mut lab = Lab::start(STEP).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, connection) = pair(&owner).await;
    let link = format!("/connections/{connection}");
    let start = format!("/topologies/{topology}/actions/start");
    let job = owner.ok("POST", &start, None).await.unwrap();
    until_a_container_is_touched(&lab).await;
    let patch = json!({"emulation": true, "forward": {"delay": "20ms"}, "_note": "kept"});
    let acknowledged = owner.ok("PATCH", &link, Some(patch)).await.unwrap();
    let path = format!("/jobs/{}", job["id"].as_str().unwrap());
    let at_kill = owner.ok("GET", &path, None).await.unwrap();
    assert_eq!(at_kill["state"], "running", "{at_kill:#}");
    lab.kill_backend();

    lab.start_backend().await.unwrap();
    let owner = lab.client(Some("owner"));
    let shown = owner.ok("GET", &link, None).await.unwrap();
    for field in ["forward", "emulation", "client", "name", "interfaces"] {
        assert_eq!(shown[field], acknowledged[field], "{field} was acknowledged");
    }
    let job = owner.job(job["id"].as_str().unwrap()).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    assert_eq!(states(&owner, &topology).await, ["started", "started"]);
    let starts = lab.containers.calls().into_iter().filter(|(call, _)| call == "start").count();
    assert_eq!(starts, 2, "each container was started once");
}

#[tokio::test]
async fn a_host_killed_in_a_start_finishes_it() {
    let mut lab = Lab::start(STEP).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, _) = pair(&owner).await;
    let start = format!("/topologies/{topology}/actions/start");
    let job = owner.ok("POST", &start, None).await.unwrap();
    until_a_container_is_touched(&lab).await;
    lab.kill_host();
    lab.start_host().unwrap();
    let job = owner.job(job["id"].as_str().unwrap()).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    assert_eq!(states(&owner, &topology).await, ["started", "started"]);
    assert_eq!(lab.wire.attached(&topology).len(), 2);
}
