//! What a host shall run, made from a topology's graph. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use tomato_api::host::{
    WantedConnection, WantedContainer, WantedElement, WantedInterface, WantedTopology,
};
use tomato_api::request::Profile;
use tomato_model::graph::Graph;
use tomato_model::id::InterfaceId;
use tomato_model::kind::Kind;
use tomato_model::lifecycle::State;
use tomato_model::limits::AGEING_S_DEFAULT;
use tomato_model::topology::{Element, Interface};

/// An element names a profile that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("profile of element {element}: there is no profile {profile:?}; give it another one")]
pub(crate) struct UnknownProfile {
    /// The element's name.
    pub(crate) element: String,
    /// The profile's.
    pub(crate) profile: String,
}

/// Everything of `graph` that a host shall hold.
pub(crate) fn wanted(
    graph: &Graph,
    generation: u64,
    profiles: &BTreeMap<String, Profile>,
) -> Result<WantedTopology, UnknownProfile> {
    let elements: Vec<&Element> =
        graph.elements.iter().filter(|e| e.wanted >= State::Prepared).collect();
    let present: BTreeSet<&InterfaceId> =
        elements.iter().flat_map(|e| e.interfaces.iter().map(|i| &i.id)).collect();
    let connections = graph
        .connections
        .iter()
        .filter(|c| c.interfaces.iter().all(|end| present.contains(end)))
        .map(|c| WantedConnection {
            id: c.id.clone(),
            interfaces: c.interfaces.clone(),
            emulation: c.emulation,
            connected: c.connected,
            forward: c.forward.clone(),
            backward: c.backward.clone(),
            capturing: c.capturing,
            recording: c.recording.clone(),
        })
        .collect();
    let elements = elements.into_iter().map(|e| element(e, profiles));
    Ok(WantedTopology {
        id: graph.topology.id.clone(),
        generation,
        seed: graph.topology.seed,
        elements: elements.collect::<Result<_, _>>()?,
        connections,
        host_names: host_names(graph),
    })
}

fn element(
    element: &Element,
    profiles: &BTreeMap<String, Profile>,
) -> Result<WantedElement, UnknownProfile> {
    let is_container = element.kind == Kind::Container;
    Ok(WantedElement {
        id: element.id.clone(),
        name: element.name.clone(),
        kind: element.kind,
        state: element.wanted,
        start_count: element.start_count,
        interfaces: element.interfaces.iter().map(interface).collect(),
        container: is_container.then(|| container(element, profiles)).transpose()?,
        ageing_s: element.ageing_s.unwrap_or(AGEING_S_DEFAULT),
        stp: element.stp,
    })
}

fn interface(interface: &Interface) -> WantedInterface {
    WantedInterface {
        id: interface.id.clone(),
        name: interface.name.clone(),
        mac: interface.mac.clone(),
        mtu: interface.mtu,
        addresses: interface.addresses.clone(),
        dhcp: interface.dhcp,
        vlan: interface.vlan.clone(),
    }
}

/// The profile of a container.
pub(crate) fn profile<'a>(
    element: &Element,
    profiles: &'a BTreeMap<String, Profile>,
) -> Result<&'a Profile, UnknownProfile> {
    let name = element.profile.as_deref().unwrap_or(crate::app::profile::DEFAULT_PROFILE);
    profiles
        .get(name)
        .ok_or_else(|| UnknownProfile { element: element.name.clone(), profile: name.to_owned() })
}

fn container(
    element: &Element,
    profiles: &BTreeMap<String, Profile>,
) -> Result<WantedContainer, UnknownProfile> {
    let profile = profile(element, profiles)?;
    Ok(WantedContainer {
        template: element
            .template
            .clone()
            .unwrap_or_else(|| crate::app::element::DEFAULT_TEMPLATE.to_owned()),
        cpu_milli: profile.cpu_milli,
        memory_bytes: profile.memory_bytes,
        disk_bytes: profile.disk_bytes,
        pids_max: profile.pids_max,
        gateways: element.gateways.clone(),
        routes: element.routes.clone(),
        forwarding: element.forwarding,
        files: element.files.clone(),
    })
}

/// Names of all containers with their static addresses.
fn host_names(graph: &Graph) -> BTreeMap<String, Vec<IpAddr>> {
    let containers = graph.elements.iter().filter(|e| e.kind == Kind::Container);
    containers
        .map(|e| {
            let texts = e.interfaces.iter().flat_map(|i| &i.addresses);
            let addresses = texts.filter_map(|text| text.split('/').next()?.parse().ok()).collect();
            (e.name.clone(), addresses)
        })
        .collect()
}
