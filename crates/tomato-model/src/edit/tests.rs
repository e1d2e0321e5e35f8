use super::*;
use crate::graph::CountingIds;
use crate::topology::Topology;

pub(crate) fn empty() -> (Graph, CountingIds) {
    let mut ids = CountingIds::default();
    let topology = Topology {
        id: ids.topology_id(),
        name: "demo".to_owned(),
        revision: 1,
        seed: 7,
        roles: std::collections::BTreeMap::new(),
        timeout: None,
        client: std::collections::BTreeMap::new(),
    };
    (Graph::new(topology), ids)
}

pub(crate) fn add(graph: &mut Graph, ids: &mut CountingIds, json: serde_json::Value) -> ElementId {
    add_element(graph, ids, &serde_json::from_value(json).unwrap()).unwrap()
}

fn host(name: &str) -> serde_json::Value {
    serde_json::json!({"kind": "container", "name": name, "template": "debian-12", "_pos": {"x": 1}})
}

#[test]
fn connecting_makes_interfaces_names_and_addresses() {
    let (mut graph, mut ids) = empty();
    let a = add(&mut graph, &mut ids, host("alice"));
    let b = add(&mut graph, &mut ids, host("bob"));
    let id = connect(
        &mut graph,
        &mut ids,
        &[End::Element(a.clone()), End::Element(b.clone())],
        &ConnectionPatch::default(),
    )
    .unwrap();
    assert_eq!(graph.connection(&id).unwrap().name, "alice--bob");
    let eth0 = &graph.element(&a).unwrap().interfaces[0];
    assert_eq!((eth0.name.as_str(), eth0.addresses[0].as_str()), ("eth0", "10.0.0.1/24"));
    assert_eq!(graph.element(&b).unwrap().interfaces[0].addresses, ["10.0.0.2/24"]);
    graph.validate().unwrap();
    let again = connect(
        &mut graph,
        &mut ids,
        &[End::Element(a.clone()), End::Element(b)],
        &ConnectionPatch::default(),
    );
    assert_eq!(graph.connection(&again.unwrap()).unwrap().name, "alice--bob-2");
    let removed = remove_element(&mut graph, &a).unwrap();
    assert_eq!((removed.connections.len(), graph.connections.len()), (2, 0));
    graph.validate().unwrap();
}

#[test]
fn a_patch_keeps_the_rest_and_raises_one_revision() {
    let (mut graph, mut ids) = empty();
    let a = add(&mut graph, &mut ids, host("alice"));
    let s = add(&mut graph, &mut ids, serde_json::json!({"kind": "switch"}));
    let id = connect(
        &mut graph,
        &mut ids,
        &[End::Element(a), End::Element(s.clone())],
        &ConnectionPatch::default(),
    )
    .unwrap();
    let revisions: Vec<u64> = graph.elements.iter().map(|e| e.revision).collect();
    let patch: ConnectionPatch =
        serde_json::from_value(serde_json::json!({"forward": {"delay": "20ms"}})).unwrap();
    modify_connection(&mut graph, &id, &patch).unwrap();
    modify_connection(&mut graph, &id, &patch).unwrap();
    let connection = graph.connection(&id).unwrap();
    assert_eq!(
        (connection.revision, connection.forward.delay.0, connection.backward.delay.0),
        (2, 20_000_000, 0)
    );
    assert_eq!(revisions, graph.elements.iter().map(|e| e.revision).collect::<Vec<_>>());
    assert_eq!(graph.element(&s).unwrap().name, "switch1");
}

#[test]
fn wrong_edits_are_refused_and_change_nothing() {
    let (mut graph, mut ids) = empty();
    let a = add(&mut graph, &mut ids, host("alice"));
    let s = add(&mut graph, &mut ids, serde_json::json!({"kind": "switch"}));
    let before = graph.clone();
    let patch = |json| serde_json::from_value::<ElementPatch>(json).unwrap();
    let taken = modify_element(&mut graph, &s, &patch(serde_json::json!({"name": "ALICE"})));
    assert!(matches!(taken, Err(EditError::NameTaken { .. })));
    let template = modify_element(&mut graph, &s, &patch(serde_json::json!({"template": "x"})));
    assert!(matches!(template, Err(EditError::UnsupportedAttribute { .. })));
    let route = modify_element(
        &mut graph,
        &a,
        &patch(serde_json::json!({"routes": [{"to": "10.0.0.1/8", "via": "10.0.0.1"}]})),
    );
    assert!(matches!(route, Err(EditError::InvalidValue(_))));
    let loop_ = connect(
        &mut graph,
        &mut ids,
        &[End::Element(s.clone()), End::Element(s)],
        &ConnectionPatch::default(),
    );
    assert!(matches!(loop_, Err(EditError::UnableToConnect { .. })));
    assert_eq!(graph, before);
    assert!(
        serde_json::from_value::<ElementPatch>(serde_json::json!({"tmplate": "x"}))
            .unwrap_err()
            .to_string()
            .contains("tmplate")
    );
    graph.element_mut(&a).unwrap().state = State::Started;
    let started = modify_element(&mut graph, &a, &patch(serde_json::json!({"name": "alpine"})));
    assert!(matches!(started, Err(EditError::InvalidState { .. })));
}

#[test]
fn interfaces_take_what_the_kind_table_names_for_them() {
    let (mut graph, mut ids) = empty();
    let some = [
        ("addresses", serde_json::json!(["10.0.0.1/24"])),
        ("dhcp", serde_json::json!(true)),
        ("vlan", serde_json::json!("trunk 10 native 1")),
    ];
    for kind in [Kind::Container, Kind::Switch, Kind::Hub] {
        let new = serde_json::json!({"kind": kind, "template": (kind.is_device()).then_some("x")});
        let element = add(&mut graph, &mut ids, new);
        let id = add_interface(&mut graph, &mut ids, &element, None, &InterfacePatch::default())
            .unwrap();
        for (name, value) in &some {
            let patch = serde_json::from_value(serde_json::json!({*name: value})).unwrap();
            let is_named = kind.interface_attributes().iter().any(|known| known.name == *name);
            assert_eq!(
                modify_interface(&mut graph, &id, &patch).is_ok(),
                is_named,
                "{kind} {name}"
            );
        }
    }
}
