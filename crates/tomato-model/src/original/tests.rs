use std::collections::BTreeSet;

use serde_json::json;

use super::import::{Imported, Known, import, recognise};
use super::*;
use crate::graph::{CountingIds, Graph};
use crate::kind::Kind;
use crate::units::{Bandwidth, Span};

const V3: &str = include_str!("../../testdata/original/v3.json");
const V4: &str = include_str!("../../testdata/original/v4.json");
const V5: &str = include_str!("../../testdata/original/v5.json");

fn known() -> Known {
    let set = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    Known {
        templates: set(&["busybox", "debian-12", "debian-12-frr"]),
        profiles: set(&["small", "normal", "large"]),
    }
}

fn imported(text: &str) -> Imported {
    let data = recognise(text).expect("one of the original's files");
    let made = import(&data, "alice", &known(), &mut CountingIds::default()).expect("accepted");
    made.graph.validate().expect("a valid topology");
    made
}

fn refused(data: &Json) -> String {
    let known = Known::default();
    import(data, "alice", &known, &mut CountingIds::default()).expect_err("refused").to_string()
}

fn not_taken(made: &Imported) -> Vec<(String, &str)> {
    let errors = made.report.errors.iter();
    errors.map(|error| (error.id.to_string(), error.attribute.as_str())).collect()
}

fn element<'a>(graph: &'a Graph, name: &str) -> &'a Element {
    graph.element_by_name(name).unwrap_or_else(|| panic!("no {name}"))
}

/// A file with each id replaced by its place of appearance.
fn without_ids(file: &Json) -> String {
    let mut text = file.to_string();
    for (index, item) in ["elements", "connections"]
        .iter()
        .flat_map(|list| file["topology"][list].as_array().expect("a list"))
        .enumerate()
    {
        text = text.replace(item["id"].as_str().expect("an id"), &format!("id{index}"));
    }
    text
}

#[test]
fn version_4_comes_over_whole_and_tells_what_did_not() {
    let made = imported(V4);
    assert_eq!(made.graph.topology.name, "Branch office");
    assert_eq!((made.report.elements.len(), made.report.connections.len()), (15, 4));
    let expected = [
        ("\"54a0b1c2d3e4f50617283901\"", "template"),
        ("\"54a0b1c2d3e4f50617283903\"", "template"),
        ("\"54a0b1c2d3e4f50617283903\"", "colour"),
        ("\"54a0b1c2d3e4f50617283903\"", "rootpassword"),
    ];
    let expected: Vec<_> = expected.iter().map(|(id, key)| ((*id).to_owned(), *key)).collect();
    assert_eq!(not_taken(&made), expected);
    assert!(made.report.errors[0].message.contains("debian-12"), "{:?}", made.report.errors[0]);
    let alice = element(&made.graph, "alice");
    assert_eq!((alice.kind, alice.template.as_deref()), (Kind::Container, Some("debian-12")));
    assert_eq!(alice.gateways, ["10.0.1.254".parse::<std::net::IpAddr>().expect("address")]);
    assert_eq!(alice.interfaces[0].addresses, ["10.0.1.1/24", "fd00:1::1/64"]);
    let server = element(&made.graph, "File-server--1");
    assert_eq!(view::element(server)["name"], json!("File server #1"));
    let link = &made.graph.connections[0];
    assert_eq!(link.forward.bandwidth, Some(Bandwidth(2_000_000)));
    assert_eq!((link.backward.delay, link.forward.jitter), (Span(20_000_000), Span(2_000_000)));
    assert!(link.capturing && !made.graph.connections[1].emulation);
    let unaddressed = made.graph.elements.iter().filter(|e| e.kind != Kind::Container);
    assert!(unaddressed.flat_map(|e| &e.interfaces).all(|i| i.addresses.is_empty()));
}

#[test]
fn kinds_that_are_not_offered_are_shown_and_exported_as_they_came() {
    let made = imported(V4);
    let bob = element(&made.graph, "bob");
    assert_eq!(bob.kind, Kind::Placeholder);
    let shown = view::element(bob);
    for (key, value) in [
        ("type", json!("kvmqm")),
        ("template", json!("ubuntu-12.04_x86_64")),
        ("kblang", json!("de")),
        ("usbtablet", json!(true)),
        ("profile", json!("normal")),
    ] {
        assert_eq!(shown[key], value, "{key}");
    }
    let file = export::file(&made.graph);
    let list = file["topology"]["elements"].as_array().expect("a list");
    let of = |name: &str| list.iter().find(|e| e["name"] == name).expect("exported").clone();
    assert_eq!((&of("bob")["type"], &of("bob")["kblang"]), (&json!("full"), &json!("de")));
    assert_eq!(of("nat")["args"], json!(["uplink=eth0", "quiet=1"]));
    assert_eq!(
        (&of("internet")["kind"], &of("internet")["samenet"]),
        (&json!("internet/campus"), &json!(true))
    );
    assert_eq!(
        (&of("outside")["type"], &of("outside")["connect"]),
        (&json!("udp_endpoint"), &json!(null))
    );
    let fixed = &file["topology"]["connections"][3];
    assert!(fixed.get("emulation").is_none() && fixed.get("bandwidth_to").is_none(), "{fixed}");
}

#[test]
fn version_3_has_numbers_for_ids_and_attributes_apart() {
    let made = imported(V3);
    assert_eq!(made.graph.topology.name, "Old pair");
    assert_eq!(made.report.elements.len(), 7);
    assert_eq!(element(&made.graph, "hub").kind, Kind::Hub);
    let expected = [
        ("101", "ram"),
        ("101", "template"),
        ("103", "profile"),
        ("103", "template"),
        ("105", "parent"),
        ("202", "lossratio_to"),
    ];
    let mut found = not_taken(&made);
    found.sort_unstable();
    let expected: Vec<_> = expected.iter().map(|(id, key)| ((*id).to_owned(), *key)).collect();
    assert_eq!(found, expected);
    assert_eq!(made.graph.connections[0].backward.bandwidth, Some(Bandwidth(1_000_000)));
    // What a file does not say of a connection is as for a new one.
    assert_eq!(made.graph.connections[1].forward.bandwidth, Some(Bandwidth(10_000_000)));
}

#[test]
fn version_5_has_new_names_and_equal_names_are_told_apart() {
    let made = imported(V5);
    assert_eq!(not_taken(&made), []);
    let second = element(&made.graph, "r-2");
    assert_eq!(view::element(second)["name"], json!("r"));
    assert_eq!(made.graph.connections[0].forward.bandwidth, None);
    let shown = view::connection(&made.graph, &made.graph.connections[2]);
    assert_eq!(
        (&shown["capture_mode"], &shown["capture_filter"]),
        (&json!("net"), &json!("tcp port 80"))
    );
}

#[test]
fn export_then_import_gives_the_same_file_without_errors() {
    for text in [V3, V4, V5] {
        let first = export::file(&imported(text).graph);
        let again = imported(&first.to_string());
        assert_eq!(again.report.errors, [], "{first:#}");
        assert_eq!(without_ids(&first), without_ids(&export::file(&again.graph)));
    }
}

#[test]
fn the_native_file_keeps_all_of_it() {
    for text in [V3, V4, V5] {
        let graph = imported(text).graph;
        let file = crate::file::export(&graph).to_yaml().expect("written");
        let file = crate::file::parse(&file).unwrap_or_else(|found| panic!("{found:?}\n{file}"));
        let plan = crate::plan::plan(Some(&graph), &file, "alice", &mut CountingIds { last: 5000 });
        assert_eq!(plan.expect("planned").steps, []);
    }
}

#[test]
fn an_element_that_is_its_own_interface_is_connected_by_its_own_id() {
    let data = json!({"file_information": {"version": 4}, "topology": {"name": "tunnel", "elements": [
        {"id": "u", "type": "udp_endpoint", "parent": null, "name": "out", "connect": "192.0.2.1:4000"},
        {"id": "t", "type": "tinc_endpoint", "parent": null, "name": "in", "mode": "switch"}],
        "connections": [{"id": "c", "elements": ["u", "t"]}]}});
    let made = imported(&data.to_string());
    assert_eq!(not_taken(&made), []);
    let shown = view::topology(&made.graph, true);
    let elements = shown["elements"].as_array().expect("a list");
    assert_eq!(elements.len(), 2);
    assert_eq!(shown["connections"][0]["elements"], json!([elements[0]["id"], elements[1]["id"]]));
    assert_eq!(elements[0]["connection"], shown["connections"][0]["id"]);
    assert_eq!(elements[0]["connect"], json!("192.0.2.1:4000"));
}

#[test]
fn files_that_cannot_be_read_are_refused_in_words() {
    let empty = |version: u32| json!({"file_information": {"version": version}, "topology": {"name": "x", "elements": [], "connections": []}});
    for version in [2, 6] {
        assert!(refused(&empty(version)).contains("version 3, 4 or 5"));
    }
    assert!(refused(&json!({"file_information": {"version": 4}})).contains("topology"));
    let with = |elements: Json, connections: Json| {
        let mut data = empty(4);
        data["topology"]["elements"] = elements;
        data["topology"]["connections"] = connections;
        data
    };
    let toaster = json!([{"id": 1, "type": "toaster", "parent": null}]);
    assert!(refused(&with(toaster, json!([]))).contains("toaster"));
    let one = json!([{"id": 1, "type": "openvz", "parent": null, "name": "a"}]);
    let misplaced = json!([{"id": 1, "type": "openvz", "parent": null}, {"id": 2, "type": "tinc_endpoint", "parent": 1}]);
    assert!(refused(&with(misplaced, json!([]))).contains("cannot be part"));
    for ends in [json!([1, 2]), json!([]), json!(null), json!([1])] {
        let connection = json!([{"id": 7, "elements": ends}]);
        refused(&with(one.clone(), connection));
    }
}

#[test]
fn old_templates_start_from_todays_nearest() {
    let none = BTreeSet::new();
    for name in ["debian-6.0_x86", "debian-7.0_x86_64", "ubuntu-12.04_x86_64", "Debian-8"] {
        assert_eq!(template::alias(name, &none), Some("debian-12"), "{name}");
    }
    let own = BTreeSet::from(["debian-7.0_x86_64".to_owned()]);
    assert_eq!(template::alias("debian-7.0_x86_64", &own), None);
    assert_eq!(template::alias("debian-12", &none), None);
    assert_eq!(template::alias("mine", &none), None);
}

/// Every value of `data` by its JSON pointer.
fn pointers(data: &Json, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match data {
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, &format!("{at}/{index}"), all);
            }
        }
        Json::Object(members) => {
            for (key, item) in members {
                pointers(item, &format!("{at}/{key}"), all);
            }
        }
        _ => {}
    }
}

#[test]
fn whatever_stands_in_a_file_is_refused_or_makes_a_valid_topology() {
    let odd = [
        json!(null),
        json!(-1),
        json!(1e300),
        json!(true),
        json!(""),
        json!("a\u{0}\u{202e}/../x"),
        json!("x".repeat(300)),
        json!([[]]),
        json!({"id": {}}),
    ];
    for text in [V3, V5] {
        let data: Json = serde_json::from_str(text).expect("JSON");
        let mut all = Vec::new();
        pointers(&data, "", &mut all);
        for (pointer, value) in all.iter().flat_map(|p| odd.iter().map(move |value| (p, value))) {
            let mut changed = data.clone();
            *changed.pointer_mut(pointer).expect("there") = value.clone();
            let made = import(&changed, "alice", &known(), &mut CountingIds::default());
            if let Ok(made) = made {
                made.graph.validate().unwrap_or_else(|e| panic!("{pointer} = {value}: {e:?}"));
            }
        }
    }
}

#[test]
fn too_much_client_data_of_a_topology_is_told_and_left_out() {
    let notes = "x".repeat(crate::limits::CLIENT_BYTES_MAX);
    let data = json!({"file_information": {"version": 4}, "topology": {
        "name": "x", "_notes": notes, "_small": 1, "elements": [], "connections": []}});
    let made = imported(&data.to_string());
    assert_eq!(not_taken(&made), [("null".to_owned(), "_notes")]);
    assert_eq!(made.graph.topology.client["_small"], json!(1));
}
