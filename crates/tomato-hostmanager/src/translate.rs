//! From what is wanted to what containers and the wire are told. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::{WantedConnection, WantedElement, WantedInterface, WantedTopology};
use tomato_model::id::{ElementId, InterfaceId};
use tomato_model::kind::Kind;
use tomato_model::lifecycle::State;
use tomato_model::link;
use tomato_virt::container::{
    Cidr, ContainerSpec, InterfaceNet, InterfaceSpec, NetworkSpec, Route,
};
use tomato_wire::config::{
    BridgeConfig, BridgeMode, CaptureConfig, Distribution, End, LinkConfig, LinkParams, PortConfig,
    PortKind, Ratio, TopologyConfig,
};

use crate::ledger::PinnedTemplate;
use crate::limits::{CAPTURE_FILE_BYTES, CAPTURE_FILES, CAPTURE_SNAPLEN};

fn invalid(message: String) -> ApiError {
    ApiError::new(ErrorCode::InvalidValue, message)
}

/// The container of an element.
///
/// # Errors
/// If the element has no container part.
pub fn container_spec(
    element: &WantedElement,
    template: &PinnedTemplate,
) -> Result<ContainerSpec, ApiError> {
    let Some(container) = &element.container else {
        return Err(invalid(format!("element {} has no container part", element.name)));
    };
    Ok(ContainerSpec {
        id: element.id.clone(),
        hostname: element.name.clone(),
        rootfs: template.rootfs.clone(),
        cpus_milli: container.cpu_milli,
        memory_bytes: container.memory_bytes,
        disk_bytes: container.disk_bytes,
        pids_max: container.pids_max,
        boot: template.boot.clone(),
    })
}

/// The card of an interface.
///
/// # Errors
/// If its address is none.
pub fn interface_spec(interface: &WantedInterface) -> Result<InterfaceSpec, ApiError> {
    let mac = parse_mac(interface)?;
    Ok(InterfaceSpec { name: interface.name.clone(), mac, mtu: interface.mtu })
}

fn parse_mac(interface: &WantedInterface) -> Result<[u8; 6], ApiError> {
    let wrong = || {
        invalid(format!(
            "mac {:?} of {} is not six hex bytes like 02:00:00:00:00:01",
            interface.mac, interface.name
        ))
    };
    let mut mac = [0; 6];
    let mut parts = interface.mac.split(':');
    for byte in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2).ok_or_else(wrong)?;
        *byte = u8::from_str_radix(part, 16).ok().ok_or_else(wrong)?;
    }
    if parts.next().is_some() { Err(wrong()) } else { Ok(mac) }
}

/// The network of a container.
///
/// # Errors
/// If an address, route or card cannot be read.
pub fn network_spec(
    element: &WantedElement,
    hosts: &BTreeMap<String, Vec<IpAddr>>,
) -> Result<NetworkSpec, ApiError> {
    let cidr = |text: &String| text.parse::<Cidr>().map_err(|e| invalid(e.to_string()));
    let mut interfaces = Vec::new();
    for interface in &element.interfaces {
        interfaces.push(InterfaceNet {
            name: interface.name.clone(),
            addresses: interface.addresses.iter().map(cidr).collect::<Result<_, _>>()?,
            dhcp: interface.dhcp,
            up: true,
            mac: parse_mac(interface)?,
            mtu: interface.mtu,
        });
    }
    let mut spec = NetworkSpec {
        interfaces,
        hosts: hosts.clone(),
        hostname: element.name.clone(),
        ..NetworkSpec::default()
    };
    if let Some(container) = &element.container {
        for route in &container.routes {
            spec.routes.push(Route { dest: cidr(&route.to)?, via: Some(route.via), dev: None });
        }
        spec.gateway4 = container.gateways.iter().find(|a| a.is_ipv4()).copied();
        spec.gateway6 = container.gateways.iter().find(|a| a.is_ipv6()).copied();
        spec.forwarding = container.forwarding;
    }
    Ok(spec)
}

/// The wire's part: ports of the containers in `running`, switches and hubs wanted started, and the links between them.
pub fn wire_config(
    wanted: &WantedTopology,
    running: &BTreeSet<ElementId>,
    captures: &Path,
) -> TopologyConfig {
    let mut config = TopologyConfig { seed: wanted.seed, ..TopologyConfig::default() };
    let mut ends: BTreeMap<&InterfaceId, (End, String)> = BTreeMap::new();
    for element in &wanted.elements {
        let mode = match element.kind {
            Kind::Container | Kind::Placeholder => None,
            Kind::Switch => Some(BridgeMode::Switch),
            Kind::Hub => Some(BridgeMode::Hub),
        };
        if element.state != State::Started || (mode.is_none() && !running.contains(&element.id)) {
            continue;
        }
        if let Some(mode) = mode {
            let bridge = BridgeConfig { mode, ageing_s: element.ageing_s.max(1) };
            config.bridges.insert(element.id.to_string(), bridge);
        }
        for interface in &element.interfaces {
            let key = interface.id.to_string();
            let end = if mode.is_some() {
                End::Bridge { bridge: element.id.to_string(), port: key }
            } else {
                config.ports.insert(key.clone(), PortConfig { kind: PortKind::Tap });
                End::Port(key)
            };
            let name = format!("{}:{}", element.name, interface.name);
            ends.insert(&interface.id, (end, name));
        }
    }
    for connection in &wanted.connections {
        let [a, b] = &connection.interfaces;
        if let (Some(a), Some(b)) = (ends.get(a), ends.get(b)) {
            let names = [a.1.clone(), b.1.clone()];
            let link = link_config(connection, [a.0.clone(), b.0.clone()], names, captures);
            config.links.insert(connection.id.to_string(), link);
        }
    }
    config
}

fn link_config(
    connection: &WantedConnection,
    ends: [End; 2],
    names: [String; 2],
    captures: &Path,
) -> LinkConfig {
    let capture = connection.capturing.then(|| CaptureConfig {
        dir: captures.join(connection.id.as_str()),
        file_bytes: CAPTURE_FILE_BYTES,
        files: CAPTURE_FILES,
        snaplen: CAPTURE_SNAPLEN,
        names: Some(names),
    });
    LinkConfig {
        ends,
        forward: direction(&connection.forward),
        backward: direction(&connection.backward),
        emulate: connection.emulation,
        connected: connection.connected,
        capture,
    }
}

fn direction(params: &link::LinkParams) -> LinkParams {
    LinkParams {
        bandwidth_bit_s: params.bandwidth.map(|b| b.0),
        delay_ns: params.delay.0,
        jitter_ns: params.jitter.0,
        distribution: match params.distribution {
            link::Distribution::Uniform => Distribution::Uniform,
            link::Distribution::Normal => Distribution::Normal,
            link::Distribution::Pareto => Distribution::Pareto,
            link::Distribution::Paretonormal => Distribution::Paretonormal,
        },
        loss: Ratio(params.loss.0),
        duplicate: Ratio(params.duplicate.0),
        corrupt: Ratio(params.corrupt.0),
        queue_bytes: params.queue.map(|b| b.0),
    }
}
