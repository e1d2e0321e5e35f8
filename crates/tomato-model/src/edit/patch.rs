//! What can be changed of each object: unnamed values keep theirs, unknown keys are refused unless they begin with `_`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::kind::Kind;
use crate::link::LinkPatch;
use crate::recording::RecordingPatch;
use crate::switching::{PortVlan, SpanningTree};
use crate::topology::{JsonValue, Route};

/// Data of clients: keys that begin with `_`. In a patch, JSON `null` removes the key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
#[schemars(extend("patternProperties" = {"^_": true}))]
pub struct ClientData(pub BTreeMap<String, JsonValue>);

impl<'de> Deserialize<'de> for ClientData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = ClientData;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("keys that begin with _")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ClientData, A::Error> {
                let mut data = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    if !key.starts_with('_') {
                        return Err(A::Error::custom(format!(
                            "unknown attribute {key:?}; begin keys of your own with _"
                        )));
                    }
                    data.insert(key, map.next_value()?);
                }
                Ok(ClientData(data))
            }
        }

        deserializer.deserialize_map(Keys)
    }
}

impl ClientData {
    /// Writes the keys into an object's data.
    pub fn apply(&self, client: &mut BTreeMap<String, JsonValue>) {
        for (key, value) in &self.0 {
            if value.is_null() {
                client.remove(key);
            } else {
                client.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Changes to a topology.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct TopologyPatch {
    /// New name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Client data.
    #[serde(flatten)]
    pub client: ClientData,
}

/// Changes to an element.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct ElementPatch {
    /// New name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// New profile; JSON `null` means the default again.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::link::some")]
    pub profile: Option<Option<String>>,
    /// New gateways, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateways: Option<Vec<IpAddr>>,
    /// New routes, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<Route>>,
    /// Forward packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarding: Option<bool>,
    /// New files, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<BTreeMap<String, String>>,
    /// New ageing time in seconds; JSON `null` means the default again.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::link::some")]
    pub ageing_s: Option<Option<u32>>,
    /// New part in the spanning tree; JSON `null` means none.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::link::some")]
    pub stp: Option<Option<SpanningTree>>,
    /// Client data.
    #[serde(flatten)]
    pub client: ClientData,
}

/// A new element.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NewElement {
    /// What it is.
    pub kind: Kind,
    /// Type name to answer it under, the kind's by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// Its attributes; without a name it gets one.
    #[serde(flatten)]
    pub set: ElementPatch,
}

/// Changes to an interface.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct InterfacePatch {
    /// New name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New card address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// New largest packet in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// New addresses, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<String>>,
    /// Ask by DHCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dhcp: Option<bool>,
    /// New VLANs of a switch's interface; JSON `null` means none.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::link::some")]
    pub vlan: Option<Option<PortVlan>>,
    /// Client data.
    #[serde(flatten)]
    pub client: ClientData,
}

/// Changes to a connection.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct ConnectionPatch {
    /// New name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Apply the link parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emulation: Option<bool>,
    /// Plug the cable in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
    /// Record frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capturing: Option<bool>,
    /// What is recorded then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<RecordingPatch>,
    /// From the first end to the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<LinkPatch>,
    /// From the second end to the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backward: Option<LinkPatch>,
    /// Client data.
    #[serde(flatten)]
    pub client: ClientData,
}
