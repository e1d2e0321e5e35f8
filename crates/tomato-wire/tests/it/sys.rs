//! Opening a TAP or a packet socket, which in the product is another crate's work.
#![allow(unsafe_code, reason = "TUNSETIFF and packet addresses have no safe wrapper")]

use std::fs::OpenOptions;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

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

/// Opens a packet socket on `eth0` of the network namespace of this thread.
pub(crate) fn open_packet() -> io::Result<OwnedFd> {
    let flags = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: the call takes its arguments by value.
    let descriptor = unsafe { libc::socket(libc::AF_PACKET, flags, 0) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call just made this descriptor and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
    // SAFETY: all-zero bytes are a valid sockaddr_ll.
    let mut to = unsafe { MaybeUninit::<libc::sockaddr_ll>::zeroed().assume_init() };
    to.sll_family = u16::try_from(libc::AF_PACKET).expect("it fits");
    to.sll_protocol = u16::try_from(libc::ETH_P_ALL).expect("it fits").to_be();
    // SAFETY: the name ends with zero.
    let index = unsafe { libc::if_nametoindex(c"eth0".as_ptr()) };
    to.sll_ifindex = i32::try_from(index).expect("it fits");
    let size = u32::try_from(size_of::<libc::sockaddr_ll>()).expect("it fits");
    // SAFETY: the descriptor is open; the pointer is to an address of that size.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const to).cast(), size) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
}
