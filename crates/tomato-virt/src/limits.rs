//! Every limit of this crate by name.

use std::time::Duration;

/// Ids per container: user and group ids 0..65535 inside are mapped to one range of this length outside.
pub const IDS_PER_CONTAINER: u32 = 65_536;
/// First id of the first range. Ranges lie between those of `systemd-nspawn` guests and what `useradd` hands out as sub-ids.
pub const ID_RANGE_FIRST: u32 = 0x2000_0000;
/// Number of ranges, and so of prepared containers, on one host.
pub const ID_RANGES: u32 = 16_384;
/// Length of a path a unix socket can be bound to, without the closing zero.
pub const SOCKET_PATH_MAX: usize = 107;
/// The helper process must have created and started a container within this time.
pub const CREATE_DEADLINE: Duration = Duration::from_secs(30);
/// A keeper answers every request but a wait within this time.
pub const KEEPER_DEADLINE: Duration = Duration::from_secs(5);
/// After its process 1 was killed, a container's last process must be gone within this time.
pub const KILL_DEADLINE: Duration = Duration::from_secs(10);
/// How long an operation waits for another operation on the same element.
pub const LOCK_DEADLINE: Duration = Duration::from_secs(60);
/// Interval of the polls for conditions that cannot be waited for (a lock, an empty cgroup).
pub const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Largest request to or answer from a keeper, in bytes.
pub const KEEPER_FRAME_MAX: usize = 256 * 1024;
/// Operations that change or look at containers and run at the same time, each on its own thread.
pub const CONTROL_MAX: usize = 128;
/// Commands (and waits for processes) that run at the same time, each on its own thread; more wait for a place.
pub const EXECS_MAX: usize = 384;
/// Archives that are packed or unpacked at the same time, each on its own thread; more wait for a place.
pub const ARCHIVES_MAX: usize = 32;
/// How long packing or unpacking one archive may take.
pub const ARCHIVE_DEADLINE: Duration = Duration::from_secs(600);
/// How long reading the ends of some files, or finding out that they are not there, may take.
pub const TAILS_DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of all ends of files that are read at once.
pub const TAILS_BYTES: u64 = 256 * 1024;
/// Bytes of the files that are read from an element at once; holes in sparse files count.
pub const FILES_BYTES: u64 = 64 << 30;
/// Files and directories of one archive.
pub const ARCHIVE_ENTRIES_MAX: u64 = 1_000_000;
/// Depth of directories in one archive, and of the directory it is unpacked in. Packing holds a descriptor for each level; unpacking resolves
/// each path several times, which takes the square of the depth.
pub const ARCHIVE_DEPTH_MAX: usize = 128;
/// How far the helper stands back behind other processes, see nice(2): copies of files use what processor time is left.
pub const ARCHIVE_NICE: i32 = 10;
/// Bytes that headers of one entry of a tar take at most: its own, and those with a long name and a long target.
pub const TAR_HEADER_ROOM: u64 = 16 * 1024;
/// Address space of the helper while it reads what a guest or an uploader made, in bytes.
pub const ARCHIVE_MEMORY_BYTES: u64 = 2 << 30;
/// Unit in which a file takes space of a disk, in bytes.
pub const DISK_BLOCK_BYTES: u64 = 4096;
/// Bytes of a helper's error text that are kept.
pub const HELPER_ERROR_MAX: usize = 4096;
/// Bytes read at once from a command's output.
pub const EXEC_READ_BYTES: usize = 64 * 1024;
/// Bytes that a pipe holds at most: what processes without privilege may make it (`/proc/sys/fs/pipe-max-size`, see pipe(7)).
pub const PIPE_BYTES_MAX: usize = 1 << 20;
/// After a command was killed at its timeout, its end is awaited so long.
pub const EXEC_KILL_DEADLINE: Duration = Duration::from_secs(5);
/// Bytes that are read of what the kernel counts of an element's interfaces; each takes about 120, and its own root user can make thousands.
pub const DEVICES_BYTES: u64 = 256 * 1024;
/// Length of an interface name the kernel takes.
pub const INTERFACE_NAME_MAX: usize = 15;
/// Shortest period a cpu quota is counted over, in microseconds.
pub const CPU_PERIOD_US: u64 = 100_000;
/// Smallest cpu quota the kernel takes, in microseconds per period.
pub const CPU_QUOTA_MIN_US: i64 = 1_000;
/// Open files a process of a container may have, if the host allows that many.
pub const OPEN_FILES_MAX: u64 = 65_536;
/// Bytes of a container's `/dev/shm`.
pub const SHM_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of a container's `/etc/hosts` that are kept when our part of it changes.
pub const HOSTS_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Files and directories of a container's own layer that are looked at to measure it.
pub const DISK_ENTRIES_MAX: u64 = 1_000_000;
/// Bytes that a file takes besides its content.
pub const INODE_BYTES: u64 = 256;
/// Share of free blocks or inodes, in percent, below which the disk is short.
pub const DISK_SHORT_PERCENT: u64 = 5;
/// Free bytes of the disk that archives leave, unless the same share of the disk is less.
pub const DISK_RESERVE_BYTES: u64 = 1 << 30;
/// Time for a run of the dissector; one that is not done by then is ended. Long, since a busy host is slow to start it: [`DISSECT_CPU_SECONDS`]
/// is what a hostile frame can use up.
pub const DISSECT_DEADLINE: Duration = Duration::from_secs(20);
/// User and group of the dissector, which nothing else is: just below those of containers.
pub const DISSECT_USER: u32 = ID_RANGE_FIRST - 1;
/// Processor time of a run of the dissector, in seconds.
pub const DISSECT_CPU_SECONDS: u64 = 4;
/// Address space of the dissector, in bytes.
pub const DISSECT_MEMORY_BYTES: u64 = 512 << 20;
/// Largest description of the fields of all frames of a run, in bytes.
pub const DISSECT_TREE_BYTES: u64 = 8 << 20;
/// Largest description of the columns of all frames of a run, in bytes.
pub const DISSECT_COLUMNS_BYTES: u64 = 256 << 10;
