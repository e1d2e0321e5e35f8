//! Named limits of running other programs.

use std::time::Duration;

/// How long a command may run when its caller names no deadline.
pub const DEADLINE_DEFAULT: Duration = Duration::from_secs(60);

/// How much of stdout, and of stderr, is kept, in bytes; the rest is read and dropped.
pub const OUTPUT_BYTES_DEFAULT: usize = 4 << 20;

/// How much of a failed command's stderr goes into the error, in bytes, from its end.
pub(super) const ERROR_TAIL_BYTES: usize = 2048;

/// The longest line given to a line callback, in bytes; a longer one arrives in pieces.
pub(super) const LINE_BYTES: usize = 8192;

/// How long a killed process group may take to be gone.
pub(super) const KILL_WAIT: Duration = Duration::from_secs(10);

/// How much data of a stream is moved before the deadline and the caller are looked at again, in bytes.
pub(super) const STREAM_TURN_BYTES: usize = 64 << 10;
