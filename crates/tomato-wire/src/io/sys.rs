//! System calls that have no safe wrapper. The only unsafe code of this crate.
#![allow(unsafe_code, reason = "TUN ioctls, epoll_pwait2 and signalfd have no safe wrapper")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

// linux/if_tun.h
const TUNSETOFFLOAD: libc::Ioctl = 0x4004_54d0;
const TUNGETIFF: libc::Ioctl = 0x8004_54d2;
const TUNSETVNETHDRSZ: libc::Ioctl = 0x4004_54d8;
const TUNSETCARRIER: libc::Ioctl = 0x4004_54e2;

/// The `IFF_*` flags a TUN descriptor was opened with.
pub(super) fn tun_flags(descriptor: BorrowedFd<'_>) -> io::Result<libc::c_short> {
    let mut request = MaybeUninit::<libc::ifreq>::zeroed();
    // SAFETY: the descriptor is open while borrowed; TUNGETIFF fills one ifreq, which is what the pointer
    // refers to; on any other kind of file the call fails and writes nothing.
    let result = unsafe { libc::ioctl(descriptor.as_raw_fd(), TUNGETIFF, request.as_mut_ptr()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all-zero bytes are a valid ifreq, and the kernel filled the flags of the union.
    Ok(unsafe { request.assume_init().ifr_ifru.ifru_flags })
}

/// Sets the size of the header in front of each frame.
pub(super) fn set_vnet_header_size(
    descriptor: BorrowedFd<'_>,
    bytes: libc::c_int,
) -> io::Result<()> {
    set_int(descriptor, TUNSETVNETHDRSZ, bytes)
}

/// Tells the device's side whether there is a link.
pub(super) fn set_carrier(descriptor: BorrowedFd<'_>, is_up: bool) -> io::Result<()> {
    set_int(descriptor, TUNSETCARRIER, libc::c_int::from(is_up))
}

/// Says which offloads the reader of the descriptor can take; 0 = none.
pub(super) fn set_offload(descriptor: BorrowedFd<'_>, flags: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the descriptor is open while borrowed; TUNSETOFFLOAD takes its argument by value.
    let result = unsafe { libc::ioctl(descriptor.as_raw_fd(), TUNSETOFFLOAD, flags) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn set_int(descriptor: BorrowedFd<'_>, request: libc::Ioctl, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open while borrowed; the requests above read one int from the pointer.
    let result = unsafe { libc::ioctl(descriptor.as_raw_fd(), request, ptr::from_ref(&value)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A frame read from a packet socket.
pub(super) struct Packet {
    /// Bytes read, with the virtio network header.
    pub(super) bytes: usize,
    /// It was longer than the room.
    pub(super) is_cut: bool,
    /// Protocol and content of the VLAN tag that was taken off.
    pub(super) tag: Option<(u16, u16)>,
    /// Arrival on the monotonic clock.
    pub(super) stamp_ns: Option<u64>,
}

// linux/if_packet.h
const PACKET_STATISTICS: libc::c_int = 6;
const PACKET_AUXDATA: libc::c_int = 8;
const PACKET_VNET_HDR: libc::c_int = 15;
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
const TP_STATUS_VLAN_VALID: u32 = 1 << 4;
const TP_STATUS_VLAN_TPID_VALID: u32 = 1 << 6;

/// Asks a packet socket for offload headers, tags, arrival times and only what others send.
pub(super) fn set_packet_options(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let options = [
        (libc::SOL_PACKET, PACKET_VNET_HDR),
        (libc::SOL_PACKET, PACKET_AUXDATA),
        (libc::SOL_PACKET, PACKET_IGNORE_OUTGOING),
        (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS),
    ];
    for (level, name) in options {
        let one: libc::c_int = 1;
        let size = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(0);
        // SAFETY: the descriptor is open while borrowed; each option is one int, which the pointer refers to.
        let result = unsafe {
            let value = ptr::from_ref(&one).cast();
            libc::setsockopt(descriptor.as_raw_fd(), level, name, value, size)
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Frames that the kernel dropped in front of a packet socket since the last call.
pub(super) fn packet_drops(descriptor: BorrowedFd<'_>) -> io::Result<u64> {
    // struct tpacket_stats: packets, drops
    let mut counters = [0u32; 2];
    let mut size = libc::socklen_t::try_from(size_of_val(&counters)).unwrap_or(0);
    // SAFETY: the descriptor is open while borrowed; the kernel writes at most `size` bytes to the pointer.
    let result = unsafe {
        let value = counters.as_mut_ptr().cast();
        let fd = descriptor.as_raw_fd();
        libc::getsockopt(fd, libc::SOL_PACKET, PACKET_STATISTICS, value, &raw mut size)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(counters[1].into()) }
}

/// Reads one frame behind its header without waiting.
pub(super) fn recv_packet(descriptor: BorrowedFd<'_>, room: &mut [u8]) -> io::Result<Packet> {
    let mut control = [0u64; 16];
    let mut part = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    // SAFETY: all-zero bytes are a valid msghdr.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: the descriptor is open while borrowed; the message points to one part and to control space, both of
    // which live to the end of this function.
    let read =
        unsafe { libc::recvmsg(descriptor.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    let Ok(bytes) = usize::try_from(read) else { return Err(io::Error::last_os_error()) };
    let is_cut = message.msg_flags & libc::MSG_TRUNC != 0;
    let mut packet = Packet { bytes, is_cut, tag: None, stamp_ns: None };
    // SAFETY: the kernel filled the control space that the message still points to; CMSG_NXTHDR stays inside, and
    // the two kinds that are read have these layouts.
    unsafe {
        let mut head = libc::CMSG_FIRSTHDR(&raw const message);
        while !head.is_null() {
            let data = libc::CMSG_DATA(head);
            match ((*head).cmsg_level, (*head).cmsg_type) {
                (libc::SOL_PACKET, PACKET_AUXDATA) => {
                    packet.tag = tag_of(data.cast::<libc::tpacket_auxdata>().read_unaligned());
                }
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    packet.stamp_ns = monotonic(data.cast::<libc::timespec>().read_unaligned());
                }
                _ => {}
            }
            head = libc::CMSG_NXTHDR(&raw const message, head);
        }
    }
    Ok(packet)
}

fn tag_of(aux: libc::tpacket_auxdata) -> Option<(u16, u16)> {
    if aux.tp_status & TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    let has_protocol = aux.tp_status & TP_STATUS_VLAN_TPID_VALID != 0;
    Some((if has_protocol { aux.tp_vlan_tpid } else { 0x8100 }, aux.tp_vlan_tci))
}

/// A time of the wall clock on the monotonic one.
fn monotonic(stamp: libc::timespec) -> Option<u64> {
    use rustix::time::{ClockId, clock_gettime};
    let ns = |s: i64, ns: i64| s.checked_mul(1_000_000_000)?.checked_add(ns);
    let now = clock_gettime(ClockId::Realtime);
    let age_ns = ns(now.tv_sec, now.tv_nsec)?.checked_sub(ns(stamp.tv_sec, stamp.tv_nsec)?)?;
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(ns(now.tv_sec, now.tv_nsec)?.checked_sub(age_ns.max(0))?).ok()
}

/// What is ready on an epoll descriptor.
pub(super) struct Events {
    events: Vec<libc::epoll_event>,
    ready: usize,
}

impl Events {
    /// Room for `count` events.
    pub(super) fn with_room(count: usize) -> Self {
        Self { events: vec![libc::epoll_event { events: 0, u64: 0 }; count], ready: 0 }
    }

    /// The data and the flags of what is ready.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        self.events[..self.ready].iter().map(|event| (event.u64, event.events))
    }

    /// Waits until something is ready or `timeout_ns` has passed; none waits for ever.
    pub(super) fn wait(
        &mut self,
        epoll: BorrowedFd<'_>,
        timeout_ns: Option<u64>,
    ) -> io::Result<()> {
        self.ready = 0;
        let room = libc::c_int::try_from(self.events.len()).unwrap_or(libc::c_int::MAX);
        let timeout = timeout_ns.map(|ns| libc::timespec {
            tv_sec: libc::time_t::try_from(ns / 1_000_000_000).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::try_from(ns % 1_000_000_000).unwrap_or(0),
        });
        let timeout_pointer = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the descriptor is open while borrowed; the buffer has room for `room` events; the timeout is
        // null or lives to the end of this function; a null signal mask changes nothing.
        let mut count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                room,
                timeout_pointer,
                ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        if count < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS) {
            // before Linux 5.11: whole milliseconds, rounded up so as not to turn in circles
            let ms = timeout_ns.map_or(-1, |ns| {
                libc::c_int::try_from(ns.div_ceil(1_000_000)).unwrap_or(libc::c_int::MAX)
            });
            // SAFETY: as above.
            let result =
                unsafe { libc::epoll_wait(epoll.as_raw_fd(), self.events.as_mut_ptr(), room, ms) };
            count = libc::c_long::from(result);
        }
        match usize::try_from(count) {
            Ok(ready) => self.ready = ready,
            Err(_negative) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

fn signal_set(signals: &[libc::c_int]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set it is given; sigaddset fails without harm on unknown numbers.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        set.assume_init()
    }
}

/// Keeps these signals from interrupting this thread and those it starts.
pub(crate) fn block_signals(signals: &[libc::c_int]) -> io::Result<()> {
    let set = signal_set(signals);
    // SAFETY: the set is initialised; no old mask is asked for.
    let result = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(result)) }
}

/// A descriptor that becomes readable when one of these blocked signals comes.
pub(crate) fn signal_descriptor(signals: &[libc::c_int]) -> io::Result<OwnedFd> {
    let set = signal_set(signals);
    // SAFETY: the set is initialised; -1 asks for a new descriptor.
    let descriptor = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call just made this descriptor and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
