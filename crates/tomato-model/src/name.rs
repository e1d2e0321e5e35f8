//! Names of objects: what is allowed, and what a new object is called when nobody said.

use crate::limits::{CONNECTION_NAME_MAX, INTERFACE_NAME_MAX, NAME_MAX, TOPOLOGY_NAME_MAX};

/// Whether `name` may name an element: a host name's label, letters of any case.
pub fn is_element_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    name.len() <= NAME_MAX
        && name.bytes().all(inner)
        && name.bytes().next().is_some_and(|b| b != b'-')
        && name.bytes().last().is_some_and(|b| b != b'-')
}

/// Whether `name` may name a connection.
pub fn is_connection_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= CONNECTION_NAME_MAX
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Whether `name` may name an interface: letters and digits, a letter first, not `lo`.
pub fn is_interface_name(name: &str) -> bool {
    name.len() <= INTERFACE_NAME_MAX
        && name != "lo"
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
}

/// Whether `name` may name a topology: anything printable that is not blank.
pub fn is_topology_name(name: &str) -> bool {
    let length = name.chars().count();
    !name.trim().is_empty() && length <= TOPOLOGY_NAME_MAX && !name.chars().any(char::is_control)
}

/// How names are compared: host names do not know case.
pub fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// `stem` followed by the smallest number from `first` that is not `taken`.
pub fn numbered(stem: &str, first: usize, taken: impl Fn(&str) -> bool) -> String {
    let mut number = first;
    loop {
        let name = format!("{stem}{number}");
        if !taken(&name) {
            return name;
        }
        number += 1;
    }
}
