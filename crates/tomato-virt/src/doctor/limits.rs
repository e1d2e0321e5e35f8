//! Named limits of the probes.

use std::time::Duration;

/// How long all probes together may take.
pub(super) const PROBE_DEADLINE: Duration = Duration::from_secs(40);
/// How long one small command may take.
pub(super) const COMMAND_DEADLINE: Duration = Duration::from_secs(10);
/// How long a Linux kernel may take to come up in a virtual machine.
pub(super) const GUEST_DEADLINE: Duration = Duration::from_secs(25);
/// How long firmware may take to start a boot sector.
pub(super) const FIRMWARE_DEADLINE: Duration = Duration::from_secs(15);
/// Free disk below which the data directory is of no use, and below which it gets tight, in bytes.
pub(super) const DATA_DISK: (u64, u64) = (256 << 20, 4 << 30);
/// The same for the template directory: all shipped templates take half a gigabyte.
pub(super) const TEMPLATE_DISK: (u64, u64) = (64 << 20, 1 << 30);
/// Available memory below which a lab gets tight, in bytes.
pub(super) const MEMORY: u64 = 1 << 30;
/// Open files below which a large topology runs into its limit: each interface takes some.
pub(super) const OPEN_FILES: u64 = 4_096;
/// The oldest kernel (`openat2`), and the oldest one that shares templates between containers (overlayfs on id-mapped
/// mounts).
pub(super) const KERNEL: ((u32, u32), (u32, u32)) = ((5, 6), (5, 19));
