use std::path::{Path, PathBuf};

use super::cgroup::{Hierarchy, find};
use super::host::{available, size, version};
use super::kvm::newest_kernel;
use super::{Finding, Options, Status, existing, probe, worst};

#[test]
fn kernel_releases_are_understood() {
    for (release, expected) in [
        ("6.18.44-fc-v669", Some((6, 18))),
        ("5.4", Some((5, 4))),
        ("6.1.0-18-amd64", Some((6, 1))),
        ("6", None),
        ("x", None),
    ] {
        assert_eq!(version(release), expected, "{release}");
    }
}

#[test]
fn numbers_for_people() {
    assert_eq!(available("MemTotal: 9 kB\nMemAvailable:   2048 kB\n"), Some(2 << 20));
    assert_eq!(available("MemTotal: 9 kB\n"), None);
    assert_eq!(
        (size(5 << 20), size(9 << 30), size(79 << 30)),
        ("5 MB".into(), "9216 MB".into(), "79 GB".into())
    );
}

#[test]
fn controllers_are_found_in_both_versions() {
    let mounts = "30 24 0:26 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
        31 24 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
        32 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
        33 24 0:29 / / rw - ext4 /dev/vda rw\n";
    let has = |point: &Path| {
        assert_eq!(point, Path::new("/sys/fs/cgroup/unified"));
        "memory io".to_owned()
    };
    let find = |controller| find(mounts, controller, &has);
    assert_eq!(find("cpu"), Some(Hierarchy::Own("/sys/fs/cgroup/cpu".into())));
    assert_eq!(find("memory"), Some(Hierarchy::Unified("/sys/fs/cgroup/unified".into())));
    assert_eq!(find("pids"), None);
}

#[test]
fn the_newest_kernel_is_chosen_by_number() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(newest_kernel(dir.path()), None);
    for name in ["vmlinuz-6.9.0-1", "vmlinuz-6.10.0-1", "initrd.img-7.0", "config-7"] {
        std::fs::write(dir.path().join(name), "").unwrap();
    }
    assert_eq!(newest_kernel(dir.path()), Some(dir.path().join("vmlinuz-6.10.0-1")));
    assert_eq!(newest_kernel(Path::new("/no/such/dir")), None);
}

#[test]
fn the_worst_finding_counts() {
    let (ok, warn) = (Finding::ok("a", "b"), Finding::warn("a", "b", "c"));
    let fail = Finding::fail("a", "b", "c");
    assert_eq!(worst(&[]), Status::Ok);
    assert_eq!(worst(&[ok.clone(), warn.clone()]), Status::Warn);
    assert_eq!(worst(&[ok, fail, warn]), Status::Fail);
}

#[test]
fn a_directory_to_be_is_looked_at_where_it_will_be() {
    assert_eq!(existing(Path::new("/tmp/no/such/dir/here")), Path::new("/tmp"));
    assert_eq!(existing(Path::new("relative/nowhere")), Path::new("/"));
}

fn mounts() -> usize {
    std::fs::read_to_string("/proc/self/mountinfo").unwrap().matches("tomato-probe").count()
}

#[test]
fn every_probe_answers_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        data_dir: dir.path().join("data"),
        template_dir: dir.path().join("templates"),
        // A kernel that cannot start ends the guest at once.
        kernel: Some(PathBuf::from("/dev/null")),
    };
    let findings = probe(&options);
    assert_eq!(findings.len(), super::PROBES.len());
    for (finding, (name, _)) in findings.iter().zip(super::PROBES) {
        assert_eq!(finding.name, *name);
        assert!(!finding.what.contains("no answer"), "{finding:?}");
        assert_eq!(finding.status == Status::Ok, finding.remedy.is_none(), "{finding:?}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    assert_eq!(mounts(), 0);
}

#[cfg(feature = "host-tests")]
#[test]
fn this_host_can_run_containers() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        data_dir: dir.path().to_owned(),
        template_dir: dir.path().to_owned(),
        kernel: Some(PathBuf::from("/dev/null")),
    };
    let failed: Vec<_> =
        probe(&options).into_iter().filter(|finding| finding.status == Status::Fail).collect();
    assert!(failed.is_empty(), "{failed:?}");
}
