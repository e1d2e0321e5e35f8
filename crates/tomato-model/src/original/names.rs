//! The original's type names, accepted for ever.
//!
//! An object is answered under the name it was created with.

use super::OriginalError;
use crate::kind::Kind;

/// What a type name of the original stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// An element of this kind.
    Element(Kind),
    /// A switch, or a hub where the attribute `mode` says so.
    SwitchOrHub,
    /// An interface of an element of one of these types.
    Interface(&'static [&'static str]),
}

/// The type of an external network's interfaces.
pub(super) const EXTERNAL_ENDPOINT: &str = "external_network_endpoint";

/// Type names of interfaces and of the elements they belong to.
const INTERFACES: &[(&str, &[&str])] = &[
    ("openvz_interface", &["openvz", "container"]),
    ("container_interface", &["container", "openvz"]),
    ("tinc_endpoint", &["tinc_vpn"]),
    ("vpncloud_endpoint", &["vpncloud"]),
    ("switch_interface", &["switch", "tinc_vpn", "vpncloud"]),
    ("hub_interface", &["hub", "tinc_vpn", "vpncloud"]),
    ("kvmqm_interface", &["kvmqm", "full"]),
    ("full_interface", &["full", "kvmqm", "kvm"]),
    ("kvm_interface", &["kvm", "full"]),
    ("repy_interface", &["repy"]),
    (EXTERNAL_ENDPOINT, &["external_network"]),
];

/// Types that are kept as placeholders, with their attributes.
const PLACEHOLDERS: &[(&str, &[&str])] = &[
    ("kvmqm", &["site", "profile", "template", "tech", "kblang", "usbtablet"]),
    ("kvm", &["site", "profile", "template", "tech", "kblang", "usbtablet"]),
    ("full", &["site", "profile", "template", "tech", "kblang", "usbtablet"]),
    ("repy", &["site", "profile", "template", "tech", "args", "bandwidth"]),
    ("external_network", &["kind", "samenet"]),
    (EXTERNAL_ENDPOINT, &["kind"]),
    ("udp_endpoint", &["connect"]),
    ("tinc_endpoint", &["mode"]),
];

/// What `name` stands for. `parentless` tells a `tinc_endpoint` for outside machines from an interface.
///
/// # Errors
/// There is no such type.
pub fn meaning(name: &str, parentless: bool) -> Result<Meaning, OriginalError> {
    match name {
        "openvz" | "container" => return Ok(Meaning::Element(Kind::Container)),
        "switch" => return Ok(Meaning::Element(Kind::Switch)),
        "hub" => return Ok(Meaning::Element(Kind::Hub)),
        "tinc_vpn" | "vpncloud" => return Ok(Meaning::SwitchOrHub),
        "kvmqm" | "kvm" | "full" | "repy" | "external_network" => {
            return Ok(Meaning::Element(Kind::Placeholder));
        }
        _ if parentless && is_self_connected(name) => {
            return Ok(Meaning::Element(Kind::Placeholder));
        }
        _ => {}
    }
    if let Some((_, parents)) = INTERFACES.iter().find(|(known, _)| *known == name) {
        return Ok(Meaning::Interface(parents));
    }
    Err(OriginalError::UnknownType { type_name: name.to_owned() })
}

/// Whether elements of this type are connected themselves, without interfaces.
pub fn is_self_connected(name: &str) -> bool {
    matches!(name, "udp_endpoint" | "tinc_endpoint")
}

/// Attributes that a placeholder of this type keeps.
pub fn kept_attributes(type_name: &str) -> &'static [&'static str] {
    let known = PLACEHOLDERS.iter().find(|(name, _)| *name == type_name);
    known.map_or(&[], |(_, attributes)| attributes)
}

/// The type name of an interface that was made without one, by its element's type name.
pub fn interface_type(element: &str) -> &'static str {
    INTERFACES
        .iter()
        .find(|(_, parents)| parents.first() == Some(&element))
        .map_or("container_interface", |(name, _)| name)
}

/// Every type of elements, interfaces among them.
pub fn types() -> impl Iterator<Item = &'static str> {
    const ELEMENTS: [&str; 12] = [
        "container",
        "external_network",
        "full",
        "hub",
        "kvm",
        "kvmqm",
        "openvz",
        "repy",
        "switch",
        "tinc_vpn",
        "udp_endpoint",
        "vpncloud",
    ];
    ELEMENTS.into_iter().chain(INTERFACES.iter().map(|(name, _)| *name))
}

/// The types of children that an element of this type may have.
pub fn children(element: &str) -> impl Iterator<Item = &'static str> {
    let element = element.to_owned();
    let of = move |(_, parents): &&(&str, &[&str])| parents.contains(&element.as_str());
    INTERFACES.iter().filter(of).map(|(name, _)| *name)
}

/// The host name nearest to a name of the original, which allowed any text.
pub fn host_name(name: &str) -> String {
    let mut text: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(NAME_CHARS_MAX)
        .collect();
    text = text.trim_matches('-').to_owned();
    if text.is_empty() { "x".to_owned() } else { text }
}

/// Characters of a host name that leave room for a number behind it.
const NAME_CHARS_MAX: usize = 58;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_of_names_are_known() {
        for name in ["openvz", "container"] {
            assert_eq!(meaning(name, true), Ok(Meaning::Element(Kind::Container)));
            let interface = meaning(&format!("{name}_interface"), false);
            assert!(matches!(interface, Ok(Meaning::Interface(_))));
        }
        assert_eq!(meaning("tinc_vpn", true), Ok(Meaning::SwitchOrHub));
        assert!(types().all(|name| meaning(name, true).is_ok() && meaning(name, false).is_ok()
            || name == "udp_endpoint"));
    }

    #[test]
    fn types_that_are_not_offered_are_placeholders_and_others_unknown() {
        for name in ["kvmqm", "full", "repy", "external_network", "udp_endpoint", "tinc_endpoint"] {
            assert_eq!(meaning(name, true), Ok(Meaning::Element(Kind::Placeholder)), "{name}");
        }
        let toaster = OriginalError::UnknownType { type_name: "toaster".to_owned() };
        assert_eq!(meaning("toaster", true), Err(toaster));
    }

    #[test]
    fn any_name_becomes_a_host_name() {
        assert_eq!(host_name("Client #1"), "Client--1");
        assert_eq!(host_name("***"), "x");
        assert_eq!(host_name("tinc_vpn#2"), "tinc-vpn-2");
    }

    #[test]
    fn interfaces_follow_their_elements_family() {
        assert_eq!(interface_type("openvz"), "openvz_interface");
        assert_eq!(interface_type("tinc_vpn"), "tinc_endpoint");
        assert_eq!(interface_type("switch"), "switch_interface");
        assert_eq!(interface_type("full"), "full_interface");
    }
}
