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
fn the_examples_are_good() {
    good("campus.yaml", include_str!("../../../examples/campus.yaml"));
    good("two-hosts.yaml", include_str!("../../../examples/two-hosts.yaml"));
}
