//! Tests of what is recorded and written; what the kernel makes of it is tested with real containers.

use super::*;

#[test]
fn hosts_file_names_others_and_oneself() {
    let hosts = BTreeMap::from([(
        "b".to_owned(),
        vec!["10.0.0.2".parse().expect("valid"), "fd00::2".parse().expect("valid")],
    )]);
    let text = hosts_text("a", &hosts);
    for line in ["127.0.0.1\tlocalhost", "127.0.1.1\ta", "10.0.0.2\tb", "fd00::2\tb"] {
        assert!(text.lines().any(|l| l == line), "{line} in {text}");
    }
    assert!(!hosts_text("b", &hosts).contains("127.0.1.1"), "its own address is better");
}

#[test]
fn interface_names_are_checked() {
    for name in ["eth0", "wan-1", "a.b"] {
        check_name(name).expect(name);
    }
    for name in ["", "lo", "..", "a/b", "a b", "a:b", "0123456789abcdef", "%d"] {
        check_name(name).expect_err(name);
    }
}

#[test]
fn record_before_setting_covers_old_and_new() {
    let cidr = |text: &str| text.parse::<Cidr>().expect("valid");
    let record = |address: &str| Record {
        addresses: BTreeMap::from([("eth0".to_owned(), BTreeSet::from([cidr(address)]))]),
        ..Record::default()
    };
    let both = union(&record("10.0.0.1/24"), &record("10.0.0.2/24"));
    assert_eq!(both.addresses["eth0"].len(), 2);
}

#[test]
fn our_part_of_the_hosts_file_is_exchanged_and_the_rest_stays() {
    let first = merge_hosts("", "1 a\n");
    assert_eq!(merge_hosts(&first, "1 a\n"), first);
    let edited = format!("before\n{first}after");
    let second = merge_hosts(&edited, "2 b\n");
    assert!(second.starts_with("before\n") && second.ends_with("after"), "{second}");
    assert!(second.contains("\n2 b\n") && !second.contains("1 a"), "{second}");
    let alone = merge_hosts("mine", "2 b\n");
    assert!(alone.starts_with("mine\n# begin") && alone.contains("2 b\n"), "{alone}");
}
