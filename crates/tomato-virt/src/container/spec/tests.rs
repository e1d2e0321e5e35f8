//! Tests of address parsing.

use super::*;

#[test]
fn addresses_parse_and_print_alike() {
    for text in ["10.0.0.1/24", "0.0.0.0/0", "255.255.255.255/32", "fd00::1/64", "::/0"] {
        assert_eq!(text.parse::<Cidr>().expect("valid").to_string(), text);
    }
}

#[test]
fn wrong_addresses_are_refused() {
    for text in ["", "10.0.0.1", "10.0.0.1/33", "10.0.0/24", "fd00::1/129", "10.0.0.1/-1", "a/b"] {
        let error = text.parse::<Cidr>().expect_err(text);
        assert!(error.to_string().contains("10.0.0.1/24"), "{error}");
    }
}

#[test]
fn network_clears_host_bits() {
    let check = |of: &str, expect: &str| {
        assert_eq!(of.parse::<Cidr>().expect("valid").network().to_string(), expect);
    };
    check("10.1.2.3/8", "10.0.0.0/8");
    check("10.1.2.3/0", "0.0.0.0/0");
    check("10.1.2.3/32", "10.1.2.3/32");
    check("fd00:1:2::3/32", "fd00:1::/32");
    check("fd00::3/0", "::/0");
}
