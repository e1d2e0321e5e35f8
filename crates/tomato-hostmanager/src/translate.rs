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
use tomato_model::recording::CapturePoint;
use tomato_model::switching;
use tomato_model::units::Span;
use tomato_virt::container::{
    Cidr, ContainerSpec, InterfaceNet, InterfaceSpec, NetworkSpec, Route,
};
use tomato_wire::config::{
    BridgeConfig, BridgeMode, CaptureConfig, Discipline, Distribution, DrawKey, End, LinkConfig,
    LinkParams, LossModel, PastConfig, Point, PortConfig, PortKind, PortVlan, Ratio, Rule, Step,
    StpConfig, Timeline, TopologyConfig,
};

use crate::ledger::PinnedTemplate;

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
        main: template.main.clone(),
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
            config.bridges.insert(element.id.to_string(), bridge(element, mode));
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

fn bridge(element: &WantedElement, mode: BridgeMode) -> BridgeConfig {
    let vlan = |interface: &WantedInterface| {
        let vlan = match interface.vlan.clone()? {
            switching::PortVlan::Access(vlan) => PortVlan::Access(vlan),
            switching::PortVlan::Trunk { allowed, native } => PortVlan::Trunk { allowed, native },
            switching::PortVlan::Tunnel(vlan) => PortVlan::Tunnel(vlan),
        };
        Some((interface.id.to_string(), vlan))
    };
    let seconds = |span: Span| u8::try_from(span.0 / 1_000_000_000).unwrap_or(u8::MAX);
    BridgeConfig {
        mode,
        ageing_s: element.ageing_s.max(1),
        vlans: element.interfaces.iter().filter_map(vlan).collect(),
        stp: element.stp.map(|stp| StpConfig {
            priority: stp.priority,
            address: bridge_address(&element.id),
            hello_s: seconds(stp.hello),
            forward_delay_s: seconds(stp.forward_delay),
            max_age_s: seconds(stp.max_age),
        }),
    }
}

/// A locally administered address out of the end of an element's id, which no other element shares.
fn bridge_address(id: &ElementId) -> [u8; 6] {
    let digits = u64::from_str_radix(&id.as_str()[id.as_str().len() - 10..], 16).unwrap_or(0);
    let [_, _, _, b, c, d, e, f] = digits.to_be_bytes();
    [0x02, b, c, d, e, f]
}

fn link_config(
    connection: &WantedConnection,
    ends: [End; 2],
    names: [String; 2],
    captures: &Path,
) -> LinkConfig {
    let draw_key = Some(names.join(" "));
    let points = || connection.recording.points.iter().map(|point| self::point(*point)).collect();
    let past = age_s(connection.recording.past).map(|age_s| PastConfig {
        age_s,
        bytes: connection.recording.past_size.0,
        snaplen: connection.recording.snaplen,
        points: points(),
        names: Some(names.clone()),
    });
    let capture = connection.capturing.then(|| CaptureConfig {
        dir: captures.join(connection.id.as_str()),
        file_bytes: connection.recording.file_size.0,
        files: connection.recording.files,
        snaplen: connection.recording.snaplen,
        points: points(),
        lost: connection.recording.lost,
        age_s: age_s(connection.recording.age),
        names: Some(names),
    });
    LinkConfig {
        ends,
        forward: direction(&connection.forward),
        backward: direction(&connection.backward),
        draw_key,
        emulate: connection.emulation,
        connected: connection.connected,
        capture,
        past,
    }
}

fn point(point: CapturePoint) -> Point {
    match point {
        CapturePoint::ForwardIn => Point::ForwardIn,
        CapturePoint::ForwardOut => Point::ForwardOut,
        CapturePoint::BackwardIn => Point::BackwardIn,
        CapturePoint::BackwardOut => Point::BackwardOut,
    }
}

/// Whole seconds; none of no age.
fn age_s(age: Span) -> Option<u32> {
    let seconds = age.0 / 1_000_000_000;
    (seconds > 0).then(|| u32::try_from(seconds).unwrap_or(u32::MAX))
}

fn direction(params: &link::LinkParams) -> LinkParams {
    LinkParams {
        bandwidth_bit_s: params.bandwidth.map(|b| b.0),
        framing_bytes: params
            .framing
            .and_then(|framing| u32::try_from(framing.0).ok())
            .unwrap_or_else(|| LinkParams::default().framing_bytes),
        burst_bytes: params.burst.0,
        delay_ns: params.delay.0,
        jitter_ns: params.jitter.0,
        distribution: match params.distribution {
            link::Distribution::Uniform => Distribution::Uniform,
            link::Distribution::Normal => Distribution::Normal,
            link::Distribution::Pareto => Distribution::Pareto,
            link::Distribution::Paretonormal => Distribution::Paretonormal,
        },
        jitter_table: params.jitter_table.clone(),
        jitter_correlation: Ratio(params.jitter_correlation.0),
        jitter_reorders: params.jitter_reorders,
        reorder: Ratio(params.reorder.0),
        loss: Ratio(params.loss.0),
        loss_correlation: Ratio(params.loss_correlation.0),
        loss_model: params.loss_model.as_ref().map(loss_model),
        duplicate: Ratio(params.duplicate.0),
        corrupt: Ratio(params.corrupt.0),
        bit_error: Ratio(params.bit_error.0),
        queue_bytes: params.queue.map(|b| b.0),
        queue_packets: params.queue_packets,
        queue_ns: params.queue_time.map(|t| t.0),
        discipline: discipline(params.discipline),
        ecn: params.ecn,
        mtu: params.mtu,
        draws: match params.draws {
            link::DrawKey::Ordinal => DrawKey::Ordinal,
            link::DrawKey::Content => DrawKey::Content,
        },
        down: params.down,
        timeline: timeline(params),
        rules: params.rules.iter().map(rule).collect(),
    }
}

fn rule(rule: &link::Rule) -> Rule {
    let ratio = |ratio: Option<tomato_model::units::Ratio>| ratio.map(|ratio| Ratio(ratio.0));
    Rule {
        filter: rule.filter.clone(),
        delay_ns: rule.delay.map(|span| span.0),
        jitter_ns: rule.jitter.map(|span| span.0),
        reorder: ratio(rule.reorder),
        loss: ratio(rule.loss),
        loss_correlation: ratio(rule.loss_correlation),
        loss_model: rule.loss_model.as_ref().map(loss_model),
        duplicate: ratio(rule.duplicate),
        corrupt: ratio(rule.corrupt),
        bit_error: ratio(rule.bit_error),
    }
}

fn loss_model(model: &link::LossModel) -> LossModel {
    let ratio = |ratio: &tomato_model::units::Ratio| Ratio(ratio.0);
    match model {
        link::LossModel::GilbertElliott { to_bad, to_good, loss_good, loss_bad } => {
            LossModel::GilbertElliott {
                to_bad: ratio(to_bad),
                to_good: ratio(to_good),
                loss_good: ratio(loss_good),
                loss_bad: ratio(loss_bad),
            }
        }
        link::LossModel::Markov { p13, p31, p32, p23, p14 } => LossModel::Markov {
            p13: ratio(p13),
            p31: ratio(p31),
            p32: ratio(p32),
            p23: ratio(p23),
            p14: ratio(p14),
        },
        link::LossModel::Every(n) => LossModel::Every(*n),
        link::LossModel::Trace(trace) => LossModel::Trace(trace.clone()),
    }
}

fn discipline(discipline: link::Discipline) -> Discipline {
    match discipline {
        link::Discipline::DropTail => Discipline::DropTail,
        link::Discipline::Red { min, max, probability } => Discipline::Red {
            min_bytes: min.map(|b| b.0),
            max_bytes: max.map(|b| b.0),
            probability: Ratio(probability.0),
        },
        link::Discipline::Codel { target, interval } => {
            Discipline::Codel { target_ns: target.0, interval_ns: interval.0 }
        }
        link::Discipline::FqCodel { target, interval, flows, quantum } => Discipline::FqCodel {
            target_ns: target.0,
            interval_ns: interval.0,
            flows,
            quantum_bytes: u32::try_from(quantum.0).unwrap_or(u32::MAX),
        },
        link::Discipline::Pie { target, update } => {
            Discipline::Pie { target_ns: target.0, update_ns: update.0 }
        }
    }
}

/// The curve of the timeline; a wrong one was refused when it was set.
fn timeline(params: &link::LinkParams) -> Option<Timeline> {
    let link::Curve { points, repeat } = params.curve()?.ok()?;
    let step = |point: &link::Point| Step {
        at_ns: point.at.0,
        bandwidth_bit_s: point.bandwidth.map(|b| b.0),
        delay_ns: point.delay.map(|t| t.0),
        jitter_ns: point.jitter.map(|t| t.0),
        loss: point.loss.map(|r| Ratio(r.0)),
        duplicate: point.duplicate.map(|r| Ratio(r.0)),
        corrupt: point.corrupt.map(|r| Ratio(r.0)),
        down: point.down,
    };
    let steps = points.iter().map(step).collect();
    Some(Timeline { steps, repeat_ns: repeat.map(|t| t.0) })
}

#[cfg(test)]
mod tests;
