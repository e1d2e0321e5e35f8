#![allow(clippy::disallowed_methods, reason = "the test starts a process to watch it")]
use super::*;

#[test]
fn a_recorded_process_is_found_and_ended() {
    let dir = tempfile::tempdir().unwrap();
    let file = file(dir.path(), "sleeper");
    let mut process = Process::spawn(Command::new("sleep").arg("1000"), &file).unwrap();
    let found = Process::recorded(&file).unwrap();
    assert_eq!(found.pid, process.pid);
    assert!(!found.ended_within(Duration::ZERO));
    process.stop(Duration::from_secs(5));
    assert!(Process::recorded(&file).is_none());
}

#[test]
fn another_process_with_the_number_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let file = file(dir.path(), "other");
    let pid = i32::try_from(std::process::id()).unwrap();
    record(pid, &file).unwrap();
    assert!(Process::recorded(&file).is_some());
    let wrong = serde_json::to_vec(&Record { pid, started: started(pid).unwrap() + 1 }).unwrap();
    fs::write(&file, wrong).unwrap();
    assert!(Process::recorded(&file).is_none());
}
