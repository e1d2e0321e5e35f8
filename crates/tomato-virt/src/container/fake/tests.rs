//! Tests that the fake keeps the promises of the trait.

use super::*;

fn spec(id: &ElementId) -> ContainerSpec {
    ContainerSpec {
        id: id.clone(),
        hostname: "h".to_owned(),
        rootfs: "/t".into(),
        cpus_milli: 100,
        memory_bytes: 1,
        disk_bytes: 1,
        pids_max: 1,
        boot: Vec::new(),
        main: None,
    }
}

#[tokio::test]
async fn life_cycle_and_restart() {
    let fake = FakeContainers::new(FakeOptions::default());
    let id = ElementId::new(1, 1);
    assert_eq!(fake.observe(&id).await.expect("seen"), Observed::Absent);
    assert!(matches!(
        fake.exec(&id, ExecRequest::new(["x"])).await,
        Err(ContainerError::NotPrepared(_))
    ));
    fake.start(&spec(&id)).await.expect("started");
    let restarted = fake.clone();
    let Observed::Started { pid, .. } = restarted.observe(&id).await.expect("seen") else {
        panic!("not started")
    };
    restarted.start(&spec(&id)).await.expect("started already");
    let same =
        matches!(fake.observe(&id).await, Ok(Observed::Started { pid: now, .. }) if now == pid);
    assert!(same, "a second start changes nothing");
    fake.die(&id, ExitReason::OutOfMemory);
    let expect = Observed::Prepared { last_exit: Some(ExitReason::OutOfMemory) };
    assert_eq!(fake.observe(&id).await.expect("seen"), expect);
    fake.destroy(&id).await.expect("destroyed");
    fake.destroy(&id).await.expect("destroyed already");
    assert!(fake.list().await.expect("listed").is_empty());
}

#[tokio::test]
async fn failures_come_once_each() {
    let fake = FakeContainers::new(FakeOptions::default());
    let id = ElementId::new(1, 1);
    fake.fail_next("start", "disk full");
    let error = fake.start(&spec(&id)).await.expect_err("was told to").to_string();
    assert!(error.contains("disk full"), "{error}");
    fake.start(&spec(&id)).await.expect("only once");
}

#[tokio::test]
async fn packets_reach_the_guest_side() {
    let fake = FakeContainers::new(FakeOptions::default());
    let id = ElementId::new(1, 1);
    fake.start(&spec(&id)).await.expect("started");
    let interface = InterfaceSpec { name: "eth0".to_owned(), mac: [2, 0, 0, 0, 0, 1], mtu: 1500 };
    let fd = fake.plug(&id, &interface).await.expect("plugged");
    drop(fake.plug(&id, &interface).await.expect("plugged already"));
    let guest = fake.guest_side(&id, "eth0").expect("there");
    rustix::io::write(&fd, b"frame").expect("sent");
    let mut buffer = [0u8; 16];
    let n = rustix::io::read(&guest, &mut buffer).expect("received");
    assert_eq!(&buffer[..n], b"frame");
    assert_eq!(fake.plugged(&id).await.expect("listed"), ["eth0"]);
}
