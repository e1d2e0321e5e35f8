//! What the wire is told: plain types, as they travel over the control socket.
//!
//! Keys are opaque ids given by the controller. A configuration is checked as a whole by
//! [`TopologyConfig::check`] before any of it is applied; an error names the field that breaks a bound.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::limits;

mod bridge;
mod link;
mod rule;
mod under_way;

pub use bridge::{BridgeConfig, BridgeMode, PortVlan, StpConfig};
pub(crate) use link::bytes_in;
pub use link::{Discipline, Distribution, DrawKey, LinkParams, LossModel, Ratio, Step, Timeline};
pub use rule::Rule;

use under_way::most_under_way;

#[cfg(test)]
mod tests;

/// Everything the wire does for one topology on this host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopologyConfig {
    /// Seed of every random draw in this topology.
    pub seed: u64,
    /// Attachment points whose descriptors are handed in.
    #[serde(default)]
    pub ports: BTreeMap<String, PortConfig>,
    /// Switches and hubs.
    #[serde(default)]
    pub bridges: BTreeMap<String, BridgeConfig>,
    /// Links between ports and bridges.
    #[serde(default)]
    pub links: BTreeMap<String, LinkConfig>,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortConfig {
    /// What kind of descriptor will be attached.
    pub kind: PortKind,
}

/// The kind of a port's descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortKind {
    /// A TAP opened with `IFF_TAP | IFF_NO_PI | IFF_VNET_HDR`.
    Tap,
    /// A connected unix socket, `SOCK_SEQPACKET` or `SOCK_DGRAM`, or a connected UDP socket: one frame per message.
    Socket,
    /// An `AF_PACKET` socket of type `SOCK_RAW`, bound to a device.
    Packet,
}

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum End {
    /// A port by its key.
    Port(String),
    /// A port of a bridge; bridge ports need no declaration of their own.
    Bridge {
        /// Key of the bridge.
        bridge: String,
        /// Name of the port, unique within the bridge.
        port: String,
    },
}

impl End {
    /// The name of the bridge's port; the key of another one.
    #[must_use]
    pub fn bridge_port(&self) -> &str {
        match self {
            End::Port(key) => key,
            End::Bridge { port, .. } => port,
        }
    }
}

/// One link with a behaviour per direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkConfig {
    /// The two ends.
    pub ends: [End; 2],
    /// Behaviour from `ends[0]` to `ends[1]`.
    #[serde(default)]
    pub forward: LinkParams,
    /// Behaviour from `ends[1]` to `ends[0]`.
    #[serde(default)]
    pub backward: LinkParams,
    /// What random draws depend on beside the seed: a name that the link has wherever the topology is started; its key
    /// by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw_key: Option<String>,
    /// False: a plain wire, the parameters are kept but not applied.
    pub emulate: bool,
    /// False: the cable is unplugged; frames on it are lost and counted.
    pub connected: bool,
    /// Record what passes.
    #[serde(default)]
    pub capture: Option<CaptureConfig>,
    /// Keep the last seconds of what passes, to be saved when something happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<PastConfig>,
}

impl LinkConfig {
    /// What the draws of the link of this key depend on.
    #[must_use]
    pub fn draws_by<'a>(&'a self, key: &'a str) -> &'a str {
        self.draw_key.as_deref().unwrap_or(key)
    }

    /// Names of the two ends in captures, if they are given.
    #[must_use]
    pub fn end_names(&self) -> Option<&[String; 2]> {
        let of_capture = self.capture.as_ref().and_then(|capture| capture.names.as_ref());
        of_capture.or_else(|| self.past.as_ref()?.names.as_ref())
    }
}

/// The last seconds of a link, kept in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastConfig {
    /// How long a record is kept, in seconds.
    pub age_s: u32,
    /// Most bytes of memory; the oldest records go first.
    pub bytes: u64,
    /// Most bytes kept of each frame.
    pub snaplen: u32,
    /// Where packets are recorded, beside those that are lost on the way.
    pub points: BTreeSet<Point>,
    /// Names of the two ends; the keys of the ends by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<[String; 2]>,
}

/// A bounded ring of pcapng files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptureConfig {
    /// Directory of the ring, of this capture alone; made if missing.
    pub dir: PathBuf,
    /// Most bytes of one file.
    pub file_bytes: u64,
    /// Most files; the oldest is removed first.
    pub files: u32,
    /// Most bytes recorded of each frame.
    pub snaplen: u32,
    /// Where packets are recorded.
    #[serde(default = "Point::out")]
    pub points: BTreeSet<Point>,
    /// Record packets that are lost on the way, with the cause.
    #[serde(default)]
    pub lost: bool,
    /// Files whose newest record is older than this, in seconds, are removed; none = only the number of files bounds
    /// the ring.
    #[serde(default)]
    pub age_s: Option<u32>,
    /// Names of the two ends in the capture; the keys of the ends by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<[String; 2]>,
}

/// A place where the packets of a link can be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// At `ends[0]`, as they come from it.
    ForwardIn,
    /// At `ends[1]`, as they go to it.
    ForwardOut,
    /// At `ends[1]`, as they come from it.
    BackwardIn,
    /// At `ends[0]`, as they go to it.
    BackwardOut,
}

impl Point {
    /// What is delivered at both ends.
    #[must_use]
    pub fn out() -> BTreeSet<Point> {
        [Point::ForwardOut, Point::BackwardOut].into()
    }
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A key is empty or too long.
    #[error("{field}: a key has 1 to {max} bytes, not {bytes}", max = limits::MAX_KEY_BYTES)]
    KeyLength {
        /// Where the key stands.
        field: String,
        /// Its length.
        bytes: usize,
    },
    /// A map has too many entries.
    #[error("{field}: at most {max} entries, not {count}; split the topology")]
    TooMany {
        /// The map.
        field: &'static str,
        /// Its entries.
        count: usize,
        /// The bound.
        max: usize,
    },
    /// A number is outside its range.
    #[error("{field}: must be {min} to {max}, not {value}")]
    Range {
        /// The field.
        field: String,
        /// Its value.
        value: u64,
        /// Smallest allowed value.
        min: u64,
        /// Largest allowed value.
        max: u64,
    },
    /// A link names a port or bridge that does not exist.
    #[error("{field}: no {what} {key:?} in this configuration; add it or correct the key")]
    UnknownEnd {
        /// The field.
        field: String,
        /// Port or bridge.
        what: &'static str,
        /// The key that was not found.
        key: String,
    },
    /// Two links end at the same place.
    #[error("{field}: already the end of link {link:?}; each end holds one link")]
    EndTaken {
        /// The field.
        field: String,
        /// The link that has it.
        link: String,
    },
    /// Rate and delay need more memory than one direction may have.
    #[error("{field}: {bytes} bytes in flight, at most {max}; lower the bandwidth, delay or queue")]
    InFlight {
        /// The direction.
        field: String,
        /// What it needs.
        bytes: u64,
        /// The bound.
        max: u64,
    },
    /// The lines of a topology are longer than there is memory for.
    #[error(
        "links: {bytes} bytes under way when the longest lines are full, at most {max}; \
         lower the bandwidth or delay of some"
    )]
    UnderWay {
        /// What they hold then.
        bytes: u64,
        /// The bound.
        max: u64,
    },
    /// Two probabilities are more than always.
    #[error("{field}: the ways out of one state are more than 100% together; lower one")]
    Probabilities {
        /// The field.
        field: String,
    },
    /// A state of a loss model is for ever.
    #[error("{field}: a state that is entered is never left; set to_good, p31 or p23 above 0%")]
    NoWayOut {
        /// The field.
        field: String,
    },
    /// A loss trace holds other letters.
    #[error("{field}: a trace is made of 0 (passes) and 1 (lost)")]
    Trace {
        /// The field.
        field: String,
    },
    /// A rule's filter is none.
    #[error("{field}: {problem}")]
    Filter {
        /// The field.
        field: String,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// A capture records nothing.
    #[error("{field}: name a point to record at, or record lost packets")]
    NoPoint {
        /// The field.
        field: String,
    },
    /// A capture directory is relative or shared.
    #[error("{field}: must be an absolute path that no other capture uses")]
    CaptureDir {
        /// The field.
        field: String,
    },
}

impl TopologyConfig {
    /// Checks every bound and reference.
    ///
    /// # Errors
    /// The first field that breaks one.
    pub fn check(&self) -> Result<(), ConfigError> {
        count("ports", self.ports.len(), limits::MAX_PORTS)?;
        count("bridges", self.bridges.len(), limits::MAX_BRIDGES)?;
        count("links", self.links.len(), limits::MAX_LINKS)?;
        for key in self.ports.keys() {
            check_key(|| format!("ports.{key}"), key)?;
        }
        for (key, bridge) in &self.bridges {
            check_key(|| format!("bridges.{key}"), key)?;
            bridge.check(&format!("bridges.{key}"))?;
        }
        let mut taken = BTreeMap::new();
        let mut dirs = BTreeSet::new();
        for (key, link) in &self.links {
            let field = format!("links.{key}");
            check_key(|| field.clone(), key)?;
            let draws_by = u64::try_from(link.draws_by(key).len()).unwrap_or(u64::MAX);
            let max = limits::MAX_DRAW_KEY_BYTES;
            range(|| format!("{field}.draw_key (length)"), draws_by, 1, max)?;
            for (n, end) in link.ends.iter().enumerate() {
                let field = format!("{field}.ends[{n}]");
                self.check_end(&field, end)?;
                if let Some(link) = taken.insert(end, key) {
                    return Err(ConfigError::EndTaken { field, link: link.clone() });
                }
            }
            link.forward.check(&format!("{field}.forward"))?;
            link.backward.check(&format!("{field}.backward"))?;
            if let Some(capture) = &link.capture {
                capture.check(&format!("{field}.capture"))?;
                if !dirs.insert(&capture.dir) {
                    return Err(ConfigError::CaptureDir { field: format!("{field}.capture.dir") });
                }
            }
            if let Some(past) = &link.past {
                past.check(&format!("{field}.past"))?;
            }
        }
        self.check_under_way()
    }

    fn check_under_way(&self) -> Result<(), ConfigError> {
        let emulated = self.links.values().filter(|link| link.emulate);
        let directions = emulated.flat_map(|link| [&link.forward, &link.backward]);
        let lines = directions.filter_map(LinkParams::line).collect();
        let (bytes, max) = (most_under_way(lines), limits::MAX_IN_FLIGHT_BYTES);
        if bytes > max { Err(ConfigError::UnderWay { bytes, max }) } else { Ok(()) }
    }

    fn check_end(&self, field: &str, end: &End) -> Result<(), ConfigError> {
        let (what, key, known) = match end {
            End::Port(key) => ("port", key, self.ports.contains_key(key)),
            End::Bridge { bridge, port } => {
                check_key(|| format!("{field}.bridge.port"), port)?;
                ("bridge", bridge, self.bridges.contains_key(bridge))
            }
        };
        if known {
            return Ok(());
        }
        Err(ConfigError::UnknownEnd { field: field.to_owned(), what, key: key.clone() })
    }
}

impl CaptureConfig {
    fn check(&self, field: &str) -> Result<(), ConfigError> {
        if !self.dir.is_absolute() {
            return Err(ConfigError::CaptureDir { field: format!("{field}.dir") });
        }
        let (min, max) = (limits::MIN_CAPTURE_FILE_BYTES, limits::MAX_CAPTURE_FILE_BYTES);
        range(|| format!("{field}.file_bytes"), self.file_bytes, min, max)?;
        range(|| format!("{field}.files"), self.files.into(), 1, limits::MAX_CAPTURE_FILES.into())?;
        if let Some(age) = self.age_s {
            range(|| format!("{field}.age_s"), age.into(), 1, limits::MAX_CAPTURE_AGE_S.into())?;
        }
        if self.points.is_empty() && !self.lost {
            return Err(ConfigError::NoPoint { field: format!("{field}.points") });
        }
        check_snaplen(field, self.snaplen)
    }
}

impl PastConfig {
    fn check(&self, field: &str) -> Result<(), ConfigError> {
        range(|| format!("{field}.age_s"), self.age_s.into(), 1, limits::MAX_PAST_S.into())?;
        let (min, max) = (limits::MIN_PAST_BYTES, limits::MAX_PAST_BYTES);
        range(|| format!("{field}.bytes"), self.bytes, min, max)?;
        check_snaplen(field, self.snaplen)
    }
}

fn check_snaplen(field: &str, snaplen: u32) -> Result<(), ConfigError> {
    let max = u64::try_from(limits::MAX_FRAME_BYTES).unwrap_or(u64::MAX);
    range(|| format!("{field}.snaplen"), snaplen.into(), limits::MIN_SNAPLEN.into(), max)
}

/// Checks the key of a topology.
///
/// # Errors
/// If it is empty or too long.
pub fn check_topology_key(key: &str) -> Result<(), ConfigError> {
    check_key(|| "topology".to_owned(), key)
}

fn count(field: &'static str, count: usize, max: usize) -> Result<(), ConfigError> {
    if count > max { Err(ConfigError::TooMany { field, count, max }) } else { Ok(()) }
}

fn check_key(field: impl FnOnce() -> String, key: &str) -> Result<(), ConfigError> {
    if (1..=limits::MAX_KEY_BYTES).contains(&key.len()) {
        return Ok(());
    }
    Err(ConfigError::KeyLength { field: field(), bytes: key.len() })
}

fn range(
    field: impl FnOnce() -> String,
    value: u64,
    min: u64,
    max: u64,
) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::Range { field: field(), value, min, max })
}
