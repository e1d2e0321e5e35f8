//! A picture shows another terminal what this one shows.

use super::*;

fn text(screen: &Screen) -> String {
    screen.parser.screen().contents()
}

#[test]
fn a_picture_shows_what_was_written() {
    let mut screen = Screen::new(Size::DEFAULT);
    screen.write(b"plain \x1b[31mred\x1b[m\r\n\x1b[10;5Hhere");
    let mut other = Screen::new(Size::DEFAULT);
    other.write(&screen.picture());
    assert_eq!(text(&other), text(&screen));
    assert_eq!(other.parser.screen().cursor_position(), screen.parser.screen().cursor_position());
    assert!(text(&other).contains("plain red"));
}

#[test]
fn programs_on_the_whole_screen_are_shown_and_left_again() {
    let mut screen = Screen::new(Size::DEFAULT);
    screen.write(b"before\x1b[?1049h\x1b[Hwhole");
    let mut other = Screen::new(Size::DEFAULT);
    other.write(b"rest of a former look");
    other.write(&screen.picture());
    assert!(text(&other).starts_with("whole") && !text(&other).contains("former"));
    screen.write(b"\x1b[?1049l");
    other.write(&screen.picture());
    assert!(text(&other).starts_with("before"));
}

#[test]
fn what_has_left_the_screen_comes_before_the_picture() {
    let mut screen = Screen::new(Size::bounded(20, 4));
    for n in 0..10 {
        screen.write(format!("line {n}\r\n").as_bytes());
    }
    let mut other = Screen::new(Size::bounded(20, 4));
    other.write(&screen.history());
    assert_eq!(text(&other), text(&screen));
    let above = |screen: &mut Screen| {
        let count = screen.parser.screen().scrollback_len();
        screen.parser.screen_mut().set_scrollback(count);
        text(screen).lines().next().map(str::to_owned)
    };
    assert_eq!(above(&mut screen).as_deref(), Some("line 0"));
    assert_eq!(above(&mut other).as_deref(), Some("line 0"));
}

/// Mostly what controls terminals.
const CONTROLS: &[u8] =
    b"\x1b\x1b[]?;0159999999ABHJKLMPSTXdfghlmnrsu\x07\x08\t\r\n\x0b\xf0\x9f\x8d\x85\xe4\xb8\xad";

#[test]
fn sizes_stay_in_their_bounds_and_hostile_bytes_do_no_harm() {
    assert_eq!(Size::bounded(0, 65_535), Size { columns: SIZE_MIN, rows: SIZE_MAX });
    let mut screen = Screen::new(Size::bounded(7, 3));
    let mut seed = 1u64;
    for round in 0u16..300 {
        let bytes: Vec<u8> = (0..200)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                CONTROLS[usize::try_from(seed >> 33).unwrap() % CONTROLS.len()]
            })
            .collect();
        screen.write(&bytes);
        screen.resize(Size::bounded(round % 90, round % 41));
        assert!(screen.history().len() < 1 << 20);
    }
    // A title that never ends is not kept.
    screen.write(b"\x1b]0;");
    for _ in 0..100 {
        screen.write(&[b'a'; 1 << 16]);
    }
    screen.write(b"\x07\x1bcstill there");
    assert!(text(&screen).replace('\n', "").contains("still there"));
}
