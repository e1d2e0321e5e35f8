use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;

const HERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
const THERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));

#[test]
fn failures_are_counted_by_account_and_address_and_come_back_with_time() {
    let mut limits = LoginLimits::default();
    let start = Instant::now();
    for _ in 0..LOGIN_FAILURES {
        assert_eq!(limits.wait_s("ada", HERE, start), None);
        limits.failed("ada", HERE, start);
    }
    let wait_s = limits.wait_s("ada", HERE, start).expect("no try is left");
    assert!(wait_s <= LOGIN_REFILL.as_secs() + 1, "{wait_s}");
    assert_eq!(limits.wait_s("bob", HERE, start), None, "another account");
    assert_eq!(limits.wait_s("ada", THERE, start), None, "another address");
    assert_eq!(limits.wait_s("ada", HERE, start + Duration::from_secs(wait_s)), None);
}

#[test]
fn one_address_cannot_try_all_accounts() {
    let mut limits = LoginLimits::default();
    let start = Instant::now();
    for number in 0..LOGIN_FAILURES_OF_ADDRESS {
        assert_eq!(limits.wait_s("bob", HERE, start), None, "{number}");
        limits.failed(&format!("account{number}"), HERE, start);
    }
    assert!(limits.wait_s("bob", HERE, start).is_some());
    assert_eq!(limits.wait_s("bob", THERE, start), None);
}
