//! Namespaces with a TAP each, and wire processes; all gone when dropped.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tomato_wire::client::WireClient;

use crate::sys;

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// Nobody's uid and gid on Debian.
const NOBODY: u32 = 65_534;

#[allow(clippy::disallowed_methods, reason = "tests of this crate cannot use tomato_virt::cmd")]
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

/// Runs a program with words for arguments; its output whatever it said.
pub(crate) fn output(line: &str) -> Output {
    let mut words = line.split_whitespace();
    let program = words.next().expect("a program");
    command(program).args(words).stdin(Stdio::null()).output().expect("the program is installed")
}

/// The same, and it must succeed.
#[track_caller]
pub(crate) fn run(line: &str) -> String {
    let output = output(line);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {}\n{text}\n{errors}", output.status);
    text
}

/// Waits for a condition that can say what it is.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// A network namespace with a TAP `eth0`, address 10.0.0.n/24.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) address: String,
    /// What the keeper of an element would keep.
    pub(crate) tap: OwnedFd,
    /// Where the other end of its cable is, if it has no TAP.
    far: Option<String>,
}

/// Opens something in a namespace.
fn open_in(namespace: &str, open: fn() -> std::io::Result<OwnedFd>) -> OwnedFd {
    let path = format!("/run/netns/{namespace}");
    let opener = std::thread::spawn(move || {
        let namespace = File::open(path).expect("the namespace was just made");
        let kind = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), kind).expect("root");
        open().expect("it opens")
    });
    opener.join().expect("the thread ends in order")
}

impl Host {
    pub(crate) fn new(number: u32) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wiretest-{}-{unique}", std::process::id());
        run(&format!("ip netns add {name}"));
        let tap = open_in(&name, sys::open_tap);
        Self { name, address: format!("10.0.0.{number}"), tap, far: None }.configured()
    }

    /// With a veth pair in place of the TAP, and a packet socket on the far end of it.
    pub(crate) fn cabled(number: u32) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wirecable-{}-{unique}", std::process::id());
        let far = format!("{name}-far");
        run(&format!("ip netns add {name}"));
        run(&format!("ip netns add {far}"));
        run(&format!("ip link add eth0 netns {name} type veth peer name eth0 netns {far}"));
        run(&format!("ip netns exec {far} ip link set eth0 up promisc on"));
        let tap = open_in(&far, sys::open_packet);
        Self { name, address: format!("10.0.0.{number}"), tap, far: Some(far) }.configured()
    }

    fn configured(self) -> Self {
        let host = self;
        // one address family is enough, and nothing is sent unasked
        host.run("sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1");
        host.run(&format!("ip address add {}/24 dev eth0", host.address));
        host.run("ip link set eth0 up");
        host
    }

    /// Takes the device at the far end of its cable down or up.
    pub(crate) fn set_far(&self, state: &str) {
        let far = self.far.as_ref().expect("it is cabled");
        run(&format!("ip -n {far} link set eth0 {state}"));
    }

    /// Opens something in its namespace.
    pub(crate) fn open(&self, open: fn() -> std::io::Result<OwnedFd>) -> OwnedFd {
        open_in(&self.name, open)
    }

    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> String {
        run(&format!("ip netns exec {} {line}", self.name))
    }

    /// Milliseconds of each round trip that came back.
    pub(crate) fn ping(&self, to: &Host, count: u32) -> Vec<f64> {
        let line =
            format!("ip netns exec {} busybox ping -A -c {count} -W 1 {}", self.name, to.address);
        let text = String::from_utf8_lossy(&output(&line).stdout).into_owned();
        let times = text.lines().filter_map(|line| line.split_once("time=")?.1.split_once(' '));
        times.map(|(ms, _)| ms.parse().expect("milliseconds")).collect()
    }

    /// Goodput of one TCP stream to `to`, in bit/s, as the receiver saw it.
    pub(crate) fn tcp_bit_s(&self, to: &Host, seconds: u32) -> f64 {
        let mut server = command("ip")
            .args(["netns", "exec", &to.name, "iperf3", "-s", "-1", "--forceflush"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("iperf3 is installed");
        let mut lines = std::io::BufReader::new(server.stdout.take().expect("it is piped"));
        let mut line = String::new();
        while !line.contains("listening") {
            line.clear();
            let read = std::io::BufRead::read_line(&mut lines, &mut line).expect("it prints");
            assert!(read > 0, "iperf3 ended before it listened");
        }
        let json = self.run(&format!("iperf3 -J -c {} -t {seconds} -O 1 -C cubic", to.address));
        let _rest = std::io::read_to_string(lines).expect("it ends");
        server.wait().expect("it ends");
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        json["end"]["sum_received"]["bits_per_second"].as_f64().expect("a number")
    }

    pub(crate) fn has_carrier(&self) -> bool {
        !self.run("ip link show dev eth0").contains("NO-CARRIER")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        output(&format!("ip netns del {}", self.name));
        if let Some(far) = &self.far {
            output(&format!("ip netns del {far}"));
        }
    }
}

/// A wire process of an unprivileged user.
pub(crate) struct WireProcess {
    child: Child,
    socket: PathBuf,
}

impl WireProcess {
    /// Starts it in a directory of its own; a socket left there by a killed one is in its way no longer.
    pub(crate) fn start(dir: &Path) -> Self {
        Self::start_with(dir, 1)
    }

    /// The same with so many data threads.
    pub(crate) fn start_with(dir: &Path, workers: usize) -> Self {
        std::os::unix::fs::chown(dir, Some(NOBODY), Some(NOBODY)).expect("root");
        let socket = dir.join("wire.sock");
        let program = dir.join("wire");
        let own = std::env::current_exe().expect("the system knows");
        let built = own.ancestors().nth(2).expect("deps has a parent").join("examples/wire");
        fs::copy(built, &program).expect("the example `wire` is built with the tests");
        let mut command = command(program);
        command.arg(&socket).arg(workers.to_string()).uid(NOBODY).gid(NOBODY);
        let child = command.spawn().expect("it starts");
        Self { child, socket }
    }

    pub(crate) fn client(&self) -> WireClient {
        until("the wire to answer", || WireClient::connect(&self.socket, DEADLINE).ok())
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Ends it in order; it must not have failed.
    pub(crate) fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "the wire ended with {status}");
        assert!(!self.socket.exists(), "its socket is gone");
    }
}

impl Drop for WireProcess {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.child.kill().expect("it runs");
            self.child.wait().expect("it ends");
        }
    }
}
