//! What a user does with a lab from `up` to `down --purge`, and a lab whose control processes and data path are killed.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use tomato_virt::cmd::Cmd;

use crate::world::{World, wait_for};

const PAIR: &str = "\
tomato: 1
name: pair
elements:
  a: {kind: container, template: busybox, profile: tiny, interfaces: {eth0: {addresses: [10.0.0.1/24]}}}
  b: {kind: container, template: busybox, profile: tiny, interfaces: {eth0: {addresses: [10.0.0.2/24]}}}
  sw: {kind: switch}
connections:
  slow:
    between: [a, sw]
    both: {delay: 20ms}
  fast: {between: [sw, b]}
";

/// pcapng's block type of a recorded frame.
const ENHANCED_PACKET: u32 = 6;
const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// A lab in which [`PAIR`] runs.
pub(crate) fn started() -> World {
    started_in(World::up())
}

/// The same in a lab that answers already.
pub(crate) fn started_in(world: World) -> World {
    let file = world.file("pair.yaml");
    fs::write(&file, PAIR).expect("written");
    world.tomato(&["topology", "check", &file]);
    world.tomato(&["start", &file]);
    assert_eq!(world.states("pair"), ["started"; 3]);
    world
}

fn ping(world: &World) -> Vec<f64> {
    let said = world.tomato(&["exec", "pair/a", "--", "ping", "-c", "3", "-i", "0.2", "10.0.0.2"]);
    let times = crate::world::round_trips(&said);
    assert_eq!(times.len(), 3, "{said}");
    times
}

/// The number of blocks that hold a frame.
pub(crate) fn frames(pcapng: &[u8]) -> usize {
    let word = |at: usize| -> u32 {
        let bytes = pcapng.get(at..at + 4).expect("blocks are whole");
        u32::from_le_bytes(bytes.try_into().expect("four bytes"))
    };
    let (mut at, mut count) = (0, 0);
    while at < pcapng.len() {
        let length = usize::try_from(word(at + 4)).expect("fits");
        assert!(length >= 12, "a block at {at} has {length} bytes");
        assert_eq!(word(at + 4), word(at + length - 4), "both lengths of a block are the same");
        count += usize::from(word(at) == ENHANCED_PACKET);
        at += length;
    }
    count
}

#[test]
fn a_topology_runs_is_changed_recorded_and_written_to_a_file() {
    let world = started();
    let before = ping(&world);
    assert!(before.iter().all(|time| *time >= 40.0), "{before:?}");

    world.tomato(&["link", "pair/slow", "--delay", "60ms", "--capturing", "on"]);
    // The backend answers when the change is kept; it reaches the data path soon after.
    wait_for("the new delay", || ping(&world).iter().all(|time| *time >= 120.0));

    let capture = world.file("slow.pcapng");
    // Frames are written soon after they passed, not at once.
    wait_for("the recorded requests and replies", || {
        world.tomato(&["capture", "download", "pair/slow", "-o", &capture]);
        let bytes = fs::read(&capture).expect("downloaded");
        assert!(bytes.starts_with(&SECTION_HEADER), "a pcapng file");
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("a:eth0>sw:"), "names of the directions: {text:.400}");
        frames(&bytes) >= 6
    });

    let first = world.tomato(&["export", "pair"]);
    assert!(first.contains("60ms"), "{first}");
    let file = world.file("exported.yaml");
    fs::write(&file, &first).expect("written");
    let refused = world.try_tomato(&["remove", "pair"]).unwrap_err();
    assert!(refused.contains("--force") && refused.contains("tomato stop pair"), "{refused}");
    world.tomato(&["remove", "--force", "pair"]);
    assert_eq!(world.json(&["topology", "list"]), serde_json::json!([]));
    world.tomato(&["topology", "import", &file]);
    assert_eq!(world.tomato(&["export", "pair"]), first);
}

#[test]
fn elements_survive_the_death_of_every_process_of_the_lab() {
    const ROLES: [&str; 3] = ["backend", "hostmanager", "wire"];
    let world = started();
    let boots = ["pair/a", "pair/b"].map(|element| world.boot_time(element));
    assert!(boots.iter().all(Option::is_some), "{boots:?}");
    let killed = ROLES.map(|role| world.pid(role).expect("runs"));
    for pid in killed {
        let pid = Pid::from_raw(pid).expect("not zero");
        kill_process(pid, Signal::KILL).expect("killed");
    }
    wait_for("new processes", || {
        ROLES.iter().zip(killed).all(|(role, old)| world.pid(role).is_some_and(|new| new != old))
    });
    wait_for("the same elements", || {
        world.try_tomato(&["show", "pair"]).is_ok()
            && ["pair/a", "pair/b"].map(|element| world.boot_time(element)) == boots
    });
    assert_eq!(world.states("pair"), ["started"; 3]);
    wait_for("frames to pass", || {
        world
            .try_tomato(&["exec", "pair/a", "--", "ping", "-c", "1", "-W", "1", "10.0.0.2"])
            .is_ok()
    });
    let after = ping(&world);
    assert!(after.iter().all(|time| *time >= 40.0), "{after:?}");
    assert_eq!(["pair/a", "pair/b"].map(|element| world.boot_time(element)), boots);
}

#[test]
fn what_down_stopped_is_told_and_starts_again() {
    let world = started();
    let said = world.tomato(&["down"]);
    assert!(said.contains("2 elements that ran"), "{said}");
    let said = world.again();
    assert!(said.contains("Stopped with the lab: pair") && said.contains("tomato start"), "{said}");
    wait_for("the host to have looked", || world.states("pair").contains(&"prepared".to_owned()));
    let shown = world.tomato(&["show", "pair"]);
    assert!(shown.contains("stopped by `tomato down`"), "{shown}");
    let said = world.tomato(&["start", "pair"]);
    assert!(said.contains("topology pair is started"), "{said}");
    ping(&world);
    let listed = world.tomato(&["topology", "list"]);
    assert!(listed.contains("3 of 3"), "{listed}");
}

#[test]
fn commands_get_input_and_words_when_they_cannot_run() {
    let world = started();
    let said = world.typed("hi\n", &["exec", "pair/a", "--", "cat"]);
    assert_eq!(said.stdout_text(), "hi\n");
    let missing = world.typed("", &["exec", "pair/a", "--", "nosuch"]);
    assert_eq!(missing.status.code(), Some(127));
    assert!(missing.stderr_text().contains("no program \"nosuch\""), "{}", missing.stderr_text());
    let whole = world.typed("", &["exec", "pair", "--", "hostname"]);
    assert!(whole.stderr_text().contains("pair/*"), "{}", whole.stderr_text());
    let refused = world.try_tomato(&["up", "--detach"]).unwrap_err();
    assert!(refused.contains(&world.url()), "{refused}");
}

#[test]
fn nothing_is_left_after_a_purge() {
    let world = started();
    let running = world.leftovers();
    for kind in ["process", "mount", "cgroup", "claim", "run directory", "data directory"] {
        let found = running.iter().any(|left| left.starts_with(kind));
        assert!(found, "a running lab has no {kind}, so its absence would prove nothing");
    }
    world.tomato(&["down", "--purge"]);
    assert_eq!(world.leftovers(), Vec::<String>::new());
}

#[test]
fn a_taken_port_is_told_and_no_lab_is_begun() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("has an address").to_string();
    let dir = tempfile::tempdir().expect("made");
    let data = dir.path().join("data");
    let error = Cmd::new(env!("CARGO_BIN_EXE_tomato"))
        .args([
            "up",
            "--detach",
            "--listen",
            &address,
            "--data-dir",
            data.to_str().expect("Unicode"),
        ])
        .any_status()
        .run()
        .expect("runs");
    assert!(!error.status.success());
    let said = format!("{}{}", error.stdout_text(), error.stderr_text());
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
    assert!(!data.exists(), "a lab was begun");
}
