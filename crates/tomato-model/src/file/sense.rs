//! What a file says that can be read but cannot work, or is hardly meant.

use std::net::IpAddr;

use super::{Diagnostic, TopologyFile, Wrongs};
use crate::graph::Graph;
use crate::graph::parse_address;
use crate::limits::DIAGNOSTICS_MAX;
use crate::topology::Element;

/// Gateways that no interface of their element can reach, with the addresses that were chosen for it.
pub(super) fn wrong(file: &TopologyFile, graph: &Graph) -> Wrongs {
    let mut found = Wrongs::default();
    for element in &graph.elements {
        for gateway in element.gateways.iter().filter(|gateway| !reachable(element, gateway)) {
            let path = format!("elements.{}.gateways", element.name);
            let nets: Vec<&str> = element
                .interfaces
                .iter()
                .flat_map(|interface| interface.addresses.iter().map(String::as_str))
                .collect();
            let remedy = if nets.is_empty() {
                "give an interface an address in the gateway's network, or leave the gateway out"
                    .to_owned()
            } else {
                format!("name a neighbour within {}, or leave the gateway out", nets.join(", "))
            };
            let message = format!("{gateway} is in no network of {}", element.name);
            found.add(file.diagnostic(&path, message, remedy));
        }
    }
    found
}

fn reachable(element: &Element, gateway: &IpAddr) -> bool {
    let link_local = matches!(gateway, IpAddr::V6(address) if address.is_unicast_link_local());
    let unknown = element.interfaces.iter().any(|interface| interface.dhcp);
    let mut addresses = element.interfaces.iter().flat_map(|interface| &interface.addresses);
    link_local
        || unknown
        || addresses.any(|text| parse_address(text).is_some_and(|net| holds(net, *gateway)))
}

/// Whether the network of an address with prefix length holds another address.
fn holds((address, prefix): (IpAddr, u8), other: IpAddr) -> bool {
    let (differ, bits) = match (address, other) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(u32::from(a) ^ u32::from(b)), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b), 128),
        _ => return false,
    };
    differ.checked_shr(bits - u32::from(prefix)).unwrap_or(0) == 0
}

/// Interfaces with addresses that nothing is joined to.
pub(super) fn doubtful(file: &TopologyFile) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, element) in &file.elements {
        let ends = || file.connections.values().flat_map(|connection| &connection.between);
        // An end without an interface takes a free one, so how many are free is what counts.
        let by_element = ends().filter(|end| end.eq_ignore_ascii_case(name)).count();
        let free = element.interfaces.iter().filter(|(interface, _)| {
            !ends().any(|end| {
                end.split_once(':').is_some_and(|(owner, own)| {
                    owner.eq_ignore_ascii_case(name) && own == interface.as_str()
                })
            })
        });
        for (interface, declared) in free.skip(by_element) {
            if declared.addresses.as_ref().is_some_and(|addresses| !addresses.is_empty()) {
                let path = format!("elements.{name}.interfaces.{interface}");
                let message = "has an address and no connection".to_owned();
                let remedy = format!("join it, as in between: ['{name}:{interface}', ...]");
                found.push(file.diagnostic(&path, message, remedy));
            }
        }
    }
    found.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
    found.truncate(DIAGNOSTICS_MAX);
    found
}
