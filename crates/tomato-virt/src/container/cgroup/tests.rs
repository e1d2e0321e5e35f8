//! Tests of reading control group files.

use super::*;

#[test]
fn both_versions_are_found_among_mounts() {
    let mounts = "proc /proc proc rw 0 0\n\
        cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0\n\
        cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nsdelegate 0 0\n\
        broken\n";
    let found = parse_mounts(mounts);
    assert_eq!(found.len(), 2);
    let controllers = found[0].controllers.as_ref().expect("version 1");
    assert!(controllers.iter().any(|c| c == "cpuacct"));
    assert_eq!(found[1].root, Path::new("/sys/fs/cgroup/unified"));
    assert_eq!(found[1].controllers, None);
}

#[test]
fn values_are_found_by_their_whole_key() {
    let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
    assert_eq!(value_of(text, "oom_kill"), Some(3));
    assert_eq!(value_of(text, "absent"), None);
    assert_eq!(value_of("usage_usec 12\nuser_usec 5", "usage_usec"), Some(12));
    assert_eq!(number("4096\n"), 4096);
    assert_eq!(number("max"), 0);
}

#[test]
fn absent_group_reads_as_zero_and_is_removed_without_error() {
    let path = Path::new("tomato-test-no-such-group");
    assert_eq!(read(path).expect("read"), Reading::default());
    assert!(processes(path).expect("read").is_empty());
    remove(path, Duration::ZERO).expect("nothing to remove");
}

#[test]
fn memory_in_use_is_not_taken_away() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let max = dir.path().join("memory.max");
    std::fs::write(&max, "200").expect("written");
    std::fs::write(dir.path().join("memory.current"), "150\n").expect("written");
    let error = limit_memory(dir.path(), 149).expect_err("too low");
    assert!(matches!(&error, CgroupError::Limit { path, .. } if *path == max), "{error:?}");
    assert_eq!(std::fs::read_to_string(&max).expect("read"), "200");
    limit_memory(dir.path(), 150).expect("just enough");
    assert_eq!(std::fs::read_to_string(&max).expect("read"), "150");
}
