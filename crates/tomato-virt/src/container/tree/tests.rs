use std::os::unix::fs::symlink;

use rustix::fs::CWD;

use super::*;

/// A chain of directories deeper than any path may be long.
fn deep(top: &Path, depth: usize) {
    fs::create_dir(top).unwrap();
    let mut dir = rustix::fs::openat(CWD, top, OFlags::PATH, Mode::empty()).unwrap();
    for _ in 0..depth {
        rustix::fs::mkdirat(&dir, "d", Mode::from(0o700)).unwrap();
        dir = rustix::fs::openat(&dir, "d", OFlags::PATH, Mode::empty()).unwrap();
    }
}

#[test]
fn trees_deeper_than_a_path_are_told_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path().join("top");
    deep(&top, 20_000);
    let seen = measure(&top, &[]);
    assert!(!seen.is_whole && seen.bytes > 0, "{seen:?}");
    remove(&top).unwrap();
    assert!(!top.exists());
}

#[test]
fn links_are_removed_and_what_they_point_to_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (top, other) = (dir.path().join("top"), dir.path().join("other"));
    fs::create_dir_all(top.join("a/b/c")).unwrap();
    fs::create_dir(&other).unwrap();
    fs::write(other.join("kept"), vec![1; 100_000]).unwrap();
    for at in ["link", "a/link", "a/b/c/link"] {
        symlink(&other, top.join(at)).unwrap();
    }
    // A name that the removal itself would like to use.
    fs::create_dir_all(top.join(".removed-2/x/y")).unwrap();
    fs::write(top.join(".removed-1"), "a file").unwrap();
    let seen = measure(&top, &[]);
    assert!(seen.is_whole && seen.bytes < 100_000, "{seen:?}");
    remove(&top).unwrap();
    symlink(&other, &top).unwrap();
    remove(&top).unwrap();
    assert!(!top.is_symlink() && other.join("kept").exists());
    remove(&top).unwrap();
}

#[test]
fn a_file_with_two_names_counts_once_and_an_empty_one_too() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), vec![1; 1 << 20]).unwrap();
    fs::hard_link(dir.path().join("a"), dir.path().join("b")).unwrap();
    fs::write(dir.path().join("empty"), "").unwrap();
    let seen = measure(dir.path(), &[]);
    assert!(seen.is_whole);
    assert!((1 << 20..(1 << 20) + 10_000).contains(&seen.bytes), "{seen:?}");
}

#[test]
fn directories_that_become_links_are_never_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (top, other) = (dir.path().join("top"), dir.path().join("other"));
    fs::create_dir_all(top.join("a/b")).unwrap();
    fs::create_dir_all(other.join("b")).unwrap();
    fs::write(other.join("b/big"), vec![1; 1 << 20]).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // A directory above the one that is listed is exchanged too.
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                fs::rename(top.join("a"), top.join("real")).unwrap();
                symlink(&other, top.join("a")).unwrap();
                fs::remove_file(top.join("a")).unwrap();
                fs::rename(top.join("real"), top.join("a")).unwrap();
            }
        });
        for _ in 0..3000 {
            let seen = measure(&top, &[]);
            if seen.bytes >= 1 << 20 {
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
                panic!("looked outside: {seen:?}");
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let skipped = top.join("a");
    assert!(measure(&top, &[&skipped]).bytes < measure(&top, &[]).bytes);
}
