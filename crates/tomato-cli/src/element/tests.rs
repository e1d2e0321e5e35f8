use super::*;

#[test]
fn input_is_bounded_text() {
    assert_eq!(read_input(&b"hi\n"[..]).unwrap().as_deref(), Some("hi\n"));
    assert_eq!(read_input(&b""[..]).unwrap(), None);
    read_input(&[0xff, 0xfe][..]).unwrap_err();
    let long = read_input(std::io::repeat(b'x')).unwrap_err().to_string();
    assert!(long.contains(&limits::STDIN_BYTES.to_string()), "{long}");
}

#[test]
fn a_missing_program_is_told_apart() {
    let of = |code, text: &str| refused(&ApiError::new(code, text).into(), "m/a", "nosuch");
    let missing = of(ErrorCode::CommandFailed, "start \"nosuch\": No such file (os error 2)");
    assert_eq!(missing.0, NO_PROGRAM);
    assert!(missing.1.is_some_and(|text| text.contains("m/a") && text.contains("nosuch")));
    assert_eq!(of(ErrorCode::CommandFailed, "start: denied (os error 13)").0, NOT_BEGUN);
    assert_eq!(of(ErrorCode::InvalidState, "does not run"), (NOT_RUN, None));
}
