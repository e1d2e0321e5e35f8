use super::*;

#[test]
fn days_become_dates() {
    for (days, date) in [
        (0, (1970, 1, 1)),
        (58, (1970, 2, 28)),
        (59, (1970, 3, 1)),
        (11_016, (2000, 2, 29)),
        (20_780, (2026, 11, 23)),
    ] {
        assert_eq!(civil(days), date, "{days}");
    }
}

#[test]
fn a_certificate_is_for_every_name_once() {
    let local = names(Ipv4Addr::LOCALHOST.into());
    assert_eq!(local.iter().filter(|name| *name == "127.0.0.1").count(), 1);
    assert!(local.contains(&"localhost".to_owned()) && local.contains(&"::1".to_owned()));
    let other = names(Ipv4Addr::new(192, 0, 2, 7).into());
    assert!(other.contains(&"192.0.2.7".to_owned()));
    assert!(!names(Ipv4Addr::UNSPECIFIED.into()).contains(&"0.0.0.0".to_owned()));
}
