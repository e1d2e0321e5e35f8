use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::*;
use crate::capture::live::Passed;
use crate::client::{ClientError, WireClient};
use crate::config::{
    BridgeConfig, BridgeMode, CaptureConfig, End, LinkConfig, LinkParams, LossModel, PastConfig,
    Point, PortConfig, PortKind, TopologyConfig,
};
use crate::status::TopologyStatus;

/// What is asked of several data threads is answered as if they were one.
const WORKERS: NonZeroUsize = NonZeroUsize::new(2).unwrap();
const DEADLINE: Duration = Duration::from_secs(10);

/// A wire in threads of this process; stopped at the end of the test.
struct Running {
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<Result<(), ProcessError>>>,
    socket: PathBuf,
    dir: tempfile::TempDir,
}

impl Running {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("wire.sock");
        let wire = Wire::start(&socket, WORKERS).expect("it starts");
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd"));
        let until = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            wire.accept_until(&*until)?;
            wire.stop()
        });
        Self { stop, thread: Some(thread), socket, dir }
    }

    fn client(&self) -> WireClient {
        WireClient::connect(&self.socket, DEADLINE).expect("it answers")
    }

    fn stop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        rustix::io::write(&*self.stop, &1u64.to_ne_bytes()).expect("an eventfd takes it");
        thread.join().expect("no panic").expect("no failure");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

/// Our end and the wire's end of a port.
fn socket_pair() -> (OwnedFd, OwnedFd) {
    let (kind, flags) = (SocketType::SEQPACKET, SocketFlags::CLOEXEC);
    rustix::net::socketpair(AddressFamily::UNIX, kind, flags, None).expect("a pair")
}

fn frame(to: u8, from: u8) -> Vec<u8> {
    [[2, 0, 0, 0, 0, to].as_slice(), &[2, 0, 0, 0, 0, from], &[8, 0], &[7; 30]].concat()
}

fn send(end: &OwnedFd, frame: &[u8]) {
    rustix::net::send(end, frame, SendFlags::empty()).expect("the wire reads");
}

/// The next frame, if one comes within `wait`.
fn recv(end: &OwnedFd, wait: Duration) -> Option<Vec<u8>> {
    let timeout = rustix::time::Timespec::try_from(wait).expect("short");
    let mut fds = [PollFd::new(end, PollFlags::IN)];
    if poll(&mut fds, Some(&timeout)).expect("poll works") == 0 {
        return None;
    }
    let mut bytes = vec![0; 2000];
    let (len, _) = rustix::net::recv(end, bytes.as_mut_slice(), RecvFlags::empty()).expect("sent");
    bytes.truncate(len);
    Some(bytes)
}

fn port(key: &str) -> End {
    End::Port(key.into())
}

fn link(ends: [End; 2]) -> LinkConfig {
    LinkConfig {
        ends,
        forward: LinkParams::default(),
        backward: LinkParams::default(),
        draw_key: None,
        emulate: true,
        connected: true,
        capture: None,
        past: None,
    }
}

fn ports(keys: &[&str]) -> TopologyConfig {
    let port = PortConfig { kind: PortKind::Socket };
    let ports = keys.iter().map(|key| ((*key).to_owned(), port.clone())).collect();
    TopologyConfig { ports, ..TopologyConfig::default() }
}

fn pair() -> TopologyConfig {
    let mut config = ports(&["a", "b"]);
    config.links.insert("l".into(), link([port("a"), port("b")]));
    config
}

fn status(client: &mut WireClient) -> TopologyStatus {
    client.status(Some("t")).expect("a status").remove("t").expect("it is there")
}

fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// Applies the configuration and attaches all its ports; returns our ends in order of the keys.
fn start_topology(client: &mut WireClient, config: &TopologyConfig) -> Vec<OwnedFd> {
    let unattached = client.apply("t", config.clone()).expect("applied");
    let ends = unattached.iter().map(|key| {
        let (ours, theirs) = socket_pair();
        client.attach("t", key, theirs.as_fd()).expect("attached");
        ours
    });
    ends.collect()
}

#[test]
fn frames_pass_with_their_delay_and_controllers_may_leave() {
    let wire = Running::start();
    let mut client = wire.client();
    let mut config = pair();
    config.links.get_mut("l").unwrap().forward.delay_ns = 30_000_000;
    let ends = start_topology(&mut client, &config);
    drop(client);
    let sent = Instant::now();
    send(&ends[0], &frame(2, 1));
    assert_eq!(recv(&ends[1], DEADLINE), Some(frame(2, 1)));
    assert!(sent.elapsed() >= Duration::from_millis(30), "{:?}", sent.elapsed());
    send(&ends[1], &frame(1, 2));
    assert_eq!(recv(&ends[0], DEADLINE), Some(frame(1, 2)));
    let mut client = wire.client();
    client.ping().expect("it lives");
    assert_eq!(client.list().expect("a list"), ["t"]);
    let status = status(&mut client);
    let link = &status.links["l"];
    assert_eq!((link.forward.frames, link.backward.frames), (1, 1));
    assert_eq!(link.forward.bytes, 44);
    assert!(link.forward.lateness_p99_ns > 0);
    assert!(status.ports["a"].attached && status.ports["a"].carrier);
}

/// Datagram sockets, unix and UDP, are ports as well; their ends get one complete packet per message.
#[test]
fn datagram_sockets_are_ports() {
    let wire = Running::start();
    let mut client = wire.client();
    let config = pair();
    client.apply("t", config).expect("applied");
    let (ours, theirs) = std::os::unix::net::UnixDatagram::pair().expect("a pair");
    client.attach("t", "a", theirs.as_fd()).expect("attached");
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let far = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    udp.connect(far.local_addr().expect("bound")).expect("connected");
    far.connect(udp.local_addr().expect("bound")).expect("connected");
    client.attach("t", "b", udp.as_fd()).expect("attached");
    ours.send(&frame(2, 1)).expect("sent");
    assert_eq!(recv(&far.into(), DEADLINE), Some(frame(2, 1)));
    let (stream, _other) = UnixStream::pair().expect("a pair");
    client.attach("t", "a", stream.as_fd()).expect_err("a stream keeps no messages apart");
}

#[test]
fn a_patch_keeps_the_other_links_and_loss_is_total() {
    let wire = Running::start();
    let mut client = wire.client();
    let mut config = ports(&["a", "b", "c", "d"]);
    config.links.insert("l".into(), link([port("a"), port("b")]));
    config.links.insert("m".into(), link([port("c"), port("d")]));
    let ends = start_topology(&mut client, &config);
    send(&ends[2], &frame(4, 3));
    assert!(recv(&ends[3], DEADLINE).is_some());
    config.links.get_mut("l").unwrap().forward.loss = crate::config::Ratio::ALWAYS;
    assert_eq!(client.apply("t", config.clone()).expect("applied"), Vec::<String>::new());
    (0..10).for_each(|_| send(&ends[0], &frame(2, 1)));
    until("the losses", || (status(&mut client).links["l"].forward.drops.loss == 10).then_some(()));
    assert_eq!(recv(&ends[1], Duration::ZERO), None);
    assert_eq!(status(&mut client).links["m"].forward.frames, 1);
    // a bad one is refused by name and changes nothing
    config.links.get_mut("l").unwrap().forward.delay_ns = u64::MAX;
    let error = client.apply("t", config).expect_err("out of range");
    let ClientError::Refused(refusal) = error else { panic!("{error:?}") };
    assert_eq!(refusal.error, ErrorCode::InvalidConfig);
    assert!(refusal.message.starts_with("links.l.forward.delay_ns"), "{}", refusal.message);
    client.ping().expect("the conversation goes on");
    // removed: the wire's ends are closed
    client.remove("t").expect("removed");
    client.remove("t").expect("again");
    assert_eq!(recv(&ends[1], DEADLINE), Some(Vec::new()));
    assert!(client.list().expect("a list").is_empty());
}

#[test]
fn a_switch_of_three_floods_and_learns() {
    let wire = Running::start();
    let mut client = wire.client();
    let mut config = ports(&["a", "b", "c"]);
    config.bridges.insert("s".into(), BridgeConfig::plain(BridgeMode::Switch));
    for key in ["a", "b", "c"] {
        let seat = End::Bridge { bridge: "s".into(), port: key.into() };
        let mut link = link([port(key), seat]);
        link.emulate = false;
        config.links.insert(key.into(), link);
    }
    let ends = start_topology(&mut client, &config);
    send(&ends[0], &frame(2, 1));
    for end in &ends[1..] {
        assert_eq!(recv(end, DEADLINE), Some(frame(2, 1)));
    }
    send(&ends[1], &frame(1, 2));
    assert_eq!(recv(&ends[0], DEADLINE), Some(frame(1, 2)));
    send(&ends[0], &frame(2, 1));
    assert_eq!(recv(&ends[1], DEADLINE), Some(frame(2, 1)));
    assert_eq!(recv(&ends[2], Duration::ZERO), None);
    assert_eq!(status(&mut client).bridges["s"].mac_entries, 2);
    let view = client.bridge("t", "s").expect("it runs");
    assert_eq!((view.ports["a"].received, view.ports["c"].sent, view.table.len()), (2, 1, 2));
    client.bridge("t", "x").expect_err("there is none");
    // what the wire cannot see by itself
    client.lost("t", "a", 5).expect("noted");
    client.lost("t", "x", 5).expect_err("there is none");
    let links = status(&mut client).links;
    assert_eq!((links["a"].forward.lost_before, links["a"].forward.degraded), (5, true));
    assert_eq!((links["b"].forward.lost_before, links["b"].forward.degraded), (0, false));
}

#[test]
fn a_port_whose_far_side_ends_is_reported_and_can_be_attached_again() {
    let wire = Running::start();
    let mut client = wire.client();
    let config = pair();
    let mut ends = start_topology(&mut client, &config);
    ends.remove(1);
    let error = until("the loss of the port", || status(&mut client).ports["b"].error.clone());
    assert!(error.starts_with("the port's device is gone"), "{error}");
    assert!(!status(&mut client).ports["b"].attached);
    send(&ends[0], &frame(2, 1));
    until("the drop", || {
        (status(&mut client).links["l"].forward.drops.detached == 1).then_some(())
    });
    assert_eq!(client.apply("t", config).expect("applied"), ["b"]);
    let (ours, theirs) = socket_pair();
    client.attach("t", "b", theirs).expect("attached");
    send(&ends[0], &frame(2, 1));
    assert_eq!(recv(&ours, DEADLINE), Some(frame(2, 1)));
    assert_eq!(status(&mut client).ports["b"].error, None);
}

#[test]
fn attaching_names_what_is_wrong() {
    let wire = Running::start();
    let mut client = wire.client();
    let mut config = pair();
    config.ports.insert("tap".into(), PortConfig { kind: PortKind::Tap });
    client.apply("t", config).expect("applied");
    let (ours, theirs) = socket_pair();
    let mut code = |topology, port, fd: &dyn AsFd| match client.attach(topology, port, fd.as_fd()) {
        Err(ClientError::Refused(refusal)) => refusal.error,
        other => panic!("not refused: {other:?}"),
    };
    assert_eq!(code("u", "a", &theirs), ErrorCode::NotFound);
    assert_eq!(code("t", "x", &theirs), ErrorCode::NotFound);
    assert_eq!(code("t", "tap", &theirs), ErrorCode::BadDescriptor);
    let file = tempfile::tempfile().expect("a file");
    assert_eq!(code("t", "a", &file), ErrorCode::BadDescriptor);
    drop(ours);
}

#[test]
fn a_capture_can_be_read_while_it_runs() {
    let wire = Running::start();
    let mut client = wire.client();
    let mut config = pair();
    let dir = wire.dir.path().join("capture");
    config.links.get_mut("l").unwrap().capture = Some(CaptureConfig {
        dir: dir.clone(),
        file_bytes: 1 << 20,
        files: 2,
        snaplen: 96,
        points: Point::out(),
        lost: false,
        age_s: None,
        names: None,
    });
    let ends = start_topology(&mut client, &config);
    send(&ends[0], &frame(2, 1));
    assert!(recv(&ends[1], DEADLINE).is_some());
    until("the frame on disk", || {
        let mut bytes = Vec::new();
        let mut reader = crate::capture::read_ring(&dir).ok()?;
        io::Read::read_to_end(&mut reader, &mut bytes).ok()?;
        bytes.windows(44).any(|window| window == frame(2, 1)).then_some(())
    });
    let capture = status(&mut client).links["l"].capture.clone().expect("it runs");
    assert_eq!((capture.records, capture.dropped_records, capture.error), (1, 0, None));
    config.links.get_mut("l").unwrap().capture = None;
    client.apply("t", config).expect("applied");
    assert_eq!(status(&mut client).links["l"].capture, None);
}

#[test]
fn the_past_can_be_saved_with_what_was_lost_and_verifies() {
    let wire = Running::start();
    let mut client = wire.client();
    let mut config = pair();
    let mut file = tempfile::tempfile_in(wire.dir.path()).expect("a file");
    let ends = start_topology(&mut client, &config);
    let refused = |result: Result<u64, ClientError>| match result {
        Err(ClientError::Refused(refusal)) => refusal.error,
        other => panic!("not refused: {other:?}"),
    };
    assert_eq!(refused(client.past("t", "l", &file)), ErrorCode::NotFound, "it is not kept");
    let link = config.links.get_mut("l").unwrap();
    link.forward.loss_model = Some(LossModel::Every(2));
    link.past = Some(PastConfig {
        age_s: 600,
        bytes: limits::MIN_PAST_BYTES,
        snaplen: 65_535,
        points: [Point::ForwardIn, Point::ForwardOut].into(),
        names: None,
    });
    client.apply("t", config).expect("applied");
    for _ in 0..5 {
        send(&ends[0], &frame(2, 1));
        send(&ends[0], &frame(2, 1));
        assert!(recv(&ends[1], DEADLINE).is_some());
    }
    until("all ten", || (status(&mut client).links["l"].forward.offered == 10).then_some(()));
    assert_eq!(refused(client.past("t", "none", &file)), ErrorCode::NotFound);
    let pipe = rustix::pipe::pipe().expect("a pipe").1;
    assert_eq!(refused(client.past("t", "l", &pipe)), ErrorCode::BadDescriptor);
    let bytes = client.past("t", "l", &file).expect("saved");
    assert_eq!(file.metadata().expect("it is there").len(), bytes);
    io::Seek::rewind(&mut file).expect("a file can be read again");
    let report = crate::verify::verify(&file).expect("it can be read");
    assert!(report.agrees(), "{report:?}");
    let forward = &report.directions[0];
    assert_eq!((forward.replayed, forward.confirmed, forward.unjudged), (10, 10, 0));
}

#[test]
fn a_live_socket_is_an_error_and_a_stale_one_is_replaced() {
    let mut wire = Running::start();
    assert!(matches!(Wire::start(&wire.socket, WORKERS), Err(ProcessError::InUse(_))));
    let mode = fs::metadata(&wire.socket).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = wire.client().welcome();
    wire.stop();
    assert!(!wire.socket.exists());
    assert!(
        WireClient::connect(&wire.socket, DEADLINE)
            .is_err_and(|error| { matches!(error, ClientError::Connect { .. }) })
    );
    // what a killed one leaves behind
    drop(UnixListener::bind(&wire.socket).expect("bound"));
    assert!(wire.socket.exists());
    let again = Wire::start(&wire.socket, WORKERS).expect("it replaces the stale socket");
    assert_ne!(again.welcome.instance, first.instance);
    again.stop().expect("stopped");
    fs::write(&wire.socket, "precious").expect("written");
    assert!(matches!(Wire::start(&wire.socket, WORKERS), Err(ProcessError::InTheWay(_))));
    assert_eq!(fs::read(&wire.socket).expect("kept"), b"precious");
}

#[test]
fn too_many_controllers_are_told_so() {
    let wire = Running::start();
    let mut clients: Vec<WireClient> = (0..limits::MAX_CLIENTS).map(|_| wire.client()).collect();
    match WireClient::connect(&wire.socket, DEADLINE) {
        Err(ClientError::Refused(refusal)) => assert_eq!(refusal.error, ErrorCode::Limit),
        other => panic!("let in: {other:?}"),
    }
    clients.clear();
    until("a free place", || WireClient::connect(&wire.socket, DEADLINE).ok());
}

#[test]
fn a_process_that_cannot_listen_says_so() {
    let nowhere = Path::new("/nonexistent/wire.sock");
    let result = run(nowhere, WORKERS, || panic!("it cannot be ready"));
    assert!(matches!(result, Err(ProcessError::Listen { .. })), "{result:?}");
}

#[test]
fn topologies_are_spread_over_the_data_threads() {
    let wire = Running::start();
    let mut client = wire.client();
    for key in ["one", "two", "three"] {
        client.apply(key, pair()).expect("applied");
    }
    let workers = client.workers().expect("an answer");
    let held = workers.iter().map(|worker| (worker.topologies, worker.links));
    assert_eq!(held.collect::<Vec<_>>(), [(2, 2), (1, 1)]);
    assert!(workers.iter().all(|worker| worker.cpu_ns > 0), "{workers:?}");
    assert_eq!(client.list().expect("a list"), ["one", "three", "two"]);
    let all = client.status(None).expect("a status");
    assert_eq!(all.keys().collect::<Vec<_>>(), ["one", "three", "two"]);
    client.ping().expect("all live");
    client.remove("one").expect("removed");
    client.remove("three").expect("removed");
    let held = client.workers().expect("an answer");
    assert_eq!(held.iter().map(|worker| worker.links).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn packets_that_are_due_together_are_stamped_one_after_the_other() {
    let wire = Running::start();
    let mut client = wire.client();
    let mut config = pair();
    config.links.get_mut("l").unwrap().forward.delay_ns = 300_000_000;
    let ends = start_topology(&mut client, &config);
    let (ours, theirs) = socket_pair();
    client.tap("t", "l", &theirs).expect("tapped");
    send(&ends[0], &frame(2, 1));
    until("the first on its way", || {
        (status(&mut client).links["l"].forward.offered == 1).then_some(())
    });
    // the others wait for it
    config.links.get_mut("l").unwrap().forward.delay_ns = 0;
    client.apply("t", config).expect("applied");
    for _ in 0..20 {
        send(&ends[0], &frame(2, 1));
    }
    let stamps: Vec<u64> = (0..21)
        .map(|_| {
            let message = recv(&ours, DEADLINE).expect("all leave");
            Passed::parse(&message).expect("it is one").at_ns
        })
        .collect();
    assert!(stamps.is_sorted_by(|a, b| a < b), "{stamps:?}");
}
