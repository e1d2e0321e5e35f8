//! Namespaces and what is made inside them, by the `unshare` of util-linux: a child enters a new namespace, does
//! something there and ends, and the namespace with it.

use super::limits::COMMAND_DEADLINE;
use super::{Finding, Options, chain};
use crate::cmd::{Cmd, CmdError, find};

pub(super) fn user(_: &Options) -> Finding {
    let name = "user namespace";
    let good = "root inside a container is an ordinary user outside";
    let remedy = "allow user namespaces: sysctl user.max_user_namespaces=65536, and if there is such a setting \
        kernel.unprivileged_userns_clone=1";
    unshare(name, &["--user", "--map-root-user"], good, remedy)
}

pub(super) fn network(_: &Options) -> Finding {
    kind("network namespace", "--net", "each container has a network of its own")
}

pub(super) fn pid(_: &Options) -> Finding {
    kind("process namespace", "--pid", "each container sees only its own processes")
}

pub(super) fn mount(_: &Options) -> Finding {
    kind("mount namespace", "--mount", "each container has files of its own")
}

pub(super) fn uts(_: &Options) -> Finding {
    kind("hostname namespace", "--uts", "each container has a host name of its own")
}

pub(super) fn ipc(_: &Options) -> Finding {
    kind("ipc namespace", "--ipc", "containers share no memory with each other")
}

pub(super) fn cgroup(_: &Options) -> Finding {
    kind("cgroup namespace", "--cgroup", "containers do not see the limits of others")
}

pub(super) fn together(_: &Options) -> Finding {
    let all =
        ["--user", "--map-root-user", "--net", "--pid", "--mount", "--uts", "--ipc", "--cgroup"];
    let all: Vec<&str> = all.into_iter().chain(["--fork", "--mount-proc"]).collect();
    let good = "all of them together, with a process list of its own, as a container has them";
    unshare(
        "container namespaces",
        &all,
        good,
        "run outside of another container, or give that one more privileges",
    )
}

fn kind(name: &str, flag: &str, good: &str) -> Finding {
    let remedy = "use a kernel with this kind of namespace, as all distributions have, and run outside of another \
        container";
    let fork: &[&str] = if flag == "--pid" { &["--fork"] } else { &[] };
    unshare(name, &[&[flag], fork].concat(), good, remedy)
}

fn unshare(name: &str, flags: &[&str], good: &str, remedy: &str) -> Finding {
    match inside(flags, &["true"]) {
        Ok(()) => Finding::ok(name, good),
        Err(error) => Finding::fail(name, format!("cannot be made: {}", chain(&error)), remedy),
    }
}

/// Whether `ip` can make an interface of the kind the lab uses, in a network namespace of its own.
pub(super) fn tap(_: &Options) -> Finding {
    let name = "network interfaces";
    let remedy =
        "load the driver: modprobe tun (inside another container: give it the device /dev/net/tun)";
    if !std::path::Path::new("/dev/net/tun").exists() {
        return Finding::fail(
            name,
            "virtual network interfaces cannot be made: no /dev/net/tun",
            remedy,
        );
    }
    if find("ip").is_none() {
        let what =
            "cannot try whether virtual network interfaces can be made: the program ip is missing";
        return Finding::warn(name, what, "apt-get install iproute2");
    }
    match inside(&["--net"], &["ip", "tuntap", "add", "probe0", "mode", "tap", "vnet_hdr"]) {
        Ok(()) => Finding::ok(name, "virtual network interfaces with offloading can be made (TAP)"),
        Err(error) => Finding::fail(
            name,
            format!("virtual network interfaces cannot be made: {}", chain(&error)),
            remedy,
        ),
    }
}

pub(super) fn netem(_: &Options) -> Finding {
    let name = "netem";
    if find("tc").is_none() {
        return Finding::ok(
            name,
            "not tried (no tc); not needed: the lab delays and drops packets itself",
        );
    }
    match inside(&["--net"], &["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"])
    {
        Ok(()) => Finding::ok(name, "there; not needed: the lab delays and drops packets itself"),
        Err(_) => Finding::ok(
            name,
            "not in this kernel; not needed: the lab delays and drops packets itself",
        ),
    }
}

/// Runs a command in new namespaces.
fn inside(flags: &[&str], command: &[&str]) -> Result<(), CmdError> {
    let program = find("unshare").unwrap_or_else(|| "unshare".into());
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let run = Cmd::new(program).args(flags).args(command).env("PATH", path);
    run.deadline(COMMAND_DEADLINE).run().map(|_| ())
}
