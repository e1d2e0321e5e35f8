//! The protocol between backend and hostmanager.
//!
//! The hostmanager dials the backend (a unix socket on one machine) and then *serves* HTTP/2 on that connection; the
//! backend is the client. Bodies are JSON but for streams. Routes, all below `/v1`:
//!
//! | route | request | answer |
//! |---|---|---|
//! | `GET /hello` | - | [`HostHello`] |
//! | `PUT /topologies/{id}` | [`WantedTopology`] | 204; kept durably before the answer; an older generation than the one known is ignored |
//! | `DELETE /topologies/{id}` | - | 204; everything of it is removed in the background |
//! | `GET /topologies` | - | list of [`ObservedTopology`] |
//! | `GET /observed?after=N&wait_ms=M` | - | [`ObservedPage`]: topologies whose observation changed after sequence N, waiting up to M ms (long poll) |
//! | `POST /elements/{id}/exec` | [`ExecCall`] | [`ExecAnswer`] |
//! | `POST /elements/{id}/console?view=BOOL` | stream of [`Frame`](crate::console::Frame)s | stream of frames, both for as long as they last |
//! | `GET /elements/{id}/files?path=PATH&offset=N&version=V` | - | tar stream of a file or directory under its own name, from a byte on if its version is still that one; headers `etag` (its version), [`FILE_BYTES`], [`TAR_BYTES`] |
//! | `PUT /elements/{id}/files?path=PATH&part=NAME&offset=N` | tar stream | 204; unpacked in the directory, or as the one thing of that name; with `part` kept when it breaks off (ends without the trailer [`WHOLE`]), to be gone on with |
//! | `GET /elements/{id}/files/held?part=NAME` | - | [`FileHeld`] |
//! | `PUT /elements/{id}/archive?dir=PATH&run=BOOL` | tar.gz stream | 204; unpacked in `dir` after emptying it, `auto_exec.sh` started when `run` |
//! | `GET /elements/{id}/archive?dir=PATH` | - | tar.gz stream |
//! | `GET /elements/{id}/archive/status` | - | [`ArchiveStatus`] |
//! | `GET /connections/{id}/capture?filter=TEXT` | - | pcapng stream of what the filter means, of all without one |
//! | `POST /connections/{id}/capture/live` | [`CaptureFilter`](crate::request::CaptureFilter) | pcapng stream of what passes from now on |
//! | `GET /connections/{id}/capture/past` | - | pcapng of the last seconds, if they are kept |
//! | `GET /connections/{id}/capture/saved` | - | list of [`SavedCapture`], the newest first |
//! | `GET /connections/{id}/capture/saved/{name}` | - | pcapng |
//! | `POST /dissect` | [`DissectCall`](crate::dissection::DissectCall) | [`Dissection`](crate::dissection::Dissection) |
//! | `POST /filter` | [`CaptureFilter`](crate::request::CaptureFilter) | 204, or why it is none |
//! | `GET /topologies/{id}/counters` | - | [`Counters`] |
//! | `GET /topologies/{id}/traffic?interval_ms=N` | - | stream of JSON lines [`Line`](crate::usage::Line) |
//! | `GET /elements/{id}/switch` | - | [`SwitchView`](crate::switch::SwitchView) |
//! | `GET /elements/{id}/usage` | - | [`ElementUsage`](crate::usage::ElementUsage) |
//! | `GET /connections/{id}/usage` | - | [`ConnectionUsage`](crate::usage::ConnectionUsage) |
//! | `GET /figures` | - | [`HostFigures`](crate::usage::HostFigures) |
//! | `GET /machine` | - | [`MachineFigures`](crate::usage::MachineFigures) |
//! | `GET /templates` | - | list of [`TemplateInfo`] |
//! | `POST /templates/{name}/ensure` | - | stream of JSON lines [`TemplateProgress`] |
//! | `POST /templates/{name}/pull` | [`TemplatePull`](crate::request::TemplatePull) | stream of JSON lines [`TemplateProgress`] |
//! | `PUT /templates/{name}?label=TEXT&format=FORMAT` | tar stream (plain, gzip, zstd) of a root file system or, with `oci`, of an image's layout | [`TemplateInfo`] |
//!
//! Errors are [`ApiError`](crate::error::ApiError) bodies with the code's HTTP status.
//! Calls on an element that is being recovered or started wait for it, at most 30 s.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use tomato_model::id::{ConnectionId, ElementId, InterfaceId, TopologyId};
use tomato_model::kind::Kind;
use tomato_model::lifecycle::State;
use tomato_model::link::LinkParams;
use tomato_model::recording::Recording;
use tomato_model::switching::{PortVlan, SpanningTree};
use tomato_model::topology::{Outage, Route};

/// Version of this protocol; both sides refuse another one in words.
pub const HOST_PROTOCOL: u32 = 2;

/// First answer of a hostmanager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostHello {
    /// [`HOST_PROTOCOL`] of the hostmanager.
    pub protocol: u32,
    /// Software version.
    pub version: String,
    /// Name of the host.
    pub host: String,
    /// Random for each process start.
    pub instance: u64,
}

/// Everything that one host shall run of one topology. What is missing here is destroyed there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WantedTopology {
    /// The topology.
    pub id: TopologyId,
    /// Grows with each change; echoed in the observation once acted upon.
    pub generation: u64,
    /// Seed of its random draws.
    pub seed: u64,
    /// Elements wanted at least prepared.
    pub elements: Vec<WantedElement>,
    /// Connections whose both ends are in `elements`.
    pub connections: Vec<WantedConnection>,
    /// Names and addresses of all elements, for `/etc/hosts`.
    pub host_names: BTreeMap<String, Vec<IpAddr>>,
}

/// An element wanted prepared or started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WantedElement {
    /// Its id.
    pub id: ElementId,
    /// Its name, the host name inside.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// `Prepared` or `Started`.
    pub state: State,
    /// A started element that ended by itself is started again only when this number has grown.
    pub start_count: u64,
    /// Attachment points.
    pub interfaces: Vec<WantedInterface>,
    /// Present for containers.
    pub container: Option<WantedContainer>,
    /// Ageing time for switches, seconds.
    pub ageing_s: u32,
    /// Part in the spanning tree for switches.
    #[serde(default)]
    pub stp: Option<SpanningTree>,
}

/// The container part of an element.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WantedContainer {
    /// Name of the template, built or fetched at need; fixed by digest at prepare.
    pub template: String,
    /// Processor share in thousandths of one processor.
    pub cpu_milli: u32,
    /// Memory limit.
    pub memory_bytes: u64,
    /// Disk limit.
    pub disk_bytes: u64,
    /// Limit on processes and threads.
    pub pids_max: u32,
    /// Default routes.
    pub gateways: Vec<IpAddr>,
    /// Static routes.
    pub routes: Vec<Route>,
    /// Forward packets.
    pub forwarding: bool,
    /// Files written before each start, by absolute path.
    pub files: BTreeMap<String, String>,
}

/// An interface of a wanted element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedInterface {
    /// Its id.
    pub id: InterfaceId,
    /// Name inside the element.
    pub name: String,
    /// Address of the card, lower-case with colons.
    pub mac: String,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// Static addresses with prefix length.
    pub addresses: Vec<String>,
    /// Ask by DHCP.
    pub dhcp: bool,
    /// VLANs of a switch's interface.
    #[serde(default)]
    pub vlan: Option<PortVlan>,
}

/// A wanted connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WantedConnection {
    /// Its id.
    pub id: ConnectionId,
    /// Its two ends; forward is from the first to the second.
    pub interfaces: [InterfaceId; 2],
    /// Apply the parameters, or be a plain wire.
    pub emulation: bool,
    /// Plugged in.
    pub connected: bool,
    /// First to second.
    pub forward: LinkParams,
    /// Second to first.
    pub backward: LinkParams,
    /// Record frames.
    pub capturing: bool,
    /// What is recorded then.
    #[serde(default)]
    pub recording: Recording,
}

/// What a host sees of one topology.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservedTopology {
    /// The topology.
    pub id: TopologyId,
    /// The wanted generation that this observation has taken into account.
    pub generation: u64,
    /// True once nothing is left to do for that generation but what failed.
    pub settled: bool,
    /// Every element that exists on the host.
    pub elements: Vec<ObservedElement>,
    /// Connections that pass frames.
    pub connections: Vec<ConnectionId>,
    /// The wire's start id; counters begin anew when it changes.
    pub wire_instance: Option<u64>,
    /// The last times in which its traffic stopped unasked, the oldest first; empty after the hostmanager's start.
    #[serde(default)]
    pub outages: Vec<ObservedOutage>,
}

impl ObservedTopology {
    /// Its elements, to be found by their ids.
    pub fn by_id(&self) -> BTreeMap<&ElementId, &ObservedElement> {
        self.elements.iter().map(|element| (&element.id, element)).collect()
    }
}

/// A time in which connections did not pass frames although they should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedOutage {
    /// When and how long.
    pub outage: Outage,
    /// Where.
    pub connections: Vec<ConnectionId>,
}

/// What a host sees of one element.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservedElement {
    /// Its id.
    pub id: ElementId,
    /// Its state now.
    pub state: State,
    /// Why it is not as wanted, in words.
    pub error: Option<ObservedError>,
    /// What is being done, for progress.
    pub doing: Option<String>,
    /// What to know about it although nothing failed.
    #[serde(default)]
    pub notice: Option<String>,
}

/// A failure with its code.
pub type ObservedError = crate::error::ApiError;

/// A page of changed observations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservedPage {
    /// Ask for changes after this next time.
    pub sequence: u64,
    /// Changed topologies.
    pub topologies: Vec<ObservedTopology>,
    /// Topologies that are gone from the host.
    pub removed: Vec<TopologyId>,
}

/// A command to run in an element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecCall {
    /// Program and arguments; no shell unless named.
    pub argv: Vec<String>,
    /// Additional environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Working directory.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Text for its standard input.
    #[serde(default)]
    pub stdin: Option<String>,
    /// Deadline in milliseconds, 60 000 by default.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ExecAnswer {
    /// Exit code, none when killed by a signal or the deadline.
    pub exit_code: Option<i32>,
    /// Signal that ended it.
    pub signal: Option<i32>,
    /// Standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// Standard error, invalid UTF-8 replaced.
    pub stderr: String,
    /// Ended by the deadline.
    pub timed_out: bool,
    /// Output beyond the limit was cut.
    pub truncated: bool,
}

/// Header with the bytes of all files of a tar.
pub const FILE_BYTES: http::HeaderName = http::HeaderName::from_static("tomato-file-bytes");
/// Header with the bytes of a whole tar, also where it is sent from a later byte on; about, if files change meanwhile.
pub const TAR_BYTES: http::HeaderName = http::HeaderName::from_static("tomato-tar-bytes");

/// Trailer that ends an upload with a part's name which is whole; without it, it broke off.
pub const WHOLE: http::HeaderName = http::HeaderName::from_static("tomato-whole");

/// What a host holds of an upload that broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileHeld {
    /// Bytes from its beginning on; 0 if it is not known.
    pub bytes: u64,
}

/// Status of an executable archive, in the original's words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ArchiveStatus {
    /// An archive was uploaded and its script begun.
    pub readable: bool,
    /// The script has ended.
    pub done: bool,
    /// The script runs and shows signs of life.
    pub is_alive: bool,
    /// Exit code once done.
    pub exit_code: Option<i32>,
    /// Text set by `archive_setstatus`.
    pub custom: Option<String>,
    /// Last bytes of its output.
    pub output_tail: String,
}

/// Counters of a topology's connections.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Counters {
    /// Forward and backward of each connection.
    pub connections: BTreeMap<String, [DirectionCounters; 2]>,
    /// Of the recordings that run, by connection.
    #[serde(default)]
    pub captures: BTreeMap<String, CaptureCounters>,
    /// Of the interfaces of containers, by interface.
    #[serde(default)]
    pub interfaces: BTreeMap<String, InterfaceCounters>,
}

/// Counters of a recording since it began or the wire's start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CaptureCounters {
    /// Records written.
    pub records: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Records that are missing in it: the disk was too slow or could not be written.
    pub missing: u64,
    /// The last failure.
    #[serde(default)]
    pub error: Option<String>,
}

/// Why the past of a connection was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SaveCause {
    /// It was degraded: frames were late or lost outside the model.
    Degraded,
    /// An element at one of its ends ended by itself.
    ElementEnded,
}

impl SaveCause {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Degraded, Self::ElementEnded];

    /// Its word, as in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Degraded => "degraded",
            Self::ElementEnded => "element-ended",
        }
    }
}

/// The past of a connection, saved when something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SavedCapture {
    /// What it is asked for by.
    pub name: String,
    /// When it was saved (RFC 3339).
    pub time: String,
    /// What happened.
    pub cause: SaveCause,
    /// Its size.
    pub bytes: u64,
}

/// Counters of an interface since the wire's start, for what no connection counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InterfaceCounters {
    /// What came from it and was no frame (too short, too long, offload and headers that do not fit); dropped.
    pub refused_frames: u64,
    /// Frames that came from it while no connection was there; dropped.
    pub unlinked_frames: u64,
    /// Why it is not attached, or what it could not be told.
    #[serde(default)]
    pub error: Option<String>,
}

/// Counters of one direction since the wire's start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DirectionCounters {
    /// Frames offered to the model.
    pub offered: u64,
    /// Frames delivered.
    pub frames: u64,
    /// Bytes delivered.
    pub bytes: u64,
    /// Frames dropped, by cause.
    pub drops: BTreeMap<String, u64>,
    /// Frames delivered twice.
    pub duplicated: u64,
    /// Frames changed.
    pub corrupted: u64,
    /// Frames marked as having met congestion.
    #[serde(default)]
    pub marked: u64,
    /// Frames put before earlier ones.
    #[serde(default)]
    pub reordered: u64,
    /// Bytes waiting for the line now, with framing.
    #[serde(default)]
    pub queue_bytes: u64,
    /// Frames waiting or under way now.
    #[serde(default)]
    pub queue_frames: u64,
    /// Hexadecimal digest of every random verdict so far: equal for equal seed and number of frames.
    #[serde(default)]
    pub verdict_hash: String,
    /// Half of the frames left at most this long after they were due, in nanoseconds.
    #[serde(default)]
    pub lateness_p50_ns: u64,
    /// 99 of 100 frames left at most this long after they were due, in nanoseconds.
    #[serde(default)]
    pub lateness_p99_ns: u64,
    /// Frames by lateness: entry n counts those below 2^n nanoseconds.
    #[serde(default)]
    pub lateness: Vec<u64>,
    /// Frames that the kernel lost in front of the model, where it counts them.
    #[serde(default)]
    pub lost_before: u64,
    /// What the connection did in the last second is not to be trusted.
    #[serde(default)]
    pub degraded: bool,
    /// When that was so, oldest first.
    #[serde(default)]
    pub degraded_intervals: Vec<DegradedInterval>,
    /// The end it goes to has no carrier now.
    #[serde(default)]
    pub down: bool,
    /// By rule of the direction, in their order.
    #[serde(default)]
    pub rules: Vec<RuleCounters>,
}

/// Counters of one rule, since its filter stands at its place.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct RuleCounters {
    /// Frames it decided about.
    pub matched: u64,
    /// Those of them that the emulated loss took.
    pub lost: u64,
}

/// A time in which a connection was not what was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DegradedInterval {
    /// Its beginning, in nanoseconds before the answer.
    pub from_ago_ns: u64,
    /// Its end, in nanoseconds before the answer.
    pub until_ago_ns: u64,
    /// Frames that left too late.
    pub late_frames: u64,
    /// Frames lost outside of the model.
    pub lost_frames: u64,
}

/// A template as a host has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TemplateInfo {
    /// Its name.
    pub name: String,
    /// A title.
    pub label: String,
    /// What is in it.
    pub description: String,
    /// Digest once it is on the host.
    pub digest: Option<String>,
    /// Whether it is built or imported already.
    pub ready: bool,
}

/// Progress of a template build; the last line has `done` or `error`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TemplateProgress {
    /// What is being done.
    pub message: String,
    /// How far.
    pub percent: Option<u8>,
    /// The template is there.
    pub done: bool,
    /// It failed.
    pub error: Option<crate::error::ApiError>,
}
