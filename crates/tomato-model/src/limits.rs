//! Every bound of the model: how large a topology may be and how a value may look.

/// Elements in one topology.
pub const ELEMENTS_MAX: usize = 4096;
/// Connections in one topology.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Interfaces of one element.
pub const INTERFACES_MAX: usize = 1024;
/// Addresses of one interface.
pub const ADDRESSES_MAX: usize = 64;
/// Static routes of one element.
pub const ROUTES_MAX: usize = 1024;
/// Files written into one element.
pub const FILES_MAX: usize = 256;
/// Bytes of all files written into one element.
pub const FILES_BYTES_MAX: usize = 1 << 20;
/// Bytes of an absolute path inside an element.
pub const PATH_BYTES_MAX: usize = 1024;
/// Characters of a topology's name.
pub const TOPOLOGY_NAME_MAX: usize = 128;
/// Characters of an element's name, as in a host name's label.
pub const NAME_MAX: usize = 63;
/// Characters of a connection's name (two element names and what joins them).
pub const CONNECTION_NAME_MAX: usize = 160;
/// Characters of an interface's name, the kernel's limit.
pub const INTERFACE_NAME_MAX: usize = 15;
/// Keys of client data on one object.
pub const CLIENT_KEYS_MAX: usize = 64;
/// Bytes of one object's client data, as JSON.
pub const CLIENT_BYTES_MAX: usize = 64 << 10;
/// Smallest MTU in bytes that IPv4 needs.
pub const MTU_MIN: u32 = 68;
/// Largest MTU in bytes.
pub const MTU_MAX: u32 = 9000;
/// MTU of a new interface in bytes.
pub const MTU_DEFAULT: u32 = 1500;
/// Longest ageing time of a switch in seconds, as in IEEE 802.1D.
pub const AGEING_S_MAX: u32 = 86_400;
/// Ageing time of a new switch in seconds.
pub const AGEING_S_DEFAULT: u32 = 300;
/// Bytes of a topology file.
pub const FILE_BYTES_MAX: usize = 16 << 20;
/// Nesting of a topology file.
pub const FILE_DEPTH_MAX: usize = 32;
/// Values in a topology file, aliases counted as often as they are used.
pub const FILE_VALUES_MAX: usize = 200_000;
/// Diagnostics reported for one file; the rest is counted.
pub const DIAGNOSTICS_MAX: usize = 100;
/// Edits between a wrong word and the one suggested.
pub const SUGGESTION_DISTANCE_MAX: usize = 3;
/// Bytes kept of each recorded frame.
pub const SNAPLEN: std::ops::RangeInclusive<u64> = 14..=65_550;
/// Bytes kept of each recorded frame, if nothing else is said: all of a usual one.
pub const SNAPLEN_DEFAULT: u32 = 65_535;
/// Bytes of one file of a recording.
pub const CAPTURE_FILE: std::ops::RangeInclusive<u64> = (128 << 10)..=(4 << 30);
/// Bytes of one file of a recording, if nothing else is said.
pub const CAPTURE_FILE_DEFAULT: u64 = 10_000_000;
/// Files of a recording.
pub const CAPTURE_FILES_MAX: u64 = 512;
/// Files of a recording, if nothing else is said.
pub const CAPTURE_FILES_DEFAULT: u32 = 5;
/// Bytes of all files of a recording.
pub const CAPTURE_BYTES_MAX: u64 = 16 << 30;
/// Longest age of recorded frames, in seconds (a week).
pub const CAPTURE_AGE_MAX_S: u64 = 604_800;
/// Longest past of a connection that is kept in memory, in seconds.
pub const PAST_MAX_S: u64 = 600;
/// Bytes of memory for the past of a connection.
pub const PAST_SIZE: std::ops::RangeInclusive<u64> = (4 << 20)..=(256 << 20);
/// Bytes of memory for the past of a connection, if nothing else is said.
pub const PAST_SIZE_DEFAULT: u64 = 16_000_000;
/// Bandwidths of a connection, in bit/s.
pub const BANDWIDTH: std::ops::RangeInclusive<u64> = 100..=1_000_000_000_000;
/// Longest delay, jitter or queueing time, in nanoseconds.
pub const DELAY_MAX_NS: u64 = 600_000_000_000;
/// Most framing per frame, in bytes.
pub const FRAMING_MAX: u64 = 1000;
/// What a line spends on each frame if nothing else is said, in bytes: Ethernet's preamble, check sequence and gap.
pub const FRAMING_BYTES: u64 = 24;
/// Largest queue, in bytes.
pub const QUEUE_MAX: u64 = 256 << 20;
/// Most frames in a queue.
pub const QUEUE_PACKETS_MAX: u64 = 1 << 20;
/// MTUs of a connection, in bytes.
pub const LINK_MTU: std::ops::RangeInclusive<u32> = 68..=65_535;
/// Most rules of one direction.
pub const RULES_MAX: usize = 32;
/// Most entries of a jitter table.
pub const TABLE_MAX: usize = 16_384;
/// Longest list of fates.
pub const TRACE_MAX: usize = 1 << 20;
/// Most steps of a timeline.
pub const STEPS_MAX: usize = 100_000;
/// Least time between two steps of a timeline, and before it begins anew, in nanoseconds.
pub const STEP_NS_MIN: u64 = 1_000_000;
/// Times of queue disciplines, in nanoseconds.
pub const AQM_NS: std::ops::RangeInclusive<u64> = 1_000..=60_000_000_000;
/// Numbers of VLANs.
pub const VLAN: std::ops::RangeInclusive<u16> = 1..=4094;
/// Most ranges of VLANs that a trunk names.
pub const VLAN_RANGES_MAX: usize = 64;
