//! The whole state as a file, taken while the lab is at work, and put back.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tomato_backend::fault::FaultPoints;
use tomato_backend::restore::{Restored, restore};
use tomato_store::{EntityKind, SqliteStore, Store};
use tomato_testlab::limits::WAIT_MAX;
use tomato_testlab::{Client, Lab};

use crate::lifecycle::{pair, states};

async fn names(client: &Client) -> Vec<String> {
    let list = client.ok("GET", "/topologies", None).await.unwrap();
    let names = list.as_array().unwrap().iter();
    names.map(|topology| topology["name"].as_str().unwrap().to_owned()).collect()
}

/// Takes a backup and writes it to a file.
async fn backup(lab: &Lab, to: &Path) {
    let request = lab.client(Some("admin")).request("GET", "/server/backup").unwrap();
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    std::fs::write(to, answer.bytes().await.unwrap()).unwrap();
}

#[tokio::test]
async fn what_ran_when_the_backup_was_made_runs_after_it_is_put_back() {
    let mut lab = Lab::start(Duration::ZERO).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lab.backup");
    let owner = lab.client(Some("owner"));
    let (topology, connection) = pair(&owner).await;
    let before = names(&owner).await;
    let start = format!("/topologies/{topology}/actions/start");
    owner.act(&start).await.unwrap();

    // others go on with their changes meanwhile
    let stop = Arc::new(AtomicBool::new(false));
    let (busy, until) = (lab.client(Some("stranger")), Arc::clone(&stop));
    let changes = tokio::spawn(async move {
        let mut count = 0;
        while !until.load(Ordering::Relaxed) {
            let new = json!({"name": format!("other-{count}")});
            busy.ok("POST", "/topologies", Some(new)).await.unwrap();
            count += 1;
        }
        count
    });
    backup(&lab, &file).await;
    stop.store(true, Ordering::Relaxed);
    assert!(changes.await.unwrap() > 0);

    // what comes later is not in it
    let patch = json!({"emulation": true, "forward": {"delay": "20ms"}});
    owner.ok("PATCH", &format!("/connections/{connection}"), Some(patch)).await.unwrap();
    for action in ["stop", "start", "stop"] {
        owner.act(&format!("/topologies/{topology}/actions/{action}")).await.unwrap();
    }
    owner.ok("POST", "/topologies", Some(json!({"name": "later"}))).await.unwrap();
    lab.kill_backend();
    let restored = restore(&file, &lab.store_path(), None, &FaultPoints::default()).await.unwrap();
    assert_eq!(restored.accounts, 6);
    lab.start_backend().await.unwrap();
    assert_eq!(names(&owner).await, before);
    let path = format!("/topologies/{topology}");
    let shown = owner
        .wait(&path, "the elements to run again", |graph| {
            graph["elements"].as_array().unwrap().iter().all(|one| one["state"] == "started")
        })
        .await
        .unwrap();
    let delay = &shown["connections"][0]["forward"]["delay"];
    assert!(delay.is_null(), "it came after the backup: {shown:#}");
    // the host hears of changes again
    let job = owner.act(&format!("/topologies/{topology}/actions/destroy")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    assert_eq!(states(&owner, &topology).await, ["created", "created"]);
}

async fn store_with(path: &Path, name: &str) {
    let store = SqliteStore::open(path).await.unwrap();
    let put = tomato_store::Put::create(EntityKind::Setting, name, None, 1, &name).unwrap();
    let batch = tomato_store::Batch { puts: vec![put], ..tomato_store::Batch::default() };
    store.commit(batch).await.unwrap();
    store.close().await;
}

/// Which of the two states is there; nothing else may be.
async fn there(path: &Path) -> &'static str {
    let store = SqliteStore::open(path).await.unwrap();
    let has = async |name| store.get(EntityKind::Setting, name).await.unwrap().is_some();
    let found = (has("old").await, has("new").await);
    store.close().await;
    match found {
        (true, false) => "old",
        (false, true) => "new",
        _ => panic!("neither the old state nor the new one: {found:?}"),
    }
}

#[tokio::test]
async fn whenever_putting_back_breaks_off_one_whole_state_is_there() {
    let mut seen = Vec::new();
    for point in ["copied", "prepared", "settled", "renamed"] {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("store.db"), dir.path().join("file.backup"));
        store_with(&old, "old").await;
        store_with(&new, "new").await;
        let reached = Arc::new(Notify::new());
        let tell = Arc::clone(&reached);
        let fault = FaultPoints::new(move |at| {
            if at == point {
                tell.notify_one();
            }
            at == point
        });
        let work = async { drop(restore(&new, &old, None, &fault).await) };
        let broken_off = async {
            tokio::select! {
                () = work => panic!("it did not reach {point}"),
                () = reached.notified() => {}
            }
        };
        tokio::time::timeout(WAIT_MAX, broken_off).await.unwrap();
        seen.push(there(&old).await);
        // and it can be done again
        restore(&new, &old, None, &FaultPoints::default()).await.unwrap();
        assert_eq!(there(&old).await, "new", "{point}");
    }
    assert_eq!(seen, ["old", "old", "old", "new"]);
}

#[tokio::test]
async fn what_is_no_backup_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (old, file) = (dir.path().join("store.db"), dir.path().join("file"));
    store_with(&old, "old").await;
    let good = dir.path().join("good");
    store_with(&good, "new").await;
    let mut damaged = std::fs::read(&good).unwrap();
    let half = damaged.len() / 2;
    damaged[half..].fill(0x55);
    for bytes in [b"nonsense".to_vec(), Vec::new(), damaged] {
        std::fs::write(&file, bytes).unwrap();
        let error = restore(&file, &old, None, &FaultPoints::default()).await.unwrap_err();
        assert!(error.to_string().contains("the backup cannot be used"), "{error:?}");
        assert_eq!(there(&old).await, "old");
        let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(names.len(), 3, "{names:?}");
    }
    let restored = restore(&good, &old, None, &FaultPoints::default()).await.unwrap();
    assert_eq!(restored, Restored { accounts: 0, topologies: 0 });
}
