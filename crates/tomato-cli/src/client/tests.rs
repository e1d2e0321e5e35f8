use super::*;

#[test]
fn problem_documents_become_errors() {
    let text = br#"{"type":"about:blank","title":"Conflict","status":409,"detail":"it changed","code":"conflict","data":{"current":1}}"#;
    let error = problem(text).unwrap();
    assert_eq!(error.code, ErrorCode::Conflict);
    assert_eq!(error.message, "it changed");
    assert_eq!(error.data["current"], 1);
    assert_eq!(problem(b"<html>"), None);
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", Credentials::Token("tomato_secret".into()));
    assert!(!shown.contains("secret"));
}
