//! The system call filter of every container, installed by its process 1 and inherited by all others.
//!
//! Calls that reach beyond a container or that change mounts and namespaces answer EPERM (so that the capabilities the container holds in
//! its own user namespace cannot be used for them); `clone3` answers ENOSYS because its flags cannot be read by a filter, libraries then
//! use `clone`, whose namespace flags are refused. Other architectures' call tables are refused as a whole, and so is every call that was
//! not known when this list was made: what it reaches was never thought about. Sockets are of the families a network element needs; those
//! of others (AF_VSOCK above all) reach past the container's network namespace or make the host load their modules.

use std::ffi::{c_long, c_ulong};

use crate::process::errno;
use crate::sys;

#[cfg(target_arch = "x86_64")]
mod calls {
    pub const ARCH: u32 = 0xc000_003e;
    pub const CLONE: u32 = 56;
    pub const CLONE3: u32 = 435;
    pub const UNSHARE: u32 = 272;
    pub const SECCOMP: i64 = 317;
    pub const SOCKET: u32 = 41;
    pub const SOCKETPAIR: u32 = 53;
    /// acct, add_key, bpf, fanotify_init, finit_module, fsconfig, fsmount, fsopen, fspick, delete_module, create_module, init_module,
    /// io_uring_*, ioperm, iopl, kcmp, kexec_*, keyctl, lookup_dcookie, mount, mount_setattr, move_mount, move_pages, name_to_handle_at,
    /// nfsservctl, open_by_handle_at, open_tree, perf_event_open, pivot_root, process_madvise, query_module, quotactl(_fd), reboot,
    /// request_key, setns, settimeofday, clock_settime, swapoff, swapon, _sysctl, sysfs, syslog, umount2, uselib, userfaultfd, ustat, vhangup
    pub const DENIED: &[u32] = &[
        163, 248, 321, 300, 313, 431, 432, 430, 433, 176, 174, 175, 425, 426, 427, 173, 172, 312,
        246, 320, 250, 212, 165, 442, 429, 279, 303, 180, 304, 428, 298, 155, 440, 178, 179, 443,
        169, 249, 308, 164, 227, 168, 167, 156, 139, 103, 166, 134, 323, 136, 153,
    ];
}

#[cfg(target_arch = "aarch64")]
mod calls {
    pub const ARCH: u32 = 0xc000_00b7;
    pub const CLONE: u32 = 220;
    pub const CLONE3: u32 = 435;
    pub const UNSHARE: u32 = 97;
    pub const SECCOMP: i64 = 277;
    pub const SOCKET: u32 = 198;
    pub const SOCKETPAIR: u32 = 199;
    /// The same calls as on the other architecture, as far as they exist here.
    pub const DENIED: &[u32] = &[
        89, 217, 280, 262, 273, 431, 432, 430, 433, 106, 105, 425, 426, 427, 272, 104, 294, 219,
        18, 40, 442, 429, 239, 264, 42, 265, 428, 241, 41, 440, 60, 443, 142, 218, 268, 170, 112,
        225, 224, 116, 39, 282, 58,
    ];
}

/// CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET,TIME}. The last is a bit of the exit signal to `clone`, which no signal has.
const NAMESPACE_FLAGS: u32 = 0x7e02_0080;
/// The first call that was not looked at: `open_tree_attr` of Linux 6.15. From 424 on numbers are the same on all architectures; the x32
/// table of x86_64 lies above.
const UNKNOWN_CALLS: u32 = 467;
/// AF_{UNIX,INET,INET6,NETLINK,PACKET}.
const FAMILIES: [u32; 5] = [1, 2, 10, 16, 17];

/// Installs the filter; needs CAP_SYS_ADMIN in the container's own user namespace.
pub(crate) fn install() -> Result<(), i32> {
    const LOAD: u16 = 0x20;
    const EQUAL: u16 = 0x15;
    const AT_LEAST: u16 = 0x35;
    const ANY_BIT: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const ALLOW: u32 = 0x7fff_0000;
    const NO_PERMISSION: u32 = 0x0005_0001;
    const NO_SUCH_CALL: u32 = 0x0005_0026;
    const NO_SUCH_FAMILY: u32 = 0x0005_0061;
    /// Of the structure a filter reads: the low half of the call's first argument.
    const FIRST_ARGUMENT: u32 = 16;
    let op = |code, jt, jf, k| sys::SockFilter { code, jt, jf, k };
    let mut program = vec![
        op(LOAD, 0, 0, 4),
        op(EQUAL, 1, 0, calls::ARCH),
        op(RETURN, 0, 0, NO_SUCH_CALL),
        op(LOAD, 0, 0, 0),
        op(AT_LEAST, 0, 1, UNKNOWN_CALLS),
        op(RETURN, 0, 0, NO_SUCH_CALL),
        op(EQUAL, 0, 1, calls::CLONE3),
        op(RETURN, 0, 0, NO_SUCH_CALL),
    ];
    for call in calls::DENIED {
        program.push(op(EQUAL, 0, 1, *call));
        program.push(op(RETURN, 0, 0, NO_PERMISSION));
    }
    // Past the load, the families with their returns and the refusal.
    let past_sockets = 2 + 2 * FAMILIES.len() as u8;
    program.extend([
        op(EQUAL, 1, 0, calls::SOCKET),
        op(EQUAL, 0, past_sockets, calls::SOCKETPAIR),
        op(LOAD, 0, 0, FIRST_ARGUMENT),
    ]);
    for family in FAMILIES {
        program.extend([op(EQUAL, 0, 1, family), op(RETURN, 0, 0, ALLOW)]);
    }
    program.extend([
        op(RETURN, 0, 0, NO_SUCH_FAMILY),
        op(EQUAL, 1, 0, calls::CLONE),
        op(EQUAL, 0, 2, calls::UNSHARE),
        op(LOAD, 0, 0, FIRST_ARGUMENT),
        op(ANY_BIT, 1, 0, NAMESPACE_FLAGS),
        op(RETURN, 0, 0, ALLOW),
        op(RETURN, 0, 0, NO_PERMISSION),
    ]);
    let prog = sys::SockFprog { len: program.len() as u16, filter: program.as_ptr() };
    // SAFETY: SECCOMP_SET_MODE_FILTER (1) with a program that outlives the call.
    let result =
        unsafe { sys::syscall(calls::SECCOMP as c_long, 1 as c_ulong, 0 as c_ulong, &prog) };
    if result == 0 { Ok(()) } else { Err(errno()) }
}
