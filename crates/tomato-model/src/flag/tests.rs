use super::*;

#[test]
fn names_are_those_of_the_files_and_found_again() {
    for flag in Flag::ALL {
        assert_eq!(serde_json::to_value(flag).expect("JSON"), flag.name());
        assert_eq!(Flag::find(flag.name()), Some(*flag));
        assert!(flag.doc().ends_with('.'));
    }
    assert_eq!(Flag::find("nonsense"), None);
}

#[test]
fn no_global_right_is_given_by_an_organization() {
    for flag in Flag::ALL.iter().filter(|flag| flag.is_of_organization()) {
        assert!(!flag.name().starts_with("global"), "{flag:?}");
        assert_eq!(flag.global_role(), None);
    }
}
