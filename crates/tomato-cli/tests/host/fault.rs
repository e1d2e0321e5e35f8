//! What a user sees when memory, disk, templates or addresses fail.

use std::fs;
use std::path::{Path, PathBuf};

use tomato_virt::cmd::Cmd;

use crate::world::{World, wait_for};

const ONE: &str = "\
tomato: 1
name: one
elements:
  a: {kind: container, template: busybox, profile: tiny}
";

const DHCP: &str = "\
tomato: 1
name: dhcp
elements:
  server:
    kind: container
    template: busybox
    profile: tiny
    interfaces: {eth0: {addresses: [10.5.0.1/24]}}
    files:
      /etc/udhcpd.conf: |
        interface eth0
        start 10.5.0.100
        end 10.5.0.120
        lease_file /tmp/leases
        option subnet 255.255.255.0
        option router 10.5.0.1
  client: {kind: container, template: busybox, profile: tiny, interfaces: {eth0: {dhcp: true}}}
connections:
  line: {between: [server, client]}
";

#[test]
fn a_container_out_of_memory_says_so() {
    let world = World::up();
    world.start(ONE);
    let eaten = world.try_tomato(&["exec", "one/a", "--", "tail", "/dev/zero"]);
    assert!(eaten.is_err(), "{eaten:?}");
    wait_for("the notice", || {
        let notice = world.shown("one", "elements", "a")["notice"].clone();
        notice.as_str().is_some_and(|text| text.contains("memory limit"))
    });
    assert_eq!(world.states("one"), ["started"]);
    world.sh("one/a", "true");
}

#[test]
fn an_address_is_leased_from_a_server_in_another_container() {
    let world = World::up();
    world.start(DHCP);
    world.sh("dhcp/server", "touch /tmp/leases; udhcpd -S /etc/udhcpd.conf");
    wait_for("the leased address", || {
        world.sh("dhcp/client", "ip addr show eth0").contains("inet 10.5.0.1")
    });
    let address = world.sh("dhcp/client", "ip addr show eth0");
    assert!(
        ["10.5.0.10", "10.5.0.11", "10.5.0.12"].iter().any(|a| address.contains(a)),
        "{address}"
    );
    assert!(world.sh("dhcp/client", "ip route").contains("default via 10.5.0.1"));
    world.tomato(&["exec", "dhcp/client", "--", "ping", "-c", "1", "-W", "2", "10.5.0.1"]);
    assert!(world.shown("dhcp", "elements", "client")["error"].is_null());
}

#[test]
fn two_labs_share_templates() {
    let dir = World::dir();
    let templates = dir.path().join("templates").to_str().expect("Unicode").to_owned();
    fs::create_dir(&templates).expect("made");
    let first = World::up_with(Some(&templates), "data");
    first.start(ONE);
    let second = World::up_with(Some(&templates), "data");
    second.start(ONE);
    let blobs = || fs::read_dir(Path::new(&templates).join("blobs")).expect("listed").count();
    assert_eq!(blobs(), 1, "one copy for both");
    first.tomato(&["down", "--purge"]);
    assert_eq!(blobs(), 1);
    second.sh("one/a", "ls /bin/busybox");
    second.tomato(&["stop", "one"]);
    second.tomato(&["start", "one"]);
    second.sh("one/a", "ls /bin/busybox");
}

#[test]
fn a_missing_or_damaged_template_is_told() {
    let world = World::up();
    let file = world.file("bad.yaml");
    fs::write(&file, ONE.replace("busybox", "no-such-template")).expect("written");
    let error = world.try_tomato(&["start", &file]).expect_err("refused");
    assert!(error.contains("no template \"no-such-template\""), "{error}");
    world.start(ONE);
    world.tomato(&["stop", "one"]);
    let blobs = PathBuf::from(world.file("templates/blobs"));
    let blob = fs::read_dir(&blobs).expect("listed").next().expect("one").expect("read").path();
    fs::rename(blob.join("rootfs"), blob.join("away")).expect("moved");
    let error = world.try_tomato(&["start", "one"]).expect_err("refused");
    assert!(error.contains("template"), "{error}");
    assert_eq!(world.states("one"), ["prepared"]);
    fs::rename(blob.join("away"), blob.join("rootfs")).expect("moved");
    world.tomato(&["start", "one"]);
    world.sh("one/a", "true");
}

/// A small file system of its own; gone when dropped.
struct Disk(PathBuf);

impl Disk {
    fn new(at: &Path, bytes: u64) -> Self {
        fs::create_dir(at).expect("made");
        let size = format!("size={bytes},mode=755");
        Cmd::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tomato-test"])
            .arg(at)
            .run()
            .expect("mounted");
        Self(at.to_owned())
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let file = fs::File::create(self.0.join("filler")).expect("made");
        let mut end = 0;
        let mut step = 16 << 20;
        while step >= 4096 {
            match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), end, step) {
                Ok(()) => end += step,
                Err(_) => step /= 2,
            }
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).expect("removed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Cmd::new("umount").arg("-l").arg(&self.0).run().ok();
    }
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_half_done() {
    let dir = World::dir();
    let templates = World::dir();
    let disk = Disk::new(&dir.path().join("disk"), 64 << 20);
    let templates = templates.path().to_str().expect("Unicode").to_owned();
    let world = World::up_in(dir, Some(&templates), "disk/data");
    world.start(ONE);
    world.tomato(&["stop", "one"]);
    disk.fill();
    let error = world.try_tomato(&["start", "one"]).expect_err("there is no room");
    assert!(error.contains("full") || error.contains("No space"), "{error}");
    disk.make_room();
    wait_for("the next start", || world.try_tomato(&["start", "one"]).is_ok());
    assert_eq!(world.states("one"), ["started"]);
    // The same with a disk that must be made first.
    disk.fill();
    let file = world.file("two.yaml");
    fs::write(&file, ONE.replace("name: one", "name: two")).expect("written");
    let error = world.try_tomato(&["start", &file]).expect_err("there is no room");
    assert!(error.contains("full") || error.contains("No space"), "{error}");
    disk.make_room();
    wait_for("the start", || world.try_tomato(&["start", &file]).is_ok());
    world.tomato(&["down", "--purge"]);
    assert_eq!(world.leftovers(), Vec::<String>::new());
}
