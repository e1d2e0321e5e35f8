use std::collections::BTreeMap;
use std::io::Read;

use super::*;

fn files(files: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
}

#[test]
fn a_running_script_is_alive_until_its_sign_of_life_is_old() {
    let files = files(&[("running", "1000\n"), ("custom", "half\n"), ("out", "hello")]);
    let status = read_status(&files, 1599);
    assert!(status.readable && status.is_alive && !status.done);
    assert_eq!(status.custom.as_deref(), Some("half"));
    assert_eq!(status.output_tail, "hello");
    assert!(!read_status(&files, 1600).is_alive);
}

#[test]
fn an_ended_script_has_its_exit_code_and_the_tail_of_its_output() {
    let files = files(&[("running", "1000"), ("done", "3\n"), ("out", "the end")]);
    let status = read_status(&files, 1001);
    assert!(status.done && !status.is_alive);
    assert_eq!(status.exit_code, Some(3));
    assert_eq!(status.output_tail, "the end");
}

#[test]
fn scripts_among_the_files_may_be_executed() {
    let files = BTreeMap::from([
        ("/etc/a".to_owned(), "text".to_owned()),
        ("/usr/bin/b".to_owned(), "#!/bin/sh\n".to_owned()),
    ]);
    let tar = files_tar(&files).unwrap();
    let mut seen = Vec::new();
    for entry in tar::Archive::new(tar.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let path = entry.path().unwrap().display().to_string();
        seen.push((path, entry.header().mode().unwrap(), text));
    }
    assert_eq!(seen[0], ("etc/a".to_owned(), 0o644, "text".to_owned()));
    assert_eq!(seen[1], ("usr/bin/b".to_owned(), 0o755, "#!/bin/sh\n".to_owned()));
}

#[test]
fn a_directory_outside_is_refused() {
    for dir in ["", "/", "//", "mnt", "/mnt/../etc"] {
        assert_eq!(check_dir(dir).unwrap_err().code, ErrorCode::InvalidValue, "{dir}");
    }
    assert_eq!(check_dir("/mnt/nlXTP"), Ok(()));
}

#[test]
fn an_archive_without_a_script_is_done_at_once_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let run = tomato_virt::cmd::Cmd::new("/bin/sh")
        .args(["-c", RUNNER])
        .env("TOMATO_UPLOAD", "u1")
        .dir(dir.path())
        .any_status();
    run.run().unwrap();
    let read = |name: &str| {
        let path = dir.path().join("exec_status").join(name);
        fs::read(path).map(|bytes| (name.to_owned(), bytes)).ok()
    };
    let found = ["running", "done", "custom", "out"].into_iter().filter_map(read).collect();
    let status = read_status(&found, 0);
    assert_eq!((status.done, status.exit_code), (true, Some(127)));
    assert!(status.output_tail.contains("auto_exec.sh"), "{status:?}");
    assert_eq!(fs::read(dir.path().join("exec_status/upload")).unwrap(), b"u1\n");
}

#[test]
fn a_script_whose_archive_was_replaced_does_not_end_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let run = || {
        let run = tomato_virt::cmd::Cmd::new("/bin/sh").args(["-c", RUNNER]).dir(dir.path());
        run.any_status().run().unwrap();
        fs::read_to_string(dir.path().join("exec_status/done")).ok()
    };
    fs::write(dir.path().join("auto_exec.sh"), "exit 3").unwrap();
    assert_eq!(run().as_deref(), Some("3\n"));
    // What an upload does in the meantime.
    let replaced = "rm -r exec_status\nmkdir exec_status\necho 1 > exec_status/.pid\n";
    fs::write(dir.path().join("auto_exec.sh"), replaced).unwrap();
    fs::remove_dir_all(dir.path().join("exec_status")).unwrap();
    assert_eq!(run(), None);
}
