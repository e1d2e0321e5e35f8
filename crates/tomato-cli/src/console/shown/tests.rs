use super::*;

/// The output in one piece and byte by byte, which must be the same.
fn shown(output: &str) -> String {
    let whole = Shown::default().pass(output.as_bytes());
    let mut shown = Shown::default();
    let parts: Vec<u8> = output.bytes().flat_map(|byte| shown.pass(&[byte])).collect();
    assert_eq!(whole, parts, "{output:?}");
    String::from_utf8(whole).unwrap()
}

#[test]
fn text_colours_and_cursor_pass_as_they_are() {
    for output in [
        "plain äöü €😀 \u{a0}© text\r\n",
        "\x1b[1;31mred\x1b[m \x1b[2J\x1b[10;20H\x1b[?1049h\x1b[?25l",
        "\x1b(B\x1b)0\x1b7\x1b8\x1b=\x1b>\x1bM\x1bc",
        "\x1b]0;alice: ~\x07prompt",
        "\x1b[6n\x1b[c",
        "\x1b[38;2;1;2;3mtrue colour",
    ] {
        assert_eq!(shown(output), output, "{output:?}");
    }
    assert_eq!(shown("\x1b]2;title\x1b\\x"), "\x1b]2;title\x07x");
}

#[test]
fn what_a_terminal_keeps_or_tells_does_not_reach_it() {
    for (output, rest) in [
        ("a\x1b]52;c;ZWNobyBldmls\x07b", "ab"),
        ("a\x1b]52;c;?\x1b\\b", "ab"),
        ("a\x1bP$qm\x1b\\b", "ab"),
        ("a\x1bP+q544e\x1b\\b", "ab"),
        ("a\x1b_G;AAAA\x1b\\\x1b^x\x1b\\\x1bXx\x1b\\b", "ab"),
        ("a\x1b[21tb\x1b[20tc\x1b[8;1;1td", "abcd"),
        ("a\x05b", "ab"),
        ("a\x1b[1;1;1;1;1;1*yb", "ab"),
        ("a\u{9d}52;c;eA==\u{9c}b", "a52;c;eA==b"),
        ("a\x1b]8;;http://evil\x07link\x1b]8;;\x07b", "alinkb"),
        ("a\x1b]50;?\x07b", "ab"),
        ("a\x1b]2;x\ny\x07b", "ab"),
        // A sequence within another, or ended by it.
        ("a\x1b]52;c;\x1b[31mb", "a\x1b[31mb"),
        ("a\x1b[3\x1b]52;c;eA==\x07b", "ab"),
        ("a\x1b]52;c;eA==\x18b", "ab"),
        ("a\x1b\x1b]52;c;eA==\x07b", "ab"),
    ] {
        assert_eq!(shown(output), rest, "{output:?}");
    }
}

#[test]
fn a_sequence_without_an_end_takes_bounded_memory_and_hides_no_later_text() {
    let mut shown = Shown::default();
    shown.pass(b"\x1b]52;c;");
    for _ in 0..1000 {
        shown.pass(&[b'A'; 1000]);
    }
    assert!(shown.held.capacity() <= 2 * CONSOLE_SEQUENCE_BYTES);
    assert_eq!(shown.pass(b"later"), b"later");
}
