use super::*;

#[test]
fn paths_are_filled_in_order_and_escaped() {
    let operation = find("topology_permission").unwrap();
    assert_eq!(path(operation, &["0123", "a/b"]).unwrap(), "/topologies/0123/permissions/a%2Fb");
    assert_eq!(path(operation, &["0123"]).unwrap_err().code, ErrorCode::InvalidValue);
}

#[test]
fn a_problem_document_becomes_the_error_it_was() {
    let body =
        br#"{"status": 409, "code": "conflict", "detail": "changed", "data": {"current": 1}}"#;
    let error = refusal(reqwest::StatusCode::CONFLICT, body);
    assert_eq!((error.code, error.message.as_str()), (ErrorCode::Conflict, "changed"));
    assert_eq!(error.data["current"], 1);
}
