//! What a switch or hub knows and counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A running switch or hub.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SwitchView {
    /// The addresses it knows, by VLAN and address.
    pub table: Vec<KnownAddress>,
    /// Its interfaces by name.
    pub interfaces: BTreeMap<String, SwitchPort>,
    /// Times that an address was seen at another interface than before.
    pub moves: u64,
    /// So many of them in the last second that frames must run in a loop.
    pub looping: bool,
    /// Present if it speaks the spanning tree protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<TreeView>,
}

/// An address that a switch knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KnownAddress {
    /// The address, lower-case with colons.
    pub mac: String,
    /// Its VLAN; none on a switch that knows no VLANs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// The interface it was seen at.
    pub interface: String,
    /// How long ago, in milliseconds.
    pub age_ms: u64,
}

/// Counters of one interface of a switch or hub, in frames as they are on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SwitchPort {
    /// Frames that came in.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Frames that went out.
    pub sent: u64,
    /// Their bytes, as they came in.
    pub sent_bytes: u64,
    /// Frames that came in and are of no VLAN of the interface.
    pub filtered: u64,
    /// Frames that came in while the spanning tree kept it from forwarding.
    pub blocked: u64,
    /// What the spanning tree has it do: `disabled`, `blocking`, `listening`, `learning` or `forwarding`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// A switch's view of the spanning tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TreeView {
    /// Its own id: priority and address in hexadecimal.
    pub id: String,
    /// The root's id.
    pub root: String,
}
