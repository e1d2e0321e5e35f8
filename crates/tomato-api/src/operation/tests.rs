use std::collections::BTreeSet;

use super::*;

#[test]
fn names_and_routes_are_unique_and_in_form() {
    let (mut names, mut routes) = (BTreeSet::new(), BTreeSet::new());
    for operation in OPERATIONS {
        assert_eq!(operation.name, format!("{}_{}", operation.noun, operation.verb));
        assert!(names.insert(operation.name), "{} is there twice", operation.name);
        assert!(
            routes.insert((operation.path, operation.method)),
            "{} has a route of another one",
            operation.name
        );
        assert!(
            operation.path.starts_with('/') && operation.doc.ends_with('.'),
            "{}",
            operation.name
        );
    }
}

#[test]
fn every_schema_can_be_made() {
    let mut generator = SchemaGenerator::default();
    for operation in OPERATIONS {
        if let Body::Json(make) = operation.body {
            make(&mut generator);
        }
        if let Answer::Json(make) = operation.answer {
            make(&mut generator);
        }
    }
    assert!(generator.definitions().contains_key("Topology"));
}
