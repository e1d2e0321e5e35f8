use super::*;
use crate::graph::Graph;
use crate::limits::{CONNECTIONS_MAX, ELEMENTS_MAX};
use crate::plan;

const CAMPUS: &str = r"
tomato: 1
name: campus
seed: 42
elements:
  alice:
    kind: container
    template: debian-12
    gateways: [10.0.1.1]
    routes: [{to: 10.2.0.0/16, via: 10.0.1.2}]
    files: {/etc/motd: 'hi: there'}
    interfaces: {eth0: {addresses: [10.0.1.10/24]}}
    _pos: {x: 0.1, y: 0.2}
  no: {kind: container, template: debian-12, interfaces: {eth0: {addresses: []}}}
  sw1: {kind: switch, ageing_s: 30}
connections:
  lan-a: {between: ['alice:eth0', sw1], capturing: true}
  lan-b: {between: [no, sw1], both: {delay: 20ms, bandwidth: 10Mbit/s, loss: 1%}}
";

fn graph(text: &str) -> Graph {
    let file = parse(text).unwrap();
    plan::plan(None, &file, "admin", &mut CountingIds::default()).unwrap().graph
}

#[test]
fn exporting_importing_and_exporting_gives_the_same_bytes() {
    let yaml = export(&graph(CAMPUS)).to_yaml().unwrap();
    assert_eq!(export(&graph(&yaml)).to_yaml().unwrap(), yaml);
    let json = export(&graph(&yaml)).to_json().unwrap();
    assert_eq!(export(&graph(&json)).to_json().unwrap(), json);
    assert!(yaml.contains("20ms") && yaml.contains("ageing_s: 30"), "{yaml}");
}

#[test]
fn what_a_file_says_arrives() {
    let graph = graph(CAMPUS);
    let wan = graph.connection_by_name("lan-b").unwrap();
    assert_eq!((&wan.forward, wan.forward.delay.0), (&wan.backward, 20_000_000));
    let no = graph.element_by_name("no").unwrap();
    assert!(no.interfaces[0].addresses.is_empty());
    assert_eq!(graph.topology.seed, 42);
    assert_eq!(graph.element_by_name("alice").unwrap().client["_pos"]["x"], 0.1);
}

#[test]
fn mistakes_are_found_with_line_and_remedy() {
    let text = "tomato: 1
elements:
  a: {kind: container, tmplate: x, template: x}
  b:
    kind: swich
  c:
    kind: container
    template: x
    interfaces:
      eth0:
        mtu: 4
connections:
  l: {between: [a, cc], forward: {delay: 20}}
";
    let found = parse(text).unwrap_err();
    let lines: Vec<(u64, &str)> = found.iter().map(|d| (d.line, d.remedy.as_str())).collect();
    assert_eq!(
        lines,
        [
            (3, "did you mean template?"),
            (5, "did you mean switch?"),
            (11, "use 68 to 9000 bytes"),
            (13, "did you mean c?"),
            (13, "write it like 20ms (units: ns, us, ms, s, min, h)")
        ]
    );
    let fixed = text
        .replace("tmplate: x, ", "")
        .replace("swich", "switch")
        .replace("delay: 20", "delay: 20ms");
    let found = parse(&fixed).unwrap_err();
    assert_eq!(found.iter().map(|d| d.line).collect::<Vec<_>>(), [11, 13]);
    let found = parse(&fixed.replace("cc]", "c]")).unwrap_err();
    assert_eq!((found[0].line, found[0].path.as_str()), (11, "elements.c.interfaces.eth0.mtu"));
}

#[test]
fn what_follows_from_a_fault_is_not_told_beside_it() {
    let of = |text: &str| -> Vec<(u64, String)> {
        let found = parse(&format!("tomato: 1\nelements:\n{text}")).unwrap_err();
        found.into_iter().map(|d| (d.line, d.path)).collect()
    };
    let path = |line, path: &str| (line, path.to_owned());
    let unread =
        "  a: {template: x}\n  s: {kind: switch, stp: yes}\nconnections:\n  l: {between: [a, s]}\n";
    assert_eq!(of(unread), [path(3, "elements.a"), path(4, "elements.s.stp")]);
    assert_eq!(of("  a: {kind: container, tmplate: x}\n"), [path(3, "elements.a.tmplate")]);
    let far = "  a: {kind: container, template: x, files: {etc: y}}\n  h: {kind: hub, stp: on}\n  g: {kind: hub}\n  \
               i: {kind: hub}\nconnections:\n  l: {between: [a], both: {discipline: coddel}}\n  \
               m: {between: [i, 'g:e0'], both: {timeline: {steps: [{at: 5s}, {at: 5s}]}}}\n  \
               n: {between: [b, 'g:e0']}\n";
    let lines: Vec<u64> = of(far).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [3, 4, 8, 8, 9, 9, 10, 10]);
}

#[test]
fn a_number_in_place_of_a_time_is_told_as_one_and_single_values_are_read_as_in_files() {
    let text = "tomato: 1
elements:
  a: {kind: switch}
  b: {kind: switch}
connections:
  l: {between: [a, b], recording: {past: 30}}
";
    let found = parse(text).unwrap_err();
    assert!(found[0].remedy.starts_with("write it like 20ms"), "{found:?}");
    let steps = value("{steps: [{at: 0s, delay: 5ms}]}").unwrap();
    assert_eq!(steps, serde_json::json!({ "steps": [{ "at": "0s", "delay": "5ms" }] }));
    value("{steps: [").unwrap_err();
}

#[test]
fn doubled_keys_and_broken_text_have_their_line() {
    let found = parse("tomato: 1\nname: a\nname: b\n").unwrap_err();
    assert_eq!(found[0].line, 3, "{found:?}");
    parse("tomato: [").unwrap_err();
    let deep = format!("tomato: {}1{}", "[".repeat(5000), "]".repeat(5000));
    parse(&deep).unwrap_err();
    let laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned()
        + &(1..9)
            .map(|n| {
                format!(
                    "_{n}: &b{n} [{}]\n",
                    vec![if n == 1 { "*a".to_owned() } else { format!("*b{}", n - 1) }; 9]
                        .join(",")
                )
            })
            .collect::<String>();
    parse(&laughs).unwrap_err();
}

#[test]
fn slips_of_yaml_are_told_in_words_and_without_a_second_place() {
    let of = |text: &str| parse(text).unwrap_err().remove(0);
    let doubled = of("tomato: 1\nelements:\n  a: {kind: switch}\n  a: {kind: switch}\n");
    assert_eq!((doubled.line, doubled.message.as_str()), (4, "\"a\" is given twice"));
    for text in [
        "tomato: 1\nelements: [a\n",
        "tomato: 1\n\tname: x\n",
        "tomato: 1\nname: 'x\n",
        "a: *b\n",
        "",
    ] {
        let found = of(text);
        assert!(!found.message.contains("line") && !found.message.contains('\n'), "{found:?}");
    }
}

#[test]
fn a_gateway_must_be_a_neighbour() {
    let text = "tomato: 1
elements:
  a:
    kind: container
    template: t
    gateways: [10.9.0.1]
    interfaces: {eth0: {addresses: [10.0.0.1/24]}}
";
    let found = parse(text).unwrap_err();
    assert_eq!((found.len(), found[0].line), (1, 6), "{found:?}");
    assert!(found[0].message.contains("10.9.0.1") && found[0].remedy.contains("10.0.0.1/24"));
    for good in ["10.0.0.254", "fe80::1"] {
        parse(&text.replace("10.9.0.1", good)).unwrap();
    }
    parse(&text.replace("addresses: [10.0.0.1/24]", "dhcp: true")).unwrap();
    parse(&text.replace("addresses: [10.0.0.1/24]", "addresses: [10.0.0.1/0]")).unwrap();
}

#[test]
fn an_address_that_nobody_can_reach_is_a_warning() {
    let text = "tomato: 1
elements:
  a: {kind: container, template: t, interfaces: {eth0: {addresses: [10.0.0.1/24]}, eth1: {addresses: [10.0.1.1/24]}}}
  s: {kind: switch}
connections:
  x: {between: ['a:eth0', s]}
";
    let file = parse(text).unwrap();
    let paths: Vec<String> = file.warnings().into_iter().map(|found| found.path).collect();
    assert_eq!(paths, ["elements.a.interfaces.eth1"]);
    let both = format!("{text}  y: {{between: [a, s]}}\n");
    assert_eq!(parse(&both).unwrap().warnings(), []);
}

#[test]
fn the_schema_knows_every_field() {
    let schema = json_schema();
    assert!(schema.pointer("/$defs/FileConnection/properties/both").is_some());
    assert!(schema.pointer("/$defs/FileElement/properties/template").is_some(), "{schema}");
}

/// Numbers from a fixed start (Knuth's MMIX generator), so that a failure can be repeated.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

const NAMES: [&str; 8] = ["on", "No", "0x1", "1-2", "1e5", "null", "y", "n"];

fn random_graph(draw: &mut Draw) -> Graph {
    use crate::edit::{self, End};
    let mut ids = CountingIds { last: draw.below(1000) };
    let mut graph = graph("{tomato: 1, name: 'yes', _note: \"a: #b\\n\\tc\"}");
    let mut made = Vec::new();
    for name in NAMES.iter().take(usize::try_from(draw.below(9)).unwrap()) {
        let template = ["true", "1e3", "null", "t"][usize::try_from(draw.below(4)).unwrap()];
        let json = match draw.below(3) {
            0 => serde_json::json!({"kind": "switch", "name": format!("{}", made.len())}),
            1 => serde_json::json!({"kind": "hub", "_k": [null, 1.5, {"a": "~"}]}),
            _ => {
                serde_json::json!({"kind": "container", "template": template,
                "files": {"/a": "#!/bin/sh\n\nx: \"y\" \\ \u{e9}\n  \n", "/b": "", "/c": " lead\ntrail \n\n"}, "name": name})
            }
        };
        made.push(
            edit::add_element(&mut graph, &mut ids, &serde_json::from_value(json).unwrap())
                .unwrap(),
        );
    }
    for _ in 0..draw.below(12) {
        if made.is_empty() {
            break;
        }
        let mut end =
            || End::Element(made[usize::try_from(draw.below(made.len() as u64)).unwrap()].clone());
        let ends = [end(), end()];
        let json = serde_json::json!({"emulation": draw.below(2) == 0, "connected": draw.below(2) == 0,
            "forward": {"delay": format!("{}us", draw.below(10_000)), "loss": format!("{}.{}%", draw.below(99), draw.below(1000))},
            "backward": {"bandwidth": format!("{}kbit/s", 1 + draw.below(100_000)), "distribution": "pareto"}});
        let patch = serde_json::from_value(json).unwrap();
        // two ends on one switch are refused, which leaves the graph as it was
        if let Ok(id) = edit::connect(&mut graph, &mut ids, &ends, &patch)
            && draw.below(4) == 0
        {
            edit::disconnect(&mut graph, &id).unwrap();
        }
    }
    graph
}

#[test]
fn any_graph_survives_export_and_import() {
    let mut draw = Draw(1);
    for round in 0..200 {
        let made = random_graph(&mut draw);
        let yaml = export(&made).to_yaml().unwrap();
        let file = parse(&yaml).unwrap_or_else(|found| panic!("round {round}: {found:?}\n{yaml}"));
        assert_eq!(file, export(&made), "{yaml}");
        let mut ids = CountingIds { last: 5000 };
        let again = plan::plan(None, &file, "x", &mut ids).unwrap().graph;
        assert_eq!(export(&again).to_yaml().unwrap(), yaml, "round {round}");
        let json = export(&made).to_json().unwrap();
        assert_eq!(parse(&json).unwrap(), file);
        let same = plan::plan(Some(&made), &file, "x", &mut ids).unwrap();
        assert_eq!((same.steps, same.graph), (Vec::new(), made), "round {round}: {yaml}");
    }
}

#[test]
fn what_switches_and_rules_say_comes_back() {
    let text = "tomato: 1
name: vlans
elements:
  a: {kind: container, template: x}
  s:
    kind: switch
    stp: on priority=4096
    interfaces: {eth0: {vlan: 10}, eth1: {vlan: 'trunk 10,20-30 native 1'}}
  t: {kind: switch, interfaces: {eth0: {vlan: trunk}}}
connections:
  l:
    between: [a, 's:eth0']
    forward: {rules: [{match: udp port 53, loss: 5%}], draws: content}
    backward: {timeline: {steps: [{at: 1s, down: true}], repeat: 2s}}
  m: {between: ['s:eth1', 't:eth0'], both: {down: true}}
";
    let yaml = export(&graph(text)).to_yaml().unwrap();
    assert_eq!(export(&graph(&yaml)).to_yaml().unwrap(), yaml);
    for said in ["on priority=4096", "trunk 10,20-30 native 1", "udp port 53", "down: true"] {
        assert!(yaml.contains(said), "{yaml}");
    }
    let wrong = [
        ("{vlan: 10}", "{vlan: 4095}", 8),
        ("udp port 53", "udp prt 53", 13),
        ("on priority=4096", "maybe", 7),
        ("template: x}", "template: x, interfaces: {eth0: {vlan: 7}}}", 4),
    ];
    for (old, new, line) in wrong {
        let found = parse(&text.replace(old, new)).expect_err(new);
        assert_eq!(found.iter().map(|d| d.line).collect::<Vec<_>>(), [line], "{found:?}");
    }
}

#[test]
fn a_file_with_too_many_elements_is_refused_before_any_is_looked_at() {
    let many = |most: usize, line: fn(usize) -> String| -> String { (0..most).map(line).collect() };
    let elements = many(ELEMENTS_MAX + 1, |i| format!("  e{i}: {{kind: nonsense}}\n"));
    let found = parse(&format!("tomato: 1\nelements:\n{elements}")).unwrap_err();
    assert_eq!(found.len(), 1, "{:?}", &found[..2]);
    assert_eq!((found[0].path.as_str(), found[0].line), ("elements", 2));
    assert!(found[0].remedy.contains(&ELEMENTS_MAX.to_string()), "{}", found[0]);
    let connections = many(CONNECTIONS_MAX + 1, |i| format!("  c{i}: 1\n"));
    let found = parse(&format!("tomato: 1\nconnections:\n{connections}")).unwrap_err();
    assert_eq!((found.len(), found[0].path.as_str()), (1, "connections"));
}

#[test]
fn of_many_mistakes_the_first_are_told_and_the_others_counted() {
    let elements: String = (0..300).map(|i| format!("  e{i}: {{kind: nonsense}}\n")).collect();
    let unread = format!("tomato: 1\nelements:\n{elements}");
    let connections: String =
        (0..300).map(|i| format!("  c{i}: {{between: [no{i}, a]}}\n")).collect();
    let unplanned =
        format!("tomato: 1\nelements: {{a: {{kind: switch}}}}\nconnections:\n{connections}");
    for text in [unread, unplanned] {
        let found = parse(&text).unwrap_err();
        assert_eq!(found.len(), DIAGNOSTICS_MAX + 1);
        assert!(found.is_sorted_by_key(|found| found.line));
        let last = found.last().unwrap();
        assert_eq!((last.message.as_str(), last.line), ("and 200 more", found[99].line), "{last}");
    }
}
