use super::*;

#[test]
fn steps_follow_each_other_in_time() {
    let settings = TimeoutSettings {
        enabled: true,
        warning_s: 100,
        destroy_s: 1000,
        remove_s: 2000,
        ..TimeoutSettings::default()
    };
    let at = 10_000 * SECOND_US;
    let check = |step, seconds: u64, expected| {
        let timeout = Timeout { at, step };
        assert_eq!(due(timeout, seconds * SECOND_US, &settings), expected, "{step:?} at {seconds}");
    };
    use TimeoutStep::{Destroyed, Initial, Renewed, Stopped, Warned};
    check(Renewed, 9_899, Some(Renewed));
    check(Renewed, 9_900, Some(Warned));
    check(Initial, 9_950, Some(Initial));
    check(Warned, 9_999, Some(Warned));
    for step in [Initial, Renewed, Warned] {
        check(step, 10_000, Some(Stopped));
        // also when the lab was off for long: no step is left out
        check(step, 99_999, Some(Stopped));
    }
    check(Stopped, 10_999, Some(Stopped));
    check(Stopped, 11_000, Some(Destroyed));
    check(Destroyed, 12_999, Some(Destroyed));
    check(Destroyed, 13_000, None);
}
