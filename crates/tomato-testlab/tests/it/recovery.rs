//! Killed processes lose nothing that was acknowledged, and what they were at is finished.

use std::time::Duration;

use serde_json::{Value, json};
use tomato_store::{Batch, EntityKind, Put, Row, SqliteStore, Store};
use tomato_testlab::Lab;
use tomato_testlab::limits::{WAIT_MAX, WAIT_STEP};

use tomato_virt::container::ExitReason;

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
    let mut lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, connection) = pair(&owner).await;
    let link = format!("/connections/{connection}");
    let start = format!("/topologies/{topology}/actions/start");
    lab.containers.hold_at(Some(1));
    let job = owner.ok("POST", &start, None).await.unwrap();
    until_a_container_is_touched(&lab).await;
    let patch = json!({"emulation": true, "forward": {"delay": "20ms"}, "_note": "kept"});
    let acknowledged = owner.ok("PATCH", &link, Some(patch)).await.unwrap();
    let path = format!("/jobs/{}", job["id"].as_str().unwrap());
    let at_kill = owner.ok("GET", &path, None).await.unwrap();
    assert_eq!(at_kill["state"], "running", "{at_kill:#}");
    lab.kill_backend();
    lab.containers.hold_at(None);

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

#[tokio::test]
async fn calls_wait_for_a_host_in_recovery_and_nothing_is_called_created() {
    let mut lab = Lab::start(STEP).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, _) = pair(&owner).await;
    let job = owner.act(&format!("/topologies/{topology}/actions/start")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    let graph = owner.ok("GET", &format!("/topologies/{topology}"), None).await.unwrap();
    let exec = format!("/elements/{}/exec", graph["elements"][1]["id"].as_str().unwrap());
    lab.kill_host();
    owner.wait("/server", "the host to go", |server| server["hosts"] == json!([])).await.unwrap();
    let waiting = tokio::spawn({
        let owner = owner.clone();
        async move { owner.ok("POST", &exec, Some(json!({"argv": ["true"]}))).await }
    });
    assert_eq!(states(&owner, &topology).await, ["started", "started"]);
    lab.start_host().unwrap();
    while !waiting.is_finished() {
        assert_eq!(states(&owner, &topology).await, ["started", "started"]);
        tokio::time::sleep(WAIT_STEP).await;
    }
    assert_eq!(waiting.await.unwrap().unwrap()["exit_code"], 0);
    let job = owner.act(&format!("/topologies/{topology}/actions/stop")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    assert_eq!(states(&owner, &topology).await, ["prepared", "prepared"]);
}

#[tokio::test]
async fn a_stop_right_after_a_restart_knows_what_runs() {
    let mut lab = Lab::start(STEP).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, _) = pair(&owner).await;
    owner.ok("POST", &format!("/topologies/{topology}/actions/start"), None).await.unwrap();
    until_a_container_is_touched(&lab).await;
    lab.kill_backend();
    // the host goes on meanwhile, and the backend has not seen it
    let deadline = tokio::time::Instant::now() + WAIT_MAX;
    while lab.containers.calls().iter().filter(|(call, _)| call == "configure").count() < 2 {
        assert!(tokio::time::Instant::now() < deadline, "the host never ended");
        tokio::time::sleep(WAIT_STEP).await;
    }
    lab.start_backend().await.unwrap();
    let owner = lab.client(Some("owner"));
    let job = owner.act(&format!("/topologies/{topology}/actions/stop")).await.unwrap();
    assert_eq!((&job["state"], &job["progress"]["total"]), (&json!("done"), &json!(2)), "{job:#}");
    assert_eq!(states(&owner, &topology).await, ["prepared", "prepared"]);
}

#[tokio::test]
async fn one_unreadable_topology_holds_up_no_other() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (first, _) = pair(&owner).await;
    let (second, _) = pair(&owner).await;
    owner.act(&format!("/topologies/{first}/actions/start")).await.unwrap();
    // somebody else has written into the state file: nothing of this topology can be stored from now on
    let store = SqliteStore::open(&lab.store_path()).await.unwrap();
    for row in store.list(EntityKind::Element, Some(&first)).await.unwrap() {
        let put = Put { revision: 99, expected: Some(row.revision), ..put(&row) };
        store.commit(Batch { puts: vec![put], ..Batch::default() }).await.unwrap();
    }
    let graph = owner.ok("GET", &format!("/topologies/{first}"), None).await.unwrap();
    let id = graph["elements"][0]["id"].as_str().unwrap().parse().unwrap();
    lab.containers.die(&id, ExitReason::Died);
    let path = format!("/elements/{id}/exec");
    let gone = owner.call("POST", &path, Some(json!({"argv": ["true"]}))).await.unwrap();
    assert_ne!(gone.status, 200, "the host knows");
    let job = owner.act(&format!("/topologies/{second}/actions/start")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
}

fn put(row: &Row) -> Put {
    let (kind, id, body) = (row.kind, row.id.clone(), row.body.clone());
    Put { kind, id, topology: row.topology.clone(), expected: None, revision: row.revision, body }
}

#[tokio::test]
async fn a_change_outlives_its_client() {
    let mut lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, _) = pair(&owner).await;
    lab.kill_host();
    lab.kill_backend();
    lab.start_backend().await.unwrap();
    // without a host the call waits, and its client does not
    let owner = lab.client(Some("owner"));
    let start = format!("/topologies/{topology}/actions/start");
    let request = owner.request("POST", &start).unwrap().timeout(Duration::from_millis(500));
    assert!(request.send().await.unwrap_err().is_timeout());
    lab.start_host().unwrap();
    let path = format!("/topologies/{topology}");
    let is_started = |graph: &Value| {
        graph["elements"].as_array().is_some_and(|all| all.iter().all(|e| e["state"] == "started"))
    };
    owner.wait(&path, "the start", is_started).await.unwrap();
}
