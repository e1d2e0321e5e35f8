//! Packing and unpacking directories.

use std::fs;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tomato_virt::container::{ContainerError, Containers};

use super::world::{World, chain};

/// Room enough for what these tests pack.
const LIMIT: u64 = 1 << 30;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn file(name: &str, data: &[u8]) -> (tar::Header, Vec<u8>) {
    let mut header = tar::Header::new_gnu();
    // Not `set_path`, which refuses the paths a hostile archive has.
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(u64::try_from(data.len()).expect("fits"));
    header.set_mode(0o755);
    header.set_cksum();
    (header, data.to_vec())
}

fn link(name: &str, to: &str) -> (tar::Header, Vec<u8>) {
    let (mut header, data) = file(name, b"");
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_link_name(to).expect("fits");
    header.set_cksum();
    (header, data)
}

fn tar_gz(entries: &[(tar::Header, Vec<u8>)]) -> Box<dyn Read + Send> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (header, data) in entries {
        tar.append(header, &data[..]).expect("written");
    }
    let bytes = tar.into_inner().and_then(flate2::write::GzEncoder::finish).expect("written");
    Box::new(io::Cursor::new(bytes))
}

/// Path to content of the files of an archive.
async fn packed(
    world: &World,
    id: &tomato_model::id::ElementId,
    dir: &str,
) -> Vec<(String, String)> {
    let sink = Sink::default();
    let all = &world.containers;
    all.pack(id, dir, Box::new(sink.clone()), LIMIT)
        .await
        .unwrap_or_else(|e| panic!("{}", chain(&e)));
    let bytes = sink.0.lock().expect("no panic").clone();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&bytes[..]));
    let mut found = Vec::new();
    for entry in archive.entries().expect("read") {
        let mut entry = entry.expect("read");
        let path = entry.path().expect("read").display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("read");
        let target = entry.link_name().expect("read").map(|t| t.display().to_string());
        found.push((path, target.unwrap_or(text)));
    }
    found
}

#[tokio::test]
async fn directories_go_in_and_out_prepared_and_started() {
    let world = World::new();
    let spec = world.spec(1);
    let (all, id) = (&world.containers, &spec.id);
    all.prepare(&spec).await.expect("prepared");
    let archive = || tar_gz(&[file("run.sh", b"echo hi"), file("sub/a", b"A"), link("l", "sub/a")]);
    for started in [false, true] {
        if started {
            all.start(&spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
        }
        let dir = if started { "/opt/two" } else { "/opt/one" };
        all.unpack(id, dir, archive(), LIMIT).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
        all.unpack(id, dir, archive(), LIMIT)
            .await
            .unwrap_or_else(|e| panic!("again: {}", chain(&e)));
        let files = packed(&world, id, dir).await;
        for expect in [("run.sh", "echo hi"), ("sub/a", "A"), ("l", "sub/a")] {
            let found = files
                .iter()
                .any(|(path, text)| path.trim_start_matches("./") == expect.0 && text == expect.1);
            assert!(found, "{expect:?} in {files:?}");
        }
    }
    assert_eq!(
        world.ok(id, "sh /opt/one/run.sh; cat /opt/one/l; stat -c %u /opt/one/run.sh").await,
        "hi\nA0\n"
    );
    let error = all.pack(id, "/missing", Box::new(io::sink()), LIMIT).await.expect_err("missing");
    assert!(chain(&error).contains("/missing"), "{}", chain(&error));
    let garbage = Box::new(io::Cursor::new(b"no archive at all".to_vec()));
    all.unpack(id, "/x", garbage, LIMIT).await.expect_err("garbage");
    let error = all.unpack(id, "relative", archive(), LIMIT).await.expect_err("relative");
    assert!(matches!(error, ContainerError::Invalid(_)), "{}", chain(&error));
}

#[tokio::test]
async fn large_archives_pass() {
    let world = World::new();
    let id = world.started(1).await.id;
    let data: Vec<u8> = (0..30_000_000u32)
        .map(|i| u8::try_from(i.wrapping_mul(i) >> 7 & 255).expect("masked"))
        .collect();
    world
        .containers
        .unpack(&id, "/big", tar_gz(&[file("f", &data)]), LIMIT)
        .await
        .expect("unpacked");
    assert_eq!(world.ok(&id, "wc -c </big/f").await.trim(), "30000000");
    let sink = Sink::default();
    world.containers.pack(&id, "/big", Box::new(sink.clone()), LIMIT).await.expect("packed");
    let bytes = sink.0.lock().expect("no panic").clone();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&bytes[..]));
    let mut back = Vec::new();
    archive
        .entries()
        .expect("read")
        .next()
        .expect("one")
        .expect("read")
        .read_to_end(&mut back)
        .expect("read");
    assert!(back == data, "the same bytes");
}

#[tokio::test]
async fn hostile_archives_and_links_do_not_lead_out() {
    let world = World::new();
    let spec = world.spec(1);
    let (all, id) = (&world.containers, &spec.id);
    let outside = world.dir.path().join("outside");
    fs::create_dir(&outside).expect("made");
    fs::write(outside.join("secret"), "secret").expect("written");
    let outside_text = outside.to_str().expect("text");
    all.prepare(&spec).await.expect("prepared");
    for started in [false, true] {
        if started {
            all.start(&spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
        }
        // The directory itself is a link to a path that exists on the host only.
        let evil = if started { "evil2" } else { "evil1" };
        let way = tar_gz(&[link(evil, outside_text), file(&format!("{evil}/owned"), b"x")]);
        // Refused, or written into the container: both are right.
        drop(all.unpack(id, "/a", way, LIMIT).await);
        drop(all.unpack(id, &format!("/a/{evil}"), tar_gz(&[file("owned", b"x")]), LIMIT).await);
        drop(all.unpack(id, "/a", tar_gz(&[file("../../../../owned", b"x")]), LIMIT).await);
        let deep = format!("/{}{}/owned", "../".repeat(20), &outside_text[1..]);
        drop(all.unpack(id, "/a", tar_gz(&[file(&deep[1..], b"x")]), LIMIT).await);
        let sink = Sink::default();
        drop(all.pack(id, &format!("/a/{evil}"), Box::new(sink.clone()), LIMIT).await);
        let bytes = sink.0.lock().expect("no panic").clone();
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut text).ok();
        assert!(!text.windows(6).any(|w| w == b"secret"), "read from outside");
    }
    let files: Vec<_> =
        fs::read_dir(&outside).expect("listed").flatten().map(|e| e.file_name()).collect();
    assert_eq!(files, ["secret"], "written outside");
    assert!(!world.dir.path().join("owned").exists());
}

#[tokio::test]
async fn packing_copes_with_pipes_and_vanishing_files() {
    let world = World::new();
    let id = world.started(1).await.id;
    world.ok(&id, "mkdir /d && busybox mkfifo /d/pipe && echo x >/d/file").await;
    world.ok(&id, "while true; do touch /d/new; rm -f /d/new; done >/dev/null 2>&1 &").await;
    let pack = packed(&world, &id, "/d");
    let files = tokio::time::timeout(Duration::from_secs(20), pack).await.expect("does not hang");
    assert!(files.iter().any(|(path, _)| path.ends_with("file")), "{files:?}");
}

/// A tar of one file below so many directories.
fn deep_tar(top: &str, levels: usize) -> Box<dyn Read + Send> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    let path = format!("{top}/{}f", "d/".repeat(levels));
    tar.append_data(&mut header, path, &b"x"[..]).expect("written");
    Box::new(io::Cursor::new(tar.into_inner().expect("written")))
}

#[tokio::test]
async fn deep_archives_and_directories_are_refused_at_once() {
    let world = World::new();
    let spec = world.started(1).await;
    let (all, id) = (&world.containers, &spec.id);
    for (top, levels) in [("w", 2020), ("w", 127)] {
        let written = all.write_files(id, "/tmp", deep_tar(top, levels), LIMIT);
        let written = tokio::time::timeout(Duration::from_secs(20), written).await;
        let error = written.expect("at once").expect_err("too deep");
        assert!(matches!(error, ContainerError::Refused { .. }), "{}", chain(&error));
        assert!(chain(&error).contains("128 levels"), "{}", chain(&error));
    }
    assert_eq!(world.ok(id, "ls -A /tmp").await, "", "nothing was begun");
    all.write_files(id, "/tmp", deep_tar("w", 126), LIMIT).await.expect("as deep as may be");
    // Its own directory may not be deeper either, as every path is resolved from the root.
    let made = format!("/tmp/deep/{}", "d/".repeat(130));
    world.ok(id, &format!("mkdir -p {made}")).await;
    let error = all.write_files(id, &made, deep_tar("w", 1), LIMIT).await.expect_err("too deep");
    assert!(matches!(error, ContainerError::Refused { .. }), "{}", chain(&error));
    // With a link for a directory, the way is as deep.
    world.ok(id, &format!("ln -s {made} /tmp/short")).await;
    let error = all.write_files(id, "/tmp/short", deep_tar("w", 1), LIMIT).await;
    assert!(matches!(error, Err(ContainerError::Refused { .. })), "{error:?}");
}

#[tokio::test]
async fn what_the_kernel_makes_up_and_special_files_are_not_copied() {
    let world = World::new();
    let spec = world.started(1).await;
    let (all, id) = (&world.containers, &spec.id);
    world
        .ok(
            id,
            "busybox mkfifo /tmp/pipe; ln -s /proc/1/root /tmp/root; ln -s /proc/1/exe /tmp/exe; ln -s loop /tmp/loop; \
             sleep 1000 < /etc/passwd > /dev/null 2>&1 & echo $! > /tmp/pid",
        )
        .await;
    let sleeper = world.ok(id, "cat /tmp/pid").await;
    let of_sleeper = ["fd/0", "exe", "root/etc/passwd", "cwd"]
        .map(|what| format!("/proc/{}/{what}", sleeper.trim()));
    let fixed = [
        "/proc/1/exe",
        "/proc/1/fd",
        "/proc/1/fd/0",
        "/proc/1/fd/3",
        "/proc/1/root/tmp",
        "/proc/self/exe",
        "/proc/1/mem",
        "/proc/cpuinfo",
        "/proc",
        "/sys",
        "/sys/kernel",
        "/dev/null",
        "/dev/tty",
        "/tmp/pipe",
        "/tmp/root/tmp",
        "/tmp/exe",
        "/tmp/loop",
        "/etc/passwd/x",
    ];
    for path in fixed.into_iter().map(str::to_owned).chain(of_sleeper) {
        let sink = Sink::default();
        let read = all.read_files(id, &path, 0, Box::new(sink.clone()));
        let read = tokio::time::timeout(Duration::from_secs(20), read).await.expect("at once");
        let error = read.expect_err("not copied");
        let is_clear =
            matches!(error, ContainerError::Refused { .. } | ContainerError::Missing { .. });
        assert!(is_clear && chain(&error).contains(&path), "{path}: {}", chain(&error));
        assert!(sink.0.lock().expect("no panic").is_empty(), "{path}: nothing was begun");
    }
    for path in
        ["/proc/1/root/tmp", "/tmp/root/tmp", "/proc/sys/net/ipv4", "/sys/kernel", "/proc/1/fd"]
    {
        let written = all.write_files(id, path, tar_gz(&[file("owned", b"x")]), LIMIT).await;
        let error = written.expect_err("not written");
        assert!(matches!(error, ContainerError::Refused { .. }), "{path}: {}", chain(&error));
    }
    assert_eq!(world.sh(id, "ls /tmp/owned").await.exit_code, Some(1));
    // A link to a file of the disk is followed, as ever.
    world.ok(id, "echo text > /tmp/text; ln -s /tmp/text /tmp/link").await;
    let sink = Sink::default();
    all.read_files(id, "/tmp/link", 0, Box::new(sink.clone())).await.expect("read");
    let bytes = sink.0.lock().expect("no panic").clone();
    assert!(bytes.windows(5).any(|found| found == b"text\n"));
}

#[tokio::test]
async fn directories_exchanged_for_links_during_copies_lead_nowhere() {
    let world = World::new();
    let spec = world.started(1).await;
    let (all, id) = (&world.containers, &spec.id);
    let swap = "mkdir -p /w/a/b /w/c && echo inside > /w/a/b/f && ln -s /proc /w/l && cd /w && \
        (while true; do busybox mv a x; busybox mv l a; busybox mv a l; busybox mv x a; done) > /dev/null 2>&1 < /dev/null &";
    world.ok(id, swap).await;
    for _ in 0..10 {
        let sink = Sink::default();
        // Whether it is found depends on the moment.
        drop(all.read_files(id, "/w", 0, Box::new(sink.clone())).await);
        let bytes = sink.0.lock().expect("no panic").clone();
        let mut archive = tar::Archive::new(bytes.get(48..).unwrap_or_default());
        for entry in archive.entries().expect("read").map_while(Result::ok) {
            let path = entry.path().expect("read").display().to_string();
            let mut parts = path.trim_end_matches('/').split('/');
            let is_ours = parts.all(|part| part.len() == 1 && "wabcflx".contains(part));
            assert!(is_ours, "{path}");
        }
        drop(
            all.write_files(id, "/w", tar_gz(&[file("a/f", b"x"), file("c/f", b"x")]), LIMIT).await,
        );
    }
    world.ok(id, "true").await;
}
