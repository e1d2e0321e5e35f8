//! The conformance suite on SQLite, and what only a file can get wrong.

use std::sync::Arc;

use sqlx::ConnectOptions as _;

use super::SqliteStore;
use crate::conformance;
use crate::entity::{Batch, EntityKind, Put};
use crate::error::StoreError;
use crate::event::NewEvent;
use crate::store::Store;

async fn empty() -> (tempfile::TempDir, SqliteStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("tomato.db")).await.unwrap();
    (dir, store)
}

macro_rules! conforms {
    ($($check:ident)*) => {$(
        #[tokio::test]
        async fn $check() {
            let (_dir, store) = empty().await;
            conformance::$check(&store).await;
        }
    )*};
}

conforms! { entities conflicts event_log accounts tokens audit_log }

fn event() -> NewEvent {
    NewEvent { topology: None, at_us: 1, body: "{}".to_owned() }
}

#[tokio::test]
async fn a_closed_file_keeps_everything() {
    let (dir, store) = empty().await;
    let put = Put::create(EntityKind::Job, "j", None, 1, &"x").unwrap();
    let batch = Batch { puts: vec![put], events: vec![event()], ..Batch::default() };
    let sequences = store.commit(batch).await.unwrap();
    store.close().await;
    let store = SqliteStore::open(&dir.path().join("tomato.db")).await.unwrap();
    assert_eq!(store.get(EntityKind::Job, "j").await.unwrap().expect("kept").revision, 1);
    assert_eq!(store.last_event().await.unwrap(), sequences[0]);
}

fn job(id: &str) -> Batch {
    let put = Put::create(EntityKind::Job, id, None, 1, &"x").unwrap();
    Batch { puts: vec![put], is_synced_later: true, ..Batch::default() }
}

#[tokio::test]
async fn the_log_is_moved_into_the_file_while_the_store_is_in_use() {
    let (dir, store) = empty().await;
    store.commit(job("j")).await.unwrap();
    store.synced().await.unwrap();
    let alone = async |name: &str| {
        let copy = dir.path().join(name);
        std::fs::copy(store.path(), &copy).unwrap();
        let copied = SqliteStore::open(&copy).await.unwrap();
        let row = copied.get(EntityKind::Job, "j").await.unwrap();
        copied.close().await;
        row.is_some()
    };
    assert!(!alone("before.db").await);
    store.log.shorten(&store.writer).await.unwrap();
    assert!(alone("after.db").await);
    store.commit(job("k")).await.unwrap();
    store.synced().await.unwrap();
    assert!(store.get(EntityKind::Job, "k").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_wait_for_the_disk_together_and_all_is_on_it_then() {
    let (_dir, store) = empty().await;
    let store = Arc::new(store);
    let workers: Vec<_> = (0..16)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                store.commit(job(&n.to_string())).await.unwrap();
                store.synced().await.unwrap();
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(store.log.counts().await, (16, 16));
}

#[tokio::test]
async fn old_events_are_pruned_and_numbers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tomato.db");
    let store = SqliteStore::open_with(&path, 10, 5).await.unwrap();
    for _ in 0..40 {
        store.commit(Batch { events: vec![event()], ..Batch::default() }).await.unwrap();
    }
    let left = store.events_after(0, 100).await.unwrap();
    assert!((10..=15).contains(&left.len()), "{} events are left", left.len());
    assert_eq!(left.last().map(|e| e.sequence), Some(40));
    assert_eq!(store.first_event().await.unwrap(), left.first().map(|e| e.sequence));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_concurrent_changes_exactly_one_wins_each_revision() {
    let (_dir, store) = empty().await;
    let store = Arc::new(store);
    let put = Put::create(EntityKind::Setting, "n", None, 1, &0_u64).unwrap();
    store.commit(Batch { puts: vec![put], ..Batch::default() }).await.unwrap();
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut done = 0;
                while done < 10 {
                    let row = store.get(EntityKind::Setting, "n").await.unwrap().expect("it stays");
                    let count = row.decode::<u64>().unwrap();
                    let put = Put::replace(&row, row.revision + 1, &(count + 1)).unwrap();
                    match store.commit(Batch { puts: vec![put], ..Batch::default() }).await {
                        Ok(_) => done += 1,
                        Err(StoreError::Conflict { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let row = store.get(EntityKind::Setting, "n").await.unwrap().expect("it stays");
    assert_eq!((row.decode::<u64>().unwrap(), row.revision), (40, 41));
}

#[tokio::test]
async fn a_full_disk_is_told_in_words_and_loses_nothing() {
    let (_dir, store) = empty().await;
    let put = Put::create(EntityKind::Job, "kept", None, 1, &"x").unwrap();
    store.commit(Batch { puts: vec![put], ..Batch::default() }).await.unwrap();
    // A bound on the pages of the file makes SQLite answer like a full disk.
    let pages: i64 =
        sqlx::query_scalar("PRAGMA page_count").fetch_one(&store.writer).await.unwrap();
    let bound = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", pages + 2));
    sqlx::query(bound).execute(&store.writer).await.unwrap();
    let big = "x".repeat(1 << 20);
    let put = Put::create(EntityKind::Job, "big", None, 1, &big).unwrap();
    let refused = store.commit(Batch { puts: vec![put], ..Batch::default() }).await;
    assert!(matches!(refused, Err(StoreError::DiskFull(_))), "{refused:?}");
    assert!(store.get(EntityKind::Job, "kept").await.unwrap().is_some());
    assert!(store.get(EntityKind::Job, "big").await.unwrap().is_none());
    let put = Put::create(EntityKind::Job, "small", None, 1, &"x").unwrap();
    store.commit(Batch { puts: vec![put], ..Batch::default() }).await.unwrap();
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let (dir, store) = empty().await;
    store.close().await;
    let path = dir.path().join("tomato.db");
    let mut conn =
        sqlx::sqlite::SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', 1, x'00', 0)",
    )
    .execute(&mut conn)
    .await
    .unwrap();
    sqlx::Connection::close(conn).await.unwrap();
    let refused = SqliteStore::open(&path).await.expect_err("the schema is newer");
    assert!(matches!(refused, StoreError::Migrate { .. }), "{refused:?}");
    assert!(refused.to_string().contains("newer version"));
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let refused =
        SqliteStore::open("/nonexistent/tomato.db".as_ref()).await.expect_err("no directory");
    assert!(refused.to_string().contains("/nonexistent/tomato.db"), "{refused}");
}
