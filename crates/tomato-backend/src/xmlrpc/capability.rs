//! What types of elements and connections can do, in the original's shape.
//!
//! Invariant: states and actions are those of the model's kind table; here are the original's names and units of attributes.

use serde_json::{Map, Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::kind::Kind;
use tomato_model::lifecycle::{Action, State};
use tomato_model::original::names::{self, Meaning};

const NOT_RUNNING: &[State] = &[State::Created, State::Prepared];
const ANY: &[State] = &[State::Created, State::Prepared, State::Started];
/// States of connections.
const CONNECTION: &[State] = &[State::Created, State::Started];

/// Types of connections.
const CONNECTIONS: [&str; 2] = ["bridge", "fixed_bridge"];

/// The whole tree.
pub(crate) fn all() -> Json {
    let elements: Map<String, Json> =
        names::types().filter_map(|name| Some((name.to_owned(), element(name).ok()?))).collect();
    let connections: Map<String, Json> = CONNECTIONS
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), connection(name).ok()?)))
        .collect();
    json!({"element": elements, "connection": connections})
}

/// Whether elements of this type can be prepared and started.
pub(crate) fn is_offered_element(name: &str) -> bool {
    match names::meaning(name, true) {
        Ok(Meaning::Element(kind)) => kind.is_offered(),
        Ok(Meaning::SwitchOrHub) => true,
        Ok(Meaning::Interface(_)) | Err(_) => false,
    }
}

/// A type of elements.
pub(crate) fn element(name: &str) -> Result<Json, ApiError> {
    let meaning = names::meaning(name, true)
        .or_else(|_| names::meaning(name, false))
        .map_err(|_unknown| unsupported(name))?;
    Ok(match meaning {
        Meaning::Element(kind) => of_kind(name, kind),
        Meaning::SwitchOrHub => of_kind(name, Kind::Switch),
        Meaning::Interface(parents) => of_interface(name, parents),
    })
}

/// A type of connections.
pub(crate) fn connection(name: &str) -> Result<Json, ApiError> {
    let attributes = match name {
        "bridge" => link_attributes(),
        "fixed_bridge" => Map::new(),
        _ => return Err(unsupported(name)),
    };
    let mut actions = Map::new();
    if name == "bridge" {
        let params =
            json!({"limitSize": {"types": ["int"], "null": true, "description": "newest bytes"}});
        actions.insert(
            "download_grant".to_owned(),
            action("download what was captured", &params, CONNECTION, None),
        );
    }
    actions.insert("(remove)".to_owned(), action("remove", &json!({}), CONNECTION, None));
    Ok(json!({
        "actions": actions,
        "attributes": attributes,
        "states": CONNECTION,
        "default_state": State::Created,
    }))
}

fn unsupported(name: &str) -> ApiError {
    let text = format!("there is no type {name:?}: see capabilities");
    ApiError::new(ErrorCode::UnsupportedType, text).with(json!({"type": name}))
}

fn action(description: &str, params: &Json, states: &[State], change: Option<State>) -> Json {
    json!({
        "description": description,
        "param_schema": params,
        "allowed_states": states,
        "state_change": change,
    })
}

fn of_kind(name: &str, kind: Kind) -> Json {
    let mut actions = Map::new();
    if kind.is_offered() {
        for one in [Action::Prepare, Action::Start, Action::Stop, Action::Destroy] {
            let states: Vec<State> =
                ANY.iter().copied().filter(|state| one.target(*state).is_some()).collect();
            let word = format!("{one:?}").to_lowercase();
            let target = states.first().and_then(|state| one.target(*state));
            actions.insert(word.clone(), action(&word, &json!({}), &states, target));
        }
    }
    if kind == Kind::Container {
        actions.extend(container_actions());
    }
    let created = [State::Created];
    actions.insert("(remove)".to_owned(), action("remove", &json!({}), &created, None));
    let children: Map<String, Json> =
        names::children(name).map(|child| (child.to_owned(), json!(NOT_RUNNING))).collect();
    let connectable = names::is_self_connected(name);
    json!({
        "actions": actions,
        "attributes": element_attributes(name, kind),
        "states": if kind.is_offered() { ANY } else { &created[..] },
        "default_state": State::Created,
        "children": children,
        "parent": [null],
        "connectable": connectable,
    })
}

fn container_actions() -> impl Iterator<Item = (String, Json)> {
    let one = |name: &str| json!({name: {"types": ["string"], "null": false}});
    let running = &[State::Prepared, State::Started];
    [
        (
            "execute",
            action(
                "run a command by a shell and answer its output",
                &one("cmd"),
                &[State::Started],
                None,
            ),
        ),
        (
            "change_template",
            action("start from another template", &one("template"), NOT_RUNNING, None),
        ),
        ("rextfv_upload_grant", action("a grant to upload an archive", &json!({}), running, None)),
        (
            "rextfv_upload_use",
            action("unpack and run the uploaded archive", &json!({}), running, None),
        ),
        (
            "rextfv_download_grant",
            action("a grant to download the archive's directory", &json!({}), running, None),
        ),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
}

fn of_interface(name: &str, parents: &[&str]) -> Json {
    let mut attributes =
        Map::from_iter([attribute("name", "Name", text(), json!(null), NOT_RUNNING)]);
    if matches!(name, "openvz_interface" | "container_interface") {
        let address = json!({"types": ["string"], "null": true});
        attributes.extend([
            attribute("ip4address", "IPv4 address/prefix", address.clone(), json!(null), ANY),
            attribute("ip6address", "IPv6 address/prefix", address, json!(null), ANY),
            attribute("use_dhcp", "Use DHCP", boolean(), json!(false), ANY),
            attribute("mac", "Card address", text(), json!(null), NOT_RUNNING),
        ]);
    }
    for key in names::kept_attributes(name) {
        attributes.extend([attribute(key, key, anything(), json!(null), ANY)]);
    }
    json!({
        "actions": {"(remove)": action("remove", &json!({}), NOT_RUNNING, None)},
        "attributes": attributes,
        "states": ANY,
        "default_state": State::Created,
        "children": {},
        "parent": parents,
        "connectable": true,
    })
}

fn element_attributes(name: &str, kind: Kind) -> Map<String, Json> {
    let mut all = Map::from_iter([attribute("name", "Name", text(), json!(null), NOT_RUNNING)]);
    let optional = json!({"types": ["string"], "null": true});
    match kind {
        Kind::Container => all.extend([
            attribute("site", "Site", optional.clone(), json!(null), &[State::Created]),
            attribute("profile", "Performance profile", optional.clone(), json!(null), NOT_RUNNING),
            attribute("template", "Template", text(), json!(null), &[State::Created]),
            attribute("hostname", "Host name", text(), json!(null), &[]),
            attribute("gateway4", "IPv4 gateway", optional.clone(), json!(null), ANY),
            attribute("gateway6", "IPv6 gateway", optional, json!(null), ANY),
            attribute("rextfv_supported", "Archives", boolean(), json!(true), &[]),
            attribute("rextfv_max_size", "Largest archive", anything(), json!(null), &[]),
            attribute(
                "rextfv_run_status",
                "Status of the archive",
                anything(),
                json!({"readable": false}),
                &[],
            ),
        ]),
        Kind::Switch | Kind::Hub => {
            let schema = json!({"types": ["string"], "null": false, "options": ["hub", "switch"], "options_desc": {"hub": "repeats frames", "switch": "learns addresses"}});
            all.extend([attribute("mode", "Mode", schema, json!("switch"), &[])]);
        }
        Kind::Placeholder => {
            for key in names::kept_attributes(name) {
                all.extend([attribute(key, key, anything(), json!(null), &[State::Created])]);
            }
        }
    }
    all
}

fn link_attributes() -> Map<String, Json> {
    let mut all = Map::from_iter([
        attribute("emulation", "Link emulation", boolean(), json!(true), CONNECTION),
        attribute("capturing", "Packet capturing", boolean(), json!(false), CONNECTION),
        attribute(
            "capture_mode",
            "Capture mode",
            json!({"types": ["string"], "null": false, "options": ["file", "net"], "options_desc": {"file": "kept for download", "net": "sent to readers"}}),
            json!("file"),
            CONNECTION,
        ),
        attribute("capture_filter", "Packet filter expression", text(), json!(""), CONNECTION),
        attribute("capture_port", "Port of live captures", anything(), json!(null), &[]),
    ]);
    for (stem, label, unit, max, default) in [
        ("bandwidth", "Bandwidth", "kbit/s", Some(1_000_000.0), 10_000.0),
        ("delay", "Delay", "ms", None, 0.0),
        ("jitter", "Jitter", "ms", None, 0.0),
        ("lossratio", "Loss ratio", "%", Some(100.0), 0.0),
        ("duplicate", "Duplication ratio", "%", Some(100.0), 0.0),
        ("corrupt", "Corruption ratio", "%", Some(100.0), 0.0),
    ] {
        for direction in ["to", "from"] {
            let mut schema =
                json!({"types": ["float", "int"], "null": false, "min_value": 0, "unit": unit});
            if let Some(max) = max {
                schema["max_value"] = json!(max);
            }
            let name = format!("{stem}_{direction}");
            all.extend([attribute(&name, label, schema, json!(default), CONNECTION)]);
        }
    }
    for direction in ["to", "from"] {
        let schema = json!({"types": ["string"], "null": false, "options": ["uniform", "normal", "pareto", "paretonormal"]});
        let name = format!("distribution_{direction}");
        all.extend([attribute(
            &name,
            "Distribution of the jitter",
            schema,
            json!("uniform"),
            CONNECTION,
        )]);
    }
    all
}

/// An attribute; one that is writable in no state is read only.
#[allow(clippy::needless_pass_by_value, reason = "values are made where they are given")]
fn attribute(
    name: &str,
    label: &str,
    schema: Json,
    default: Json,
    writable: &[State],
) -> (String, Json) {
    let value = json!({
        "name": name,
        "label": label,
        "description": null,
        "default": default,
        "read_only": writable.is_empty(),
        "states_readable": ANY,
        "states_writable": writable,
        "value_schema": schema,
    });
    (name.to_owned(), value)
}

fn text() -> Json {
    json!({"types": ["string"], "null": false})
}

fn boolean() -> Json {
    json!({"types": ["bool"], "null": false})
}

fn anything() -> Json {
    json!({"types": [], "null": true})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_both_families_is_in_the_tree() {
        let tree = all();
        for name in names::types() {
            assert!(tree["element"][name]["attributes"]["name"].is_object(), "{name}");
        }
        let container = &tree["element"]["openvz"];
        assert_eq!(container["children"]["openvz_interface"], json!(["created", "prepared"]));
        assert_eq!(container["actions"]["execute"]["allowed_states"], json!(["started"]));
        assert_eq!(container["actions"]["start"]["state_change"], json!("started"));
        assert_eq!(
            tree["element"]["kvmqm"]["actions"],
            json!({"(remove)": action("remove", &json!({}), &[State::Created], None)})
        );
        assert_eq!(tree["element"]["udp_endpoint"]["connectable"], json!(true));
    }

    #[test]
    fn ranges_are_those_of_the_last_release_that_had_them_right() {
        let bridge = connection("bridge").expect("known");
        let schema = |name: &str| bridge["attributes"][name]["value_schema"].clone();
        assert_eq!(schema("lossratio_to")["max_value"], json!(100.0));
        assert_eq!(schema("lossratio_to")["unit"], json!("%"));
        assert_eq!(bridge["attributes"]["lossratio_from"]["default"], json!(0.0));
        assert_eq!(bridge["attributes"]["bandwidth_from"]["default"], json!(10_000.0));
        assert!(bridge["actions"]["download_grant"].is_object());
        assert_eq!(connection("fixed_bridge").expect("known")["attributes"], json!({}));
        assert_eq!(connection("rope").expect_err("unknown").code, ErrorCode::UnsupportedType);
        assert_eq!(element("toaster").expect_err("unknown").code, ErrorCode::UnsupportedType);
    }
}
