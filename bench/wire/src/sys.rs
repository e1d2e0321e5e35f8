//! System calls without safe wrapper.
#![allow(unsafe_code, reason = "TUNSETIFF, sendmmsg and recvmmsg have no safe wrapper")]

use std::fs::{File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const TUNSETIFF: libc::Ioctl = 0x4004_54ca;

/// Datagrams per call.
pub const BATCH: usize = 64;
/// Room for a received datagram.
pub const ROOM: usize = 256;

/// Makes a TAP in a namespace.
pub fn open_tap(netns: &str, name: &str) -> OwnedFd {
    // SAFETY: all-zero bytes are a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags =
        (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;
    let there = File::open(format!("/run/netns/{netns}")).expect("the namespace is there");
    let own = File::open("/proc/thread-self/ns/net").expect("every thread has one");
    let enter = |namespace: &File| {
        // SAFETY: the descriptor is open.
        let result = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
        assert_eq!(result, 0, "setns: {}", io::Error::last_os_error());
    };
    enter(&there);
    let tun = OpenOptions::new().read(true).write(true).open("/dev/net/tun").expect("root");
    // SAFETY: the descriptor is open; TUNSETIFF reads and writes one ifreq.
    let result = unsafe { libc::ioctl(tun.as_raw_fd(), TUNSETIFF, &raw mut request) };
    assert_eq!(result, 0, "TUNSETIFF: {}", io::Error::last_os_error());
    enter(&own);
    // SAFETY: the descriptor is open, the argument is an int.
    unsafe { libc::fcntl(tun.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    tun.into()
}

/// Opens a packet socket on a device of a namespace.
pub fn open_packet(netns: &str, name: &str) -> OwnedFd {
    let there = File::open(format!("/run/netns/{netns}")).expect("the namespace is there");
    let own = File::open("/proc/thread-self/ns/net").expect("every thread has one");
    let all = i32::from((libc::ETH_P_ALL as u16).to_be());
    // SAFETY: descriptors are open, strings end with zero, the address is one sockaddr_ll.
    unsafe {
        assert_eq!(libc::setns(there.as_raw_fd(), libc::CLONE_NEWNET), 0);
        let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
        assert!(fd >= 0, "socket: {}", io::Error::last_os_error());
        let fd = OwnedFd::from_raw_fd(fd);
        let c_name = std::ffi::CString::new(name).expect("no zero inside");
        let mut to: libc::sockaddr_ll = std::mem::zeroed();
        to.sll_family = libc::AF_PACKET as u16;
        to.sll_protocol = all as u16;
        to.sll_ifindex = libc::if_nametoindex(c_name.as_ptr()) as i32;
        let size = size_of::<libc::sockaddr_ll>() as u32;
        let result = libc::bind(fd.as_raw_fd(), (&raw const to).cast(), size);
        assert_eq!(result, 0, "bind: {}", io::Error::last_os_error());
        let bytes: libc::c_int = 8 << 20;
        let size = size_of::<libc::c_int>() as u32;
        let value = (&raw const bytes).cast();
        libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, value, size);
        assert_eq!(libc::setns(own.as_raw_fd(), libc::CLONE_NEWNET), 0);
        fd
    }
}

/// Nanoseconds since 1970.
pub fn realtime_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Lets sleeps of this thread end when they should.
pub fn sharpen_timers() {
    // SAFETY: the call takes its arguments by value.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
}

/// Room for many datagrams and arrival times by the kernel.
pub fn prepare_sink(socket: &UdpSocket) {
    for (name, value) in [(libc::SO_RCVBUFFORCE, 64 << 20), (libc::SO_TIMESTAMPNS, 1)] {
        let value: libc::c_int = value;
        let size = size_of::<libc::c_int>() as u32;
        // SAFETY: the descriptor is open, the option is an int.
        unsafe {
            let fd = socket.as_raw_fd();
            libc::setsockopt(fd, libc::SOL_SOCKET, name, (&raw const value).cast(), size);
        }
    }
}

/// Sends the packets, each to its address, or where the socket is connected to; how many were taken.
pub fn send_batch<const N: usize>(
    socket: &UdpSocket,
    packets: &mut [[u8; N]],
    to: Option<(&[Ipv4Addr], u16)>,
) -> usize {
    let mut parts: Vec<libc::iovec> = packets
        .iter_mut()
        .map(|packet| libc::iovec { iov_base: packet.as_mut_ptr().cast(), iov_len: N })
        .collect();
    let mut names: Vec<libc::sockaddr_in> = to
        .iter()
        .flat_map(|(to, port)| {
            to.iter().map(|address| libc::sockaddr_in {
                sin_family: libc::AF_INET as u16,
                sin_port: port.to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*address).to_be() },
                sin_zero: [0; 8],
            })
        })
        .collect();
    let mut messages: Vec<libc::mmsghdr> = parts.iter_mut().map(message).collect();
    for (message, name) in messages.iter_mut().zip(&mut names) {
        message.msg_hdr.msg_name = std::ptr::from_mut(name).cast();
        message.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
    }
    let count = messages.len() as u32;
    // SAFETY: every header points to parts and names that live to the end of this function.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), count, 0) };
    usize::try_from(sent).unwrap_or(0)
}

fn message(part: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: all-zero bytes are a valid mmsghdr.
    let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
    message.msg_hdr.msg_iov = part;
    message.msg_hdr.msg_iovlen = 1;
    message
}

/// Receives up to [`BATCH`] datagrams and hands each over with its arrival time; none: it timed out.
pub fn recv_batch(
    socket: &UdpSocket,
    data: &mut [[u8; ROOM]; BATCH],
    mut take: impl FnMut(&[u8; ROOM], u64),
) -> Option<usize> {
    let mut control = [[0u64; 8]; BATCH];
    let mut parts: Vec<libc::iovec> = data
        .iter_mut()
        .map(|data| libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: ROOM })
        .collect();
    let mut messages: Vec<libc::mmsghdr> = parts.iter_mut().map(message).collect();
    for (message, control) in messages.iter_mut().zip(&mut control) {
        message.msg_hdr.msg_control = control.as_mut_ptr().cast();
        message.msg_hdr.msg_controllen = size_of_val(control);
    }
    let (count, none) = (BATCH as u32, std::ptr::null_mut());
    // SAFETY: every header points to parts that live to the end of this function.
    let count = unsafe {
        let fd = socket.as_raw_fd();
        libc::recvmmsg(fd, messages.as_mut_ptr(), count, libc::MSG_WAITFORONE, none)
    };
    let count = usize::try_from(count).ok()?;
    let stamps: Vec<u64> = messages[..count].iter().map(|m| stamp_ns(&m.msg_hdr)).collect();
    for (data, stamp) in data.iter().zip(stamps) {
        take(data, stamp);
    }
    Some(count)
}

fn stamp_ns(message: &libc::msghdr) -> u64 {
    // SAFETY: the kernel filled the control data of this message, which the header still points to.
    unsafe {
        let head = libc::CMSG_FIRSTHDR(message);
        if head.is_null() || (*head).cmsg_type != libc::SCM_TIMESTAMPNS {
            return 0;
        }
        let time = libc::CMSG_DATA(head).cast::<libc::timespec>().read_unaligned();
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
}

/// Waits until one of two descriptors is readable, and says which are.
pub fn readable(ends: &[OwnedFd; 2]) -> [bool; 2] {
    let mut fds = ends.each_ref().map(|end| libc::pollfd {
        fd: end.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    });
    // SAFETY: the pointer is to two pollfd of open descriptors.
    unsafe { libc::poll(fds.as_mut_ptr(), 2, -1) };
    fds.map(|fd| fd.revents != 0)
}

/// Reads once without waiting.
pub fn read_now(from: &OwnedFd, room: &mut [u8]) -> Option<usize> {
    // SAFETY: the descriptor is open, the pointer and length are of the room.
    let len = unsafe { libc::read(from.as_raw_fd(), room.as_mut_ptr().cast(), room.len()) };
    usize::try_from(len).ok()
}

/// Writes once.
pub fn write_now(to: &OwnedFd, bytes: &[u8]) {
    // SAFETY: the descriptor is open, the pointer and length are of the bytes.
    unsafe { libc::write(to.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
}
