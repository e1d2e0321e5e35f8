//! Interfaces, addresses, routes, names.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tomato_model::id::ElementId;
use tomato_virt::container::{
    ContainerError, Containers, ExecRequest, InterfaceNet, InterfaceSpec, NetworkSpec, Route,
};

use super::world::{World, chain, until};

fn interface(name: &str, last: u8) -> InterfaceSpec {
    InterfaceSpec { name: name.to_owned(), mac: [2, 0, 0, 0, 0, last], mtu: 1400 }
}

fn network(name: &str, last: u8, addresses: &[&str]) -> NetworkSpec {
    NetworkSpec {
        interfaces: vec![InterfaceNet {
            name: name.to_owned(),
            addresses: addresses.iter().map(|a| a.parse().expect("valid")).collect(),
            dhcp: false,
            up: true,
            mac: [2, 0, 0, 0, 0, last],
            mtu: 1400,
        }],
        hostname: format!("h{last}"),
        ..NetworkSpec::default()
    }
}

async fn carrier(world: &World, id: &ElementId, name: &str) -> String {
    world.ok(id, &format!("cat /sys/class/net/{name}/carrier")).await
}

#[tokio::test]
async fn carrier_stays_when_our_descriptor_is_closed() {
    let world = World::new();
    let id = world.started(1).await.id;
    let fd = world.containers.plug(&id, &interface("eth0", 1)).await.expect("plugged");
    let seen = world.ok(&id, "ip link show eth0").await;
    assert!(seen.contains("02:00:00:00:00:01") && seen.contains("mtu 1400"), "{seen}");
    assert!(seen.contains("LOWER_UP"), "{seen}");
    drop(fd);
    assert_eq!(carrier(&world, &id, "eth0").await, "1\n");
    let again = world.restarted();
    assert_eq!(again.plugged(&id).await.expect("listed"), ["eth0"]);
    let fd = again.plug(&id, &interface("eth0", 2)).await.expect("the same one");
    assert!(world.ok(&id, "ip link show eth0").await.contains("02:00:00:00:00:02"));
    again.unplug(&id, "eth0").await.expect("unplugged");
    again.unplug(&id, "eth0").await.expect("twice is once");
    assert_ne!(
        world.sh(&id, "ip link show eth0").await.exit_code,
        Some(0),
        "gone while we hold it"
    );
    assert!(again.plugged(&id).await.expect("listed").is_empty());
    drop(fd);
    drop(again.plug(&id, &interface("eth0", 3)).await.expect("plugged again"));
    assert_eq!(carrier(&world, &id, "eth0").await, "1\n");
    let error = again.plug(&id, &interface("a/b", 1)).await.expect_err("no name");
    assert!(matches!(error, ContainerError::Invalid(_)), "{}", chain(&error));
}

#[tokio::test]
async fn configure_sets_what_differs_and_leaves_the_rest() {
    let world = World::new();
    let id = world.started(1).await.id;
    let all = &world.containers;
    let _fd = all.plug(&id, &interface("eth0", 1)).await.expect("plugged");
    let mut spec = network("eth0", 1, &["10.0.0.1/24", "fd00::1/64"]);
    spec.gateway4 = Some("10.0.0.254".parse().expect("valid"));
    spec.gateway6 = Some("fd00::fe".parse().expect("valid"));
    spec.routes = vec![Route {
        dest: "10.9.0.0/16".parse().expect("valid"),
        via: Some("10.0.0.9".parse().expect("valid")),
        dev: None,
    }];
    spec.hosts = BTreeMap::from([("peer".to_owned(), vec!["10.0.0.2".parse().expect("valid")])]);
    spec.hostname = "renamed".to_owned();
    spec.forwarding = true;
    for _ in 0..2 {
        all.configure(&id, &spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    }
    let addresses = world.ok(&id, "ip addr show eth0").await;
    assert!(addresses.contains("10.0.0.1/24") && addresses.contains("fd00::1/64"), "{addresses}");
    let routes = world.ok(&id, "ip route; ip -6 route").await;
    for route in ["default via 10.0.0.254", "10.9.0.0/16 via 10.0.0.9", "default via fd00::fe"] {
        assert!(routes.contains(route), "{route} in {routes}");
    }
    let names = world.ok(&id, "hostname; cat /etc/hostname /etc/hosts").await;
    assert!(names.starts_with("renamed\nrenamed\n") && names.contains("10.0.0.2\tpeer"), "{names}");
    assert_eq!(world.ok(&id, "cat /proc/sys/net/ipv4/ip_forward").await, "1\n");
    assert!(world.ok(&id, "ip link show lo").await.contains("LOWER_UP"));
    // A daemon of the container adds its own.
    world
        .ok(&id, "ip addr add 10.0.7.1/24 dev eth0 && ip route add 10.8.0.0/16 via 10.0.0.8")
        .await;
    // The kernel forgets routes with the address they lead through, and other addresses of its network.
    for address in ["10.0.0.1/24", "10.0.0.2/24"] {
        spec.interfaces = network("eth0", 1, &[address, "10.0.0.3/24", "fd00::1/64"]).interfaces;
        all.configure(&id, &spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    }
    spec.interfaces = network("eth0", 1, &["10.0.0.4/24", "fd00::4/64"]).interfaces;
    world.ok(&id, "ip addr show eth0 | grep 10.0.0.3/24").await;
    all.configure(&id, &spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    let routes = world.ok(&id, "ip route; ip -6 route").await;
    for route in ["default via 10.0.0.254", "10.9.0.0/16 via 10.0.0.9", "default via fd00::fe"] {
        assert!(routes.contains(route), "{route} in {routes}");
    }
    let mut other = network("eth0", 1, &["10.0.0.3/24"]);
    other.hostname = "renamed".to_owned();
    world.restarted().configure(&id, &other).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    let addresses = world.ok(&id, "ip addr show eth0").await;
    assert!(!addresses.contains("10.0.0.1/24") && !addresses.contains("fd00::1/64"), "{addresses}");
    assert!(addresses.contains("10.0.0.3/24") && addresses.contains("10.0.7.1/24"), "{addresses}");
    let routes = world.ok(&id, "ip route").await;
    assert!(!routes.contains("default") && !routes.contains("10.9.0.0"), "{routes}");
    assert!(routes.contains("10.8.0.0/16"), "{routes}");
    assert_eq!(world.ok(&id, "cat /proc/sys/net/ipv4/ip_forward").await, "0\n");
}

#[tokio::test]
async fn configure_says_what_is_wrong() {
    let world = World::new();
    let id = world.started(1).await.id;
    let all = &world.containers;
    let error = all.configure(&id, &network("eth9", 1, &[])).await.expect_err("not plugged");
    assert!(matches!(error, ContainerError::NoInterface { .. }), "{}", chain(&error));
    let _fd = all.plug(&id, &interface("eth0", 1)).await.expect("plugged");
    let mut spec = network("eth0", 1, &["10.0.0.1/24"]);
    spec.gateway4 = Some("192.168.7.1".parse().expect("valid"));
    let error = all.configure(&id, &spec).await.expect_err("not reachable");
    assert!(chain(&error).contains("192.168.7.1"), "{}", chain(&error));
    spec.gateway4 = None;
    all.configure(&id, &spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
}

#[tokio::test]
async fn dhcp_client_of_the_guest_runs_and_ends() {
    let world = World::new();
    let id = world.started(1).await.id;
    let all = &world.containers;
    let _fd = all.plug(&id, &interface("eth0", 1)).await.expect("plugged");
    let mut spec = network("eth0", 1, &[]);
    spec.interfaces[0].dhcp = true;
    for _ in 0..2 {
        all.configure(&id, &spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    }
    // its name is that of the program only once it has begun
    until("one client runs", || async {
        world.sh(&id, "ps | grep -c '[u]dhcpc -f'").await.stdout == b"1\n"
    })
    .await;
    spec.interfaces[0].dhcp = false;
    all.configure(&id, &spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    until("client ended", || async {
        world.sh(&id, "ps | grep '[u]dhcpc -f'").await.exit_code != Some(0)
    })
    .await;
    world.ok(&id, "rm /bin/udhcpc").await;
    spec.interfaces[0].dhcp = true;
    let error = all.configure(&id, &spec).await.expect_err("no client");
    assert!(matches!(error, ContainerError::NoDhcpClient { .. }), "{}", chain(&error));
}

/// Carries frames between two TAPs until `stop` closes.
fn forward(a: &OwnedFd, b: &OwnedFd, stop: &OwnedFd) {
    let mut frame = vec![0u8; 65536];
    loop {
        let mut fds = [
            PollFd::from_borrowed_fd(a.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(b.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN),
        ];
        let limit = Timespec::try_from(Duration::from_secs(20)).expect("fits");
        if poll(&mut fds, Some(&limit)).expect("polled") == 0 || !fds[2].revents().is_empty() {
            return;
        }
        let ready = [!fds[0].revents().is_empty(), !fds[1].revents().is_empty()];
        for (ready, from, to) in [(ready[0], a, b), (ready[1], b, a)] {
            if ready {
                let n = rustix::io::read(from, &mut frame).expect("read");
                rustix::io::write(to, &frame[..n]).expect("written");
            }
        }
    }
}

#[tokio::test]
async fn two_containers_reach_each_other() {
    let world = World::new();
    let (one, two) = (world.started(1).await.id, world.started(2).await.id);
    let all = &world.containers;
    let a = all.plug(&one, &interface("eth0", 1)).await.expect("plugged");
    let b = all.plug(&two, &interface("eth0", 2)).await.expect("plugged");
    all.configure(&one, &network("eth0", 1, &["10.0.0.1/24", "fd00::1/64"])).await.expect("set");
    all.configure(&two, &network("eth0", 2, &["10.0.0.2/24", "fd00::2/64"])).await.expect("set");
    let (stop, stopper) = std::io::pipe().expect("made");
    let stop = OwnedFd::from(stop);
    let forwarder = std::thread::spawn(move || forward(&a, &b, &stop));
    let seen = world.ok(&one, "ping -c 3 -i 0.1 -W 5 10.0.0.2").await;
    assert!(seen.contains("3 packets received"), "{seen}");
    world.ok(&two, "ping -6 -c 1 -W 5 fd00::1").await;
    drop(stopper);
    forwarder.join().expect("no panic");
}

#[tokio::test]
async fn what_its_user_changed_stays_when_others_change() {
    let world = World::new();
    let id = world.started(1).await.id;
    let all = &world.containers;
    let _fd = all.plug(&id, &interface("eth0", 1)).await.expect("plugged");
    let _other = all.plug(&id, &interface("eth1", 2)).await.expect("plugged");
    let mut spec = network("eth0", 1, &["10.0.0.1/24", "10.0.1.1/24"]);
    spec.interfaces.extend(network("eth1", 2, &["10.2.0.1/24"]).interfaces);
    spec.routes = vec![Route {
        dest: "10.9.0.0/16".parse().expect("valid"),
        via: Some("10.2.0.9".parse().expect("valid")),
        dev: None,
    }];
    all.configure(&id, &spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    let script = "ip route del 10.9.0.0/16 && ip addr del 10.0.1.1/24 dev eth0 && ip link set eth0 down && hostname mine && \
                  { echo 10.7.7.7 own; cat /etc/hosts; echo 10.7.7.8 last; } >/tmp/h && cat /tmp/h >/etc/hosts";
    world.ok(&id, script).await;
    // Another element came.
    spec.hosts = BTreeMap::from([("peer".to_owned(), vec!["10.0.0.2".parse().expect("valid")])]);
    let restarted = world.restarted();
    restarted.configure(&id, &spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    let seen = world.ok(&id, "hostname; ip addr show eth0; ip route; cat /etc/hosts").await;
    assert!(!seen.contains("LOWER_UP") && !seen.contains("10.0.1.1"), "{seen}");
    assert!(!seen.contains("10.9.0.0") && seen.starts_with("mine\n"), "{seen}");
    for line in ["10.7.7.7 own", "10.7.7.8 last", "10.0.0.2\tpeer", "127.0.0.1\tlocalhost"] {
        assert_eq!(seen.lines().filter(|l| l == &line).count(), 1, "{line} in {seen}");
    }
    // What is made anew is set anew, with the routes over it.
    restarted.unplug(&id, "eth1").await.expect("unplugged");
    drop(restarted.plug(&id, &interface("eth1", 2)).await.expect("plugged"));
    restarted.configure(&id, &spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    let seen = world.ok(&id, "ip addr show eth1; ip route; ip link show eth0").await;
    assert!(seen.contains("10.2.0.1/24") && seen.contains("10.9.0.0/16 via 10.2.0.9"), "{seen}");
    assert_eq!(seen.matches("LOWER_UP").count(), 1, "eth0 stays down: {seen}");
}

#[tokio::test]
async fn a_lease_leaves_other_addresses_alone() {
    let world = World::new();
    let id = world.started(1).await.id;
    let mut request = ExecRequest::new(["sh", "-c", "cat > /tmp/lease"]);
    let script = include_str!("../../../../templates/busybox/etc/udhcpc/default.script");
    request.stdin = Some(script.as_bytes().to_vec());
    world.containers.exec(&id, request).await.expect("written");
    let script = "lease() { interface=lo ip=$2 mask=16 sh /tmp/lease $1; }
        ip addr add 10.1.1.1/24 dev lo
        lease deconfig; lease bound 10.2.2.2; lease renew 10.2.2.2; lease renew 10.3.3.3; ip -4 addr show dev lo
        lease deconfig; ip -4 addr show dev lo";
    let shown = world.ok(&id, script).await;
    let count = |address: &str| shown.matches(address).count();
    assert_eq!(
        [count("10.1.1.1/24"), count("10.3.3.3/16"), count("10.2.2.2")],
        [2, 1, 0],
        "{shown}"
    );
}
