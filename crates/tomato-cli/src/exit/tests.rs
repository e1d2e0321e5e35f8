use super::*;

#[test]
fn codes_follow_the_error_through_its_context() {
    let api = |code| anyhow::Error::new(ApiError::new(code, "x")).context("while testing");
    assert_eq!(code(&api(ErrorCode::EntityDoesNotExist)), 3);
    assert_eq!(code(&api(ErrorCode::Conflict)), 4);
    assert_eq!(code(&api(ErrorCode::NotLoggedIn)), 5);
    assert_eq!(code(&api(ErrorCode::Internal)), 1);
    assert_eq!(code(&anyhow::anyhow!("other")), 1);
}

#[test]
fn causes_are_printed_once() {
    let inner = anyhow::anyhow!("disk is full");
    assert_eq!(chain(&inner.context("cannot write: disk is full")), "cannot write: disk is full");
}

#[test]
fn faults_are_told_by_line_with_their_remedy() {
    let data = serde_json::json!({"diagnostics": [
        {"line": 7, "column": 3, "path": "elements.a.mtu", "message": "is too small", "remedy": "give 68 or more"},
        {"line": 0, "column": 0, "path": "", "message": "is empty", "remedy": ""},
    ]});
    let lines = details(&data);
    assert_eq!(lines, ["line 7, elements.a.mtu: is too small", "  give 68 or more", "is empty"]);
}

#[test]
fn other_details_are_told_by_name() {
    let data = serde_json::json!({"attribute": "name", "current": {"a": 1}, "limit": 3});
    assert_eq!(details(&data), ["attribute: name", "limit: 3"]);
    assert!(details(&Value::Null).is_empty());
}
