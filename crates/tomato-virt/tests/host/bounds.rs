//! What a guest or an uploader makes cannot take more of the host than its share.

use std::fs;
use std::io::{self, Cursor, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tomato_model::id::ElementId;
use tomato_virt::container::{ContainerError, Containers, ExecRequest, ExitReason, Observed};

use super::world::{World, cgroup_roots, chain, until};

/// A file of 4 TB without content.
const HUGE: &str = "dd if=/dev/null bs=1048576 seek=4000000 count=0 2>/dev/null of=";

/// An archive with one file of zeros.
fn bomb(bytes: u64) -> Box<dyn Read + Send> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o644);
    tar.append_data(&mut header, "zeros", io::repeat(0).take(bytes)).expect("written");
    let bytes = tar.into_inner().and_then(flate2::write::GzEncoder::finish).expect("written");
    Box::new(Cursor::new(bytes))
}

/// An archive whose one file has no content but a length.
fn sparse_bomb(bytes: u64) -> Box<dyn Read + Send> {
    let mut header = tar::Header::new_gnu();
    header.set_path("hole").expect("fits");
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_size(0);
    header.set_mode(0o644);
    let gnu = header.as_gnu_mut().expect("made so");
    gnu.realsize.copy_from_slice(format!("{bytes:011o}\0").as_bytes());
    gnu.sparse[0].set_offset(bytes);
    gnu.sparse[0].set_length(0);
    header.set_cksum();
    let mut archive = header.as_bytes().to_vec();
    archive.extend([0; 1024]);
    Box::new(Cursor::new(archive))
}

#[tokio::test]
async fn an_archive_larger_than_its_room_is_refused() {
    let world = World::new();
    let spec = world.spec(1);
    let (all, id) = (&world.containers, &spec.id);
    all.prepare(&spec).await.expect("prepared");
    for started in [false, true] {
        if started {
            all.start(&spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
        }
        for archive in [bomb(50 << 20), sparse_bomb(8_000_000_000)] {
            let error = all.unpack(id, "/a", archive, 20 << 20).await.expect_err("too large");
            assert!(matches!(error, ContainerError::Refused { .. }), "{}", chain(&error));
            assert!(chain(&error).contains("20971520"), "{}", chain(&error));
        }
        let used = all.disk(id).await.expect("measured");
        assert!(used.bytes < 20 << 20, "{used:?}");
        all.unpack(id, "/a", bomb(1 << 20), 20 << 20).await.expect("it fits");
        all.empty(id, "/a").await.expect("emptied");
        let files = [("zeros", 10)];
        assert!(all.tails(id, "/a", &files).await.expect("read").is_empty(), "nothing is left");
        all.empty(id, "/missing").await.expect("none is fine");
    }
    let room = all.unpack(id, "/a", sparse_bomb(1 << 32), u64::MAX).await;
    assert!(room.is_ok() || matches!(room, Err(ContainerError::Refused { .. })), "{room:?}");
}

#[tokio::test]
async fn ends_of_huge_files_are_read_at_once_and_huge_directories_are_not_packed() {
    let world = World::new();
    let id = world.started(1).await.id;
    let all = &world.containers;
    let script = format!(
        "mkdir /s && {HUGE}/s/out && echo end >>/s/out && echo 7 >/s/done && ln -s done /s/link && busybox mkfifo /s/pipe"
    );
    world.ok(&id, &script).await;
    let names = ["out", "done", "link", "pipe", "none"].map(|name| (name, 4_u64));
    let read = all.tails(&id, "/s", &names);
    let read = tokio::time::timeout(Duration::from_secs(20), read).await.expect("at once");
    let read = read.unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(read.get("out").map(Vec::as_slice), Some(&b"end\n"[..]));
    assert_eq!(read.get("done").map(Vec::as_slice), Some(&b"7\n"[..]));
    assert_eq!(read.len(), 2, "{read:?}");
    let error = all.tails(&id, "/none", &names).await.expect_err("no directory");
    assert!(matches!(error, ContainerError::Refused { .. }), "{}", chain(&error));
    let pack = all.pack(&id, "/s", Box::new(io::sink()), 1 << 30);
    let packed = tokio::time::timeout(Duration::from_secs(20), pack).await.expect("at once");
    let error = packed.expect_err("too large");
    assert!(matches!(error, ContainerError::Refused { .. }), "{}", chain(&error));
}

/// Tells when something is written.
struct Tell(Arc<Notify>);

impl Write for Tell {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.notify_one();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Helper processes of this lab that are at work.
fn helpers(world: &World) -> Vec<PathBuf> {
    let is_helper = |entry: &fs::DirEntry| {
        let arguments = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        arguments.contains("helper") && arguments.contains(world.host.lab.as_str())
    };
    fs::read_dir("/proc")
        .expect("listed")
        .flatten()
        .filter(is_helper)
        .map(|entry| entry.path())
        .collect()
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_ended() {
    let world = World::new();
    let id = world.started(1).await.id;
    // Long enough to be still at work when its caller goes away; without content it takes no disk.
    world
        .ok(&id, "mkdir /s && dd if=/dev/null bs=1048576 seek=4000 count=0 of=/s/f 2>/dev/null")
        .await;
    let begun = Arc::new(Notify::new());
    let all = world.containers.clone();
    let (tell, of) = (Tell(Arc::clone(&begun)), id.clone());
    let packing = tokio::spawn(async move { all.pack(&of, "/s", Box::new(tell), 1 << 40).await });
    begun.notified().await;
    let found = helpers(&world);
    assert_eq!(found.len(), 1);
    let status = fs::read_to_string(found[0].join("stat")).expect("it is at work");
    let nice = status.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(16));
    assert_eq!(nice, Some("10"), "it stands back behind others: {status}");
    packing.abort();
    until("the helper is gone", || async { helpers(&world).is_empty() }).await;
    let all = world.containers.clone();
    let of = id.clone();
    let running = tokio::spawn(async move {
        let mut request = ExecRequest::new(["sleep", "1234"]);
        request.timeout = Duration::from_secs(3000);
        all.exec(&of, request).await
    });
    until("it runs", || async { world.ok(&id, "ps").await.contains("sleep 1234") }).await;
    running.abort();
    until("it was ended", || async { !world.ok(&id, "ps").await.contains("sleep 1234") }).await;
}

#[tokio::test]
async fn names_of_hosts_count_as_disk() {
    let world = World::new();
    let id = world.started(1).await.id;
    let before = world.containers.disk(&id).await.expect("measured");
    world.ok(&id, "dd if=/dev/zero of=/etc/hosts bs=1048576 count=20 2>/dev/null").await;
    let after = world.containers.disk(&id).await.expect("measured");
    assert!(before.bytes < 1 << 20 && after.bytes >= 20 << 20, "{before:?} {after:?}");
}

#[tokio::test]
async fn swap_is_no_way_around_the_memory_limit() {
    let world = World::new();
    let spec = world.started(1).await;
    for root in cgroup_roots() {
        let group = root.join("tomato").join(world.host.lab.as_str()).join(spec.id.as_str());
        for (file, limit) in
            [("memory.memsw.limit_in_bytes", spec.memory_bytes), ("memory.swap.max", 0)]
        {
            if let Ok(text) = fs::read_to_string(group.join(file)) {
                assert_eq!(text.trim(), limit.to_string(), "{file}");
            }
        }
    }
}

async fn kill_init(world: &World, id: &ElementId) -> Option<ExitReason> {
    let seen = world.containers.observe(id).await.expect("seen");
    let Observed::Started { pid, .. } = seen else { panic!("{seen:?}") };
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("fits"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("ours");
    until("it is gone", || async {
        matches!(world.containers.observe(id).await, Ok(Observed::Prepared { .. }))
    })
    .await;
    match world.containers.observe(id).await.expect("seen") {
        Observed::Prepared { last_exit } => last_exit,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_earlier_kill_of_a_child_is_not_the_reason_of_a_later_death() {
    let world = World::new();
    let spec = world.started(1).await;
    let output = world.sh(&spec.id, "tail /dev/zero").await;
    assert_eq!(output.signal.or(output.exit_code), Some(9).or(Some(137)), "{output:?}");
    let seen = world.containers.observe(&spec.id).await.expect("seen");
    assert!(matches!(seen, Observed::Started { oom_kills: 1.., .. }), "{seen:?}");
    assert_eq!(kill_init(&world, &spec.id).await, Some(ExitReason::Died));
    // Started anew, it begins to count anew.
    world.containers.start(&spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(kill_init(&world, &spec.id).await, Some(ExitReason::Died));
}

#[tokio::test]
async fn files_that_are_deleted_and_held_open_count() {
    let world = World::new();
    let id = world.started(1).await.id;
    let used = async || world.containers.disk(&id).await.expect("measured").bytes;
    let before = used().await;
    let script = "exec 9> /root/hidden; dd if=/dev/zero bs=1M count=8 >&9 2>/dev/null; rm /root/hidden; \
        sleep 1000 > /dev/null 2>&1 < /dev/null &";
    world.ok(&id, script).await;
    let held = used().await;
    assert!(held >= before + (8 << 20) && held < before + (9 << 20), "{before} {held}");
    world.ok(&id, "busybox killall sleep").await;
    until("the file to be gone", || async { used().await < before + (1 << 20) }).await;
}
