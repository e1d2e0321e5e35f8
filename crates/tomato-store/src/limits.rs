//! Bounds of the store.

use std::time::Duration;

/// Events kept; older ones are pruned and a reader that was away longer has to read the objects anew.
pub const EVENTS_KEPT: u64 = 100_000;

/// Events beyond [`EVENTS_KEPT`] before pruning begins, so that not each commit deletes.
pub const EVENTS_SLACK: u64 = 1_000;

/// Events returned at most by one call.
pub const EVENTS_PAGE_MAX: usize = 1_000;

/// Entries of the audit log that are kept.
pub const AUDIT_KEPT: u64 = 100_000;

/// Entries beyond [`AUDIT_KEPT`] before pruning begins.
pub const AUDIT_SLACK: u64 = 100;

/// Entries of the audit log returned at most by one call.
pub const AUDIT_PAGE_MAX: usize = 1_000;

/// How often changes are moved from the log into the state file.
pub const LOG_PERIOD: Duration = Duration::from_secs(5);

/// Pages of 4 KiB in the log beyond which changes wait until it is moved, so that it begins anew.
pub const LOG_PAGES_MAX: i64 = 16_384;

/// Connections that read at the same time.
pub const READERS: u32 = 4;

/// How long a statement waits for a lock of another process on the file.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a call waits for a free connection.
pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
