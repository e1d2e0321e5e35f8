//! What fails concerns only what it belongs to, and loses nothing that was accepted.

use super::*;

async fn try_upload(host: &Arc<Host>, content: &[u8]) -> Result<(), ApiError> {
    use std::io::Write;
    let mut file = crate::archive::spool(host).unwrap();
    file.write_all(content).unwrap();
    let to = (crate::archive::DEFAULT_DIR.to_owned(), true);
    crate::archive::upload(host, &element(1), to, file).await
}

#[tokio::test]
async fn a_refused_archive_is_not_kept_and_the_accepted_one_before_it_is() {
    let world = World::new();
    world.host.want(single()).await.unwrap();
    world.settled(1).await;
    try_upload(&world.host, b"good").await.unwrap();
    let accepted = kept(&world);
    world.containers.fail_next("unpack", "no archive at all");
    try_upload(&world.host, b"bad").await.unwrap_err();
    let dir = crate::archive::DEFAULT_DIR;
    assert_eq!(world.containers.unpacked(&element(1), dir), None, "nothing of it is left");
    assert_eq!(kept(&world), accepted);
    try_upload(&world.host, b"better").await.unwrap();
    assert_eq!(kept(&world).len(), 2, "one description and one content");
    world.host.want(started(single())).await.unwrap();
    let gone = async {
        while !kept(&world).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.unwrap();
    assert_eq!(world.containers.unpacked(&element(1), dir).unwrap(), b"better");
}

#[tokio::test]
async fn an_upload_in_flight_keeps_nothing_for_a_destroyed_element() {
    // Uploads hang in the container until they are given up.
    let hanging = Arc::new(Notify::new());
    let tell = Arc::clone(&hanging);
    let on_call = move |operation: &str, _: &ElementId| {
        if operation == "unpack" {
            tell.notify_one();
        }
    };
    let options = FakeOptions { on_call: Some(Arc::new(on_call)), ..FakeOptions::default() };
    let world = World::with(FakeOptions { hangs: Some("unpack".to_owned()), ..options });
    world.host.want(single()).await.unwrap();
    world.settled(1).await;
    let host = Arc::clone(&world.host);
    let upload = tokio::spawn(async move { try_upload(&host, b"late").await });
    hanging.notified().await;
    let mut empty = single();
    (empty.generation, empty.elements) = (2, Vec::new());
    world.host.want(empty).await.unwrap();
    world.settled(2).await;
    upload.await.unwrap().unwrap_err();
    assert_eq!(kept(&world), [] as [PathBuf; 0]);
    assert_eq!(world.containers.list().await.unwrap(), []);
}

#[tokio::test]
async fn an_orphan_that_cannot_be_removed_does_not_hide_the_others() {
    let mut world = World::new();
    world.host.want(single()).await.unwrap();
    world.settled(1).await;
    let template = crate::ledger::PinnedTemplate {
        digest: String::new(),
        rootfs: PathBuf::new(),
        boot: Vec::new(),
        main: None,
    };
    for n in [77, 78] {
        let stray = crate::translate::container_spec(&container(n), &template).unwrap();
        world.containers.start(&stray).await.unwrap();
    }
    let archives = world.dir.path().join("host").join("archives");
    std::fs::write(archives.join(format!("{}.1.tgz", element(77))), b"x").unwrap();
    world.containers.fail_next("destroy", "it is stuck");
    world.reopen();
    let gone = async {
        while world.containers.list().await.unwrap().len() > 2 || !kept(&world).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.unwrap();
    assert_eq!(world.containers.list().await.unwrap(), [element(1), element(77)]);
}

#[tokio::test]
async fn a_refused_port_concerns_its_own_element_only() {
    let world = World::new();
    let port = InterfaceId::new(2, 1).to_string();
    world.wire.refuse(&port);
    let topology = wanted();
    world.host.want(topology.clone()).await.unwrap();
    let seen = world.settled(1).await;
    let error = |n: u64| seen.elements.iter().find(|e| e.id == element(n)).unwrap().error.clone();
    assert_eq!(error(1).unwrap().code, ErrorCode::InvalidConfiguration);
    assert!(error(1).unwrap().message.contains("eth0"));
    assert_eq!((error(2), error(9)), (None, None));
    assert!(
        world.wire.attached(topology.id.as_str()).contains(&InterfaceId::new(2, 2).to_string())
    );
    let passing = &seen.connections;
    assert!(!passing.is_empty() && passing.len() < topology.connections.len(), "{passing:?}");
}

#[tokio::test]
async fn an_element_that_could_not_be_seen_once_is_started_at_the_next_look() {
    let world = World::new();
    world.host.want(single()).await.unwrap();
    world.settled(1).await;
    world.containers.fail_next("observe", "too many open files");
    let mut wanted = started(single());
    wanted.generation = 2;
    world.host.want(wanted).await.unwrap();
    world.settled(2).await;
    let topology = world.host.topologies().remove(0);
    assert!(topology.record().elements[&element(1)].failure.is_none());
    lock(&topology.live).recheck = true;
    topology.wake.notify_one();
    let seen = world.until(|o| o.elements[0].state == State::Started).await;
    assert_eq!(seen.elements[0].error, None);
}

#[tokio::test]
async fn an_archive_that_is_kept_counts_and_must_fit_into_the_profile() {
    let world = World::new();
    let mut wanted = single();
    wanted.elements[0].container.as_mut().unwrap().disk_bytes = 1000;
    world.host.want(wanted).await.unwrap();
    world.settled(1).await;
    assert_eq!(crate::archive::kept_bytes(&world.host, &element(1)).await, 0);
    try_upload(&world.host, &[1; 1000]).await.unwrap();
    assert_eq!(crate::archive::kept_bytes(&world.host, &element(1)).await, 1000);
    let error = try_upload(&world.host, &[1; 1001]).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidValue, "{error}");
    assert_eq!(
        crate::archive::kept_bytes(&world.host, &element(1)).await,
        1000,
        "the former is kept"
    );
}
