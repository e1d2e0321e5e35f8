//! Calls for which there is no safe wrapper. The only module of this crate with unsafe code.
#![allow(unsafe_code, reason = "calls of the kernel without a safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// `_IOW('T', 202, int)`.
const TUNSETIFF: libc::Ioctl = 0x4004_54ca;
/// `_IOR('T', 210, unsigned int)`.
const TUNGETIFF: libc::Ioctl = 0x8004_54d2;

/// `struct ifreq` as the TUN calls use it.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; libc::IFNAMSIZ],
    flags: libc::c_short,
    rest: [u8; 22],
}

/// What a TAP descriptor is attached to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attached {
    /// Interface name.
    pub(crate) name: String,
    /// `IFF_*` flags of the TUN driver.
    pub(crate) flags: i32,
}

/// Attaches a descriptor of `/dev/net/tun` to the TAP `name`, making it in the network namespace the descriptor was opened in.
pub(crate) fn tun_attach(tun: &OwnedFd, name: &str, flags: i32) -> io::Result<()> {
    let mut request = InterfaceRequest {
        name: [0; libc::IFNAMSIZ],
        flags: libc::c_short::try_from(flags).map_err(io::Error::other)?,
        rest: [0; 22],
    };
    if name.len() >= libc::IFNAMSIZ {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: the request is a whole `struct ifreq` that lives through the call.
    let result = unsafe { libc::ioctl(tun.as_raw_fd(), TUNSETIFF, &raw mut request) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What a descriptor is attached to; an error if it is no TUN or TAP.
pub(crate) fn tun_attached(fd: &OwnedFd) -> io::Result<Attached> {
    let mut request = InterfaceRequest { name: [0; libc::IFNAMSIZ], flags: 0, rest: [0; 22] };
    // SAFETY: the kernel fills the request, a whole `struct ifreq` that lives through the call.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), TUNGETIFF, &raw mut request) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let name = request.name.split(|b| *b == 0).next().unwrap_or_default();
    Ok(Attached {
        name: String::from_utf8_lossy(name).into_owned(),
        flags: i32::from(request.flags),
    })
}

/// `struct mount_attr`.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Maps the ids of a detached mount through a user namespace.
pub(crate) fn map_ids(mount: &OwnedFd, user_namespace: &OwnedFd) -> io::Result<()> {
    const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;
    let attr = MountAttr {
        set: MOUNT_ATTR_IDMAP,
        clear: 0,
        propagation: 0,
        user_namespace: u64::try_from(user_namespace.as_raw_fd()).map_err(io::Error::other)?,
    };
    // SAFETY: the path is an empty C string, the attribute lives through the call and its size is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes ownership of a descriptor that was received in a message.
pub(crate) fn received(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just put this descriptor into our table for us alone.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Makes `fd` descriptor 3, without close-on-exec, and forgets what 3 was. Only for the helper process, which owns no descriptor 3.
pub(crate) fn place_at_three(fd: &OwnedFd) -> io::Result<()> {
    if fd.as_raw_fd() == 3 {
        // SAFETY: F_SETFD on our own descriptor.
        let result = unsafe { libc::fcntl(3, libc::F_SETFD, 0) };
        return if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    }
    // SAFETY: plain system call; the caller states that 3 is nobody's.
    let result = unsafe { libc::dup2(fd.as_raw_fd(), 3) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Runs `child` in a forked process and gives its process number. Only for the helper process, which has one thread.
pub(crate) fn fork(child: impl FnOnce() -> u8) -> io::Result<nix::unistd::Pid> {
    // SAFETY: the caller has one thread, so the child may run any code.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(child),
        nix::unistd::ForkResult::Child => {
            let code = child();
            // SAFETY: ends the child without running the parent's clean-up.
            unsafe { libc::_exit(i32::from(code)) }
        }
    }
}
