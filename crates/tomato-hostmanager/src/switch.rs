//! What a running switch or hub says, in the user's words.

use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::WantedElement;
use tomato_api::switch::{KnownAddress, SwitchPort, SwitchView, TreeView};
use tomato_model::id::ElementId;
use tomato_wire::status::{BridgePortStatus, BridgeView, StpState};

use crate::error::of_host;
use crate::host::Host;
use crate::wire::WireFault;

impl Host {
    /// What a switch or hub knows and counted.
    ///
    /// # Errors
    /// It is not here, does not run, or the wire does not answer.
    pub(crate) async fn switch(&self, id: &ElementId) -> Result<SwitchView, ApiError> {
        let topology = self.topology_of(id).await?;
        let wanted = topology.wanted();
        let element = wanted.elements.iter().find(|element| element.id == *id).cloned();
        let missing = || ApiError::new(ErrorCode::EntityDoesNotExist, format!("no element {id}"));
        let element = element.ok_or_else(missing)?;
        match self.parts.wire.bridge(topology.id.as_str(), id.as_str()).await {
            Ok(view) => Ok(translated(&element, &view)),
            Err(WireFault::Refused(_)) => {
                let message = format!("{} does not run; start it first", element.name);
                Err(ApiError::new(ErrorCode::InvalidState, message))
            }
            Err(fault) => Err(of_host("ask the switch", &fault)),
        }
    }
}

/// With names of interfaces in place of the wire's keys.
fn translated(element: &WantedElement, view: &BridgeView) -> SwitchView {
    let name = |key: &str| {
        let found = element.interfaces.iter().find(|interface| interface.id.as_str() == key);
        found.map_or_else(|| key.to_owned(), |interface| interface.name.clone())
    };
    let table = view.table.iter().map(|entry| KnownAddress {
        mac: entry.mac.map(|byte| format!("{byte:02x}")).join(":"),
        vlan: Some(entry.vlan).filter(|vlan| *vlan != 0),
        interface: name(&entry.port),
        age_ms: entry.age_ns / 1_000_000,
    });
    SwitchView {
        table: table.collect(),
        interfaces: view.ports.iter().map(|(key, port)| (name(key), counted(port))).collect(),
        moves: view.status.moves,
        looping: view.status.looping,
        tree: view.tree.map(|tree| TreeView {
            id: format!("{:016x}", tree.id),
            root: format!("{:016x}", tree.root),
        }),
    }
}

fn counted(port: &BridgePortStatus) -> SwitchPort {
    let state = port.state.map(|state| match state {
        StpState::Disabled => "disabled",
        StpState::Blocking => "blocking",
        StpState::Listening => "listening",
        StpState::Learning => "learning",
        StpState::Forwarding => "forwarding",
    });
    SwitchPort {
        received: port.received,
        received_bytes: port.received_bytes,
        sent: port.sent,
        sent_bytes: port.sent_bytes,
        filtered: port.filtered,
        blocked: port.blocked,
        state: state.map(str::to_owned),
    }
}
