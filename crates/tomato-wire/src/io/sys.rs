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
