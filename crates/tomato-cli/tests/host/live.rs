//! Changes of a running topology, and deaths of processes, while every frame of an untouched pair is counted.

use std::fs;

use crate::world::{World, wait_for};

/// `quiet1` and `quiet2` are the pair that nobody touches.
const BEFORE: &str = "\
tomato: 1
name: live
elements:
  quiet1: {kind: container, template: busybox, profile: tiny, interfaces: {eth0: {addresses: [10.9.0.1/24]}}}
  quiet2: {kind: container, template: busybox, profile: tiny, interfaces: {eth0: {addresses: [10.9.0.2/24]}}}
  a: {kind: container, template: busybox, profile: tiny, interfaces: {eth0: {addresses: [10.0.0.1/24]}}}
  b: {kind: container, template: busybox, profile: tiny, interfaces: {eth0: {addresses: [10.0.0.2/24]}}}
  gone: {kind: container, template: busybox, profile: tiny, interfaces: {eth0: {addresses: [10.0.0.3/24]}}}
  sw: {kind: switch}
connections:
  quiet: {between: [quiet1, quiet2], both: {delay: 1ms}}
  first: {between: [a, sw]}
  second: {between: [b, sw]}
  third: {between: [gone, sw]}
";

/// `a` has another address, `b` another template and profile, `gone` goes, `new` comes.
const AFTER: &str = "\
tomato: 1
name: live
elements:
  quiet1: {kind: container, template: busybox, profile: tiny, interfaces: {eth0: {addresses: [10.9.0.1/24]}}}
  quiet2: {kind: container, template: busybox, profile: tiny, interfaces: {eth0: {addresses: [10.9.0.2/24]}}}
  a: {kind: container, template: busybox, profile: small, interfaces: {eth0: {addresses: [10.0.0.11/24]}}}
  b: {kind: container, template: other, profile: tiny, interfaces: {eth0: {addresses: [10.0.0.2/24]}}}
  new: {kind: container, template: busybox, profile: tiny, interfaces: {eth0: {addresses: [10.0.0.4/24]}}}
  sw: {kind: switch}
connections:
  quiet: {between: [quiet1, quiet2], both: {delay: 1ms}}
  first: {between: [a, sw], both: {delay: 5ms}}
  second: {between: [b, sw]}
  fourth: {between: [new, sw]}
";

/// Pings sent in each test.
const PINGS: usize = 600;

/// A root file system of busybox and nothing else, as a tar.
fn other_template(file: &str) {
    let mut tar = tar::Builder::new(fs::File::create(file).expect("made"));
    let header = || {
        let mut header = tar::Header::new_gnu();
        header.set_uid(0);
        header.set_gid(0);
        header.set_mode(0o755);
        header
    };
    let program = fs::read("/bin/busybox").expect("busybox-static is installed");
    let mut file = header();
    file.set_size(program.len() as u64);
    tar.append_data(&mut file, "bin/busybox", program.as_slice()).expect("packed");
    for applet in ["sh", "ping", "ip", "cat", "touch", "ls"] {
        let mut link = header();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        tar.append_link(&mut link, format!("bin/{applet}"), "busybox").expect("packed");
    }
    tar.into_inner().expect("written");
}

/// Pings the quiet pair while `change` runs, and checks that nothing was lost.
fn counted(world: &World, change: impl FnOnce()) {
    // In the background: the command that asks may break off with the hostmanager.
    let ping = format!("ping -i 0.02 -c {PINGS} 10.9.0.2 > /tmp/pings 2>&1 &");
    world.sh("live/quiet1", &ping);
    let said = || world.sh("live/quiet1", "cat /tmp/pings");
    wait_for("the first reply", || said().contains("seq=0"));
    change();
    assert!(
        !said().contains("transmitted"),
        "the change took longer than the pings: nothing was shown"
    );
    wait_for("the last reply", || said().contains("transmitted"));
    let expected = format!("{PINGS} packets transmitted, {PINGS} packets received");
    assert!(said().contains(&expected), "{}", said());
    assert!(!said().contains("DUP"), "{}", said());
    let shown = world.json(&["show", "live"]);
    let id =
        world.shown("live", "connections", "quiet")["id"].as_str().expect("has one").to_owned();
    let counters = shown["counters"]["connections"][&id].as_array().expect("counted").clone();
    for direction in counters {
        // Their neighbours' questions for addresses come on top.
        assert!(direction["frames"].as_u64().expect("a number") >= PINGS as u64, "{direction}");
        let drops = direction["drops"].as_object().expect("by cause");
        // What a host says before its cable is plugged in is nobody's traffic.
        let lost = drops.iter().filter(|(cause, _)| *cause != "detached");
        assert!(lost.map(|(_, count)| count).all(|count| count == 0), "{direction}");
    }
}

fn started() -> World {
    let world = World::up();
    world.start(BEFORE);
    world
}

#[test]
fn an_edit_of_a_running_topology_disturbs_nothing_else() {
    let world = started();
    let tar = world.file("other.tar");
    other_template(&tar);
    world.tomato(&["template", "upload", "other", &tar]);
    let boots = |names: &[&str]| -> Vec<Option<u64>> {
        names.iter().map(|name| world.boot_time(&format!("live/{name}"))).collect()
    };
    let before = boots(&["quiet1", "quiet2", "a"]);
    let b = boots(&["b"]);
    world.sh("live/b", "touch /root/mine 2>/dev/null || touch /mine");
    counted(&world, || {
        world.start(AFTER);
        wait_for("the new address, element and template", || {
            let ping = |from: &str, to: &str| {
                let ping = ["exec", from, "--", "ping", "-c", "1", "-W", "1", to];
                world.try_tomato(&ping).is_ok()
            };
            ping("live/new", "10.0.0.11") && ping("live/b", "10.0.0.4")
        });
        world.tomato(&["link", "live/first", "--connected", "off"]);
        world.tomato(&["link", "live/first", "--connected", "on"]);
    });
    assert_eq!(boots(&["quiet1", "quiet2", "a"]), before, "only what must is restarted");
    assert_ne!(boots(&["b"]), b);
    assert!(!world.sh("live/b", "ls / /root 2>/dev/null; true").contains("mine"), "a new disk");
    assert!(world.sh("live/a", "ip addr show eth0").contains("10.0.0.11/24"));
    assert!(!world.sh("live/a", "ip addr show eth0").contains("10.0.0.1/24"));
    let names = world.json(&["show", "live"]);
    let elements = names["graph"]["elements"].as_array().expect("a list");
    assert!(elements.iter().all(|e| e["state"] == "started" && e["error"].is_null()), "{names}");
    assert!(elements.iter().all(|e| e["name"] != "gone"));
}

#[test]
fn no_frame_is_lost_when_the_hostmanager_is_killed() {
    let world = started();
    let wire = world.pid("wire");
    counted(&world, || {
        for _ in 0..2 {
            world.kill("hostmanager");
            wait_for("the host to be back", || {
                world.try_tomato(&["exec", "live/a", "--", "cat", "/proc/1/stat"]).is_ok()
            });
        }
    });
    assert_eq!(world.pid("wire"), wire);
    assert!(world.shown("live", "connections", "quiet")["outage"].is_null());
}

#[test]
fn it_is_told_for_how_long_traffic_stopped_when_the_wire_was_killed() {
    let world = started();
    world.kill("wire");
    wait_for("the outage to be told", || {
        world.shown("live", "connections", "quiet")["outage"].is_object()
    });
    let outage = world.shown("live", "connections", "quiet")["outage"].clone();
    let ms = outage["ms"].as_u64().expect("a number");
    assert!((1..20_000).contains(&ms), "{outage}");
    assert_eq!(outage["at_most"], false, "{outage}");
    let said = world.tomato(&["show", "live"]);
    assert!(said.contains(&format!("traffic stopped for {ms} ms")), "{said}");
    world.tomato(&["exec", "live/quiet1", "--", "ping", "-c", "1", "-W", "2", "10.9.0.2"]);
}
