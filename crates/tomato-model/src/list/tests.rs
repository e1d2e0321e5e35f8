use super::*;

fn list() -> List<String> {
    ["a", "b"].into_iter().map(str::to_owned).collect()
}

#[test]
fn a_copy_shares_all_but_what_is_changed() {
    let first = list();
    let mut second = first.clone();
    assert!(first.shares_all(&second));
    second.find_mut(|text| text == "b").unwrap().push('c');
    assert!(first.shares(&second, 0) && !first.shares(&second, 1));
    assert_eq!((first[1].as_str(), second[1].as_str()), ("b", "bc"));
    second.push("d".to_owned());
    assert!(!first.shares_all(&second) && !second.shares_all(&first));
    assert_eq!(second.remove(0), "a");
    assert_eq!(first, list());
}

#[test]
fn equal_lists_made_apart_are_equal_but_not_shared() {
    assert_eq!(list(), list());
    assert!(!list().shares_all(&list()));
    assert_ne!(list(), std::iter::once("a".to_owned()).collect());
}

#[test]
fn as_text_it_is_a_plain_list() {
    let text = serde_json::to_string(&list()).unwrap();
    assert_eq!(text, r#"["a","b"]"#);
    assert_eq!(serde_json::from_str::<List<String>>(&text).unwrap(), list());
}
