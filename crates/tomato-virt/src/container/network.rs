//! Interfaces, addresses, routes, names and DHCP clients of a started container.
//!
//! What was set is recorded before it is set, so that after a crash too a later call removes what is no longer wanted and nothing else:
//! addresses and routes a routing daemon or a user of the container added are never touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use serde::{Deserialize, Serialize};
use tomato_model::id::ElementId;

use super::host::Inner;
use super::layout::ElementPaths;
use super::life::{asked, lock, write_owned};
use super::netlink::{LinkChange, Netlink, NetlinkError};
use super::state::{Process, State, replace_unsynced};
use super::{Cidr, ContainerError, ExecRequest, InterfaceSpec, NetworkSpec, Route, tap};
use crate::keeper::Ended;
use crate::limits::{HOSTS_BYTES_MAX, INTERFACE_NAME_MAX};

/// Prefix of the names under which the keeper holds interfaces.
const HELD: &str = "interface:";

/// Writes the path of the guest's DHCP client. Not `command -v`: a shell may have a client built in that no file stands for.
const FIND_DHCP_CLIENT: &str = "IFS=:; for n in dhclient udhcpc; do for d in $PATH; do \
     [ -x $d/$n ] && echo $d/$n && exit; done; done";

/// Runs `udhcpc`, which leaves to a script what to do with a lease; with one of our own if the template has none.
const UDHCPC: &str = concat!(
    r#"
for script in /etc/udhcpc/default.script /usr/share/udhcpc/default.script; do
  [ -x $script ] && exec "$1" -f -R -i "$2" -s $script
done
script=/run/tomato-udhcpc
mkdir -p /run && cat > $script <<'END' && chmod 755 $script && exec "$1" -f -R -i "$2" -s $script
"#,
    include_str!("../../../../templates/busybox/etc/udhcpc/default.script"),
    "END\n"
);

/// What earlier calls have set (or were about to).
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    addresses: BTreeMap<String, BTreeSet<Cidr>>,
    routes: BTreeSet<Route>,
    forwarding: bool,
    /// Interface to the keeper's number of its DHCP client.
    dhcp: BTreeMap<String, u64>,
    #[serde(default)]
    links: BTreeMap<String, Link>,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    hosts: BTreeMap<String, Vec<IpAddr>>,
    /// All of it was set; only what differs from it is to be touched. Else a call broke off, and all is set again.
    #[serde(default)]
    is_whole: bool,
    /// A link went with the routes that led over it.
    #[serde(default)]
    is_route_lost: bool,
}

/// How a link was set.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Link {
    mac: [u8; 6],
    mtu: u32,
    up: bool,
}

impl Record {
    fn load(file: &Path) -> Self {
        fs::read(file)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    fn save(&self, file: &Path) -> Result<(), ContainerError> {
        let bytes = serde_json::to_vec(self).expect("plain data is always written");
        replace_unsynced(file, &bytes).map_err(ContainerError::file("write", file))
    }

    /// Whether an interface is to be set anew instead of changed.
    fn is_fresh(&self, name: &str, wanted: &Self) -> bool {
        !self.is_whole || self.links.get(name) != wanted.links.get(name)
    }
}

/// Notes that a link is gone with all that was set on it.
fn forget_link(paths: &ElementPaths, name: &str) -> Result<(), ContainerError> {
    let file = paths.network_file();
    let old = Record::load(&file);
    let mut record = old.clone();
    record.links.remove(name);
    record.addresses.remove(name);
    record.is_route_lost = true;
    if record == old { Ok(()) } else { record.save(&file) }
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
        let is_new = held.is_none();
        if is_new {
            forget_link(&paths, &name)?;
        }
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
        forget_link(&paths, name)?;
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
        let old = Record::load(&file);
        let wanted = wanted(network, &old);
        if old == wanted {
            return self.check_dhcp(id, network, &old, &file);
        }
        union(&old, &wanted).save(&file)?;
        let is_renamed = !old.is_whole || old.hostname != wanted.hostname;
        if is_renamed || old.hosts != wanted.hosts {
            let hosts = hosts_text(&network.hostname, &network.hosts);
            write_hosts(&paths.hosts(), &hosts, state.id_base)?;
        }
        if is_renamed {
            let name = format!("{}\n", network.hostname);
            write_owned(&paths.hostname(), name.as_bytes(), state.id_base)?;
        }
        let mut netlink = open_netlink(id, process)?;
        in_network(id, process, || {
            if is_renamed {
                set_names(id, process, &network.hostname)?;
            }
            set_forwarding(&old, network.forwarding)
        })?;
        set_links(id, &mut netlink, &old, &wanted)?;
        apply(&mut netlink, &old, &wanted).map_err(refused(id))?;
        let dhcp = self.run_dhcp(id, network, &old)?;
        Record { dhcp, ..wanted }.save(&file)
    }

    /// Looks only after DHCP clients that have ended.
    fn check_dhcp(
        &self,
        id: &ElementId,
        network: &NetworkSpec,
        old: &Record,
        file: &Path,
    ) -> Result<(), ContainerError> {
        let dhcp = self.run_dhcp(id, network, old)?;
        if dhcp == old.dhcp {
            return Ok(());
        }
        Record { dhcp, ..old.clone() }.save(file)
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
        let found = self.exec(id, &find, None)?;
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
    old: &Record,
    wanted: &Record,
) -> Result<(), ContainerError> {
    if !old.is_whole
        && let Some(index) = netlink.link("lo").map_err(refused(id))?
    {
        let up = LinkChange { up: Some(true), ..LinkChange::default() };
        netlink.set_link(index, up).map_err(refused(id))?;
    }
    for (name, link) in wanted.links.iter().filter(|(name, _)| old.is_fresh(name, wanted)) {
        let index = netlink.link(name).map_err(refused(id))?;
        let index = index.ok_or_else(|| absent(id, name))?;
        let change = LinkChange { mac: Some(link.mac), mtu: Some(link.mtu), up: Some(link.up) };
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
        links: network
            .interfaces
            .iter()
            .map(|i| (i.name.clone(), Link { mac: i.mac, mtu: i.mtu, up: i.up }))
            .collect(),
        hostname: network.hostname.clone(),
        hosts: network.hosts.clone(),
        is_whole: true,
        is_route_lost: false,
    }
}

fn union(a: &Record, b: &Record) -> Record {
    let mut all = a.clone();
    for (name, addresses) in &b.addresses {
        all.addresses.entry(name.clone()).or_default().extend(addresses);
    }
    all.routes.extend(b.routes.iter().cloned());
    all.forwarding |= b.forwarding;
    all.is_whole = false;
    all
}

/// Removes what is no longer wanted, then adds what is new (what is there already stays as it is).
fn apply(netlink: &mut Netlink, old: &Record, wanted: &Record) -> Result<(), NetlinkError> {
    for route in old.routes.difference(&wanted.routes) {
        netlink.delete_route(route)?;
    }
    // With an address the kernel takes others of the same network and the routes that lead through it.
    let mut cleared = BTreeSet::new();
    for (name, addresses) in &old.addresses {
        let keep = wanted.addresses.get(name);
        let Some(index) = netlink.link(name)? else { continue };
        for address in addresses.iter().filter(|a| keep.is_none_or(|k| !k.contains(a))) {
            netlink.delete_address(index, *address)?;
            cleared.insert(name);
        }
    }
    for (name, addresses) in &wanted.addresses {
        let is_fresh = old.is_fresh(name, wanted) || cleared.contains(name);
        let had = old.addresses.get(name).filter(|_| !is_fresh);
        let new: Vec<_> =
            addresses.iter().filter(|a| had.is_none_or(|had| !had.contains(a))).collect();
        if new.is_empty() {
            continue;
        }
        let Some(index) = netlink.link(name)? else { continue };
        for address in new {
            netlink.add_address(index, *address)?;
        }
    }
    // Routes go with a link that goes down.
    let all = old.is_route_lost
        || !cleared.is_empty()
        || wanted.links.keys().any(|name| old.is_fresh(name, wanted));
    let new = wanted.routes.iter().filter(|route| all || !old.routes.contains(route));
    // Those on a link itself first: others may lead through them.
    let (on_link, via): (Vec<&Route>, Vec<&Route>) = new.partition(|route| route.via.is_none());
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
    if (!wanted && !old.forwarding) || (old.is_whole && wanted == old.forwarding) {
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

/// The first and last line of what is ours of `/etc/hosts`.
const HOSTS_BEGIN: &str =
    "# begin of the names of the topology; lines outside of this part stay as they are";
const HOSTS_END: &str = "# end of the names of the topology";

/// Puts our part into `/etc/hosts`; what a user of the container wrote around it stays.
pub(super) fn write_hosts(path: &Path, ours: &str, id: u32) -> Result<(), ContainerError> {
    let mut now = Vec::new();
    match fs::File::open(path) {
        Ok(file) => {
            file.take(HOSTS_BYTES_MAX)
                .read_to_end(&mut now)
                .map_err(ContainerError::file("read", path))?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(ContainerError::file("read", path)(error)),
    }
    write_owned(path, merge_hosts(&String::from_utf8_lossy(&now), ours).as_bytes(), id)
}

/// `now` with our part exchanged, or added at its end.
fn merge_hosts(now: &str, ours: &str) -> String {
    let ours = format!("{HOSTS_BEGIN}\n{ours}{HOSTS_END}\n");
    let begin = now.find(HOSTS_BEGIN);
    let end = begin.and_then(|begin| {
        let end = begin + now[begin..].find(HOSTS_END)? + HOSTS_END.len();
        Some(end + usize::from(now[end..].starts_with('\n')))
    });
    match (begin, end) {
        (Some(begin), Some(end)) => format!("{}{ours}{}", &now[..begin], &now[end..]),
        _ if now.is_empty() || now.ends_with('\n') => format!("{now}{ours}"),
        _ => format!("{now}\n{ours}"),
    }
}

/// Our part of `/etc/hosts`.
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
