use super::*;
use tomato_model::id::{ConnectionId, TopologyId};
use tomato_model::recording::Recording;
use tomato_wire::core::frame::FramePool;
use tomato_wire::core::network::Network;

/// What a file of two containers and a lossy cable between them becomes when its ids are made of this number.
fn wanted(id: u32) -> WantedTopology {
    let element = |n: u32| WantedElement {
        id: ElementId::new(id, n.into()),
        name: format!("e{n}"),
        kind: Kind::Container,
        state: State::Started,
        start_count: 0,
        interfaces: vec![WantedInterface {
            id: InterfaceId::new(id, n.into()),
            name: "eth0".to_owned(),
            mac: format!("02:00:00:00:00:0{n}"),
            mtu: 1500,
            addresses: Vec::new(),
            dhcp: false,
            vlan: None,
        }],
        container: None,
        ageing_s: 300,
        stp: None,
    };
    let connection = WantedConnection {
        id: ConnectionId::new(id, 9),
        interfaces: [1, 2].map(|n| InterfaceId::new(id, n)),
        emulation: true,
        connected: true,
        forward: link::LinkParams {
            loss: "30%".parse().expect("a ratio"),
            ..link::LinkParams::default()
        },
        backward: link::LinkParams::default(),
        capturing: true,
        recording: Recording::default(),
    };
    WantedTopology {
        id: TopologyId::new(id, 1),
        generation: 1,
        seed: 42,
        elements: vec![element(1), element(2)],
        connections: vec![connection],
        host_names: BTreeMap::new(),
    }
}

/// Digest of what happens to 500 packets sent by `e1`.
fn verdicts(wanted: &WantedTopology) -> u64 {
    let running = wanted.elements.iter().map(|element| element.id.clone()).collect();
    let config = wire_config(wanted, &running, Path::new("/captures"));
    let mut network = Network::new(FramePool::default());
    network.apply(0, &config).expect("a fit configuration");
    let port = network.port(wanted.elements[0].interfaces[0].id.as_str()).expect("it has a port");
    for n in 0..500 {
        let frame = network.pool().frame(&[0; 60]).expect("room for it");
        network.ingress(n, port, Ok(frame));
    }
    let status = network.status(500);
    let forward = &status.links[wanted.connections[0].id.as_str()].forward;
    assert!(forward.drops.loss > 0);
    forward.verdict_hash
}

#[test]
fn one_file_has_the_same_fates_under_other_ids() {
    assert_eq!(verdicts(&wanted(1)), verdicts(&wanted(2)));
    let mut renamed = wanted(1);
    renamed.elements[1].name = "other".to_owned();
    assert_ne!(verdicts(&wanted(1)), verdicts(&renamed), "names of the ends are what draws go by");
}
