use bytes::Bytes;
use tomato_api::request::{ElementCreate, TopologyCreate};
use tomato_model::kind::Kind;

use super::*;
use crate::hostlink::HostLink;

fn caller(name: &str) -> Caller {
    Caller { account: name.to_owned(), ..Caller::default() }
}

fn body(text: &'static [u8]) -> ByteStream {
    Box::pin(futures_util::stream::iter([Ok(Bytes::from_static(text))]))
}

async fn app(dir: &Path) -> (App, ElementId) {
    let store = tomato_store::SqliteStore::open(&dir.join("db")).await.expect("a store");
    let app = App::open(store, HostLink::default()).await.expect("an application");
    app.grants().keep_in(&dir.join("grants")).expect("a directory");
    let owner = caller("owner");
    let topology = app.topology_create(&owner, TopologyCreate::default()).await.expect("made");
    let args = ElementCreate {
        topology: topology.id,
        kind: Kind::Container,
        name: None,
        type_name: None,
        attributes: serde_json::Map::new(),
    };
    let element = app.element_create(&owner, args).await.expect("made");
    (app, element.id)
}

fn secret(grant: &str) -> &str {
    grant.split_once('/').expect("a prefix").1
}

#[tokio::test]
async fn a_grant_is_random_for_one_purpose_and_needs_a_role() {
    let dir = tempfile::tempdir().expect("a directory");
    let (app, id) = app(dir.path()).await;
    let owner = caller("owner");
    let first = app.grant_archive(&owner, &id, true).await.expect("a grant");
    let second = app.grant_archive(&owner, &id, true).await.expect("a grant");
    assert_ne!(first, second);
    assert_eq!(secret(&first).len(), 48);
    let stranger = app.grant_archive(&caller("stranger"), &id, true).await.expect_err("refused");
    assert_eq!(stranger.code, ErrorCode::EntityDoesNotExist);
    let wrong = app.grant_download(secret(&first)).await.err().expect("refused");
    assert_eq!(wrong.code, ErrorCode::Denied);
    let download = app.grant_archive(&owner, &id, false).await.expect("a grant");
    let wrong = app.grant_upload(secret(&download), body(b"x")).await.expect_err("refused");
    assert_eq!(wrong.code, ErrorCode::Denied);
    let unknown = app.grant_upload("0000", body(b"x")).await.expect_err("refused");
    assert_eq!(unknown.code, ErrorCode::EntityDoesNotExist);
}

#[tokio::test]
async fn an_upload_waits_until_it_is_used_and_a_later_one_replaces_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let (app, id) = app(dir.path()).await;
    let owner = caller("owner");
    let nothing = app.grant_use_archive(&owner, &id).await.expect_err("nothing there");
    assert_eq!(nothing.code, ErrorCode::NoDataAvailable);
    for text in [b"one".as_slice(), b"two".as_slice()] {
        let grant = app.grant_archive(&owner, &id, true).await.expect("a grant");
        app.grant_upload(secret(&grant), body(text)).await.expect("taken");
    }
    let files: Vec<_> = std::fs::read_dir(dir.path().join("grants"))
        .expect("a directory")
        .map(|entry| std::fs::read(entry.expect("an entry").path()).expect("a file"))
        .collect();
    assert_eq!(files, [b"two".to_vec()]);
    // Without a host it cannot be used, and is kept.
    let error = app.grant_use_archive(&owner, &id).await.expect_err("no host");
    assert_ne!(error.code, ErrorCode::NoDataAvailable);
    assert_eq!(app.grants().uploads().len(), 1);
}

#[tokio::test]
async fn a_grant_ends() {
    let dir = tempfile::tempdir().expect("a directory");
    let (app, id) = app(dir.path()).await;
    let grant = app.grant_archive(&caller("owner"), &id, true).await.expect("a grant");
    for grant in app.grants().table().values_mut() {
        grant.until = Instant::now();
    }
    let ended = app.grant_upload(secret(&grant), body(b"x")).await.expect_err("ended");
    assert!(ended.message.contains("ended"), "{ended}");
}
