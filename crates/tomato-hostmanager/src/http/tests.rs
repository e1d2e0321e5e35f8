use super::*;

#[tokio::test]
async fn a_timeout_that_cannot_be_had_is_refused() {
    let (_dir, host, _) = crate::host::tests::with_fakes();
    let call: ExecCall =
        serde_json::from_str(r#"{"argv": ["true"], "timeout_ms": 7200000}"#).unwrap();
    let path = Path(ElementId::new(1, 1).to_string());
    let refused = exec(State(host), path, Json(call)).await.unwrap_err().0;
    assert_eq!(refused.code, ErrorCode::InvalidValue);
    assert!(
        refused.message.contains("3600") && refused.message.starts_with("timeout"),
        "{refused}"
    );
}
