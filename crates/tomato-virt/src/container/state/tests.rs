//! Tests of the record and of process identity.

use super::*;

#[test]
fn record_survives_and_is_replaced_whole() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("state.json");
    assert_eq!(State::load(&path).expect("absent is no error"), None);
    let state = State {
        id_base: 7,
        phase: Phase::Started,
        rootfs: "/t".into(),
        process: Process::now(std::process::id()),
        last_exit: Some(ExitReason::OutOfMemory),
    };
    state.save(&path).expect("saved");
    let read = State::load(&path).expect("read").expect("there");
    assert_eq!(read, state);
    assert!(read.alive().is_some());
    let files = std::fs::read_dir(dir.path()).expect("listed").count();
    assert_eq!(files, 1, "no temporary file is left");
}

#[test]
fn damaged_record_says_what_to_do() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("state.json");
    std::fs::write(&path, "{").expect("written");
    let error = State::load(&path).expect_err("damaged").to_string();
    assert!(error.contains("destroy"), "{error}");
}

#[test]
fn reused_process_number_is_not_ours() {
    let mut process = Process::now(std::process::id()).expect("we live");
    assert!(process.is_alive());
    process.start_ticks += 1;
    assert!(!process.is_alive());
    process.start_ticks -= 1;
    process.boot_id = "another".to_owned();
    assert!(!process.is_alive());
}

#[test]
fn stat_with_hostile_command_name() {
    let line = "12 (a) R (b) S 1 12 12 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
    assert_eq!(parse_stat(line), Some(4711));
    assert_eq!(parse_stat("12 (x) Z 1 12 12 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 4711 0"), None);
    assert_eq!(parse_stat("nonsense"), None);
}
