//! Processes of a lab that are killed one by one, while it rests and in the middle of a start.

use std::fmt::Write as _;
use std::fs;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{World, wait_for};

const ROLES: [&str; 3] = ["backend", "hostmanager", "wire"];
/// So many containers that a start lasts while a process is killed.
const CONTAINERS: usize = 16;

/// A switch with [`CONTAINERS`] containers.
fn many() -> String {
    let mut text = "tomato: 1\nname: many\nelements:\n  sw: {kind: switch}\n".to_owned();
    for n in 0..CONTAINERS {
        writeln!(text, "  h{n}: {{kind: container, template: busybox, profile: tiny}}")
            .expect("memory");
    }
    text.push_str("connections:\n");
    for n in 0..CONTAINERS {
        writeln!(text, "  c{n}: {{between: [h{n}, sw]}}").expect("memory");
    }
    text
}

fn imported() -> World {
    let world = World::up();
    let file = world.file("many.yaml");
    fs::write(&file, many()).expect("written");
    world.tomato(&["topology", "import", &file]);
    world
}

fn kill(world: &World, role: &str) {
    let old = world.pid(role).expect("runs");
    kill_process(Pid::from_raw(old).expect("not zero"), Signal::KILL).expect("killed");
    wait_for("a new process", || world.pid(role).is_some_and(|new| new != old));
}

/// Every container runs and reaches the first one.
fn all_pass_frames(world: &World) {
    assert_eq!(world.states("many"), vec!["started"; CONTAINERS + 1]);
    wait_for("frames to pass", || {
        world.try_tomato(&["exec", "many/*", "--", "ping", "-c", "1", "-W", "2", "h0"]).is_ok()
    });
}

#[test]
fn a_start_is_finished_or_reported_whichever_process_dies_meanwhile() {
    for role in ROLES {
        let world = imported();
        thread::scope(|scope| {
            let start = scope.spawn(|| world.try_tomato(&["start", "many"]));
            wait_for("the start to be under way", || {
                world.states("many").iter().filter(|state| *state == "started").count() > 1
            });
            kill(&world, role);
            match start.join().expect("no panic") {
                Ok(_) => {}
                Err(said) => {
                    assert!(said.contains("failed"), "{role}: {said}");
                    wait_for("the lab", || world.try_tomato(&["show", "many"]).is_ok());
                    world.tomato(&["start", "many"]);
                }
            }
        });
        all_pass_frames(&world);
    }
}

#[test]
fn running_elements_outlive_each_process() {
    let world = imported();
    world.tomato(&["start", "many"]);
    let boot = || {
        world.try_tomato(&["exec", "many/h1", "--", "cut", "-d", " ", "-f", "22", "/proc/1/stat"])
    };
    let before = boot().expect("runs");
    let usage_begins = || {
        let usage = world.try_tomato(&["usage", "many/h1", "--output", "json"]).ok()?;
        let usage: serde_json::Value = serde_json::from_str(&usage).ok()?;
        usage["points"][0]["time"].as_str().map(str::to_owned)
    };
    wait_for("a point of usage", || usage_begins().is_some());
    let begun = usage_begins();
    for role in ROLES {
        kill(&world, role);
        wait_for("the same elements", || boot().as_ref() == Ok(&before));
        wait_for("the same usage history", || usage_begins() == begun);
        all_pass_frames(&world);
    }
}
