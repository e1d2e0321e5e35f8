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
