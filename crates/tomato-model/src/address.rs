//! Addresses for interfaces that were given none.
//!
//! Only interfaces of devices that are joined to something and do not ask by DHCP get one: `10.0.<segment>.<n>/24`, or the
//! smallest free host of the /24 network that the segment's first IPv4 address is in.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use crate::graph::{Graph, parse_address};
use crate::id::InterfaceId;

/// The three leading bytes of a /24 network.
type Net24 = [u8; 3];

fn net_of(address: Ipv4Addr) -> Net24 {
    let [a, b, c, _] = address.octets();
    [a, b, c]
}

/// Gives addresses to the interfaces that need one and returns those. Addresses that are there stay.
/// Does nothing for an interface whose segment is full or when all 256 networks of `10.0.0.0/16` are used.
pub fn fill(graph: &mut Graph) -> Vec<InterfaceId> {
    fill_where(graph, |_| true)
}

/// [`fill`] for those interfaces only for which `wanted` holds.
pub(crate) fn fill_where(
    graph: &mut Graph,
    wanted: impl Fn(&InterfaceId) -> bool,
) -> Vec<InterfaceId> {
    let mut filled = Vec::new();
    let mut used: BTreeSet<Ipv4Addr> = BTreeSet::new();
    for interface in graph.elements.iter().flat_map(|element| &element.interfaces) {
        used.extend(
            interface.addresses.iter().filter_map(|text| v4(text)).map(|(address, _)| address),
        );
    }
    let mut nets: BTreeSet<Net24> = used.iter().map(|address| net_of(*address)).collect();
    for segment in graph.segments() {
        let members: Vec<_> =
            segment.interfaces.iter().filter_map(|id| graph.interface(id)).collect();
        let needy: Vec<InterfaceId> = members
            .iter()
            .filter(|(element, i)| {
                element.kind.is_device() && i.addresses.is_empty() && !i.dhcp && wanted(&i.id)
            })
            .map(|(_, interface)| interface.id.clone())
            .collect();
        if needy.is_empty() {
            continue;
        }
        let present =
            members.iter().flat_map(|(_, i)| &i.addresses).filter_map(|text| v4(text)).next();
        let net = match present {
            Some((address, 24)) => net_of(address),
            Some(_) => continue,
            None => match free_net(segment.number, &nets) {
                Some(net) => net,
                None => continue,
            },
        };
        nets.insert(net);
        for id in needy {
            let [a, b, c] = net;
            let free = (1..=254)
                .map(|n| Ipv4Addr::new(a, b, c, n))
                .find(|address| !used.contains(address));
            if let (Some(address), Some(interface)) = (free, graph.interface_mut(&id)) {
                used.insert(address);
                interface.addresses.push(format!("{address}/24"));
                filled.push(id);
            }
        }
    }
    filled
}

fn v4(text: &str) -> Option<(Ipv4Addr, u8)> {
    match parse_address(text)? {
        (IpAddr::V4(address), prefix) => Some((address, prefix)),
        (IpAddr::V6(_), _) => None,
    }
}

/// The segment's own network if it is free, else the first free one.
fn free_net(segment: usize, nets: &BTreeSet<Net24>) -> Option<Net24> {
    let first = u8::try_from(segment % 256).unwrap_or(0);
    (0..=u8::MAX).map(|step| [10, 0, first.wrapping_add(step)]).find(|net| !nets.contains(net))
}

#[cfg(test)]
mod tests;
