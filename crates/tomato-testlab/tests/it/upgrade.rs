//! The state of the first version is taken over by this one.
//!
//! `upgrade/first.db` has the first schema and bodies as they were written with it; it is never changed.

use std::time::Duration;

use serde_json::{Value, json};
use tomato_backend::fault::FaultPoints;
use tomato_backend::restore::restore;
use tomato_testlab::Lab;

const FIRST: &[u8] = include_bytes!("upgrade/first.db");
/// A token made with the first version, by which nothing could be narrowed.
const SECRET: &str = "tomato_of_the_first_version";
const TOPOLOGY: &str = "69258d000000000000000001";

/// A call with the old token.
async fn call(lab: &Lab, method: &str, path: &str, body: Option<Value>) -> Value {
    let mut request = lab.client(None).request(method, path).unwrap().bearer_auth(SECRET);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = tomato_testlab::client::answer(request.send().await.unwrap()).await.unwrap();
    assert!(answer.status < 300, "{method} {path}: {answer:?}");
    answer.body
}

/// What of the first version is shown, can be changed, and runs.
async fn check(lab: &Lab) {
    let topology = format!("/topologies/{TOPOLOGY}");
    let graph = call(lab, "GET", &topology, None).await;
    assert_eq!(graph["topology"]["name"], "from the first version");
    assert_eq!(graph["topology"]["seed"], 9_007_199_254_740_991_u64);
    assert_eq!(graph["elements"].as_array().unwrap().len(), 3);
    assert_eq!(graph["elements"][0]["files"]["/etc/motd"], "hello\n");
    assert_eq!(graph["connections"][0]["forward"]["delay"], "20ms");
    let interface = graph["elements"][0]["interfaces"][0]["id"].as_str().unwrap();
    call(lab, "PATCH", &format!("/interfaces/{interface}"), Some(json!({"mtu": 1400}))).await;
    let job = call(lab, "POST", &format!("{topology}/actions/start"), None).await;
    let done = async {
        loop {
            let job =
                call(lab, "GET", &format!("/jobs/{}", job["id"].as_str().unwrap()), None).await;
            if job["state"] != "running" {
                return job;
            }
            tokio::time::sleep(tomato_testlab::limits::WAIT_STEP).await;
        }
    };
    let job = tokio::time::timeout(tomato_testlab::limits::WAIT_MAX, done).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    let sessions = call(lab, "GET", "/tokens", None).await;
    assert_eq!(sessions[0]["scope"], json!({"access": "full"}), "{sessions:#}");
}

#[tokio::test]
async fn an_older_data_directory_is_brought_up_to_date() {
    let mut lab = Lab::start(Duration::ZERO).await.unwrap();
    lab.kill_backend();
    let store = lab.store_path();
    std::fs::remove_file(&store).unwrap();
    for log in ["-wal", "-shm"] {
        // gone with the backend, or not
        drop(std::fs::remove_file(format!("{}{log}", store.display())));
    }
    std::fs::write(&store, FIRST).unwrap();
    lab.start_backend().await.unwrap();
    check(&lab).await;
    lab.kill_backend();
    lab.start_backend().await.unwrap();
    assert_eq!(call(&lab, "GET", "/topologies", None).await[0]["id"], TOPOLOGY);
}

#[tokio::test]
async fn an_older_backup_is_brought_up_to_date() {
    let mut lab = Lab::start(Duration::ZERO).await.unwrap();
    lab.kill_backend();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("old.backup");
    std::fs::write(&file, FIRST).unwrap();
    let restored = restore(&file, &lab.store_path(), None, &FaultPoints::default()).await.unwrap();
    assert_eq!((restored.accounts, restored.topologies), (2, 1));
    assert_eq!(std::fs::read(&file).unwrap(), FIRST, "the backup itself stays as it is");
    lab.start_backend().await.unwrap();
    check(&lab).await;
}
