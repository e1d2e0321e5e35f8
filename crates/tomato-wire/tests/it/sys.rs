//! Opening a TAP, which in the product is another crate's work.
#![allow(unsafe_code, reason = "TUNSETIFF has no safe wrapper")]

use std::fs::OpenOptions;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};

/// Makes the TAP `eth0` in the network namespace of this thread.
pub(crate) fn open_tap() -> io::Result<OwnedFd> {
    let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    // SAFETY: all-zero bytes are a valid ifreq.
    let mut request = unsafe { MaybeUninit::<libc::ifreq>::zeroed().assume_init() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"eth0") {
        *to = libc::c_char::try_from(*from).expect("ASCII");
    }
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).expect("they fit");
    // SAFETY: the descriptor is open; TUNSETIFF reads and writes one ifreq, which the pointer refers to.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(file.into()) }
}
