//! The objects of a topology as the backend keeps and shows them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::{ConnectionId, ElementId, InterfaceId, TopologyId};
use crate::kind::Kind;
use crate::lifecycle::State;
use crate::link::LinkParams;
use crate::recording::Recording;
use crate::role::Role;
use crate::switching::{PortVlan, SpanningTree};

/// A topology without its elements and connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Topology {
    /// Its id.
    pub id: TopologyId,
    /// Its name, unique for nobody; the CLI accepts it where it is unambiguous.
    pub name: String,
    /// Counts changes of this object.
    pub revision: u64,
    /// Seed of every random draw on its connections.
    pub seed: u64,
    /// Role of each account.
    pub roles: BTreeMap<String, Role>,
    /// When it is stopped by itself, unless somebody renews it; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Timeout>,
    /// Data of clients, keys begin with `_`; stored unchecked.
    #[serde(default)]
    pub client: BTreeMap<String, serde_json::Value>,
}

/// The end of a topology that nobody renews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Timeout {
    /// When it is stopped, microseconds since the Unix epoch.
    pub at: u64,
    /// What was done about it.
    pub step: TimeoutStep,
}

/// Steps on the way to the end, in their order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TimeoutStep {
    /// New, not yet renewed: ends without a warning.
    Initial,
    /// Renewed, time is left.
    Renewed,
    /// Its managers were warned.
    Warned,
    /// Stopped.
    Stopped,
    /// Destroyed.
    Destroyed,
}

/// An element of a topology.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Element {
    /// Its id.
    pub id: ElementId,
    /// The topology it belongs to.
    pub topology: TopologyId,
    /// Its name, unique in the topology; also the host name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Type name it was created with (the old API's names live on); the kind's name by default.
    pub type_name: String,
    /// Counts changes of this object.
    pub revision: u64,
    /// What the user asked for last.
    pub wanted: State,
    /// Counts the starts asked for; a host starts the element once for each.
    pub start_count: u64,
    /// What a host reported last.
    pub state: State,
    /// What went wrong last, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What a host says about it that nothing has failed of: memory or disk at their limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// What it starts from (containers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Its resources (containers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Next hop for everything not routed otherwise (containers), at most one of each family.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<IpAddr>,
    /// Static routes (containers).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Whether it forwards packets between its interfaces (containers).
    #[serde(default)]
    pub forwarding: bool,
    /// Files written before each start, by absolute path (containers).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// Seconds after which a silent MAC address is forgotten (switches).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ageing_s: Option<u32>,
    /// Its part in the spanning tree (switches); none: it passes what others say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stp: Option<SpanningTree>,
    /// Attachment points, in order of creation.
    pub interfaces: Vec<Interface>,
    /// Data of clients, keys begin with `_`; stored unchecked.
    #[serde(default)]
    pub client: BTreeMap<String, serde_json::Value>,
}

/// A static route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Destination network, for example `10.1.0.0/16`.
    pub to: String,
    /// Next hop.
    pub via: IpAddr,
}

/// An attachment point of an element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Interface {
    /// Its id.
    pub id: InterfaceId,
    /// Type name it was created with.
    pub type_name: String,
    /// Name inside the element, `eth0` and so on.
    pub name: String,
    /// Address of the card, lower-case with colons.
    pub mac: String,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// Static addresses with prefix length, for example `10.0.0.1/24`.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Whether the element asks for its address by DHCP.
    #[serde(default)]
    pub dhcp: bool,
    /// Its VLANs (interfaces of switches).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<PortVlan>,
    /// The connection it is joined by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionId>,
    /// Data of clients, keys begin with `_`.
    #[serde(default)]
    pub client: BTreeMap<String, JsonValue>,
}

/// JSON that can be compared.
pub type JsonValue = serde_json::Value;

/// A time in which frames did not pass although they should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Outage {
    /// When it began, in microseconds since the Unix epoch.
    pub began_us: u64,
    /// How long it lasted, in milliseconds.
    pub ms: u64,
    /// It may have been shorter: nobody saw it begin.
    pub at_most: bool,
}

impl std::fmt::Display for Outage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bound = if self.at_most { "at most " } else { "" };
        write!(f, "traffic stopped for {bound}{} ms", self.ms)
    }
}

/// A connection between two interfaces.
#[allow(clippy::struct_excessive_bools, reason = "four independent switches of a connection")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// The topology it belongs to.
    pub topology: TopologyId,
    /// Its name, unique in the topology, `a--b` of the elements' names by default.
    pub name: String,
    /// Counts changes of this object.
    pub revision: u64,
    /// The two ends; forward is from the first to the second.
    pub interfaces: [InterfaceId; 2],
    /// Whether the link parameters are applied; off is a plain wire at full speed.
    pub emulation: bool,
    /// Whether the cable is plugged in.
    pub connected: bool,
    /// From the first end to the second.
    pub forward: LinkParams,
    /// From the second end to the first.
    pub backward: LinkParams,
    /// Whether frames are being captured.
    pub capturing: bool,
    /// What is recorded then.
    #[serde(default)]
    pub recording: Recording,
    /// Whether it passes frames now: both ends run and the wire has attached them.
    pub started: bool,
    /// When its traffic stopped last although nobody asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage: Option<Outage>,
    /// Data of clients, keys begin with `_`.
    #[serde(default)]
    pub client: BTreeMap<String, serde_json::Value>,
}
