use super::*;
use crate::file::{export, parse};
use crate::graph::CountingIds;

const BASE: &str = "
tomato: 1
elements:
  a: {kind: container, template: t}
  b: {kind: container, template: t}
  s: {kind: switch}
connections:
  x: {between: [a, s]}
  y: {between: [b, s]}
";

fn planned(current: Option<&Graph>, text: &str, ids: &mut CountingIds) -> Plan {
    plan(current, &parse(text).unwrap(), "admin", ids).unwrap()
}

#[test]
fn a_file_makes_a_topology_and_the_same_file_changes_nothing() {
    let mut ids = CountingIds::default();
    let first = planned(None, BASE, &mut ids);
    assert_eq!(first.graph.topology.roles["admin"], Role::Owner);
    assert_eq!(first.graph.element_by_name("b").unwrap().interfaces[0].addresses, ["10.0.0.2/24"]);
    let again = planned(Some(&first.graph), BASE, &mut ids);
    assert_eq!((again.steps, &again.graph), (Vec::new(), &first.graph));
    let exported = export(&first.graph).to_yaml().unwrap();
    let again = planned(Some(&first.graph), &exported, &mut ids);
    assert_eq!((again.steps, &again.graph), (Vec::new(), &first.graph));
}

#[test]
fn only_what_differs_is_touched() {
    let mut ids = CountingIds::default();
    let mut first = planned(None, BASE, &mut ids).graph;
    for element in first.elements.iter_mut().map(Arc::make_mut) {
        (element.state, element.wanted, element.start_count) = (State::Started, State::Started, 1);
    }
    let text = BASE
        .replace("x: {between: [a, s]}", "x: {between: [a, s], forward: {delay: 5ms}}")
        .replace("b: {kind: container, template: t}", "b: {kind: container, template: u}");
    let next = planned(Some(&first), &text, &mut ids);
    let changes: Vec<(&str, Change)> =
        next.steps.iter().map(|s| (s.object.as_str(), s.change)).collect();
    assert_eq!(changes, [("elements.b", Change::Restart), ("connections.x", Change::Modify)]);
    let (old, new) =
        (first.element_by_name("a").unwrap(), next.graph.element_by_name("a").unwrap());
    assert_eq!(old, new);
    let (old, b) = (first.element_by_name("b").unwrap(), next.graph.element_by_name("b").unwrap());
    assert_eq!((&b.id, b.wanted, b.template.as_deref()), (&old.id, State::Started, Some("u")));
    assert_eq!(next.graph.connection_by_name("y"), first.connection_by_name("y"));
    assert_eq!(next.graph.connection_by_name("x").unwrap().revision, 2);
}

#[test]
fn what_the_file_does_not_name_goes() {
    let mut ids = CountingIds::default();
    let first = planned(None, BASE, &mut ids).graph;
    let text = "tomato: 1\nelements: {a: {kind: container, template: t}, s: {kind: switch}}\n";
    let next = planned(Some(&first), text, &mut ids);
    assert!(next.graph.connections.is_empty());
    assert!(next.graph.element_by_name("a").unwrap().interfaces.is_empty());
    assert!(next.steps.iter().any(|s| s.object == "elements.b" && s.change == Change::Remove));
}

#[test]
fn a_plan_tells_old_and_new_values() {
    let mut ids = CountingIds::default();
    let text = BASE.replace(
        "x: {between: [a, s]}",
        "x: {between: [a, s], capturing: true, forward: {delay: 20ms}}",
    );
    let first = planned(None, &text, &mut ids).graph;
    let text = BASE
        .replace("x: {between: [a, s]}", "x: {between: [a, s], forward: {delay: 40ms, loss: 1%}}")
        .replace(
            "a: {kind: container, template: t}",
            "a: {kind: container, template: t, profile: tiny}",
        );
    let next = planned(Some(&first), &text, &mut ids);
    let told: Vec<&str> = next.steps.iter().map(|step| step.text.as_str()).collect();
    let change = "change connection x: capturing on > off, forward delay 20ms > 40ms, forward loss none > 1%";
    assert_eq!(told, ["change a: profile none > tiny", change]);
}

#[test]
fn a_device_that_lists_its_interfaces_has_no_others() {
    let text = BASE
        .replace(
            "b: {kind: container, template: t}",
            "b: {kind: container, template: t, interfaces: {eth0: {}}}",
        )
        .replace("[b, s]", "['b:eth9', s]");
    let found = parse(&text).unwrap_err();
    assert_eq!((found.len(), found[0].line), (1, 9), "{found:?}");
    assert_eq!(found[0].message, "b has no interface eth9; it has eth0");
    parse(&text.replace("eth9", "eth0")).unwrap();
}

#[test]
fn faults_of_several_elements_are_told_together_and_where_they_stand() {
    let text = "tomato: 1
elements:
  a: {kind: container, template: t, interfaces: {eth0: {}, eth1: {}}, files: {etc/x: hi}}
  b: {kind: container, template: t, interfaces: {eth0: {mtu: 20}}}
  h: {kind: hub, stp: on}
";
    let found = parse(text).unwrap_err();
    let mut paths: Vec<&str> = found.iter().map(|found| found.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        ["elements.a.files", "elements.b.interfaces.eth0.mtu", "elements.h.stp"],
        "{found:?}"
    );
}
