use super::*;
use crate::edit::{self, NewElement};
use crate::graph::{CountingIds, Graph, IdSource as _};
use crate::topology::Topology;

fn map(value: &Json) -> Map<String, Json> {
    value.as_object().expect("an object").clone()
}

/// A container with gateways and addresses of both families.
fn container() -> Element {
    let mut ids = CountingIds::default();
    let topology = Topology {
        id: ids.topology_id(),
        name: "t".to_owned(),
        revision: 1,
        seed: 1,
        roles: BTreeMap::new(),
        timeout: None,
        client: BTreeMap::new(),
    };
    let mut graph = Graph::new(topology);
    let set = json!({"template": "debian-12", "gateways": ["10.0.0.1", "fd00::1"]});
    let set = serde_json::from_value(set).expect("a patch");
    let new = NewElement { kind: Kind::Container, type_name: None, set };
    let id = edit::add_element(&mut graph, &mut ids, &new).expect("added");
    let patch = json!({"addresses": ["10.0.0.1/24", "fd00::1/64"]});
    let patch = serde_json::from_value(patch).expect("a patch");
    edit::add_interface(&mut graph, &mut ids, &id, None, &patch).expect("added");
    graph.elements.remove(0)
}

fn of_container(attrs: &Json) -> Result<Map<String, Json>, OriginalError> {
    element(Kind::Container, "openvz", None, &map(attrs))
}

#[test]
fn gateways_change_by_family() {
    let old = container();
    let change = |attrs: Json| element(Kind::Container, "openvz", Some(&old), &map(&attrs));
    let patch = change(json!({"gateway4": "10.0.0.9"})).expect("accepted");
    assert_eq!(patch["gateways"], json!(["fd00::1", "10.0.0.9"]));
    let patch = change(json!({"gateway6": null})).expect("accepted");
    assert_eq!(patch["gateways"], json!(["10.0.0.1"]));
}

#[test]
fn addresses_change_by_family() {
    let old = container();
    let change = |attrs: Json| {
        let current = Some(&old.interfaces[0]);
        interface(Kind::Container, "openvz_interface", current, &map(&attrs))
    };
    let patch = change(json!({"ip4address": "10.0.0.2/24", "use_dhcp": 1})).expect("accepted");
    assert_eq!(
        (&patch["addresses"], &patch["dhcp"]),
        (&json!(["fd00::1/64", "10.0.0.2/24"]), &json!(true))
    );
    let wrong = change(json!({"ip4address": "fd00::2/64"})).expect_err("must be refused");
    assert!(matches!(wrong, OriginalError::InvalidValue { .. }), "{wrong}");
}

#[test]
fn a_name_that_is_no_host_name_is_kept_beside() {
    let attrs = json!({"name": "Client #1", "hostname": "Clientxx1", "_pos": {"x": 1}});
    let patch = of_container(&attrs).expect("accepted");
    assert_eq!(
        (&patch["name"], &patch[SHOWN_NAME], &patch["_pos"]),
        (&json!("Client--1"), &json!("Client #1"), &json!({"x": 1}))
    );
}

#[test]
fn unknown_and_pointless_attributes_are_told_apart() {
    for attrs in [json!({"colour": 1}), json!({"ram": 512}), json!({"kblang": "de"})] {
        let wrong = of_container(&attrs).expect_err("must be refused");
        assert!(matches!(wrong, OriginalError::UnknownAttribute { .. }), "{attrs}: {wrong}");
    }
    for attrs in [json!({"rootpassword": "x"}), json!({"hostname": "other"})] {
        let wrong = of_container(&attrs).expect_err("must be refused");
        assert!(matches!(wrong, OriginalError::FixedAttribute { .. }), "{attrs}: {wrong}");
    }
    let wrong = of_container(&json!({"site": "mars"})).expect_err("must be refused");
    assert!(matches!(wrong, OriginalError::Missing { .. }), "{wrong}");
    of_container(&json!({"rootpassword": null, "site": null, "hostname": null, "tech": "lxc"}))
        .expect("nothing is asked for");
    let wrong = element(Kind::Switch, "tinc_vpn", None, &map(&json!({"template": "x"})));
    assert!(matches!(wrong, Err(OriginalError::UnknownAttribute { .. })));
}

#[test]
fn placeholders_keep_the_attributes_of_their_type_and_no_others() {
    let machine = |attrs: Json| element(Kind::Placeholder, "kvmqm", None, &map(&attrs));
    let patch = machine(json!({"name": "bob", "kblang": "de", "_pos": {}})).expect("accepted");
    assert_eq!((&patch["name"], &patch[KEPT]), (&json!("bob"), &json!({"kblang": "de"})));
    let wrong = machine(json!({"args": []})).expect_err("must be refused");
    assert!(matches!(wrong, OriginalError::UnknownAttribute { .. }));
}

#[test]
fn mode_chooses_the_kind() {
    assert_eq!(mode(&map(&json!({}))), Ok(Kind::Switch));
    assert_eq!(mode(&map(&json!({"mode": "hub"}))), Ok(Kind::Hub));
    let wrong = mode(&map(&json!({"mode": "router"}))).expect_err("refused");
    assert!(matches!(wrong, OriginalError::InvalidValue { .. }));
}
