use crate::operation::find;

#[test]
fn fields_come_from_the_schema_with_those_inside() {
    let of = |name: &str| find(name).unwrap().fields();
    let create = of("profile_create");
    let named = |name: &str| create.iter().find(|field| field.name == name);
    assert!(named("cpu_milli").is_some_and(|field| field.required && !field.doc.is_empty()));
    assert!(named("label").is_some_and(|field| !field.required && field.is_text));
    assert!(named("cpu_milli").is_some_and(|field| !field.is_text));
    let modify = of("connection_modify");
    assert!(modify.iter().any(|field| field.name == "forward.delay"), "{modify:?}");
    assert!(of("topology_list").is_empty());
}
