//! Builds with mmdebstrap; need root, the package mmdebstrap and the machine's Debian sources.

use std::fs;

use super::{files_in, name, store};
use crate::cmd::Cmd;
use crate::template::TemplateStore;

fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap()
}

#[test]
fn the_router_has_its_tools_and_daemons() {
    let (_dir, store) = store();
    let before = mounts();
    let template = store.ensure(&name("debian-12-frr"), &|_| ()).unwrap();
    assert_eq!(mounts(), before);
    assert!(files_in(&store.dir().join("building")).is_empty());
    for dir in ["dev", "run", "tmp", "var/lib/apt/lists"] {
        assert!(files_in(&template.rootfs.join(dir)).is_empty(), "{dir}");
    }
    let tools = "ip ping iperf3 tcpdump python3 nc traceroute ethtool curl ps less nano dhclient tar gzip vtysh";
    let script =
        format!("for tool in {tools}; do [ -n \"$(command -v $tool)\" ] || echo $tool; done");
    let missing = Cmd::new("chroot").arg(&template.rootfs).args(["/bin/sh", "-c", &script]).run();
    assert_eq!(missing.unwrap().stdout_text(), "");
    for program in ["zebra", "ospfd", "ospf6d", "bgpd", "staticd", "frrinit.sh"] {
        assert!(template.rootfs.join("usr/lib/frr").join(program).is_file(), "{program}");
    }
    assert_eq!(fs::read_to_string(template.rootfs.join("etc/hostname")).unwrap(), "localhost\n");
    assert_eq!(template.boot, ["/bin/sh", "/etc/tomato/boot"]);
}

#[test]
fn a_build_that_fails_says_why_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let apt = dir.path().join("apt");
    fs::create_dir(&apt).unwrap();
    // Nothing listens there.
    fs::write(apt.join("sources.list"), "deb http://127.0.0.1:9/debian bookworm main\n").unwrap();
    let store = TemplateStore::open_with(dir.path().join("templates"), apt).unwrap();
    let error = store.ensure(&name("debian-12"), &|_| ()).unwrap_err();
    let chain = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source());
    let chain: Vec<_> = chain.map(ToString::to_string).collect();
    assert!(chain.last().unwrap().contains("apt-get update"), "{chain:?}");
    for part in ["building", "blobs", "names"] {
        assert!(files_in(&store.dir().join(part)).is_empty(), "{part}");
    }
}
