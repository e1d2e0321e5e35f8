//! The pages in a real browser at the real product: needs chromium and node.
//!
//! Each test is a script in `web/test/browser`; it fails if a page complains in its console or asks another server.

use std::path::Path;
use std::time::Duration;

use tomato_virt::cmd::Cmd;

use crate::world::World;

const DEADLINE: Duration = Duration::from_secs(240);

/// Runs a script against a lab of its own.
fn run(script: &str) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/test/browser");
    assert!(
        dir.join("node_modules").is_dir(),
        "the browser tests are not set up: run scripts/setup.sh"
    );
    let world = World::up();
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    let run = Cmd::new("node")
        .args([script])
        .dir(&dir)
        .env("TOMATO_URL", world.url())
        .env("TOMATO_PASSWORD", world.password())
        .env("TOMATO_PID_FILE", world.pid_file("backend"))
        .env("TOMATO_SHOTS", &shots)
        .deadline(DEADLINE)
        .any_status()
        .run()
        .expect("node runs");
    assert!(
        run.status.success(),
        "{}{}pictures are in {}",
        run.stdout_text(),
        run.stderr_text(),
        shots.display()
    );
}

#[test]
fn a_newcomer_draws_starts_and_pings() {
    run("newcomer.js");
}

#[test]
fn consoles_are_the_real_terminals() {
    run("console.js");
}

#[test]
fn frames_are_shown_filtered_and_recorded() {
    run("capture.js");
}

#[test]
fn an_element_has_files_archives_and_charts() {
    run("element.js");
}

#[test]
fn people_share_administer_and_look_on() {
    run("people.js");
}

#[test]
fn every_edit_can_be_taken_back() {
    run("editing.js");
}

#[test]
fn tours_wait_for_what_one_does() {
    run("tours.js");
}

#[test]
fn two_people_hostile_names_keys_alone_and_small_screens() {
    run("robust.js");
}
