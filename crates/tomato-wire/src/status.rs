//! What the wire reports: plain types, as they travel over the control socket.
//!
//! Counters start at zero with the link (and with the process) and never go back while it lives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What one data thread does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Topologies it has.
    pub topologies: u64,
    /// Their links.
    pub links: u64,
    /// Processor time it took since its start, in nanoseconds.
    pub cpu_ns: u64,
    /// The share of the last second or longer that it took a processor for, in thousandths.
    pub busy_permille: u64,
}

/// What is observed of one topology.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopologyStatus {
    /// By port key.
    pub ports: BTreeMap<String, PortStatus>,
    /// By bridge key.
    pub bridges: BTreeMap<String, BridgeStatus>,
    /// By link key.
    pub links: BTreeMap<String, LinkStatus>,
}

/// What is observed of one port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortStatus {
    /// It has a descriptor.
    pub attached: bool,
    /// It has a connected link.
    pub carrier: bool,
    /// Why it lost its descriptor, or what it could not be told.
    pub error: Option<String>,
    /// Frames read from it that were no single complete frame; dropped.
    pub refused_frames: u64,
    /// Frames read from it while no link was there; dropped.
    pub unlinked_frames: u64,
}

/// What is observed of one switch or hub.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeStatus {
    /// Addresses in its table.
    pub mac_entries: u64,
    /// Times that an address was seen at another port than before.
    #[serde(default)]
    pub moves: u64,
    /// So many of them in the last second that frames must run in a loop.
    #[serde(default)]
    pub looping: bool,
}

/// All of one switch or hub.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeView {
    /// What is observed of it at all times.
    pub status: BridgeStatus,
    /// The addresses it knows, by VLAN and address.
    pub table: Vec<MacEntry>,
    /// Its ports by name.
    pub ports: BTreeMap<String, BridgePortStatus>,
    /// Present if it speaks the spanning tree protocol.
    pub tree: Option<SpanningTree>,
}

/// An address that a switch knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MacEntry {
    /// The address.
    pub mac: [u8; 6],
    /// Its VLAN; 0 where there are none.
    pub vlan: u16,
    /// The port it was seen at.
    pub port: String,
    /// How long ago, in nanoseconds.
    pub age_ns: u64,
}

/// Counters of a port of a bridge, in wire packets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgePortStatus {
    /// Packets that came in.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Packets that went out onto the link.
    pub sent: u64,
    /// Their bytes, as they came in.
    pub sent_bytes: u64,
    /// Packets that came in and are of no VLAN that the port carries.
    pub filtered: u64,
    /// Packets that came in while the spanning tree kept the port from forwarding.
    pub blocked: u64,
    /// What the spanning tree has it do.
    pub state: Option<StpState>,
}

/// A port's part in the spanning tree (IEEE 802.1D-1998, 8.4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StpState {
    /// It has no carrier.
    #[default]
    Disabled,
    /// It would close a loop.
    Blocking,
    /// It waits for better offers.
    Listening,
    /// It learns addresses.
    Learning,
    /// It is at work.
    Forwarding,
}

/// A switch's view of the spanning tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanningTree {
    /// Its own id: priority and address.
    pub id: u64,
    /// The root's.
    pub root: u64,
}

/// What is observed of one link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStatus {
    /// From `ends[0]` to `ends[1]`.
    pub forward: DirectionStatus,
    /// From `ends[1]` to `ends[0]`.
    pub backward: DirectionStatus,
    /// Present while a capture is configured.
    pub capture: Option<CaptureStatus>,
}

/// Counters of one direction. `offered + duplicated = frames + drops + queue_frames` at any time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectionStatus {
    /// Frames that came to this direction.
    pub offered: u64,
    /// Frames that passed it.
    pub frames: u64,
    /// Their bytes, from the Ethernet header on, without check sequence.
    pub bytes: u64,
    /// Frames dropped, by cause.
    pub drops: Drops,
    /// Copies made.
    pub duplicated: u64,
    /// Frames with flipped bits.
    pub corrupted: u64,
    /// Frames marked as having met congestion (ECN).
    #[serde(default)]
    pub marked: u64,
    /// Frames that were put before earlier ones.
    #[serde(default)]
    pub reordered: u64,
    /// Bytes waiting for the rate now, with framing.
    pub queue_bytes: u64,
    /// Frames waiting or under way now.
    pub queue_frames: u64,
    /// Rolling hash of every random verdict so far: equal for equal seed and number of frames.
    pub verdict_hash: u64,
    /// Half of the frames left at most this long after they were due; upper bound of a power of two.
    pub lateness_p50_ns: u64,
    /// 99 of 100 frames left at most this long after they were due; upper bound of a power of two.
    pub lateness_p99_ns: u64,
    /// Frames that left this long after they were due: entry `n` counts those below `2^n` ns.
    #[serde(default)]
    pub lateness: Vec<u64>,
    /// Frames that the kernel lost in front of the port, where it counts them.
    #[serde(default)]
    pub lost_before: u64,
    /// What it did in the last second is not to be trusted: see [`crate::core::health`].
    #[serde(default)]
    pub degraded: bool,
    /// When that was so, oldest first.
    #[serde(default)]
    pub degraded_intervals: Vec<Degraded>,
    /// The end it goes to has no carrier now.
    #[serde(default)]
    pub down: bool,
    /// By rule of the direction, in their order.
    #[serde(default)]
    pub rules: Vec<RuleStatus>,
}

/// Counters of one rule of a direction, since its filter stands at its place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleStatus {
    /// Frames it decided about.
    pub matched: u64,
    /// Those of them that the emulated loss took.
    pub lost: u64,
}

/// A time in which the emulation was not what was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Degraded {
    /// Its beginning, in nanoseconds before the report.
    pub from_ago_ns: u64,
    /// Its end, in nanoseconds before the report.
    pub until_ago_ns: u64,
    /// Frames that left too late.
    pub late_frames: u64,
    /// Frames lost outside of the model.
    pub lost_frames: u64,
}

/// Frames dropped, by cause.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drops {
    /// The emulated loss.
    pub loss: u64,
    /// The queue was full.
    pub queue: u64,
    /// The queue discipline dropped them before it was.
    #[serde(default)]
    pub early: u64,
    /// Longer than the link's MTU.
    #[serde(default)]
    pub mtu: u64,
    /// The link was disconnected before or while the frame was on it.
    pub disconnected: u64,
    /// A bound of the process was reached; the emulation is not to be trusted then.
    pub overload: u64,
    /// The port at the far end has no descriptor.
    pub detached: u64,
    /// The port at the far end did not take the frame (device down or its queue full).
    pub port: u64,
    /// Shorter than an Ethernet header or longer than a frame may be.
    pub malformed: u64,
}

impl Drops {
    /// All causes together.
    #[must_use]
    pub fn sum(&self) -> u64 {
        let Drops { loss, queue, early, mtu, disconnected, overload, detached, port, malformed } =
            self;
        loss + queue + early + mtu + disconnected + overload + detached + port + malformed
    }
}

/// Counters of one capture.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureStatus {
    /// Records written since it began.
    pub records: u64,
    /// Bytes written since it began.
    pub bytes: u64,
    /// Records lost because the disk was too slow or the write failed.
    pub dropped_records: u64,
    /// The last failure.
    pub error: Option<String>,
}

/// An error with all its sources in one line, for a report.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
