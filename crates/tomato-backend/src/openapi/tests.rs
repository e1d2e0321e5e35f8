use std::collections::BTreeSet;
use std::path::Path;

use super::*;

#[test]
fn every_operation_is_described_once() {
    let document = openapi();
    let paths = document["paths"].as_object().expect("paths");
    let described: Vec<_> = paths
        .values()
        .flat_map(|methods| methods.as_object().expect("methods").values())
        .map(|operation| operation["operationId"].as_str().expect("a name").to_owned())
        .collect();
    let in_table: BTreeSet<_> =
        OPERATIONS.iter().map(|operation| operation.name.to_owned()).collect();
    assert_eq!(described.len(), OPERATIONS.len());
    assert_eq!(described.into_iter().collect::<BTreeSet<_>>(), in_table);
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get("$ref") {
                found.insert(target.clone());
            }
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = openapi();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for target in found {
        let pointer = target.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
    }
}

#[test]
fn the_copy_in_the_repository_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi/tomato.json");
    let text = serde_json::to_string_pretty(&openapi()).expect("JSON") + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("can be made");
        std::fs::write(&path, &text).expect("can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "openapi/tomato.json is old: run the test with UPDATE_OPENAPI=1 and commit it"
    );
}
