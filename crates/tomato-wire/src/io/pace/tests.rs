use super::*;

#[test]
fn sleeping_stops_early_and_waiting_awake_has_a_budget() {
    let mut spin = Spin::for_cores(2);
    let (ms, second) = (1_000_000, 1_000_000_000);
    assert_eq!(spin.timeout_ns(second, None), None);
    assert_eq!(spin.timeout_ns(second, Some(second - 5)), Some(0));
    assert_eq!(spin.timeout_ns(second, Some(second + ms)), Some(ms - limits::SPIN_NS));
    // awake for the last stretch, until the budget of this second is spent
    let mut now = second;
    let mut turns = 0;
    while spin.timeout_ns(now, Some(now + 50_000)) == Some(0) {
        now += 50_000;
        turns += 1;
    }
    assert_eq!(turns, limits::SPIN_BUDGET_FEW_CORES_NS / 50_000);
    assert_eq!(spin.timeout_ns(now, Some(now + ms)), Some(ms));
    assert_eq!(spin.timeout_ns(2 * second + ms, Some(2 * second + 2 * ms)), Some(ms - 60_000));
    assert!(Spin::for_cores(8).budget_ns > Spin::for_cores(1).budget_ns);
}

#[test]
fn frames_are_no_older_than_the_last_look_at_everything() {
    let mut arrivals = Arrivals::default();
    arrivals.waited(1000, true, 1);
    assert_eq!(arrivals.age_ns(1300), 300);
    // what is ready in this turn came after the look before
    arrivals.waited(1500, false, 3);
    assert_eq!(arrivals.age_ns(1600), 600);
    arrivals.waited(1700, false, 3);
    assert_eq!(arrivals.age_ns(1800), 300);
    // lists of events that are full prove nothing
    for turn in 0..10 {
        arrivals.waited(2000 + turn * 1000, false, limits::EPOLL_EVENTS);
    }
    assert_eq!(arrivals.age_ns(11_000), 11_000 - 1700);
    arrivals.waited(12_000, false, 1);
    arrivals.waited(12_100, false, 1);
    assert_eq!(arrivals.age_ns(12_150), 150);
}

#[test]
fn business_is_a_share_of_the_time_between_two_looks() {
    let mut busy = Busy::default();
    busy.look(10_000_000_000, 50_000_000);
    assert_eq!(busy.permille(), 5);
    busy.look(10_500_000_000, 550_000_000);
    assert_eq!(busy.permille(), 5, "too soon to tell");
    busy.look(12_000_000_000, 1_050_000_000);
    assert_eq!(busy.permille(), 500);
    busy.look(13_000_000_000, 2_060_000_000);
    assert_eq!(busy.permille(), 1000, "no more than always");
}
