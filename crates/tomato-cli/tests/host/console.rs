//! The terminal of a real container.

use rustix::process::{Pid, Signal, kill_process};

use crate::life::started;
use crate::world::wait_for;

/// Leaves the console and lets its shell run.
const LEAVE: &str = "\u{1d}";

#[test]
fn a_console_is_a_login_shell_that_outlives_its_viewers_and_the_hostmanager() {
    let world = started();
    let run = |input: &str| world.with_input(&["console", "pair/a"], input);
    let (code, said) = run("MARK=kept; echo $((6 * 7)) $TERM $(id -u) $HOME $0\n\u{1d}");
    assert_eq!(code, Some(0), "{said}");

    // What is shown is kept soon after, not at once.
    let dir = world.file("data/host/host/consoles");
    wait_for("the kept screen", || {
        let kept = std::fs::read_dir(&dir).into_iter().flatten().flatten();
        kept.into_iter().any(|file| {
            std::fs::read_to_string(file.path()).is_ok_and(|text| text.contains("42 xterm"))
        })
    });
    let old = world.pid("hostmanager").expect("runs");
    kill_process(Pid::from_raw(old).expect("not zero"), Signal::KILL).expect("killed");
    wait_for("another hostmanager", || world.pid("hostmanager").is_some_and(|new| new != old));
    // The first look after it shows what was there before, and the shell is the same.
    wait_for("the former screen", || {
        let (_, said) = run(LEAVE);
        said.contains("42 xterm-256color 0 /root")
    });
    let (code, said) = run("echo is-$MARK $(tty); exit 3\n");
    assert!(said.contains("is-kept /dev/pts/0"), "{said}");
    assert_eq!(code, Some(3), "the shell's own code: {said}");

    // Another shell starts and is told all of it; what is typed to a view is not heard.
    let (code, said) = run("echo next-$MARK.; exit\n");
    assert!(code == Some(0) && said.contains("next-."), "{code:?} {said}");
    let (_, said) = world.with_input(&["console", "--view", "pair/a"], "echo heard\n\u{1d}");
    assert!(!said.contains("heard"), "{said}");

    let (code, said) = world.with_input(&["console", "pair/sw"], "");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("runs no programs"), "{said}");
}
