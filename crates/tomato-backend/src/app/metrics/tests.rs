//! Figures are written in the documented form, and no more of them than allowed.

use tomato_api::usage::{ConnectionFigures, ElementFigures};
use tomato_model::edit::{self, ConnectionPatch, End, NewElement};
use tomato_model::graph::{CountingIds, IdSource};
use tomato_model::topology::Topology;

use super::*;

/// Two switches with two connections, and what a host measured of them.
fn measured() -> (Graph, HostFigures) {
    let mut ids = CountingIds::default();
    let id = ids.topology_id();
    let topology = json!({"id": id, "name": "a \"b\" \\ c", "revision": 1, "seed": 1, "roles": {}});
    let mut graph = Graph::new(serde_json::from_value::<Topology>(topology).unwrap());
    let mut host = HostFigures::default();
    for name in ["x", "y"] {
        let new: NewElement =
            serde_json::from_value(json!({"kind": "switch", "name": name})).unwrap();
        let id = edit::add_element(&mut graph, &mut ids, &new).unwrap();
        let used = ElementFigures { cpu_ns: 1_500_000_000, memory_bytes: 7, disk_bytes: 8 };
        host.elements.insert(id.to_string(), used);
    }
    for degraded in [true, false] {
        let ends = [0, 1].map(|at| End::Element(graph.elements[at].id.clone()));
        let connection =
            edit::connect(&mut graph, &mut ids, &ends, &ConnectionPatch::default()).unwrap();
        let forward = DirectionFigures { frames: 3, bytes: 4, drops: 5 };
        let passed = ConnectionFigures { forward, degraded, ..ConnectionFigures::default() };
        host.connections.insert(connection.to_string(), passed);
    }
    (graph, host)
}

fn written(elements: usize, connections: usize) -> String {
    let (graph, host) = measured();
    let mut sheet = Sheet { registry: Registry::with_prefix("tomato"), ..Sheet::default() };
    sheet.topology(&graph);
    sheet.measured(&graph, &host, &mut Places { elements, connections });
    sheet.write().unwrap()
}

/// The lines of a name.
fn lines<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let is_value = |line: &&str| line.split(['{', ' ']).next() == Some(name);
    text.lines().filter(is_value).collect()
}

#[test]
fn what_is_measured_is_told_with_names() {
    let text = written(10, 10);
    assert_eq!(
        lines(&text, "tomato_elements"),
        ["tomato_elements{kind=\"switch\",state=\"created\"} 2"]
    );
    let cpu = lines(&text, "tomato_element_cpu_seconds_total");
    assert_eq!(cpu.len(), 2, "{text}");
    assert!(cpu[0].starts_with(
        "tomato_element_cpu_seconds_total{topology=\"a \\\"b\\\" \\\\ c\",topology_id=\""
    ));
    assert!(cpu[0].ends_with(" 1.5"), "{text}");
    let drops = lines(&text, "tomato_connection_drops_total");
    assert_eq!(drops.len(), 4, "{text}");
    assert!(
        drops[0].ends_with("direction=\"forward\"} 5") || drops[0].ends_with("\"} 0"),
        "{text}"
    );
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(lines(&text, "tomato_metrics_left_out").is_empty(), "{text}");
}

#[test]
fn there_are_no_more_lines_than_allowed_and_it_is_told() {
    let text = written(1, 1);
    assert_eq!(lines(&text, "tomato_element_memory_bytes").len(), 1, "{text}");
    assert_eq!(lines(&text, "tomato_connection_frames_total").len(), 2, "{text}");
    let left_out = lines(&text, "tomato_metrics_left_out");
    assert_eq!(left_out.len(), 2, "{text}");
    assert!(left_out.iter().all(|line| line.ends_with(" 1")), "{text}");
}
