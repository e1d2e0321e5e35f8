use std::net::IpAddr;

use tomato_api::host::{WantedConnection, WantedContainer, WantedElement, WantedInterface};
use tomato_model::id::InterfaceId;
use tomato_model::kind::Kind;
use tomato_model::link::LinkParams;
use tomato_model::units::Span;
use tomato_virt::container::{ExitReason, FakeContainers, FakeOptions};

use super::*;
use crate::fake::{FakeTemplates, FakeWire};

mod faults;

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    dir: tempfile::TempDir,
    pub(crate) containers: FakeContainers,
    pub(crate) wire: FakeWire,
    templates: FakeTemplates,
    pub(crate) host: Arc<Host>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(FakeOptions::default())
    }

    fn with(options: FakeOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let containers = FakeContainers::new(options);
        let (wire, templates) = (FakeWire::default(), FakeTemplates::default());
        let host = open(&dir, &containers, &wire, &templates);
        Self { dir, containers, wire, templates, host }
    }

    /// What a hostmanager finds that was killed and started again.
    pub(crate) fn reopen(&mut self) {
        self.host.shut_down();
        self.host = open(&self.dir, &self.containers, &self.wire, &self.templates);
    }

    async fn until(&self, what: impl Fn(&ObservedTopology) -> bool) -> ObservedTopology {
        let mut after = 0;
        let look = async {
            loop {
                if let Some(found) = self.host.observed().into_iter().find(|o| what(o)) {
                    return found;
                }
                after = self.host.observed_after(after, DEADLINE).await.sequence;
            }
        };
        let found = tokio::time::timeout(DEADLINE, look).await;
        found.unwrap_or_else(|_| panic!("did not come: {:#?}", self.host.observed()))
    }

    pub(crate) async fn settled(&self, generation: u64) -> ObservedTopology {
        self.until(|o| o.settled && o.generation == generation).await
    }

    fn count(&self, operation: &str) -> usize {
        self.containers.calls().iter().filter(|(name, _)| name == operation).count()
    }
}

fn open(
    dir: &tempfile::TempDir,
    containers: &FakeContainers,
    wire: &FakeWire,
    templates: &FakeTemplates,
) -> Arc<Host> {
    let parts = Parts {
        containers: Arc::new(containers.clone()),
        wire: Arc::new(wire.clone()),
        templates: Arc::new(templates.clone()),
        state_dir: dir.path().to_owned(),
        wire_uid: None,
    };
    Host::open(parts).unwrap()
}

/// A host without topologies, its directory and its containers.
pub(crate) fn with_fakes() -> (tempfile::TempDir, Arc<Host>, FakeContainers) {
    let World { dir, host, containers, .. } = World::new();
    (dir, host, containers)
}

pub(crate) fn element(n: u64) -> ElementId {
    ElementId::new(1, n)
}

fn container(n: u64) -> WantedElement {
    let interface = WantedInterface {
        id: InterfaceId::new(2, n),
        name: "eth0".to_owned(),
        mac: format!("02:00:00:00:00:{n:02x}"),
        mtu: 1500,
        addresses: vec![format!("10.0.0.{n}/24")],
        dhcp: false,
        vlan: None,
    };
    WantedElement {
        id: element(n),
        name: format!("host{n}"),
        kind: Kind::Container,
        state: State::Started,
        start_count: 1,
        interfaces: vec![interface],
        container: Some(WantedContainer {
            template: "debian-12".to_owned(),
            cpu_milli: 1000,
            memory_bytes: 1 << 28,
            disk_bytes: 1 << 30,
            pids_max: 100,
            gateways: Vec::new(),
            routes: Vec::new(),
            forwarding: false,
            files: BTreeMap::from([("/etc/motd".to_owned(), "hello".to_owned())]),
        }),
        ageing_s: 300,
        stp: None,
    }
}

fn switch(n: u64, interfaces: &[u64]) -> WantedElement {
    let mut element = container(n);
    element.kind = Kind::Switch;
    element.container = None;
    let interface = element.interfaces[0].clone();
    let with = |n: &u64| WantedInterface { id: InterfaceId::new(2, *n), ..interface.clone() };
    element.interfaces = interfaces.iter().map(with).collect();
    element
}

fn connection(n: u64, a: u64, b: u64) -> WantedConnection {
    WantedConnection {
        id: ConnectionId::new(3, n),
        interfaces: [InterfaceId::new(2, a), InterfaceId::new(2, b)],
        emulation: true,
        connected: true,
        forward: LinkParams { delay: Span(20_000_000), ..LinkParams::default() },
        backward: LinkParams::default(),
        capturing: false,
        recording: tomato_model::recording::Recording::default(),
    }
}

/// host1 and host2 on switch 9.
pub(crate) fn wanted() -> WantedTopology {
    WantedTopology {
        id: TopologyId::new(1, 1),
        generation: 1,
        seed: 7,
        elements: vec![container(1), container(2), switch(9, &[91, 92])],
        connections: vec![connection(1, 1, 91), connection(2, 2, 92)],
        host_names: BTreeMap::from([(
            "host1".to_owned(),
            vec!["10.0.0.1".parse::<IpAddr>().unwrap()],
        )]),
    }
}

/// One container, prepared.
pub(crate) fn single() -> WantedTopology {
    let mut topology = wanted();
    topology.elements.truncate(1);
    topology.connections.clear();
    topology.elements[0].state = State::Prepared;
    topology.elements[0].start_count = 0;
    topology
}

fn started(mut topology: WantedTopology) -> WantedTopology {
    topology.generation += 1;
    topology.elements[0].state = State::Started;
    topology.elements[0].start_count += 1;
    topology
}

fn states(seen: &ObservedTopology) -> Vec<State> {
    seen.elements.iter().map(|e| e.state).collect()
}

#[tokio::test]
async fn a_topology_starts_and_its_links_pass() {
    let world = World::new();
    world.host.want(wanted()).await.unwrap();
    let seen = world.settled(1).await;
    assert_eq!(states(&seen), [State::Started; 3]);
    assert_eq!(seen.connections.len(), 2);
    assert!(seen.elements.iter().all(|e| e.error.is_none()));
    let key = TopologyId::new(1, 1).to_string();
    assert_eq!(world.wire.attached(&key).len(), 2);
    assert_eq!(
        world.wire.config(&key).unwrap().links.values().next().unwrap().forward.delay_ns,
        20_000_000
    );
    let network = world.containers.network(&element(1)).unwrap();
    assert_eq!(network.interfaces[0].addresses[0].to_string(), "10.0.0.1/24");
    assert_eq!(network.hosts.len(), 1);
    assert_eq!(world.count("unpack"), 2, "files are written before each start");
    assert_eq!(world.templates.pins().len(), 2);
}

#[tokio::test]
async fn one_failing_element_leaves_the_others_alone() {
    let world = World::new();
    let mut topology = wanted();
    topology.elements[0].container.as_mut().unwrap().template = "no-such".to_owned();
    world.host.want(topology.clone()).await.unwrap();
    let seen = world.settled(1).await;
    assert_eq!(states(&seen), [State::Created, State::Started, State::Started]);
    let error = seen.elements[0].error.clone().unwrap();
    assert_eq!(error.code, ErrorCode::EntityDoesNotExist);
    assert_eq!(seen.connections, [ConnectionId::new(3, 2)]);
    // Something else is wanted: it is tried again.
    topology.generation = 2;
    topology.elements[0].container.as_mut().unwrap().template = "debian-12".to_owned();
    world.host.want(topology).await.unwrap();
    let seen = world.settled(2).await;
    assert_eq!(states(&seen), [State::Started; 3]);
    assert_eq!(seen.elements[0].error, None);
}

#[tokio::test]
async fn a_failed_start_is_not_repeated_for_the_same_wish() {
    let world = World::new();
    world.containers.fail_next("start", "no room");
    let mut topology = wanted();
    topology.elements.truncate(1);
    topology.connections.clear();
    world.host.want(topology.clone()).await.unwrap();
    let seen = world.settled(1).await;
    assert_eq!(states(&seen), [State::Prepared]);
    assert!(seen.elements[0].error.as_ref().unwrap().message.contains("no room"));
    topology.generation = 2;
    world.host.want(topology.clone()).await.unwrap();
    let seen = world.settled(2).await;
    assert_eq!(states(&seen), [State::Prepared]);
    topology.generation = 3;
    topology.elements[0].start_count = 2;
    world.host.want(topology).await.unwrap();
    assert_eq!(states(&world.settled(3).await), [State::Started]);
}

#[tokio::test]
async fn a_live_change_touches_only_what_it_names() {
    let world = World::new();
    let mut topology = wanted();
    world.host.want(topology.clone()).await.unwrap();
    world.settled(1).await;
    let (calls, attaches) = (world.containers.calls().len(), world.wire.attaches().len());
    topology.generation = 2;
    topology.connections[0].forward.delay = Span(50_000_000);
    world.host.want(topology).await.unwrap();
    let seen = world.settled(2).await;
    assert_eq!(seen.connections.len(), 2);
    let config = world.wire.config(seen.id.as_str()).unwrap();
    let link = &config.links[ConnectionId::new(3, 1).as_str()];
    assert_eq!(link.forward.delay_ns, 50_000_000);
    assert_eq!(world.containers.calls().len(), calls);
    assert_eq!(world.wire.attaches().len(), attaches);
}

#[tokio::test]
async fn a_new_process_goes_on_from_the_ledger() {
    let mut world = World::new();
    let mut topology = wanted();
    // Prepared and half started when the process ends.
    world.containers.fail_next("start", "killed");
    topology.elements.truncate(1);
    topology.connections.clear();
    world.host.want(topology.clone()).await.unwrap();
    world.settled(1).await;
    world.reopen();
    let seen = world.settled(1).await;
    assert!(seen.elements[0].error.is_some(), "the failure is still told");
    topology.generation = 2;
    topology.elements[0].start_count = 2;
    world.host.want(topology).await.unwrap();
    let seen = world.settled(2).await;
    assert_eq!((states(&seen), &seen.elements[0].error), (vec![State::Started], &None));
    let starts = world.count("start");
    world.reopen();
    let seen = world.settled(2).await;
    assert_eq!(states(&seen), [State::Started]);
    assert_eq!(world.count("start"), starts, "what runs is adopted");
}

#[tokio::test]
async fn a_failed_network_is_told_and_tried_again_by_itself() {
    let world = World::new();
    for message in ["first", "second", "third"] {
        world.containers.fail_next("configure", message);
    }
    world.host.want(wanted()).await.unwrap();
    // Two elements: three failures make at least one of them fail twice.
    let seen = world.settled(1).await;
    let told = seen.elements.iter().filter_map(|e| e.error.as_ref()).count();
    assert!(told > 0, "{seen:?}");
    assert_eq!(states(&seen), [State::Started; 3]);
    let key = TopologyId::new(1, 1).to_string();
    assert_eq!(world.wire.attached(&key).len(), 2, "what is plugged passes frames meanwhile");
    let seen = world.until(|o| o.settled && o.elements.iter().all(|e| e.error.is_none())).await;
    assert_eq!(seen.connections.len(), 2);
    assert!(world.containers.network(&element(1)).is_some());
    assert!(world.containers.network(&element(2)).is_some());
    assert_eq!(world.count("start"), 2, "nothing was started again");
}

#[tokio::test]
async fn ports_stay_in_the_wire_although_the_network_of_their_element_fails() {
    let mut world = World::new();
    world.host.want(wanted()).await.unwrap();
    world.settled(1).await;
    let key = TopologyId::new(1, 1).to_string();
    let attaches = world.wire.attaches().len();
    for _ in 0..2 {
        world.containers.fail_next("configure", "no address");
    }
    world.reopen();
    let seen = world.until(|o| o.settled && o.elements.iter().any(|e| e.error.is_some())).await;
    assert_eq!(seen.connections.len(), 2, "{seen:?}");
    assert_eq!(world.wire.config(&key).unwrap().ports.len(), 2);
    // A new process cannot know what the wire holds: it may hand a descriptor over again, never take one away.
    assert!(world.wire.attaches().len() >= attaches);
    assert_eq!(world.wire.attached(&key).len(), 2);
}

#[tokio::test]
async fn waiting_for_a_template_keeps_nobody_else_waiting() {
    let world = World::new();
    world.templates.hold("slow");
    let mut topology = wanted();
    topology.connections.clear();
    let waiting = u64::try_from(ELEMENTS_AT_ONCE).unwrap() + 2;
    topology.elements = (1..=waiting).map(container).collect();
    for element in &mut topology.elements {
        element.container.as_mut().unwrap().template = "slow".to_owned();
    }
    topology.elements.push(container(99));
    world.host.want(topology).await.unwrap();
    let seen = world
        .until(|o| o.elements.iter().any(|e| e.id == element(99) && e.state == State::Started))
        .await;
    assert!(seen.elements.iter().filter(|e| e.state == State::Created).count() > ELEMENTS_AT_ONCE);
    world.templates.release("slow");
    let seen = world.settled(1).await;
    assert!(states(&seen).iter().all(|state| *state == State::Started), "{seen:?}");
}

#[tokio::test]
async fn a_died_element_is_told_and_started_again_only_when_asked() {
    let mut world = World::new();
    let mut topology = wanted();
    world.host.want(topology.clone()).await.unwrap();
    world.settled(1).await;
    world.containers.die(&element(1), ExitReason::OutOfMemory);
    world.reopen();
    let seen = world.until(|o| o.settled && o.elements.iter().any(|e| e.error.is_some())).await;
    assert_eq!(seen.elements[0].state, State::Prepared);
    assert!(seen.elements[0].error.as_ref().unwrap().message.contains("memory"));
    assert_eq!(seen.connections, [ConnectionId::new(3, 2)]);
    topology.generation = 2;
    topology.elements[0].start_count = 2;
    world.host.want(topology).await.unwrap();
    let seen = world.settled(2).await;
    assert_eq!(states(&seen), [State::Started; 3]);
    assert_eq!(seen.connections.len(), 2);
}

#[tokio::test]
async fn links_come_back_after_the_wire_was_replaced() {
    let world = World::new();
    world.host.want(wanted()).await.unwrap();
    world.settled(1).await;
    world.wire.restart();
    let seen = world.until(|o| o.settled && o.wire_instance == Some(1)).await;
    assert_eq!(seen.connections.len(), 2);
    assert_eq!(world.wire.attached(seen.id.as_str()).len(), 2);
    assert_eq!(world.count("start"), 2);
}

#[tokio::test]
async fn it_is_told_for_how_long_traffic_stopped() {
    let mut world = World::new();
    world.host.want(wanted()).await.unwrap();
    let seen = world.settled(1).await;
    assert_eq!(seen.outages, []);
    let begun = Instant::now();
    world.wire.set_away(true);
    world.until(|o| o.connections.is_empty()).await;
    world.wire.restart();
    world.wire.set_away(false);
    let seen = world.until(|o| o.connections.len() == 2).await;
    let [told] = &seen.outages[..] else { panic!("{seen:?}") };
    assert_eq!(told.connections.len(), 2);
    assert!(!told.outage.at_most);
    assert!(told.outage.ms > 0 && u128::from(told.outage.ms) <= begun.elapsed().as_millis() + 1);
    // Pulled and plugged in again by the user: nothing is told.
    let mut topology = wanted();
    for (generation, connected) in [(2, false), (3, true)] {
        topology.generation = generation;
        topology.connections[0].connected = connected;
        world.host.want(topology.clone()).await.unwrap();
        world.settled(generation).await;
    }
    assert_eq!(world.host.observed()[0].outages.len(), 1);
    // Both die at once: the time is bounded by the last sign of life.
    sign_of_life(&world, 1).await;
    world.wire.restart();
    world.reopen();
    let seen = world.until(|o| o.settled && o.connections.len() == 2).await;
    let [told] = &seen.outages[..] else { panic!("{seen:?}") };
    assert!(told.outage.at_most);
    // Only the hostmanager dies: traffic went on.
    sign_of_life(&world, 2).await;
    world.reopen();
    let seen = world.until(|o| o.settled && o.connections.len() == 2).await;
    assert_eq!(seen.outages, []);
}

/// Waits until the hostmanager has left one that names this wire.
async fn sign_of_life(world: &World, instance: u64) {
    let path = world.dir.path().join("host").join("alive");
    let wanted = format!("\"wire_instance\":{instance},");
    let left = async {
        while !std::fs::read_to_string(&path).is_ok_and(|text| text.contains(&wanted)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, left).await.unwrap();
}

#[tokio::test]
async fn an_element_above_its_disk_limit_is_told_and_stopped_only_when_the_disk_is_short() {
    let world = World::new();
    let mut topology = wanted();
    world.host.want(topology.clone()).await.unwrap();
    world.settled(1).await;
    world.containers.set_disk(&element(1), (1 << 30) + 1);
    disk::check(&world.host).await;
    let seen = world.until(|o| o.elements[0].notice.is_some()).await;
    assert_eq!(states(&seen), [State::Started; 3]);
    assert_eq!((&seen.elements[0].error, &seen.elements[1].notice), (&None, &None));
    assert!(seen.elements[0].notice.as_ref().unwrap().contains("1074 MB"), "{seen:?}");
    world.containers.set_disk_short(true);
    disk::check(&world.host).await;
    let seen = world.until(|o| o.settled && o.elements[0].state == State::Prepared).await;
    let error = seen.elements[0].error.as_ref().unwrap();
    assert!(error.message.contains("nearly full"), "{error:?}");
    assert_eq!(states(&seen), [State::Prepared, State::Started, State::Started]);
    world.containers.set_disk(&element(1), 0);
    disk::check(&world.host).await;
    topology.generation = 2;
    topology.elements[0].start_count = 2;
    world.host.want(topology).await.unwrap();
    let seen = world.settled(2).await;
    assert_eq!(states(&seen), [State::Started; 3]);
    assert_eq!((&seen.elements[0].error, &seen.elements[0].notice), (&None, &None));
}

#[tokio::test]
async fn a_process_killed_for_memory_is_told_although_its_element_goes_on() {
    let world = World::new();
    world.host.want(wanted()).await.unwrap();
    world.settled(1).await;
    world.containers.kill_for_memory(&element(2));
    let seen = world.until(|o| o.elements[1].notice.is_some()).await;
    assert!(seen.elements[1].notice.as_ref().unwrap().contains("memory limit"), "{seen:?}");
    assert_eq!((states(&seen), &seen.elements[1].error), (vec![State::Started; 3], &None));
}

#[tokio::test]
async fn another_template_makes_only_that_element_anew() {
    let mut world = World::new();
    let mut topology = wanted();
    world.host.want(topology.clone()).await.unwrap();
    world.settled(1).await;
    let before = world.containers.calls().len();
    let key = TopologyId::new(1, 1).to_string();
    let attaches = world.wire.attaches();
    topology.generation = 2;
    topology.elements[0].container.as_mut().unwrap().template = "busybox".to_owned();
    world.host.want(topology.clone()).await.unwrap();
    let seen = world.settled(2).await;
    assert_eq!(states(&seen), [State::Started; 3]);
    assert_eq!((seen.connections.len(), &seen.elements[0].error), (2, &None));
    let calls = world.containers.calls().split_off(before);
    assert!(calls.iter().all(|(_, id)| *id == element(1)), "{calls:?}");
    let done: Vec<&str> = calls.iter().map(|(call, _)| call.as_str()).collect();
    let order: Vec<_> = ["stop", "destroy", "prepare", "start"]
        .map(|call| done.iter().position(|done| *done == call).unwrap())
        .into();
    assert!(order.is_sorted(), "{done:?}");
    assert_eq!(world.wire.attaches()[attaches.len()..], [InterfaceId::new(2, 1).to_string()]);
    assert_eq!(world.wire.attached(&key).len(), 2);
    let digests: Vec<_> = world.templates.pins().into_iter().map(|(digest, _)| digest).collect();
    assert_eq!(digests, ["sha256-busybox", "sha256-debian-12"]);
    // Killed after it was stopped: it is started all the same.
    topology.generation = 3;
    topology.elements[0].container.as_mut().unwrap().template = "debian-12".to_owned();
    world.containers.fail_next("destroy", "killed");
    world.host.want(topology.clone()).await.unwrap();
    world.settled(3).await;
    topology.generation = 4;
    topology.seed += 1;
    topology.elements[0].ageing_s += 1;
    world.reopen();
    world.host.want(topology).await.unwrap();
    let seen = world.settled(4).await;
    assert_eq!((states(&seen), &seen.elements[0].error), (vec![State::Started; 3], &None));
}

#[tokio::test]
async fn an_element_goes_on_when_its_new_template_does_not_exist() {
    let world = World::new();
    let mut topology = wanted();
    world.host.want(topology.clone()).await.unwrap();
    world.settled(1).await;
    topology.generation = 2;
    topology.elements[0].container.as_mut().unwrap().template = "no-such".to_owned();
    world.host.want(topology).await.unwrap();
    let seen = world.settled(2).await;
    assert_eq!((states(&seen), seen.connections.len()), (vec![State::Started; 3], 2));
    assert_eq!(seen.elements[0].error.as_ref().unwrap().code, ErrorCode::EntityDoesNotExist);
    assert_eq!(world.count("stop"), 0);
}

#[tokio::test]
async fn other_limits_are_given_to_a_running_element_without_a_restart() {
    let world = World::new();
    let mut topology = wanted();
    world.host.want(topology.clone()).await.unwrap();
    world.settled(1).await;
    topology.generation = 2;
    topology.elements[0].container.as_mut().unwrap().memory_bytes *= 2;
    world.host.want(topology.clone()).await.unwrap();
    world.settled(2).await;
    assert_eq!((world.count("set_limits"), world.count("stop"), world.count("start")), (1, 0, 2));
    // The disk is only compared.
    topology.generation = 3;
    topology.elements[0].container.as_mut().unwrap().disk_bytes *= 2;
    world.host.want(topology).await.unwrap();
    world.settled(3).await;
    assert_eq!(world.count("set_limits"), 1);
}

#[tokio::test]
async fn a_removed_topology_leaves_nothing() {
    let world = World::new();
    let topology = wanted();
    world.host.want(topology.clone()).await.unwrap();
    world.settled(1).await;
    world.host.remove(&topology.id).await.unwrap();
    let mut after = 0;
    let gone = async {
        loop {
            let page = world.host.observed_after(after, DEADLINE).await;
            if page.removed.contains(&topology.id) {
                return;
            }
            after = page.sequence;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.unwrap();
    assert_eq!(world.containers.list().await.unwrap(), []);
    assert!(world.templates.pins().is_empty());
    assert_eq!(world.wire.config(topology.id.as_str()), None);
    let ledger = world.dir.path().join("host").join("ledger");
    assert_eq!(std::fs::read_dir(ledger).unwrap().count(), 0);
}

#[tokio::test]
async fn orphans_are_removed() {
    let mut world = World::new();
    world.host.want(wanted()).await.unwrap();
    world.settled(1).await;
    let stray = crate::translate::container_spec(
        &container(77),
        &crate::ledger::PinnedTemplate {
            digest: String::new(),
            rootfs: PathBuf::new(),
            boot: Vec::new(),
            main: None,
        },
    );
    world.containers.start(&stray.unwrap()).await.unwrap();
    world.reopen();
    let gone = async {
        while world.containers.list().await.unwrap().len() > 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.unwrap();
    assert_eq!(world.containers.list().await.unwrap(), [element(1), element(2)]);
}

/// What is kept for the next start of the element.
fn kept(world: &World) -> Vec<PathBuf> {
    let dir = std::fs::read_dir(world.dir.path().join("host").join("archives")).unwrap();
    dir.map(|entry| entry.unwrap().path()).collect()
}

async fn upload(world: &World) {
    use std::io::Write;
    let mut file = crate::archive::spool(&world.host).unwrap();
    file.write_all(b"archive").unwrap();
    let to = (crate::archive::DEFAULT_DIR.to_owned(), true);
    crate::archive::upload(&world.host, &element(1), to, file).await.unwrap();
}

#[tokio::test]
async fn a_kept_archive_is_forgotten_only_after_it_was_begun() {
    use std::os::unix::fs::PermissionsExt;
    let kept_at_spawn = Arc::new(Mutex::new(None));
    let (note, dir) = (Arc::clone(&kept_at_spawn), Arc::new(Mutex::new(PathBuf::new())));
    let archives = Arc::clone(&dir);
    let on_call = move |operation: &str, _: &ElementId| {
        if operation == "spawn" {
            let count = std::fs::read_dir(&*lock(&archives)).unwrap().count();
            lock(&note).replace(count);
        }
    };
    let world =
        World::with(FakeOptions { on_call: Some(Arc::new(on_call)), ..FakeOptions::default() });
    *lock(&dir) = world.dir.path().join("host").join("archives");
    world.host.want(single()).await.unwrap();
    world.settled(1).await;
    upload(&world).await;
    for path in kept(&world) {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
    world.host.want(started(single())).await.unwrap();
    let gone = async {
        while !kept(&world).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.unwrap();
    assert_eq!(*lock(&kept_at_spawn), Some(2), "description and content were there all the time");
    assert_eq!(world.count("spawn"), 1);
}

#[tokio::test]
async fn a_kept_archive_that_was_begun_before_a_crash_is_not_begun_again() {
    let world = World::new();
    world.host.want(single()).await.unwrap();
    world.settled(1).await;
    upload(&world).await;
    let json = kept(&world).into_iter().find(|path| path.extension().unwrap() == "json").unwrap();
    let pending: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    // The script of that upload runs in the element already.
    let mark = format!("{}/exec_status/upload", crate::archive::DEFAULT_DIR);
    let upload = pending["upload"].as_str().unwrap();
    world.containers.write_file(&element(1), &mark, upload.as_bytes());
    world.host.want(started(single())).await.unwrap();
    let gone = async {
        while !kept(&world).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.unwrap();
    assert_eq!(world.count("spawn"), 0);
}

#[tokio::test]
async fn a_kept_archive_that_cannot_be_begun_says_so_and_is_tried_once() {
    let world = World::new();
    world.host.want(single()).await.unwrap();
    world.settled(1).await;
    upload(&world).await;
    let dir = crate::archive::DEFAULT_DIR;
    let status = crate::archive::status(&world.host, &element(1), dir, 0).await.unwrap();
    assert_eq!(status, tomato_api::host::ArchiveStatus::default(), "it waits");
    world.containers.fail_next("spawn", "no room");
    world.host.want(started(single())).await.unwrap();
    let failed = async {
        loop {
            let status = crate::archive::status(&world.host, &element(1), dir, 0).await.unwrap();
            if status.done {
                return status;
            }
            tokio::task::yield_now().await;
        }
    };
    let status = tokio::time::timeout(DEADLINE, failed).await.unwrap();
    assert_eq!(status.exit_code, None);
    assert!(status.output_tail.contains("no room"), "{status:?}");
    topology_changes(&world).await;
    assert_eq!(world.count("spawn"), 1);
}

/// Something else is wanted, and done.
async fn topology_changes(world: &World) {
    let mut topology = started(single());
    topology.generation = 3;
    topology.seed += 1;
    world.host.want(topology).await.unwrap();
    world.settled(3).await;
}

#[tokio::test]
async fn looks_that_find_nothing_do_not_tell_the_wire_again() {
    let world = World::new();
    let mut topology = wanted();
    world.host.want(topology.clone()).await.unwrap();
    world.settled(1).await;
    let before = world.wire.applies();
    for generation in 2..7 {
        let kept = world.host.topology(&topology.id).unwrap();
        lock(&kept.live).recheck = true;
        topology.generation = generation;
        world.host.want(topology.clone()).await.unwrap();
        world.settled(generation).await;
    }
    // One may come from the periodic look.
    assert!(world.wire.applies() <= before + 1, "{} > {before}", world.wire.applies());
    topology.connections[0].connected = false;
    topology.generation = 7;
    let before = world.wire.applies();
    world.host.want(topology).await.unwrap();
    world.settled(7).await;
    assert!(world.wire.applies() > before);
}
