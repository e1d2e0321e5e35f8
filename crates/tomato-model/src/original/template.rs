//! Names of the original's container templates and what starts in their place.

use std::collections::BTreeSet;

/// Template of a container that names none.
pub const DEFAULT: &str = "debian-12";

/// Templates that come with the product.
const SHIPPED: &[&str] = &["busybox", "debian-12", "debian-12-frr"];

/// Beginnings of the original's names (`debian-7.0_x86_64`, `ubuntu-12.04_x86`, ...) and today's nearest.
const ALIASES: &[(&str, &str)] = &[
    ("debian", DEFAULT),
    ("ubuntu", DEFAULT),
    ("centos", DEFAULT),
    ("fedora", DEFAULT),
    ("scientific", DEFAULT),
    ("suse", DEFAULT),
    ("opensuse", DEFAULT),
    ("arch", DEFAULT),
    ("busybox", "busybox"),
    ("alpine", "busybox"),
    ("quagga", "debian-12-frr"),
    ("vyatta", "debian-12-frr"),
];

/// What starts in place of the template `name`: `None` if it is there itself, or is not known to the table.
/// `known` are the names of templates that a host has.
pub fn alias(name: &str, known: &BTreeSet<String>) -> Option<&'static str> {
    if known.contains(name) || SHIPPED.contains(&name) {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    ALIASES.iter().find(|(begin, _)| lower.starts_with(begin)).map(|(_, today)| *today)
}
