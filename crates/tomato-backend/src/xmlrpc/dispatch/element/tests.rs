//! How commands are answered to clients of the original, which know text or a fault only.

use super::*;

#[test]
fn text_is_answered_only_if_it_is_all_that_was_written() {
    let ended = |exit_code, truncated| ExecAnswer {
        exit_code,
        signal: None,
        stdout: "out".to_owned(),
        stderr: "err".to_owned(),
        timed_out: false,
        truncated,
    };
    assert_eq!(executed("ls", ended(Some(0), false)).unwrap(), "outerr");
    let cut = executed("yes", ended(Some(0), true)).unwrap_err();
    assert_eq!(cut.code, ErrorCode::CommandFailed);
    assert!(cut.message.contains("wrote more than is kept"), "{}", cut.message);
    assert_eq!((&cut.data["truncated"], &cut.data["output"]), (&json!(true), &json!("outerr")));
    let failed = executed("false", ended(Some(1), false)).unwrap_err();
    assert!(failed.message.ends_with("ended with exit code 1"), "{}", failed.message);
}
