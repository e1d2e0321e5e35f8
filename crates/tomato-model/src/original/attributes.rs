//! Attributes of elements and interfaces: the original's flat ones to native patches.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value as Json, json};

use super::names::{self, host_name};
use super::{KEPT, OriginalError, SHOWN_NAME, flag, invalid, kept, unknown};
use crate::kind::Kind;
use crate::topology::{Element, Interface};

/// Attributes under their own names in both forms.
const SAME: &[&str] = &["profile", "template", "routes", "forwarding", "files", "gateways"];
/// Attributes that have no meaning here and may only be null.
const ONLY_NULL: &[&str] = &["rootpassword", "hostname"];

/// The native patch of an element of `kind` and type `type_name`, made of `current` if it is there already. The attribute
/// `mode` must be of its kind.
///
/// # Errors
/// An attribute is unknown, not offered or has a wrong value.
pub fn element(
    kind: Kind,
    type_name: &str,
    current: Option<&Element>,
    attrs: &Map<String, Json>,
) -> Result<Map<String, Json>, OriginalError> {
    let gateways = current.map_or(&[][..], |element| &element.gateways);
    let mut original = current.map(|element| kept(&element.client)).unwrap_or_default();
    let mut patch = Map::new();
    let mut next_hops: Option<Vec<IpAddr>> = None;
    for (key, value) in attrs {
        match key.as_str() {
            _ if key.starts_with('_') => {
                patch.insert(key.clone(), value.clone());
            }
            "name" => name(value, &mut patch)?,
            _ if kind == Kind::Placeholder => keep(type_name, key, value, &mut original)?,
            "gateway4" | "gateway6" if kind == Kind::Container => {
                let hops = next_hops.get_or_insert_with(|| gateways.to_vec());
                hops.retain(|hop| hop.is_ipv4() != (key == "gateway4"));
                hops.extend(address(key, value)?);
            }
            "site" => super::site(value)?,
            "hostname" if is_derived(value, attrs.get("name"), current) => {}
            "tech" => {}
            _ if ONLY_NULL.contains(&key.as_str()) => {
                if !value.is_null() && value != "" {
                    return Err(fixed(key));
                }
            }
            "mode" if kind != Kind::Container => {
                if value != kind.name() {
                    return Err(invalid(key, value, "cannot be changed; make a new element"));
                }
            }
            "ageing_s" if kind == Kind::Switch => {
                patch.insert(key.clone(), value.clone());
            }
            _ if kind == Kind::Container && SAME.contains(&key.as_str()) => {
                patch.insert(key.clone(), value.clone());
            }
            _ => return Err(unknown(key)),
        }
    }
    if let Some(hops) = next_hops {
        patch.insert("gateways".to_owned(), json!(hops));
    }
    put_kept(original, current.map(|element| &element.client), &mut patch);
    Ok(patch)
}

/// The native patch of an interface of type `type_name` of an element of `kind`, made of `current` if it is there already.
///
/// # Errors
/// An attribute is unknown or has a wrong value.
pub fn interface(
    kind: Kind,
    type_name: &str,
    current: Option<&Interface>,
    attrs: &Map<String, Json>,
) -> Result<Map<String, Json>, OriginalError> {
    let addresses = current.map_or(&[][..], |interface| &interface.addresses);
    let mut original = current.map(|interface| kept(&interface.client)).unwrap_or_default();
    let mut patch = Map::new();
    let mut wanted: Option<Vec<String>> = None;
    for (key, value) in attrs {
        match key.as_str() {
            _ if key.starts_with('_') => {
                patch.insert(key.clone(), value.clone());
            }
            "name" if kind == Kind::Container => {
                patch.insert(key.clone(), value.clone());
            }
            // Ports of connectors had any name; here they are numbered.
            "name" => {
                patch.insert(SHOWN_NAME.to_owned(), value.clone());
            }
            "ip4address" | "ip6address" if kind == Kind::Container => {
                let list = wanted.get_or_insert_with(|| addresses.to_vec());
                list.retain(|address| address.contains(':') == (key == "ip4address"));
                match value {
                    Json::Null => {}
                    Json::String(text) if text.is_empty() => {}
                    Json::String(text) if text.contains(':') == (key == "ip6address") => {
                        list.push(text.clone());
                    }
                    _ => {
                        return Err(invalid(
                            key,
                            value,
                            "must be an address with prefix length like 10.0.0.1/24 or fd00::1/64",
                        ));
                    }
                }
            }
            "use_dhcp" if kind == Kind::Container => {
                let dhcp =
                    flag(value).ok_or_else(|| invalid(key, value, "must be true or false"))?;
                patch.insert("dhcp".to_owned(), Json::Bool(dhcp));
            }
            "mac" | "mtu" if kind == Kind::Container => {
                patch.insert(key.clone(), value.clone());
            }
            _ if kind == Kind::Placeholder => keep(type_name, key, value, &mut original)?,
            "mode" if kind != Kind::Container => {}
            _ => return Err(unknown(key)),
        }
    }
    if let Some(list) = wanted {
        patch.insert("addresses".to_owned(), json!(list));
    }
    put_kept(original, current.map(|interface| &interface.client), &mut patch);
    Ok(patch)
}

/// Keeps an attribute of a type that is not offered.
fn keep(
    type_name: &str,
    key: &str,
    value: &Json,
    original: &mut Map<String, Json>,
) -> Result<(), OriginalError> {
    if !names::kept_attributes(type_name).contains(&key) {
        return Err(unknown(key));
    }
    original.insert(key.to_owned(), value.clone());
    Ok(())
}

/// Adds what is kept to the patch if it changes.
fn put_kept(
    original: Map<String, Json>,
    client: Option<&BTreeMap<String, Json>>,
    patch: &mut Map<String, Json>,
) {
    if original != client.map(kept).unwrap_or_default() {
        patch.insert(KEPT.to_owned(), Json::Object(original));
    }
}

/// Whether a host name is the one that the original made of the element's name.
fn is_derived(host: &Json, name: Option<&Json>, current: Option<&Element>) -> bool {
    let shown = current.map(|element| {
        element.client.get(SHOWN_NAME).and_then(Json::as_str).unwrap_or(&element.name)
    });
    let Some(name) = name.and_then(Json::as_str).or(shown) else { return false };
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { 'x' };
    let derived: String = name.chars().map(plain).collect();
    let host = host.as_str().unwrap_or_default();
    host == name || host == derived || current.is_some_and(|element| element.name == host)
}

/// The kind that `mode` of a VPN element asks for; a switch by default.
///
/// # Errors
/// It is neither hub nor switch.
pub fn mode(attrs: &Map<String, Json>) -> Result<Kind, OriginalError> {
    match attrs.get("mode") {
        None | Some(Json::Null) => Ok(Kind::Switch),
        Some(value) if value == "switch" => Ok(Kind::Switch),
        Some(value) if value == "hub" => Ok(Kind::Hub),
        Some(value) => Err(invalid("mode", value, "must be hub or switch")),
    }
}

/// Any text was a name; ours are host names, so the text is kept beside where it is none.
fn name(value: &Json, patch: &mut Map<String, Json>) -> Result<(), OriginalError> {
    let text = value
        .as_str()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| invalid("name", value, "must be text"))?;
    let host = host_name(text);
    patch.insert(SHOWN_NAME.to_owned(), if host == text { Json::Null } else { value.clone() });
    patch.insert("name".to_owned(), Json::String(host));
    Ok(())
}

fn address(key: &str, value: &Json) -> Result<Option<IpAddr>, OriginalError> {
    let text = match value {
        Json::Null => return Ok(None),
        Json::String(text) if text.is_empty() => return Ok(None),
        Json::String(text) => text.as_str(),
        _ => "",
    };
    let read: Option<IpAddr> = text.parse().ok();
    let fits = read.filter(|hop| hop.is_ipv4() == (key == "gateway4"));
    fits.map(Some).ok_or_else(|| {
        invalid(key, value, "must be an address like 10.0.0.1 (gateway4) or fd00::1 (gateway6)")
    })
}

fn fixed(key: &str) -> OriginalError {
    let why = match key {
        "hostname" => "the host name is the element's name; set name",
        "rootpassword" => "elements have no passwords; reach in by console or execute",
        _ => "cannot be chosen here; leave it out",
    };
    OriginalError::FixedAttribute { attribute: key.to_owned(), why }
}

#[cfg(test)]
mod tests;
