use serde_json::json;

use super::*;

fn call(args: Json, named: Json) -> Call {
    Call::new("m".to_owned(), vec![args, named])
}

#[test]
fn the_table_is_sorted_and_every_method_is_described() {
    assert!(METHODS.windows(2).all(|pair| pair[0].name() < pair[1].name()));
    assert!(METHODS.iter().all(|method| !method.doc.is_empty()));
}

#[test]
fn signatures_name_every_argument() {
    assert_eq!(
        find("element_create").expect("known").signature,
        "element_create(top, type, parent=None, attrs=None)"
    );
}

#[test]
fn positions_names_and_defaults_are_bound() {
    let bound = find("element_create")
        .expect("known")
        .bind(call(json!(["t", "openvz"]), json!({"attrs": {"name": "a"}})))
        .expect("fits");
    assert_eq!(
        Json::Object(bound),
        json!({"top": "t", "type": "openvz", "parent": null, "attrs": {"name": "a"}})
    );
}

#[test]
fn missing_unknown_double_and_too_many_arguments_are_refused() {
    let method = find("topology_info").expect("known");
    for (args, named) in [
        (json!([]), json!({})),
        (json!(["a"]), json!({"colour": 1})),
        (json!(["a"]), json!({"id": "b"})),
        (json!(["a", false, 3]), json!({})),
    ] {
        assert_eq!(method.bind(call(args, named)).expect_err("must be refused").code, -1);
    }
}
