//! The original's type names, accepted for ever and translated once, here.
//!
//! An object is answered under the name it was created with.

use serde_json::json;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::kind::Kind;

/// What a type name of the original stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// An element of this kind.
    Element(Kind),
    /// A switch, or a hub where the attribute `mode` says so.
    SwitchOrHub,
    /// An interface of an element of one of these types.
    Interface(&'static [&'static str]),
}

/// Type names of interfaces and of the elements they belong to.
const INTERFACES: &[(&str, &[&str])] = &[
    ("openvz_interface", &["openvz", "container"]),
    ("container_interface", &["container", "openvz"]),
    ("tinc_endpoint", &["tinc_vpn"]),
    ("vpncloud_endpoint", &["vpncloud"]),
    ("switch_interface", &["switch", "tinc_vpn", "vpncloud"]),
    ("hub_interface", &["hub", "tinc_vpn", "vpncloud"]),
];

/// Types of the original that are not offered.
const MISSING: &[&str] = &[
    "kvmqm",
    "kvm",
    "full",
    "kvmqm_interface",
    "full_interface",
    "repy",
    "repy_interface",
    "external_network",
    "external_network_endpoint",
    "udp_endpoint",
];

/// What `name` stands for. `parentless` tells a `tinc_endpoint` for outside machines from an interface.
pub(crate) fn meaning(name: &str, parentless: bool) -> Result<Meaning, ApiError> {
    let missing = || {
        let text =
            format!("elements of type {name:?} are not offered; use container, switch or hub");
        Err(ApiError::new(ErrorCode::UnsupportedType, text).with(json!({"type": name})))
    };
    match name {
        "openvz" | "container" => return Ok(Meaning::Element(Kind::Container)),
        "switch" => return Ok(Meaning::Element(Kind::Switch)),
        "hub" => return Ok(Meaning::Element(Kind::Hub)),
        "tinc_vpn" | "vpncloud" => return Ok(Meaning::SwitchOrHub),
        "tinc_endpoint" if parentless => return missing(),
        _ => {}
    }
    if let Some((_, parents)) = INTERFACES.iter().find(|(known, _)| *known == name) {
        return Ok(Meaning::Interface(parents));
    }
    if MISSING.contains(&name) {
        return missing();
    }
    let text = format!("there is no element type {name:?}; use container, switch or hub");
    Err(ApiError::new(ErrorCode::EntityDoesNotExist, text)
        .with(json!({"entity": "element_type", "id": name})))
}

/// The type name of an interface that was made without one, by its element's type name.
pub(crate) fn interface_type(element: &str) -> &'static str {
    INTERFACES
        .iter()
        .find(|(_, parents)| parents.first() == Some(&element))
        .map_or("container_interface", |(name, _)| name)
}

/// The host name nearest to a name of the original, which allowed any text.
pub(crate) fn host_name(name: &str) -> String {
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
            assert!(matches!(
                meaning(&format!("{name}_interface"), false),
                Ok(Meaning::Interface(_))
            ));
        }
        assert_eq!(meaning("tinc_vpn", true), Ok(Meaning::SwitchOrHub));
    }

    #[test]
    fn missing_and_unknown_types_differ() {
        assert_eq!(meaning("kvmqm", true).expect_err("refused").code, ErrorCode::UnsupportedType);
        assert_eq!(
            meaning("tinc_endpoint", true).expect_err("refused").code,
            ErrorCode::UnsupportedType
        );
        assert_eq!(
            meaning("toaster", true).expect_err("refused").code,
            ErrorCode::EntityDoesNotExist
        );
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
    }
}
