//! Interfaces, addresses, routes, names and DHCP clients of a started container.
//!
//! What was set is recorded before it is set, so that after a crash too a later call removes what is no longer wanted and nothing else:
//! addresses and routes a routing daemon or a user of the container added are never touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use serde::{Deserialize, Serialize};
use tomato_model::id::ElementId;

use super::host::Inner;
use super::life::{asked, lock, write_owned};
use super::netlink::{LinkChange, Netlink, NetlinkError};
use super::state::{Process, State, replace_file};
use super::{Cidr, ContainerError, ExecRequest, InterfaceSpec, NetworkSpec, Route, tap};
use crate::keeper::Ended;
use crate::limits::INTERFACE_NAME_MAX;

/// Prefix of the names under which the keeper holds interfaces.
const HELD: &str = "interface:";

/// Writes the path of the guest's DHCP client. Not `command -v`: a shell may have a client built in that no file stands for.
const FIND_DHCP_CLIENT: &str = "IFS=:; for n in dhclient udhcpc; do for d in $PATH; do \
     [ -x $d/$n ] && echo $d/$n && exit; done; done";

/// Runs `udhcpc`, which leaves to a script what to do with a lease; with one of our own if the template has none.
const UDHCPC: &str = r#"
for script in /etc/udhcpc/default.script /usr/share/udhcpc/default.script; do
  [ -x $script ] && exec "$1" -f -R -i "$2" -s $script
done
script=/run/tomato-udhcpc
mkdir -p /run && cat > $script <<'END' && chmod 755 $script && exec "$1" -f -R -i "$2" -s $script
#!/bin/sh
lease=/run/tomato-udhcpc.$interface
forget() { [ -s $lease ] && ip addr del "$(cat $lease)" dev $interface; rm -f $lease; }
case "$1" in
deconfig)
  forget
  ip link set $interface up;;
bound | renew)
  address=$ip/${mask:-24}
  [ "$(cat $lease 2>/dev/null)" = $address ] || { forget; ip addr add $address dev $interface; echo $address > $lease; }
  [ -z "$router" ] || ip route replace default via ${router%% *} dev $interface
  [ -z "$dns" ] || { for server in $dns; do echo nameserver $server; done; } > /etc/resolv.conf;;
esac
END
"#;

/// What earlier calls have set (or were about to).
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    addresses: BTreeMap<String, BTreeSet<Cidr>>,
    routes: BTreeSet<Route>,
    forwarding: bool,
    /// Interface to the keeper's number of its DHCP client.
    dhcp: BTreeMap<String, u64>,
}

impl Inner {
    pub(super) fn plug(
        &self,
        id: &ElementId,
        interface: &InterfaceSpec,
    ) -> Result<OwnedFd, ContainerError> {
        check_name(&interface.name)?;
        let paths = self.host.element(id);
        let _lock = lock(id, &paths)?;
        let (_, process) = self.started(id)?;
        let name = interface.name.clone();
        let held_name = format!("{HELD}{name}");
        let mut keeper = self.keeper(id)?;
        let held = keeper.held(&held_name).map_err(asked(id))?;
        // What a container hands out may be anything.
        let held = held.filter(|fd| tap::is_tap(fd, &name));
        let (mut netlink, fd) = in_network(id, &process, || {
            let mut netlink = Netlink::open().map_err(|e| refused(id)(NetlinkError::Socket(e)))?;
            if let Some(fd) = held {
                return Ok((netlink, fd));
            }
            // A rest of one whose holder is gone or was never asked to hold it.
            if let Some(index) = netlink.link(&name).map_err(refused(id))? {
                netlink.delete_link(index).map_err(refused(id))?;
            }
            let fd = tap::create(&name).map_err(|source| ContainerError::MakeTap {
                id: id.clone(),
                name: name.clone(),
                source,
            })?;
            Ok((netlink, fd))
        })?;
        keeper.hold(&held_name, fd.as_fd()).map_err(asked(id))?;
        let index = netlink.link(&interface.name).map_err(refused(id))?;
        let index = index.ok_or_else(|| absent(id, &interface.name))?;
        let change =
            LinkChange { mac: Some(interface.mac), mtu: Some(interface.mtu), up: Some(true) };
        netlink.set_link(index, change).map_err(refused(id))?;
        Ok(fd)
    }

    pub(super) fn unplug(&self, id: &ElementId, name: &str) -> Result<(), ContainerError> {
        let paths = self.host.element(id);
        let _lock = lock(id, &paths)?;
        let (_, process) = self.started(id)?;
        let mut netlink = open_netlink(id, &process)?;
        if let Some(index) = netlink.link(name).map_err(refused(id))? {
            netlink.delete_link(index).map_err(refused(id))?;
        }
        self.keeper(id)?.release(&format!("{HELD}{name}")).map_err(asked(id))
    }

    pub(super) fn plugged(&self, id: &ElementId) -> Result<Vec<String>, ContainerError> {
        let names = self.keeper(id)?.names().map_err(asked(id))?;
        Ok(names.iter().filter_map(|n| n.strip_prefix(HELD).map(str::to_owned)).collect())
    }

    pub(super) fn configure(
        &self,
        id: &ElementId,
        network: &NetworkSpec,
    ) -> Result<(), ContainerError> {
        let paths = self.host.element(id);
        let _lock = lock(id, &paths)?;
        let (state, process) = self.started(id)?;
        let configured = self.set_network(id, network, &state, &process);
        // Also when something could not be set: what works may be all that the boot command needs.
        let booted = self.keeper(id)?.boot().map_err(asked(id));
        configured.and(booted)
    }

    fn set_network(
        &self,
        id: &ElementId,
        network: &NetworkSpec,
        state: &State,
        process: &Process,
    ) -> Result<(), ContainerError> {
        let paths = self.host.element(id);
        let file = paths.network_file();
        let old: Record = fs::read(&file)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let wanted = wanted(network, &old);
        let save = |record: &Record| {
            let bytes = serde_json::to_vec(record).expect("plain data is always written");
            replace_file(&file, &bytes).map_err(ContainerError::file("write", &file))
        };
        save(&union(&old, &wanted))?;
        let hosts = hosts_text(&network.hostname, &network.hosts);
        write_owned(&paths.hosts(), hosts.as_bytes(), state.id_base)?;
        write_owned(
            &paths.hostname(),
            format!("{}\n", network.hostname).as_bytes(),
            state.id_base,
        )?;
        let mut netlink = open_netlink(id, process)?;
        in_network(id, process, || {
            set_names(id, process, &network.hostname)?;
            set_forwarding(&old, network.forwarding)
        })?;
        set_links(id, &mut netlink, network)?;
        apply(&mut netlink, &old, &wanted).map_err(refused(id))?;
        let dhcp = self.run_dhcp(id, network, &old)?;
        save(&Record { dhcp, ..wanted })
    }

    /// Starts and ends DHCP clients; answers those that run.
    fn run_dhcp(
        &self,
        id: &ElementId,
        network: &NetworkSpec,
        old: &Record,
    ) -> Result<BTreeMap<String, u64>, ContainerError> {
        let mut running = BTreeMap::new();
        let mut keeper = self.keeper(id)?;
        let wanted: BTreeSet<&str> =
            network.interfaces.iter().filter(|i| i.dhcp && i.up).map(|i| i.name.as_str()).collect();
        for (name, serial) in &old.dhcp {
            if !wanted.contains(name.as_str()) {
                keeper.kill(*serial, libc::SIGTERM).map_err(asked(id))?;
            } else if keeper.state(*serial).map_err(asked(id))? == Some(Ended::Running) {
                running.insert(name.clone(), *serial);
            }
        }
        for name in wanted {
            if !running.contains_key(name) {
                let serial = self.start_dhcp(id, name)?;
                running.insert(name.to_owned(), serial);
            }
        }
        Ok(running)
    }

    fn start_dhcp(&self, id: &ElementId, name: &str) -> Result<u64, ContainerError> {
        let mut find = ExecRequest::new(["sh", "-c", FIND_DHCP_CLIENT]);
        find.timeout = Duration::from_secs(5);
        let found = self.exec(id, &find)?;
        let program = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        let argv: Vec<String> = if program.ends_with("dhclient") {
            // In the foreground, with files of its own per interface.
            let pid = format!("/run/dhclient.{name}.pid");
            let leases = format!("/var/lib/dhcp/dhclient.{name}.leases");
            [&program, "-d", "-pf", &pid, "-lf", &leases, name].map(str::to_owned).to_vec()
        } else if program.ends_with("udhcpc") {
            ["/bin/sh", "-c", UDHCPC, "sh", &program, name].map(str::to_owned).to_vec()
        } else {
            return Err(ContainerError::NoDhcpClient { id: id.clone(), name: name.to_owned() });
        };
        let request =
            super::SpawnRequest { argv, env: BTreeMap::new(), cwd: "/".to_owned(), output: None };
        self.spawn(id, &request).map(|process| process.0)
    }
}

fn set_links(
    id: &ElementId,
    netlink: &mut Netlink,
    network: &NetworkSpec,
) -> Result<(), ContainerError> {
    if let Some(index) = netlink.link("lo").map_err(refused(id))? {
        let up = LinkChange { up: Some(true), ..LinkChange::default() };
        netlink.set_link(index, up).map_err(refused(id))?;
    }
    for interface in &network.interfaces {
        let index = netlink.link(&interface.name).map_err(refused(id))?;
        let index = index.ok_or_else(|| absent(id, &interface.name))?;
        let change = LinkChange {
            mac: Some(interface.mac),
            mtu: Some(interface.mtu),
            up: Some(interface.up),
        };
        netlink.set_link(index, change).map_err(refused(id))?;
    }
    Ok(())
}

/// What is to be recorded once all is done, but for the DHCP clients.
fn wanted(network: &NetworkSpec, old: &Record) -> Record {
    let gateways = [network.gateway4, network.gateway6].into_iter().flatten();
    let defaults = gateways.map(|via| Route { dest: Cidr::any(via), via: Some(via), dev: None });
    Record {
        addresses: network
            .interfaces
            .iter()
            .map(|i| (i.name.clone(), i.addresses.iter().copied().collect()))
            .collect(),
        routes: network.routes.iter().cloned().chain(defaults).collect(),
        forwarding: network.forwarding,
        dhcp: old.dhcp.clone(),
    }
}

fn union(a: &Record, b: &Record) -> Record {
    let mut all = a.clone();
    for (name, addresses) in &b.addresses {
        all.addresses.entry(name.clone()).or_default().extend(addresses);
    }
    all.routes.extend(b.routes.iter().cloned());
    all.forwarding |= b.forwarding;
    all
}

/// Removes what is no longer wanted, then adds all that is wanted (what is there already stays as it is).
fn apply(netlink: &mut Netlink, old: &Record, wanted: &Record) -> Result<(), NetlinkError> {
    for route in old.routes.difference(&wanted.routes) {
        netlink.delete_route(route)?;
    }
    for (name, addresses) in &old.addresses {
        let keep = wanted.addresses.get(name);
        let Some(index) = netlink.link(name)? else { continue };
        for address in addresses.iter().filter(|a| keep.is_none_or(|k| !k.contains(a))) {
            netlink.delete_address(index, *address)?;
        }
    }
    for (name, addresses) in &wanted.addresses {
        let Some(index) = netlink.link(name)? else { continue };
        for address in addresses {
            netlink.add_address(index, *address)?;
        }
    }
    // Those on a link itself first: others may lead through them.
    let (on_link, via): (Vec<&Route>, Vec<&Route>) =
        wanted.routes.iter().partition(|route| route.via.is_none());
    for route in on_link.into_iter().chain(via) {
        netlink.add_route(route)?;
    }
    Ok(())
}

/// Runs `work` on a thread inside the container's network namespace.
fn in_network<T: Send>(
    id: &ElementId,
    process: &Process,
    work: impl FnOnce() -> Result<T, ContainerError> + Send,
) -> Result<T, ContainerError> {
    let failed = |source| ContainerError::EnterNetwork { id: id.clone(), source };
    let namespace = open_namespace(process, "net").map_err(failed)?;
    if !process.is_alive() {
        return Err(ContainerError::NotStarted(id.clone()));
    }
    std::thread::scope(|scope| {
        let thread =
            std::thread::Builder::new().name("netns".to_owned()).spawn_scoped(scope, || {
                setns(&namespace, CloneFlags::CLONE_NEWNET).map_err(|e| failed(e.into()))?;
                work()
            });
        let thread = thread.map_err(ContainerError::RunThread)?;
        thread.join().unwrap_or_else(|_| {
            Err(ContainerError::RunThread(std::io::Error::other("the thread panicked")))
        })
    })
}

fn open_namespace(process: &Process, kind: &str) -> std::io::Result<OwnedFd> {
    fs::File::open(format!("/proc/{}/ns/{kind}", process.pid)).map(OwnedFd::from)
}

fn open_netlink(id: &ElementId, process: &Process) -> Result<Netlink, ContainerError> {
    in_network(id, process, || Netlink::open().map_err(|e| refused(id)(NetlinkError::Socket(e))))
}

/// Sets the host name; the calling thread is thrown away after.
fn set_names(id: &ElementId, process: &Process, hostname: &str) -> Result<(), ContainerError> {
    let failed = |source| ContainerError::EnterNetwork { id: id.clone(), source };
    let namespace = open_namespace(process, "uts").map_err(failed)?;
    if !process.is_alive() {
        return Err(ContainerError::NotStarted(id.clone()));
    }
    setns(&namespace, CloneFlags::CLONE_NEWUTS).map_err(|e| failed(e.into()))?;
    nix::unistd::sethostname(hostname).map_err(|e| failed(e.into()))
}

/// Switches forwarding on, or off if an earlier call had switched it on (and not a routing daemon).
fn set_forwarding(old: &Record, wanted: bool) -> Result<(), ContainerError> {
    if !wanted && !old.forwarding {
        return Ok(());
    }
    for file in ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"] {
        match fs::write(file, if wanted { "1" } else { "0" }) {
            // A kernel without IPv6.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => other.map_err(ContainerError::file("write", file))?,
        }
    }
    Ok(())
}

/// The text of `/etc/hosts`.
pub(super) fn hosts_text(own: &str, hosts: &BTreeMap<String, Vec<IpAddr>>) -> String {
    let mut text = String::from(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\n\
         ff02::2\tip6-allrouters\n",
    );
    if !own.is_empty() && hosts.get(own).is_none_or(Vec::is_empty) {
        writeln!(text, "127.0.1.1\t{own}").expect("writing to a text never fails");
    }
    for (name, addresses) in hosts {
        for address in addresses {
            writeln!(text, "{address}\t{name}").expect("writing to a text never fails");
        }
    }
    text
}

fn check_name(name: &str) -> Result<(), ContainerError> {
    let fits = (1..=INTERFACE_NAME_MAX).contains(&name.len())
        && !matches!(name, "." | ".." | "lo" | "all" | "default")
        && name.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'/' | b':' | b'%'));
    if fits {
        Ok(())
    } else {
        Err(ContainerError::Invalid(format!(
            "{name:?} cannot be an interface name: use 1 to {INTERFACE_NAME_MAX} letters, digits, '-', '_' or '.'"
        )))
    }
}

fn absent(id: &ElementId, name: &str) -> ContainerError {
    ContainerError::NoInterface { id: id.clone(), name: name.to_owned() }
}

fn refused(id: &ElementId) -> impl Fn(NetlinkError) -> ContainerError {
    let id = id.clone();
    move |source| ContainerError::Network { id: id.clone(), source }
}

#[cfg(test)]
mod tests;
