//! Bounds of the test lab.

use std::time::Duration;

/// Every wait ends then.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// What a killed backend or host had begun with files ends in this time.
pub const KILL_WAIT: Duration = Duration::from_secs(5);

/// A condition is looked at this often.
pub const WAIT_STEP: Duration = Duration::from_millis(10);

/// Threads of the backend and of the host, each.
pub const THREADS: usize = 2;
