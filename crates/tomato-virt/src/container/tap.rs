//! TAP interfaces inside a container's network namespace.

use std::io;
use std::os::fd::OwnedFd;

use crate::sys;

const FLAGS: i32 = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;

/// Makes (or attaches to) a TAP in the calling thread's network namespace.
pub(crate) fn create(name: &str) -> io::Result<OwnedFd> {
    let file = std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    let fd = OwnedFd::from(file);
    sys::tun_attach(&fd, name, FLAGS)?;
    Ok(fd)
}

/// Whether a descriptor a container handed out is what it should be: the TAP of that name, made by us.
pub(crate) fn is_tap(fd: &OwnedFd, name: &str) -> bool {
    sys::tun_attached(fd)
        .is_ok_and(|attached| attached.name == name && attached.flags & FLAGS == FLAGS)
}
