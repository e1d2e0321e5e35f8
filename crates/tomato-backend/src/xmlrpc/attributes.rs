//! Attributes of elements and interfaces: the original's flat ones to native patches.

use std::net::IpAddr;

use serde_json::{Map, Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::kind::Kind;

use super::link::{flag, invalid, unsupported};
use super::names::host_name;

/// Client data under which a name is kept that is no host name.
pub(crate) const SHOWN_NAME: &str = "_xmlrpc_name";

/// Attributes under their own names in both forms.
const SAME: &[&str] = &["profile", "template", "routes", "forwarding", "files", "gateways"];
/// Attributes that have no meaning here and may only be null.
const ONLY_NULL: &[&str] = &["site", "rootpassword", "hostname", "tech", "host"];

/// The native patch of an element of `kind` whose gateways are `gateways`. The attribute `mode` must be of its kind.
pub(crate) fn element(
    kind: Kind,
    gateways: &[IpAddr],
    attrs: &Map<String, Json>,
) -> Result<Map<String, Json>, ApiError> {
    let mut patch = Map::new();
    let mut next_hops: Option<Vec<IpAddr>> = None;
    for (key, value) in attrs {
        match key.as_str() {
            _ if key.starts_with('_') => {
                patch.insert(key.clone(), value.clone());
            }
            "name" => name(value, &mut patch)?,
            "gateway4" | "gateway6" if kind == Kind::Container => {
                let hops = next_hops.get_or_insert_with(|| gateways.to_vec());
                hops.retain(|hop| hop.is_ipv4() != (key == "gateway4"));
                hops.extend(address(key, value)?);
            }
            "hostname" if attrs.get("name") == Some(value) => {}
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
            _ => return Err(unsupported(key)),
        }
    }
    if let Some(hops) = next_hops {
        patch.insert("gateways".to_owned(), json!(hops));
    }
    Ok(patch)
}

/// The native patch of an interface whose addresses are `addresses`.
pub(crate) fn interface(
    kind: Kind,
    addresses: &[String],
    attrs: &Map<String, Json>,
) -> Result<Map<String, Json>, ApiError> {
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
            "mode" if kind != Kind::Container => {}
            _ => return Err(unsupported(key)),
        }
    }
    if let Some(list) = wanted {
        patch.insert("addresses".to_owned(), json!(list));
    }
    Ok(patch)
}

/// The kind that `mode` of a VPN element asks for; a switch by default.
pub(crate) fn mode(attrs: &Map<String, Json>) -> Result<Kind, ApiError> {
    match attrs.get("mode") {
        None | Some(Json::Null) => Ok(Kind::Switch),
        Some(value) if value == "switch" => Ok(Kind::Switch),
        Some(value) if value == "hub" => Ok(Kind::Hub),
        Some(value) => Err(invalid("mode", value, "must be hub or switch")),
    }
}

/// Any text was a name; ours are host names, so the text is kept beside where it is none.
fn name(value: &Json, patch: &mut Map<String, Json>) -> Result<(), ApiError> {
    let text = value
        .as_str()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| invalid("name", value, "must be text"))?;
    let host = host_name(text);
    patch.insert(SHOWN_NAME.to_owned(), if host == text { Json::Null } else { value.clone() });
    patch.insert("name".to_owned(), Json::String(host));
    Ok(())
}

fn address(key: &str, value: &Json) -> Result<Option<IpAddr>, ApiError> {
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

fn fixed(key: &str) -> ApiError {
    let text = match key {
        "hostname" => "the host name is the element's name; set name".to_owned(),
        "rootpassword" => "elements have no passwords; reach in by execute".to_owned(),
        _ => format!("{key} cannot be chosen here; leave it out"),
    };
    ApiError::new(ErrorCode::UnsupportedAttribute, text).with(json!({"attribute": key}))
}

#[cfg(test)]
mod tests;
