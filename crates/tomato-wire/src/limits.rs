//! Every bound of the wire, by name. A bound that is hit shows as an error naming the field or as a counter.

use std::time::Duration;

/// Longest key of a topology, port, bridge, bridge port or link, in bytes.
pub const MAX_KEY_BYTES: usize = 64;
/// Longest name that random draws depend on, in bytes: two names of elements with an interface each.
pub const MAX_DRAW_KEY_BYTES: u64 = 256;
/// Shortest Ethernet frame without its check sequence, in bytes (IEEE 802.3 clause 4A.2.3.2.4); shorter ones are padded.
pub const PADDED_FRAME_BYTES: u64 = 60;
/// Topologies in one process.
pub const MAX_TOPOLOGIES: usize = 4096;
/// Ports of one topology.
pub const MAX_PORTS: usize = 16_384;
/// Bridges of one topology.
pub const MAX_BRIDGES: usize = 16_384;
/// Links of one topology.
pub const MAX_LINKS: usize = 32_768;

/// Shortest frame: an Ethernet header.
pub const MIN_FRAME_BYTES: usize = 14;
/// Longest frame, in bytes, without the frame check sequence: a longest IP packet behind four tags.
pub const MAX_FRAME_BYTES: usize = 65_566;
/// Room in front of a frame in the buffer it is read into, for a port's own header.
pub const FRAME_HEADROOM_BYTES: usize = 16;
/// Longest headers of a super-frame, in bytes: Ethernet, tags, IP and TCP with their options.
pub const MAX_HEADER_BYTES: usize = 256;
/// Most wire packets of one super-frame.
pub const MAX_SEGMENTS: usize = 2048;
/// What Ethernet sends around every frame: preamble and delimiter 8, check sequence 4, gap 12 bytes.
pub const FRAMING_BYTES: u32 = 24;
/// Most framing per frame that may be set.
pub const MAX_FRAMING_BYTES: u32 = 1000;
/// Smallest MTU of a link.
pub const MIN_MTU: u32 = 68;
/// Largest MTU of a link.
pub const MAX_MTU: u32 = 65_535;

/// Most entries of a jitter table.
pub const MAX_TABLE: u64 = 16_384;
/// Longest loss trace.
pub const MAX_TRACE: u64 = 1 << 20;
/// Most rules of one direction.
pub const MAX_RULES: u64 = 32;
/// Different packets that a direction remembers at least to draw by content.
pub const CONTENT_MEMORY: usize = 32_768;
/// Most steps of a timeline.
pub const MAX_STEPS: u64 = 100_000;
/// Least time between two steps, and from the last one to the first of the next round, in nanoseconds: each costs work.
pub const MIN_STEP_NS: u64 = 1_000_000;
/// Longest timeline, in nanoseconds (a week).
pub const MAX_TIMELINE_NS: u64 = 604_800_000_000_000;
/// Shortest and longest times of queue disciplines, in nanoseconds.
pub const MIN_AQM_NS: u64 = 1_000;
/// See [`MIN_AQM_NS`].
pub const MAX_AQM_NS: u64 = 60_000_000_000;
/// Most flow queues of FQ-CoDel.
pub const MAX_FLOWS: u32 = 65_536;
/// Smallest turn of a flow, in bytes.
pub const MIN_QUANTUM_BYTES: u64 = 64;
/// Largest turn of a flow, in bytes.
pub const MAX_QUANTUM_BYTES: u64 = 1 << 20;
/// Longest delay or jitter of a link, in nanoseconds (10 minutes).
pub const MAX_DELAY_NS: u64 = 600_000_000_000;
/// Lowest bandwidth, in bit/s.
pub const MIN_BANDWIDTH_BIT_S: u64 = 100;
/// Highest bandwidth, in bit/s.
pub const MAX_BANDWIDTH_BIT_S: u64 = 1_000_000_000_000;
/// Largest byte queue in front of a rate, per direction.
pub const MAX_QUEUE_BYTES: u64 = 256 << 20;
/// Smallest byte queue in front of a rate, per direction.
pub const MIN_QUEUE_BYTES: u64 = 1;
/// Smallest default byte queue.
pub const MIN_DEFAULT_QUEUE_BYTES: u64 = 64 << 10;
/// What the default byte queue holds besides two delays' worth of the rate, in nanoseconds.
pub const DEFAULT_QUEUE_EXTRA_NS: u64 = 25_000_000;
/// Most bytes in flight (waiting and under way) in one emulated direction.
pub const MAX_DELAY_LINE_BYTES: u64 = 512 << 20;
/// Most bytes waiting in one direction without emulation; only a storm fills it.
pub const MAX_PLAIN_QUEUE_BYTES: u64 = 4 << 20;
/// Most frames in flight in one direction.
pub const MAX_FRAMES_PER_DIRECTION: usize = 1 << 20;
/// Most memory for frames of all topologies of the process, in bytes.
pub const MAX_IN_FLIGHT_BYTES: u64 = 1 << 30;
/// More than one data thread carries, in bit/s: 23 Gbit/s was the most that was measured of a bare veth pair. What can be
/// under way on the lines of a topology is judged by it.
pub const CARRIED_BIT_S: u64 = 25_000_000_000;
/// Of [`MAX_IN_FLIGHT_BYTES`], what is kept for topologies that hold little, in bytes.
pub const RESERVED_BYTES: u64 = 128 << 20;
/// A topology that holds no more than this holds little, in bytes.
pub const SMALL_SHARE_BYTES: u64 = 4 << 20;
/// A data thread tells the others what its frames take when that has changed by so much, in bytes: the sum above is exact to
/// this for each of them.
pub const HOLDINGS_STEP_BYTES: u64 = 1 << 20;
/// What one place in a queue costs beside the frame's bytes, for the sum above.
pub const QUEUE_ENTRY_BYTES: u64 = 64;
/// Unused frame buffers that are kept, per size class, in bytes.
pub const FREE_BUFFER_BYTES: usize = 16 << 20;

/// Longest ageing of a switch's MAC table, in seconds.
pub const MAX_AGEING_S: u32 = 1_000_000;
/// Largest number of a VLAN.
pub const MAX_VLAN: u16 = 4094;
/// Most ranges of VLANs that a trunk names.
pub const MAX_VLAN_RANGES: u64 = 64;
/// Addresses that move from port to port in a second at least before a switch is said to be in a loop.
pub const LOOP_MOVES: u64 = 500;
/// Most addresses in a switch's MAC table.
pub const MAX_MAC_ENTRIES: usize = 8192;
/// How often a full MAC table is searched for aged addresses at most, in nanoseconds.
pub const MAC_SWEEP_NS: u64 = 1_000_000_000;
/// How far the logical time of a frame may lag behind the clock when it enters its next link. Within it,
/// lateness does not add up over hops; beyond it, a storm cannot stop time.
pub const MAX_LOGICAL_LAG_NS: u64 = 1_000_000;

/// Notes of one direction that wait to be taken by its captures.
pub const MAX_NOTES: usize = 1 << 16;
/// After so many packets, what a direction remembers is told to its captures again.
pub const MEMORY_PACKETS: u64 = 16_384;
/// And after this time, in nanoseconds.
pub const MEMORY_NS: u64 = 1_000_000_000;
/// Most packets in a queue that are told with it; with more, the queue cannot be recomputed from there.
pub const MAX_MEMORY_PACKETS: usize = 3_000;
/// Most flows of a queue whose state is told with it; with more, the queue cannot be recomputed from there.
pub const MAX_MEMORY_FLOWS: usize = 500;

/// Smallest file of a capture ring: holds at least one longest record.
pub const MIN_CAPTURE_FILE_BYTES: u64 = 128 << 10;
/// Largest file of a capture ring.
pub const MAX_CAPTURE_FILE_BYTES: u64 = 4 << 30;
/// Most files of a capture ring.
pub const MAX_CAPTURE_FILES: u32 = 512;
/// Longest block of a capture about settings; longer ones are left out of it.
pub const MAX_TOLD_BYTES: usize = 256 << 10;
/// Longest age that a capture may be kept for, in seconds (a week).
pub const MAX_CAPTURE_AGE_S: u32 = 604_800;
/// How often captures with an age are searched for old files.
pub const CAPTURE_AGE_CHECK: Duration = Duration::from_secs(1);
/// Shortest snapshot length of a capture.
pub const MIN_SNAPLEN: u32 = 14;
/// Bytes recorded of each packet of a live capture: all of them.
pub const LIVE_SNAPLEN: u32 = 65_550;
/// Records that may wait for the capture writer, all captures together.
pub const CAPTURE_QUEUE_RECORDS: usize = 16_384;
/// Bytes that may wait for the capture writer, all captures together.
pub const CAPTURE_QUEUE_BYTES: u64 = 32 << 20;
/// Records are on disk this long after they were taken.
pub const CAPTURE_FLUSH: Duration = Duration::from_millis(200);
/// Bytes of records that are written at once.
pub const CAPTURE_BUFFER_BYTES: usize = 256 << 10;

/// Longest past that a link keeps in memory, in seconds.
pub const MAX_PAST_S: u32 = 600;
/// Least memory for it, in bytes: each part of it holds at least one longest record and the settings.
pub const MIN_PAST_BYTES: u64 = 4 << 20;
/// Most memory for it, in bytes.
pub const MAX_PAST_BYTES: u64 = 256 << 20;
/// Most memory for the pasts of all links of the process, in bytes; beyond it the largest one forgets first.
pub const MAX_PASTS_BYTES: u64 = 256 << 20;
/// Into so many parts a past is cut, each of which is forgotten as a whole.
pub const PAST_PARTS: u64 = 8;

/// Disagreements of one direction that the check of a capture tells in words.
pub const MAX_DISAGREEMENTS: usize = 20;

/// Longest control message, in bytes.
pub const MAX_CONTROL_BYTES: usize = 16 << 20;
/// Control connections at the same time.
pub const MAX_CLIENTS: usize = 32;
/// How long one control message may take on its way.
pub const CONTROL_MESSAGE: Duration = Duration::from_secs(10);
/// How long the data thread may take to answer the control thread.
pub const CONTROL_REPLY: Duration = Duration::from_secs(10);
/// Commands that may wait for the data thread.
pub const COMMAND_QUEUE: usize = 64;
/// How long a running wire may take to close down.
pub const SHUTDOWN: Duration = Duration::from_secs(5);

/// Most data threads.
pub const MAX_WORKERS: usize = 64;
/// Time over which it is told how busy a data thread is, in nanoseconds.
pub const BUSY_WINDOW_NS: u64 = 1_000_000_000;

/// Frames read from one port per wake-up.
pub const READ_BATCH: usize = 64;
/// Most datagrams that leave as one; a kernel before Linux 6.10 takes no more (`UDP_MAX_SEGMENTS`).
pub const MAX_MERGED: usize = 64;
/// Longest payload of an UDP datagram over IPv4 without options, in bytes.
pub const MAX_DATAGRAM_BYTES: usize = 65_507;
/// Frames moved per topology and turn of the data thread; a storm leaves room for the others after it.
pub const ADVANCE_TURN: usize = 4096;
/// Bytes read from one port per wake-up, after which what is due leaves first.
pub const READ_BYTES: usize = 256 << 10;
/// How much earlier than due a packet may leave right behind another one of its frame on a link with a rate, in
/// nanoseconds. Waking up for each packet would cost a core at 1 Gbit/s.
pub const BUNDLE_NS: u64 = 50_000;
/// Events taken from the kernel per wake-up.
pub const EPOLL_EVENTS: usize = 256;
/// How long before a due time the data thread stops sleeping, in nanoseconds.
pub const SPIN_NS: u64 = 60_000;
/// What the data thread may spend waiting awake per second, in nanoseconds, with more than two cores.
pub const SPIN_BUDGET_NS: u64 = 200_000_000;
/// The same with one or two cores, which the elements need as well.
pub const SPIN_BUDGET_FEW_CORES_NS: u64 = 100_000_000;
/// Wake-ups that are measured at start, to know how long after a frame the thread wakes up.
pub const WAKE_SAMPLES: usize = 15;
/// Pause between two of them: long enough for the processor to fall asleep as well.
pub const WAKE_PAUSE: Duration = Duration::from_millis(2);
/// Longest time by which arrivals are dated back for it, in nanoseconds.
pub const MAX_WAKE_NS: u64 = 100_000;
/// How late a packet may leave at least before it counts as late, in nanoseconds.
pub const LATE_NS: u64 = 1_000_000;
/// Time over which lateness and losses are judged, in nanoseconds.
pub const HEALTH_WINDOW_NS: u64 = 100_000_000;
/// How long a direction stays degraded after the last bad window, in nanoseconds.
pub const RECENT_NS: u64 = 1_000_000_000;
/// Most intervals of degradation that are kept per direction.
pub const MAX_INTERVALS: usize = 64;
/// How often ports are asked for frames lost in front of them.
pub const PORT_CHECK_NS: u64 = 100_000_000;
/// Open files the process asks for.
pub const OPEN_FILES: u64 = 65_536;
