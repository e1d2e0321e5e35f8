//! Kinds of elements and what each of them can do. Adding a kind is one line in [`Kind`] and one entry in its table.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::lifecycle::{Action, State};
use crate::limits;

/// What the user asks for when placing an element.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A Linux container with its own network stack, started from a template.
    Container,
    /// Forwards frames by learned MAC address.
    Switch,
    /// Repeats each frame on every other interface.
    Hub,
    /// Stands for an element of a kind that this version does not offer, under that kind's type name.
    Placeholder,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Kind; 4] = [Kind::Container, Kind::Switch, Kind::Hub, Kind::Placeholder];

    /// The name used in files, API and UI.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Container => "container",
            Kind::Switch => "switch",
            Kind::Hub => "hub",
            Kind::Placeholder => "placeholder",
        }
    }

    /// Whether elements of this kind run software (a device) rather than only forward frames (a connector).
    pub fn is_device(self) -> bool {
        match self {
            Kind::Container => true,
            Kind::Switch | Kind::Hub | Kind::Placeholder => false,
        }
    }

    /// Whether elements of this kind can be prepared and started.
    pub fn is_offered(self) -> bool {
        self != Kind::Placeholder
    }
}

/// The type of an attribute's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// Yes or no.
    Boolean,
    /// A list of IP addresses.
    AddressList,
    /// A list of `{to, via}`.
    RouteList,
    /// Text by absolute path.
    FileMap,
    /// A list of IP addresses with prefix length.
    NetworkList,
    /// The VLANs of a switch's interface, as [`PortVlan`](crate::switching::PortVlan) is written.
    Vlan,
    /// A part in the spanning tree, as [`SpanningTree`](crate::switching::SpanningTree) is written.
    SpanningTree,
}

/// An attribute of a kind.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct AttributeInfo {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// The type of its values.
    #[serde(rename = "type")]
    pub value: ValueType,
    /// The unit of numbers.
    pub unit: Option<&'static str>,
    /// Smallest number.
    pub min: Option<u64>,
    /// Largest number.
    pub max: Option<u64>,
    /// The value of a new element; none where one must be given.
    pub default: Option<serde_json::Value>,
    /// States of the element in which it can be changed.
    pub writable: Vec<State>,
}

/// An action of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ActionInfo {
    /// What can be asked.
    pub action: Action,
    /// States in which it is allowed.
    pub states: Vec<State>,
}

/// Everything that a client needs to know about a kind.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct KindInfo {
    /// The kind.
    pub kind: Kind,
    /// What it is.
    pub doc: &'static str,
    /// Whether it runs software.
    pub device: bool,
    /// Its attributes.
    pub attributes: Vec<AttributeInfo>,
    /// The attributes of its interfaces.
    pub interface_attributes: Vec<AttributeInfo>,
    /// What can be asked of it.
    pub actions: Vec<ActionInfo>,
    /// Types of its children.
    pub children: Vec<&'static str>,
}

/// States in which nothing runs that would have to notice.
const NOT_RUNNING: &[State] = &[State::Created, State::Prepared];
/// Every state.
const ANY: &[State] = &[State::Created, State::Prepared, State::Started];

fn attribute(
    name: &'static str,
    doc: &'static str,
    value: ValueType,
    default: serde_json::Value,
    writable: &[State],
) -> AttributeInfo {
    let default = Some(default);
    AttributeInfo {
        name,
        doc,
        value,
        unit: None,
        min: None,
        max: None,
        default,
        writable: writable.to_vec(),
    }
}

impl Kind {
    /// The attributes of elements of this kind.
    pub fn attributes(self) -> Vec<AttributeInfo> {
        use serde_json::json;
        let name = attribute(
            "name",
            "Name, unique in the topology; also the host name",
            ValueType::Text,
            json!(null),
            NOT_RUNNING,
        );
        let mut all = vec![name];
        match self {
            Kind::Container => {
                let template = attribute(
                    "template",
                    "What it starts from; another one makes it anew, without its disk",
                    ValueType::Text,
                    json!(null),
                    ANY,
                );
                all.push(AttributeInfo { default: None, ..template });
                all.push(attribute(
                    "profile",
                    "Its resources; changed as it runs",
                    ValueType::Text,
                    json!(null),
                    ANY,
                ));
                all.push(attribute(
                    "gateways",
                    "Next hops for everything not routed otherwise",
                    ValueType::AddressList,
                    json!([]),
                    ANY,
                ));
                all.push(attribute(
                    "routes",
                    "Static routes",
                    ValueType::RouteList,
                    json!([]),
                    ANY,
                ));
                all.push(attribute(
                    "forwarding",
                    "Whether it forwards packets between its interfaces",
                    ValueType::Boolean,
                    json!(false),
                    ANY,
                ));
                all.push(attribute(
                    "files",
                    "Files written before each start",
                    ValueType::FileMap,
                    json!({}),
                    ANY,
                ));
            }
            Kind::Switch => {
                let ageing = attribute(
                    "ageing_s",
                    "Time after which a silent address is forgotten",
                    ValueType::Integer,
                    json!(limits::AGEING_S_DEFAULT),
                    ANY,
                );
                let max = Some(u64::from(limits::AGEING_S_MAX));
                all.push(AttributeInfo { unit: Some("s"), min: Some(1), max, ..ageing });
                let doc = "Its part in the spanning tree: on, on priority=4096 forward_delay=4s";
                all.push(attribute("stp", doc, ValueType::SpanningTree, json!(null), ANY));
            }
            Kind::Hub | Kind::Placeholder => {}
        }
        all
    }

    /// The attributes of interfaces of elements of this kind, those that do something there.
    pub fn interface_attributes(self) -> Vec<AttributeInfo> {
        use ValueType::{Boolean, Integer, NetworkList, Text, Vlan};
        use serde_json::json;
        let doc = "Name inside the element: a small letter, then small letters and digits";
        let mut all = vec![attribute("name", doc, Text, json!(null), NOT_RUNNING)];
        if self.is_device() {
            let doc = "Static addresses with prefix length";
            all.push(attribute("addresses", doc, NetworkList, json!([]), ANY));
            let doc = "Whether it asks for its address by DHCP";
            all.push(attribute("dhcp", doc, Boolean, json!(false), ANY));
            let doc = "Address of the card, like 02:00:00:00:00:01";
            all.push(attribute("mac", doc, Text, json!(null), ANY));
            let (min, max) = (Some(limits::MTU_MIN.into()), Some(limits::MTU_MAX.into()));
            let default = json!(limits::MTU_DEFAULT);
            let mtu = attribute("mtu", "Largest packet", Integer, default, ANY);
            all.push(AttributeInfo { unit: Some("B"), min, max, ..mtu });
        }
        if self == Kind::Switch {
            let doc = "Its VLANs: 10, trunk, trunk 10,20-30 native 1, tunnel 100";
            all.push(attribute("vlan", doc, Vlan, json!(null), ANY));
        }
        all
    }

    /// Whether elements of this kind have an attribute of that name.
    pub fn has_attribute(self, name: &str) -> bool {
        self.attributes().iter().any(|attribute| attribute.name == name)
    }

    /// The states in which an attribute can be changed; empty if there is none of that name.
    pub fn writable(self, name: &str) -> Vec<State> {
        self.attributes()
            .into_iter()
            .find(|a| a.name == name)
            .map(|a| a.writable)
            .unwrap_or_default()
    }
}

/// Every kind with its attributes, actions and children.
pub fn kind_table() -> Vec<KindInfo> {
    let actions = [Action::Prepare, Action::Start, Action::Stop, Action::Destroy];
    let info = |kind: Kind| KindInfo {
        kind,
        doc: match kind {
            Kind::Container => "a Linux container with its own network stack",
            Kind::Switch => "forwards frames by learned address",
            Kind::Hub => "repeats each frame on every other interface",
            Kind::Placeholder => "keeps an element of a kind that this version does not offer",
        },
        device: kind.is_device(),
        attributes: kind.attributes(),
        interface_attributes: kind.interface_attributes(),
        actions: actions
            .into_iter()
            .filter(|_| kind.is_offered())
            .map(|action| ActionInfo {
                action,
                states: ANY
                    .iter()
                    .copied()
                    .filter(|state| action.target(*state).is_some())
                    .collect(),
            })
            .collect(),
        children: vec!["interface"],
    };
    Kind::ALL.into_iter().map(info).collect()
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
