//! From a graph to a topology file.

use super::{FileConnection, FileElement, FileInterface, TopologyFile};
use crate::graph::{Graph, mac_of};
use crate::id::InterfaceId;
use crate::limits::MTU_DEFAULT;
use crate::topology::{Element, Interface};

/// The file that describes a graph: what the user set, not what is observed.
pub fn export(graph: &Graph) -> TopologyFile {
    let mut file = TopologyFile::new(Some(graph.topology.name.clone()));
    file.seed = Some(graph.topology.seed);
    file.client.clone_from(&graph.topology.client);
    for element in &graph.elements {
        file.elements.insert(element.name.clone(), self::element(element));
    }
    for connection in &graph.connections {
        let between = connection.interfaces.each_ref().map(|id| end(graph, id));
        file.connections.insert(
            connection.name.clone(),
            FileConnection {
                between,
                emulation: connection.emulation,
                connected: connection.connected,
                capturing: connection.capturing,
                recording: connection.recording.clone(),
                forward: connection.forward.clone(),
                backward: connection.backward.clone(),
                client: connection.client.clone(),
            },
        );
    }
    file
}

fn element(element: &Element) -> FileElement {
    let interfaces = element.interfaces.iter().filter(|i| !implied(element, i));
    FileElement {
        kind: element.kind,
        type_name: Some(element.type_name.clone()).filter(|name| name != element.kind.name()),
        template: element.template.clone(),
        profile: element.profile.clone(),
        gateways: element.gateways.clone(),
        routes: element.routes.clone(),
        forwarding: element.forwarding,
        ageing_s: element.ageing_s,
        stp: element.stp,
        files: element.files.clone(),
        interfaces: interfaces.map(|i| (i.name.clone(), interface(element, i))).collect(),
        client: element.client.clone(),
    }
}

/// Whether the interface of a connector says nothing beyond being joined. A free interface beside it would be
/// taken for it when read, so then all are named.
fn implied(element: &Element, interface: &Interface) -> bool {
    !element.kind.is_device()
        && element.interfaces.iter().all(|interface| interface.connection.is_some())
        && self::interface(element, interface) == FileInterface::default()
}

fn interface(element: &Element, interface: &Interface) -> FileInterface {
    let automatic = interface.addresses.is_empty() && (interface.dhcp || !element.kind.is_device());
    FileInterface {
        type_name: Some(interface.type_name.clone()).filter(|name| name != "interface"),
        addresses: (!automatic).then(|| interface.addresses.clone()),
        mac: Some(interface.mac.clone()).filter(|mac| *mac != mac_of(&interface.id)),
        mtu: Some(interface.mtu).filter(|mtu| *mtu != MTU_DEFAULT),
        dhcp: interface.dhcp,
        vlan: interface.vlan.clone(),
        client: interface.client.clone(),
    }
}

fn end(graph: &Graph, id: &InterfaceId) -> String {
    match graph.interface(id) {
        Some((element, interface)) if implied(element, interface) => element.name.clone(),
        Some((element, interface)) => format!("{}:{}", element.name, interface.name),
        None => id.to_string(),
    }
}
