//! What `docs/topology-file.md` and the examples show is what is read.
#![allow(clippy::panic, reason = "a test fails by panicking")]

use tomato_model::file::parse;

fn good(name: &str, text: &str) {
    if let Err(faults) = parse(text) {
        panic!("{name}: {faults:#?}");
    }
}

#[test]
fn the_file_in_the_documentation_is_good() {
    let page = include_str!("../../../docs/topology-file.md");
    let (_, rest) = page.split_once("```yaml\n").expect("has an example");
    let (example, _) = rest.split_once("```").expect("which ends");
    good("docs/topology-file.md", example);
}

#[test]
fn the_python_client_knows_every_parameter_of_a_link() {
    let client = include_str!("../../../python/tomatolab/_topology.py");
    let (_, rest) = client.split_once("LINK = (").expect("has the list");
    let (list, _) = rest.split_once(')').expect("which ends");
    let mut known: Vec<&str> = list
        .split(',')
        .map(|name| name.trim().trim_matches('"'))
        .filter(|n| !n.is_empty())
        .collect();
    let mut names = tomato_model::link::LinkParams::NAMES.to_vec();
    known.sort_unstable();
    names.sort_unstable();
    assert_eq!(known, names);
}

#[test]
fn the_examples_are_good() {
    good("campus.yaml", include_str!("../../../examples/campus.yaml"));
    good("two-hosts.yaml", include_str!("../../../examples/two-hosts.yaml"));
}
