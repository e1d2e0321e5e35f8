use crate::edit::{self, ConnectionPatch, End, InterfacePatch};
use crate::graph::{CountingIds, Graph, IdSource};
use crate::topology::Topology;

#[test]
fn filled_addresses_avoid_those_in_use_and_follow_the_segments_network() {
    let mut ids = CountingIds::default();
    let topology = Topology {
        id: ids.topology_id(),
        name: "demo".to_owned(),
        revision: 1,
        seed: 1,
        roles: std::collections::BTreeMap::new(),
        timeout: None,
        client: std::collections::BTreeMap::new(),
    };
    let mut graph = Graph::new(topology);
    let new =
        serde_json::from_value(serde_json::json!({"kind": "container", "template": "t"})).unwrap();
    let made: Vec<_> =
        (0..4).map(|_| edit::add_element(&mut graph, &mut ids, &new).unwrap()).collect();
    let fixed = InterfacePatch {
        addresses: Some(vec!["10.0.0.1/24".to_owned()]),
        ..InterfacePatch::default()
    };
    edit::add_interface(&mut graph, &mut ids, &made[0], None, &fixed).unwrap();
    for pair in [[0, 1], [2, 3]] {
        let ends = pair.map(|at: usize| End::Element(made[at].clone()));
        edit::connect(&mut graph, &mut ids, &ends, &ConnectionPatch::default()).unwrap();
    }
    let addresses: Vec<&str> =
        graph.elements.iter().map(|e| e.interfaces[0].addresses[0].as_str()).collect();
    assert_eq!(addresses, ["10.0.0.1/24", "10.0.0.2/24", "10.0.1.1/24", "10.0.1.2/24"]);
    assert!(super::fill(&mut graph).is_empty());
}
