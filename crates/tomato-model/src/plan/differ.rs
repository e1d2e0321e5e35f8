//! What a plan changes, in words: old and new values.

use std::collections::BTreeSet;

use crate::topology::{Connection, Element, Interface, JsonValue};

/// What differs between two elements: `profile tiny > small`, or only the name of what is too long to be told.
pub(super) fn elements(old: &Element, new: &Element) -> Vec<String> {
    let mut found = Vec::new();
    let mut told = |name: &str, old: String, new: String| {
        if old != new {
            found.push(format!("{name} {old} > {new}"));
        }
    };
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    told("name", old.name.clone(), new.name.clone());
    told("type", old.type_name.clone(), new.type_name.clone());
    told("template", text(&old.template), text(&new.template));
    told("profile", text(&old.profile), text(&new.profile));
    told("gateways", list(&old.gateways), list(&new.gateways));
    let via = |route: &crate::topology::Route| format!("{} via {}", route.to, route.via);
    let routes = |element: &Element| list(&element.routes.iter().map(via).collect::<Vec<_>>());
    told("routes", routes(old), routes(new));
    told("forwarding", on_off(old.forwarding), on_off(new.forwarding));
    let seconds = |value: Option<u32>| value.map_or_else(|| "usual".to_owned(), |s| s.to_string());
    told("ageing_s", seconds(old.ageing_s), seconds(new.ageing_s));
    told("stp", word(old.stp.as_ref()), word(new.stp.as_ref()));
    if old.files != new.files {
        found.push("files".to_owned());
    }
    if old.client != new.client {
        found.push("client data".to_owned());
    }
    found
}

/// What differs between two interfaces.
pub(super) fn interfaces(old: &Interface, new: &Interface) -> Vec<String> {
    let all = [
        ("addresses", list(&old.addresses), list(&new.addresses)),
        ("mac", old.mac.clone(), new.mac.clone()),
        ("mtu", old.mtu.to_string(), new.mtu.to_string()),
        ("dhcp", on_off(old.dhcp), on_off(new.dhcp)),
        ("vlan", word(old.vlan.as_ref()), word(new.vlan.as_ref())),
    ];
    let differing = all.into_iter().filter(|(_, old, new)| old != new);
    let mut found: Vec<String> =
        differing.map(|(name, old, new)| format!("{name} {old} > {new}")).collect();
    if old.client != new.client {
        found.push("client data".to_owned());
    }
    found
}

/// What differs between two connections: `forward delay 20ms > 40ms`.
pub(super) fn connections(old: &Connection, new: &Connection) -> Vec<String> {
    let mut found = Vec::new();
    let switches = [
        ("emulation", old.emulation, new.emulation),
        ("connected", old.connected, new.connected),
        ("capturing", old.capturing, new.capturing),
    ];
    for (name, old, new) in switches {
        if old != new {
            found.push(format!("{name} {} > {}", on_off(old), on_off(new)));
        }
    }
    if old.recording != new.recording {
        found.extend(fields("recording", &old.recording, &new.recording));
    }
    let both = old.forward == old.backward && new.forward == new.backward;
    if both {
        found.extend(fields("both", &old.forward, &new.forward));
    } else {
        found.extend(fields("forward", &old.forward, &new.forward));
        found.extend(fields("backward", &old.backward, &new.backward));
    }
    if old.name != new.name {
        found.push(format!("name {} > {}", old.name, new.name));
    }
    if old.client != new.client {
        found.push("client data".to_owned());
    }
    found
}

/// The fields of a part that differ.
fn fields<T: serde::Serialize>(part: &str, old: &T, new: &T) -> Vec<String> {
    let fields = |value: &T| match serde_json::to_value(value) {
        Ok(JsonValue::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (old, new) = (fields(old), fields(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let told = |value: Option<&JsonValue>| match value {
        None => "none".to_owned(),
        Some(JsonValue::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| format!("{part} {name} {} > {}", told(old.get(name)), told(new.get(name))))
        .collect()
}

fn word(value: Option<&impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), ToString::to_string)
}

fn on_off(value: bool) -> String {
    if value { "on" } else { "off" }.to_owned()
}

fn list(values: &[impl ToString]) -> String {
    if values.is_empty() {
        return "none".to_owned();
    }
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
