//! What must hold in a graph, object by object.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Graph;
use crate::id::InterfaceId;
use crate::kind::Kind;
use crate::limits;
use crate::name;
use crate::topology::{Connection, Element, Interface, JsonValue};

/// One thing that is wrong with a topology.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema, thiserror::Error)]
#[error("{path}: {message}; {remedy}")]
pub struct ModelError {
    /// Where, for example `elements.alice.interfaces.eth0.mtu`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl ModelError {
    pub(crate) fn new(path: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { path: path.to_owned(), message: message.into(), remedy: remedy.into() }
    }
}

/// Reads `address/prefix`.
pub(crate) fn parse_address(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    if prefix.is_empty() || !prefix.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let prefix: u8 = prefix.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    (prefix <= longest).then_some((address, prefix))
}

/// Reads a network, whose host bits must be zero.
fn parse_network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = parse_address(text)?;
    let zero = match address {
        IpAddr::V4(v4) => u32::from(v4).checked_shl(u32::from(prefix)).unwrap_or(0) == 0,
        IpAddr::V6(v6) => u128::from(v6).checked_shl(u32::from(prefix)).unwrap_or(0) == 0,
    };
    zero.then_some((address, prefix))
}

/// Whether `text` is a unicast card address, lower-case with colons.
fn is_mac(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let hex = |p: &&str| p.len() == 2 && p.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    parts.len() == 6
        && parts.iter().all(hex)
        && text != "00:00:00:00:00:00"
        && u8::from_str_radix(parts[0], 16).is_ok_and(|first| first & 1 == 0)
}

pub(super) fn all(graph: &Graph) -> Vec<ModelError> {
    let mut errors = Vec::new();
    if !name::is_topology_name(&graph.topology.name) {
        let remedy = format!("use 1 to {} printable characters", limits::TOPOLOGY_NAME_MAX);
        errors.push(ModelError::new("name", "is empty, too long or not printable", remedy));
    }
    let counts = [
        ("elements", graph.elements.len(), limits::ELEMENTS_MAX),
        ("connections", graph.connections.len(), limits::CONNECTIONS_MAX),
    ];
    for (path, count, most) in counts {
        if count > most {
            errors.push(ModelError::new(
                path,
                format!("has {count} entries"),
                format!("use at most {most}"),
            ));
        }
    }
    check_client("", &graph.topology.client, &mut errors);
    let mut names = BTreeSet::new();
    for element in &graph.elements {
        let path = format!("elements.{}", element.name);
        if !names.insert(element.name.to_ascii_lowercase()) {
            errors.push(ModelError::new(
                &path,
                "the name is used twice",
                "give each element its own name",
            ));
        }
        check_element(&path, element, &mut errors);
    }
    check_ends(graph, &mut errors);
    check_duplicates(graph, &mut errors);
    errors
}

/// What is wrong in `graph` that was not in `before`. Connections that were changed in themselves only are all there is to look at;
/// after any other edit it is everything.
pub(super) fn after(graph: &Graph, before: &Graph) -> Vec<ModelError> {
    let stays = |(new, old): (&Connection, &Connection)| {
        (&new.id, &new.name, &new.interfaces) == (&old.id, &old.name, &old.interfaces)
    };
    let is_joined_alike = graph.connections.len() == before.connections.len()
        && std::iter::zip(&graph.connections, &before.connections).all(stays);
    if !is_joined_alike
        || !graph.elements.shares_all(&before.elements)
        || graph.topology != before.topology
    {
        return all(graph);
    }
    let mut errors = Vec::new();
    for (at, connection) in graph.connections.iter().enumerate() {
        if !graph.connections.shares(&before.connections, at) {
            check_connection(&format!("connections.{}", connection.name), connection, &mut errors);
        }
    }
    errors
}

/// Checks an element with its interfaces.
pub(crate) fn check_element(path: &str, element: &Element, errors: &mut Vec<ModelError>) {
    if !name::is_element_name(&element.name) {
        let message = format!("{:?} is not a host name", element.name);
        errors.push(ModelError::new(
            path,
            message,
            "use 1 to 63 letters, digits and inner hyphens",
        ));
    }
    check_kind(path, element, errors);
    for (i, gateway) in element.gateways.iter().enumerate() {
        if element.gateways[..i].iter().any(|other| other.is_ipv4() == gateway.is_ipv4()) {
            let message = format!("{gateway} is a second gateway of its family");
            errors.push(ModelError::new(
                &format!("{path}.gateways"),
                message,
                "keep one for IPv4 and one for IPv6",
            ));
        }
    }
    if element.routes.len() > limits::ROUTES_MAX {
        let remedy = format!("use at most {}", limits::ROUTES_MAX);
        errors.push(ModelError::new(&format!("{path}.routes"), "has too many entries", remedy));
    }
    for route in &element.routes {
        let at = format!("{path}.routes");
        match parse_network(&route.to) {
            None => {
                let message = format!("{:?} is not a network", route.to);
                errors.push(ModelError::new(
                    &at,
                    message,
                    "write it like 10.1.0.0/16, host bits zero",
                ));
            }
            Some((to, _)) if to.is_ipv4() != route.via.is_ipv4() => {
                let message = format!("{} and {} are of different families", route.to, route.via);
                errors.push(ModelError::new(&at, message, "name a next hop of the same family"));
            }
            Some(_) => {}
        }
    }
    check_files(path, element, errors);
    check_client(path, &element.client, errors);
    if element.interfaces.len() > limits::INTERFACES_MAX {
        let remedy = format!("use at most {}", limits::INTERFACES_MAX);
        errors.push(ModelError::new(&format!("{path}.interfaces"), "has too many entries", remedy));
    }
    let mut names = BTreeSet::new();
    for interface in &element.interfaces {
        let at = format!("{path}.interfaces.{}", interface.name);
        if !names.insert(&interface.name) {
            errors.push(ModelError::new(
                &at,
                "the name is used twice",
                "give each interface its own name",
            ));
        }
        check_interface(&at, element.kind, interface, errors);
    }
}

fn check_kind(path: &str, element: &Element, errors: &mut Vec<ModelError>) {
    let set = [
        ("template", element.template.is_some()),
        ("profile", element.profile.is_some()),
        ("gateways", !element.gateways.is_empty()),
        ("routes", !element.routes.is_empty()),
        ("forwarding", element.forwarding),
        ("files", !element.files.is_empty()),
        ("ageing_s", element.ageing_s.is_some()),
        ("stp", element.stp.is_some()),
    ];
    for (attribute, is_set) in set {
        if is_set && !element.kind.has_attribute(attribute) {
            let message = format!("a {} has no {attribute}", element.kind);
            errors.push(ModelError::new(&format!("{path}.{attribute}"), message, "leave it out"));
        }
    }
    if element.kind == Kind::Container && element.template.as_deref().is_none_or(str::is_empty) {
        errors.push(ModelError::new(
            &format!("{path}.template"),
            "a container needs a template",
            "name one, for example debian-12",
        ));
    }
    if let Some(ageing) = element.ageing_s
        && !(1..=limits::AGEING_S_MAX).contains(&ageing)
    {
        let remedy = format!("use 1 to {} seconds", limits::AGEING_S_MAX);
        errors.push(ModelError::new(
            &format!("{path}.ageing_s"),
            format!("{ageing} is out of range"),
            remedy,
        ));
    }
}

fn check_files(path: &str, element: &Element, errors: &mut Vec<ModelError>) {
    let bytes: usize = element.files.values().map(String::len).sum();
    if element.files.len() > limits::FILES_MAX || bytes > limits::FILES_BYTES_MAX {
        let remedy = format!(
            "use at most {} files of {} bytes in all",
            limits::FILES_MAX,
            limits::FILES_BYTES_MAX
        );
        errors.push(ModelError::new(&format!("{path}.files"), "is too large", remedy));
    }
    for file in element.files.keys() {
        let clean = file.starts_with('/')
            && file.len() <= limits::PATH_BYTES_MAX
            && !file.contains('\0')
            && file[1..].split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if !clean {
            let message = format!("{file:?} is not an absolute path of a file");
            errors.push(ModelError::new(
                &format!("{path}.files"),
                message,
                "write it like /etc/motd, without . and ..",
            ));
        }
    }
}

/// Checks an interface by itself.
fn check_interface(path: &str, kind: Kind, interface: &Interface, errors: &mut Vec<ModelError>) {
    if !name::is_interface_name(&interface.name) {
        let message = format!("{:?} is not an interface name", interface.name);
        errors.push(ModelError::new(
            path,
            message,
            "use a small letter, then up to 14 small letters and digits, not lo",
        ));
    }
    if !is_mac(&interface.mac) {
        let message = format!("{:?} is not a unicast card address", interface.mac);
        errors.push(ModelError::new(
            &format!("{path}.mac"),
            message,
            "write it like 02:00:00:00:00:01",
        ));
    }
    if !(limits::MTU_MIN..=limits::MTU_MAX).contains(&interface.mtu) {
        let remedy = format!("use {} to {} bytes", limits::MTU_MIN, limits::MTU_MAX);
        errors.push(ModelError::new(
            &format!("{path}.mtu"),
            format!("{} is out of range", interface.mtu),
            remedy,
        ));
    }
    let at = format!("{path}.addresses");
    if !kind.is_device() && (!interface.addresses.is_empty() || interface.dhcp) {
        let message = format!("a {kind} has no addresses");
        errors.push(ModelError::new(&at, message, "give addresses to the devices joined by it"));
    }
    if kind != Kind::Switch && interface.vlan.is_some() {
        let message = format!("an interface of a {kind} has no VLANs");
        let remedy = "set them at the switch, or make an interface like eth0.10 inside the element";
        errors.push(ModelError::new(&format!("{path}.vlan"), message, remedy));
    }
    if interface.addresses.len() > limits::ADDRESSES_MAX {
        let remedy = format!("use at most {}", limits::ADDRESSES_MAX);
        errors.push(ModelError::new(&at, "has too many entries", remedy));
    }
    for address in &interface.addresses {
        if parse_address(address).is_none() {
            let message = format!("{address:?} is not an address with prefix length");
            errors.push(ModelError::new(&at, message, "write it like 10.0.0.1/24"));
        }
    }
    check_client(path, &interface.client, errors);
}

/// Checks a connection by itself.
pub(crate) fn check_connection(path: &str, connection: &Connection, errors: &mut Vec<ModelError>) {
    if !name::is_connection_name(&connection.name) {
        let message = format!("{:?} is not a connection name", connection.name);
        errors.push(ModelError::new(
            path,
            message,
            "use letters, digits, hyphens, dots and underscores",
        ));
    }
    for (direction, params) in
        [("forward", &connection.forward), ("backward", &connection.backward)]
    {
        for (name, message, remedy) in params.problems() {
            let at = format!("{path}.{direction}.{name}");
            errors.push(ModelError::new(&at, message, remedy));
        }
    }
    for (name, message, remedy) in connection.recording.problems() {
        errors.push(ModelError::new(&format!("{path}.recording.{name}"), message, remedy));
    }
    check_client(path, &connection.client, errors);
}

fn check_client(path: &str, client: &BTreeMap<String, JsonValue>, errors: &mut Vec<ModelError>) {
    let dot = if path.is_empty() { "" } else { "." };
    for key in client.keys().filter(|key| !key.starts_with('_')) {
        errors.push(ModelError::new(
            &format!("{path}{dot}{key}"),
            "is unknown",
            "begin keys of your own with _",
        ));
    }
    let bytes: usize = client.iter().map(|(key, value)| key.len() + value.to_string().len()).sum();
    if client.len() > limits::CLIENT_KEYS_MAX || bytes > limits::CLIENT_BYTES_MAX {
        let remedy = format!(
            "use at most {} keys and {} bytes",
            limits::CLIENT_KEYS_MAX,
            limits::CLIENT_BYTES_MAX
        );
        errors.push(ModelError::new(&format!("{path}{dot}_"), "client data is too large", remedy));
    }
}

fn check_ends(graph: &Graph, errors: &mut Vec<ModelError>) {
    let known: BTreeMap<&InterfaceId, _> =
        graph.elements.iter().flat_map(|e| &e.interfaces).map(|i| (&i.id, &i.connection)).collect();
    let mut names = BTreeSet::new();
    let mut used = BTreeSet::new();
    for connection in &graph.connections {
        let path = format!("connections.{}", connection.name);
        if !names.insert(connection.name.to_ascii_lowercase()) {
            errors.push(ModelError::new(
                &path,
                "the name is used twice",
                "give each connection its own name",
            ));
        }
        check_connection(&path, connection, errors);
        for end in &connection.interfaces {
            match known.get(end) {
                None => errors.push(ModelError::new(
                    &path,
                    format!("its end {end} does not exist"),
                    "remove the connection",
                )),
                Some(back) if back.as_ref() != Some(&connection.id) => {
                    errors.push(ModelError::new(
                        &path,
                        format!("its end {end} is joined otherwise"),
                        "connect it again",
                    ));
                }
                Some(_) => {}
            }
            if !used.insert(end) {
                let remedy = "give each connection its own interfaces, or put a switch between";
                errors.push(ModelError::new(
                    &path,
                    format!("its end {end} has another connection"),
                    remedy,
                ));
            }
        }
    }
}

fn check_duplicates(graph: &Graph, errors: &mut Vec<ModelError>) {
    let mut macs: BTreeMap<&str, String> = BTreeMap::new();
    let by_id: BTreeMap<&InterfaceId, (&Element, &Interface)> = graph
        .elements
        .iter()
        .flat_map(|e| e.interfaces.iter().map(move |i| (&i.id, (e, i))))
        .collect();
    for segment in graph.segments() {
        let mut addresses: BTreeMap<IpAddr, String> = BTreeMap::new();
        for (element, interface) in segment.interfaces.iter().filter_map(|id| by_id.get(id)) {
            let who = format!("{}:{}", element.name, interface.name);
            let path = format!("elements.{}.interfaces.{}", element.name, interface.name);
            for (address, _) in interface.addresses.iter().filter_map(|text| parse_address(text)) {
                if let Some(first) = addresses.insert(address, who.clone()) {
                    let message =
                        format!("{address} is the address of {first} in the same segment");
                    errors.push(ModelError::new(
                        &format!("{path}.addresses"),
                        message,
                        "give each its own",
                    ));
                }
            }
            if element.kind.is_device()
                && let Some(first) = macs.insert(&interface.mac, who)
            {
                let message = format!("{} is the card address of {first}", interface.mac);
                errors.push(ModelError::new(
                    &format!("{path}.mac"),
                    message,
                    "leave it out to get a unique one",
                ));
            }
        }
    }
}
