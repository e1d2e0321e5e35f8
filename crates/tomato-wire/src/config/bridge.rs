//! What a switch or hub is told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, check_key, range};
use crate::limits;

/// One switch or hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BridgeConfig {
    /// How frames are forwarded.
    pub mode: BridgeMode,
    /// How long a learned address is believed, in seconds.
    #[serde(default = "default_ageing_s")]
    pub ageing_s: u32,
    /// VLANs of its ports, by name of the port. With any, the switch knows VLANs and ports without are access ports of
    /// VLAN 1; with none, tags mean nothing to it.
    #[serde(default)]
    pub vlans: BTreeMap<String, PortVlan>,
    /// Speaks the spanning tree protocol; none: it passes what others say.
    #[serde(default)]
    pub stp: Option<StpConfig>,
}

/// How a bridge forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BridgeMode {
    /// Learns addresses; floods what it does not know.
    Switch,
    /// Floods everything.
    Hub,
}

/// Which VLANs a port of a switch carries (IEEE 802.1Q).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PortVlan {
    /// Untagged frames of one VLAN; frames with another tag are dropped.
    Access(u16),
    /// Tagged frames.
    Trunk {
        /// From and to, both included; empty: all.
        allowed: Vec<(u16, u16)>,
        /// The VLAN of untagged frames; none: they are dropped.
        native: Option<u16>,
    },
    /// Frames of one VLAN, whose tags are the customer's and stay inside (802.1ad, QinQ).
    Tunnel(u16),
}

/// How a switch takes part in the spanning tree (IEEE 802.1D-1998).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StpConfig {
    /// The bridge of the lowest priority is the root.
    pub priority: u16,
    /// Address that tells bridges of one priority apart.
    pub address: [u8; 6],
    /// Time between hellos of the root, in seconds.
    pub hello_s: u8,
    /// Time a port listens and learns before it forwards, each, in seconds.
    pub forward_delay_s: u8,
    /// Time after which what was heard is not believed any more, in seconds.
    pub max_age_s: u8,
}

impl BridgeConfig {
    /// A switch or hub that knows neither VLANs nor spanning tree.
    #[must_use]
    pub fn plain(mode: BridgeMode) -> Self {
        Self { mode, ageing_s: default_ageing_s(), vlans: BTreeMap::new(), stp: None }
    }

    pub(super) fn check(&self, field: &str) -> Result<(), ConfigError> {
        let age = u64::from(self.ageing_s);
        range(|| format!("{field}.ageing_s"), age, 1, limits::MAX_AGEING_S.into())?;
        for (port, vlan) in &self.vlans {
            let field = format!("{field}.vlans.{port}");
            check_key(|| field.clone(), port)?;
            vlan.check(&field)?;
        }
        self.stp.map_or(Ok(()), |stp| stp.check(&format!("{field}.stp")))
    }
}

impl PortVlan {
    fn check(&self, field: &str) -> Result<(), ConfigError> {
        let id = |id: u16| range(|| field.to_owned(), id.into(), 1, limits::MAX_VLAN.into());
        match self {
            PortVlan::Access(vlan) | PortVlan::Tunnel(vlan) => id(*vlan),
            PortVlan::Trunk { allowed, native } => {
                let count = u64::try_from(allowed.len()).unwrap_or(u64::MAX);
                range(|| format!("{field}.allowed"), count, 0, limits::MAX_VLAN_RANGES)?;
                for (from, to) in allowed {
                    id(*from)?;
                    let max = limits::MAX_VLAN.into();
                    range(|| format!("{field}.allowed"), (*to).into(), (*from).into(), max)?;
                }
                native.map_or(Ok(()), id)
            }
        }
    }

    /// Whether frames of a VLAN pass.
    #[must_use]
    pub fn carries(&self, vlan: u16) -> bool {
        match self {
            PortVlan::Access(own) | PortVlan::Tunnel(own) => *own == vlan,
            PortVlan::Trunk { allowed, native } => {
                *native == Some(vlan)
                    || allowed.is_empty()
                    || allowed.iter().any(|(from, to)| (*from..=*to).contains(&vlan))
            }
        }
    }
}

impl StpConfig {
    /// Bounds and relation of 802.1D-1998, 8.10.2.
    fn check(&self, field: &str) -> Result<(), ConfigError> {
        let named = |name: &str| format!("{field}.{name}");
        range(|| named("hello_s"), self.hello_s.into(), 1, 10)?;
        range(|| named("forward_delay_s"), self.forward_delay_s.into(), 2, 30)?;
        let most = (u64::from(self.forward_delay_s) - 1) * 2;
        let least = (u64::from(self.hello_s) + 1) * 2;
        range(|| named("max_age_s"), self.max_age_s.into(), least.max(4), most.min(40))
    }
}

fn default_ageing_s() -> u32 {
    300
}
