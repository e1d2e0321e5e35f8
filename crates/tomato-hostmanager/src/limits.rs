//! Every bound of the hostmanager, by name.

use std::time::Duration;

/// Elements worked on at the same time, all topologies together.
pub const ELEMENTS_AT_ONCE: usize = 8;
/// Every element is looked at again after this time, whatever happens.
pub const RECHECK: Duration = Duration::from_secs(5);
/// After a longer turn of a topology's loop the next one waits as long while elements are at work.
pub const LONG_TURN: Duration = Duration::from_millis(5);
/// First pause before a network that could not be made is tried again; doubled each time.
pub const NETWORK_RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest such pause.
pub const NETWORK_RETRY_MAX: Duration = Duration::from_secs(60);
/// Calls that may wait for the wire; more are refused, and what they were for is tried again.
pub const WIRE_CALLS_WAITING: usize = 256;
/// How often the wire is asked whether it lives.
pub const WIRE_PING: Duration = Duration::from_secs(1);
/// How often it is asked while it is away.
pub const WIRE_RETRY: Duration = Duration::from_millis(50);
/// Outages of a topology that are remembered.
pub const OUTAGES_MAX: usize = 8;
/// How long one call of the wire may take.
pub const WIRE_CALL: Duration = Duration::from_secs(20);
/// How often things nobody wants are searched for and removed.
pub const ORPHAN_SEARCH: Duration = Duration::from_secs(60);
/// What processes of a container get to end by themselves when it is stopped.
pub const STOP_GRACE: Duration = Duration::from_secs(5);
/// How often the disk use of elements is measured; the pause is at least this many times as long as measuring took.
pub const DISK_CHECK: Duration = Duration::from_secs(30);
/// Part of the time that measuring disk use may take, as its divisor.
pub const DISK_CHECK_PAUSE: u32 = 10;
/// How long a call on an element waits for its start or recovery.
pub const READY_WAIT: Duration = Duration::from_secs(30);
/// Longest wait of a long poll.
pub const POLL_MAX: Duration = Duration::from_secs(60);
/// Deadline of a command if the caller names none.
pub const EXEC_DEFAULT: Duration = Duration::from_secs(60);
/// Longest deadline of a command.
pub const EXEC_MAX: Duration = Duration::from_secs(3600);
/// Bytes kept of each output of a command.
pub const EXEC_OUTPUT_BYTES: usize = 1 << 20;
/// Commands that run in one element at the same time; its keeper serves twice as many connections, the others are for our own control.
pub const EXECS_PER_ELEMENT: usize = 32;
/// Commands that run in one topology at the same time; more wait.
pub const EXECS_PER_TOPOLOGY: usize = 128;
/// Archives that are moved to or from elements of one topology at the same time; more wait.
pub const ARCHIVES_PER_TOPOLOGY: usize = 4;
/// Kept archives that are unpacked at the same time, all topologies together, so that what is asked for by calls has places left.
pub const KEPT_AT_ONCE: usize = 4;
/// Longest JSON body of a request, in bytes.
pub const BODY_BYTES: usize = 32 << 20;
/// Longest archive, in bytes.
pub const ARCHIVE_BYTES: u64 = 4 << 30;
/// Uploads of one element of which what came is kept when they break off.
pub const PARTS_PER_ELEMENT: usize = 2;
/// How long that is kept after the last byte of it came.
pub const PART_KEPT: Duration = Duration::from_secs(3600);
/// How long an upload whose connection broke is given to keep what came, before it is said how much that is.
pub const PART_END_WAIT: Duration = Duration::from_secs(10);
/// Characters of the name of such an upload.
pub const PART_NAME_BYTES: usize = 64;
/// Bytes of an archive that are received before the host's disk is looked at again; a chunk of a request is shorter.
pub const SPOOL_LOOK_BYTES: u64 = 64 << 20;
/// Bytes of an archive's output that its status shows.
pub const ARCHIVE_TAIL_BYTES: u64 = 4096;
/// Bytes of the text of `archive_setstatus`.
pub const ARCHIVE_CUSTOM_BYTES: u64 = 4096;
/// Bytes of the other files that tell how far an archive's script is.
pub const ARCHIVE_MARK_BYTES: u64 = 64;
/// A script whose sign of life is older counts as crashed.
pub const ARCHIVE_ALIVE_S: u64 = 600;
/// Chunks that may wait between a blocking side and a stream.
pub const STREAM_CHUNKS: usize = 16;
/// Bytes of one chunk.
pub const STREAM_CHUNK_BYTES: usize = 64 << 10;
/// How long the other side of a stream may neither send nor take anything.
pub const STREAM_SILENCE: Duration = Duration::from_secs(60);
/// Progress lines that may wait for their reader; more are dropped.
pub const PROGRESS_LINES: usize = 64;
/// Readers of one live capture.
pub const LIVE_READERS: usize = 32;
/// Packets that may wait for one reader of a live capture; more are lost.
pub const LIVE_RECORDS: usize = 4096;
/// Bytes that may wait for one reader of a live capture.
pub const LIVE_BYTES: usize = 8 << 20;
/// Bytes that may wait between the wire and us.
pub const LIVE_SOCKET_BYTES: usize = 4 << 20;
/// Readers that may wait to be let in.
pub const LIVE_JOINS: usize = 16;
/// How often it is seen whether the readers are still there.
pub const LIVE_LOOK: Duration = Duration::from_secs(5);
/// Between two tries to capture on a connection that is not in the wire.
pub const LIVE_RETRY: Duration = Duration::from_millis(500);
/// Saved pasts that are kept of a connection; the oldest go.
pub const PASTS_SAVED: usize = 8;
/// Shortest time between two pasts of a connection that are saved by themselves.
pub const PAST_PAUSE: Duration = Duration::from_secs(60);
/// Shortest time between two messages about traffic.
pub const TRAFFIC_LEAST: Duration = Duration::from_millis(100);
/// Time between two messages about traffic unless asked otherwise.
pub const TRAFFIC_DEFAULT: Duration = Duration::from_secs(1);
/// Messages about traffic that may wait for their reader; then it gets fewer.
pub const TRAFFIC_LINES: usize = 4;
/// How often what everything uses is looked at.
pub const USAGE_PERIOD: Duration = Duration::from_secs(5);
/// Points kept of each element and connection: an hour.
pub const USAGE_POINTS: usize = 720;
/// How much time one file of what was used holds.
pub const USAGE_FILE: Duration = Duration::from_secs(30 * 60);
/// Bytes of such a file; more is not kept for the time after this process.
pub const USAGE_FILE_BYTES: u64 = 64 << 20;
/// Looks within which what ran before this process must be seen again to go on with its last hour: two minutes.
pub const USAGE_EARLIER_LOOKS: u32 = 24;
/// Viewers of one console.
pub const CONSOLE_VIEWERS: usize = 32;
/// Chunks that may wait for one viewer; more are not shown to it, but then the current screen.
pub const CONSOLE_VIEWER_CHUNKS: usize = 32;
/// Bytes read from a terminal at once.
pub const CONSOLE_CHUNK_BYTES: usize = 16 << 10;
/// Chunks of input that may wait for a terminal, all viewers together; then the viewers wait.
pub const CONSOLE_INPUTS: usize = 16;
/// Orders that may wait for the owner of a terminal.
pub const CONSOLE_ORDERS: usize = 16;
/// Bytes of a terminal's output that are read in [`CONSOLE_RATE_WINDOW`]; the program that writes more waits.
pub const CONSOLE_RATE_BYTES: usize = 512 << 10;
/// See [`CONSOLE_RATE_BYTES`].
pub const CONSOLE_RATE_WINDOW: Duration = Duration::from_millis(100);
/// Rows kept of what has left a terminal's screen at its top.
pub const CONSOLE_SCROLLBACK_ROWS: usize = 200;
/// How often the shell of a console somebody looks at is asked for, and what it shows is kept.
pub const CONSOLE_LOOK: Duration = Duration::from_secs(1);
/// After a terminal was closed inside, the end of its shell is awaited so long.
pub const CONSOLE_END_WAIT: Duration = Duration::from_secs(2);
/// A kept screen of more bytes is not read.
pub const CONSOLE_SAVED_BYTES: u64 = 4 << 20;
/// Removed topologies remembered for pollers.
pub const REMOVED_MAX: usize = 4096;
/// First wait after the backend could not be reached; doubled each time.
pub const DIAL_FIRST: Duration = Duration::from_millis(100);
/// Longest wait between two tries to reach the backend.
pub const DIAL_MAX: Duration = Duration::from_secs(5);
/// How long a registry may take to begin an answer.
pub const REGISTRY_CALL: Duration = Duration::from_secs(30);
/// How long it may be silent in the middle of a part.
pub const REGISTRY_SILENCE: Duration = Duration::from_secs(60);
/// Redirects that are followed to a part.
pub const REGISTRY_REDIRECTS: usize = 5;
/// Bytes of a registry's token or refusal that are read.
pub const REGISTRY_TEXT_BYTES: usize = 64 << 10;
/// Bytes of one block of a capture.
pub const CAPTURE_BLOCK_BYTES: usize = 1 << 20;
/// Frames that are taken apart in one call.
pub const DISSECT_FRAMES_MAX: usize = 64;
/// Bytes of a frame that is taken apart.
pub const DISSECT_FRAME_BYTES: usize = 64 << 10;
/// Calls that take frames apart at the same time; more wait for a place.
pub const DISSECTIONS_AT_ONCE: usize = 2;
/// How long they wait before they are refused.
pub const DISSECT_PLACE_WAIT: Duration = Duration::from_secs(10);
/// Fields of one frame that are told.
pub const DISSECT_FIELDS_MAX: usize = 4000;
/// How deep fields are inside of each other; what comes after a deeper one is left out.
pub const DISSECT_DEPTH_MAX: usize = 500;
/// Characters of a field's text, or of what a frame says, that are told.
pub const DISSECT_TEXT_CHARS: usize = 1000;
