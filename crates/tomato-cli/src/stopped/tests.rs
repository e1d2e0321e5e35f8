use tomato_model::graph::CountingIds;
use tomato_model::{file, plan};

use super::*;

#[test]
fn only_what_shall_run_counts() {
    let text = "tomato: 1\nname: x\nelements: {a: {kind: container, template: t}}\n";
    let parsed = file::parse(text).unwrap();
    let mut graph = plan::plan(None, &parsed, "admin", &mut CountingIds::default()).unwrap().graph;
    let stopped = BTreeSet::from([graph.elements[0].id.clone()]);
    assert!(!ran(&graph, &stopped), "stopped by its user");
    graph.elements[0].wanted = State::Started;
    assert!(ran(&graph, &stopped));
    assert!(!ran(&graph, &BTreeSet::new()), "still running");
}
