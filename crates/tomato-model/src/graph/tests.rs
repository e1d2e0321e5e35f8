use super::*;
use crate::edit::{self, ConnectionPatch, End, NewElement};

fn three() -> (Graph, CountingIds) {
    let mut ids = CountingIds::default();
    let topology = Topology {
        id: ids.topology_id(),
        name: "demo".to_owned(),
        revision: 1,
        seed: 1,
        roles: BTreeMap::new(),
        timeout: None,
        client: BTreeMap::new(),
    };
    let mut graph = Graph::new(topology);
    let mut made = Vec::new();
    for json in [
        serde_json::json!({"kind": "container", "name": "a", "template": "t"}),
        serde_json::json!({"kind": "container", "name": "b", "template": "t"}),
        serde_json::json!({"kind": "switch", "name": "s"}),
    ] {
        let new: NewElement = serde_json::from_value(json).unwrap();
        made.push(edit::add_element(&mut graph, &mut ids, &new).unwrap());
    }
    for at in 0..2 {
        let ends = [End::Element(made[at].clone()), End::Element(made[2].clone())];
        edit::connect(&mut graph, &mut ids, &ends, &ConnectionPatch::default()).unwrap();
    }
    (graph, ids)
}

#[test]
fn a_switch_makes_one_segment() {
    let (graph, _) = three();
    let segments = graph.segments();
    assert_eq!((segments.len(), segments[0].interfaces.len()), (1, 4));
    graph.validate().unwrap();
}

#[test]
fn duplicates_and_bad_values_are_found_with_their_path() {
    let (mut graph, _) = three();
    let address = graph.elements[0].interfaces[0].addresses[0].clone();
    graph.elements[1].interfaces[0].addresses = vec![address];
    graph.elements[0].interfaces[0].mtu = 9;
    graph.elements[2].name = "A".to_owned();
    let errors = graph.validate().unwrap_err();
    let paths: Vec<&str> = errors.iter().map(|e| e.path.as_str()).collect();
    assert_eq!(
        paths,
        ["elements.a.interfaces.eth0.mtu", "elements.A", "elements.b.interfaces.eth0.addresses"]
    );
}

#[test]
fn after_an_edit_what_was_changed_is_looked_at() {
    let (before, _) = three();
    before.validate_after(&before.clone()).unwrap();
    let paths = |graph: &Graph| -> Vec<String> {
        graph.validate_after(&before).unwrap_err().into_iter().map(|e| e.path).collect()
    };
    let mut graph = before.clone();
    graph.connections[1].recording.snaplen = 1;
    let name = before.connections[1].name.clone();
    assert_eq!(paths(&graph), [format!("connections.{name}.recording.snaplen")]);
    let mut graph = before.clone();
    graph.connections[1].name = before.connections[0].name.clone();
    assert_eq!(paths(&graph), [format!("connections.{}", before.connections[0].name)]);
    let mut graph = before.clone();
    graph.elements[0].interfaces[0].mtu = 9;
    assert_eq!(paths(&graph), ["elements.a.interfaces.eth0.mtu"]);
    let mut graph = before.clone();
    graph.topology.name = String::new();
    assert_eq!(paths(&graph), ["name"]);
}

#[test]
fn the_card_address_is_local_and_from_the_id() {
    assert_eq!(
        mac_of(&InterfaceId::new(1, 0xabcd_ef01_2345)),
        "02:ab:cd:ef:01:23:45".replacen("ab:", "", 1)
    );
}
