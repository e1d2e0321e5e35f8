//! Connections of the keeper's socket: bytes and descriptors in both directions, never waiting.

use std::collections::VecDeque;
use std::ffi::{CString, c_int};
use std::os::fd::{AsRawFd, OwnedFd};

use crate::process::{errno, own};
use crate::sys::{self, EAGAIN, EINTR, MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_DONTWAIT, MSG_NOSIGNAL};

const FDS_MAX: usize = 8;
/// Largest request in bytes.
pub(crate) const FRAME_MAX: usize = 256 * 1024;

/// Reading side of a request.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        if n > self.0.len() {
            return None;
        }
        let (head, tail) = self.0.split_at(n);
        self.0 = tail;
        Some(head)
    }
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }
    pub(crate) fn u64(&mut self) -> Option<u64> {
        let low = self.u32()?;
        let high = self.u32()?;
        Some(u64::from(low) | (u64::from(high) << 32))
    }
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let n = self.u32()?;
        self.take(n as usize)
    }
    pub(crate) fn c_string(&mut self) -> Option<CString> {
        CString::new(self.bytes()?).ok()
    }
    pub(crate) fn list(&mut self) -> Option<Vec<CString>> {
        let n = self.u32()?;
        (0..n).map(|_| self.c_string()).collect()
    }
}

pub(crate) struct Client {
    pub(crate) fd: OwnedFd,
    pub(crate) input: Vec<u8>,
    pub(crate) fds: VecDeque<OwnedFd>,
    pub(crate) output: VecDeque<(Vec<u8>, Vec<OwnedFd>)>,
    pub(crate) waits_for: Option<u64>,
}

pub(crate) fn receive(client: &mut Client) -> bool {
    let mut buffer = [0u8; 16384];
    let mut control = [0u64; 64];
    let mut iov = sys::IoVec { base: buffer.as_mut_ptr().cast(), len: buffer.len() };
    let mut msg = sys::MsgHdr {
        name: std::ptr::null_mut(),
        namelen: 0,
        iov: &mut iov,
        iovlen: 1,
        control: control.as_mut_ptr().cast(),
        controllen: size_of_val(&control),
        flags: 0,
    };
    // SAFETY: every pointer in `msg` is valid for its length for the duration of the call.
    let n =
        unsafe { sys::recvmsg(client.fd.as_raw_fd(), &mut msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) };
    if n < 0 {
        return matches!(errno(), EAGAIN | EINTR);
    }
    take_descriptors(&control, msg.controllen, &mut client.fds);
    if n == 0 || msg.flags & MSG_CTRUNC != 0 || client.fds.len() > FDS_MAX {
        return false;
    }
    client.input.extend(&buffer[..n as usize]);
    client.input.len() <= FRAME_MAX + 16384
}

/// Takes the descriptors out of the control messages (all of them, so that none leaks).
pub(crate) fn take_descriptors(control: &[u64], used: usize, fds: &mut VecDeque<OwnedFd>) {
    let mut at = 0;
    while at + 2 < control.len() && (at * 8) + 16 <= used {
        let length = control[at] as usize;
        let (level, kind) =
            ((control[at + 1] & 0xffff_ffff) as u32, (control[at + 1] >> 32) as u32);
        if length < 16 || at * 8 + length > used {
            return;
        }
        if level == 1 && kind == 1 {
            for i in 0..(length - 16) / 4 {
                let word = control[at + 2 + i / 2];
                let fd = ((word >> (32 * (i % 2))) & 0xffff_ffff) as u32 as c_int;
                if let Ok(fd) = own(fd) {
                    fds.push_back(fd);
                }
            }
        }
        at += length.div_ceil(8);
    }
}

/// Sends queued answers until done or the socket is full; false: the client is gone.
pub(crate) fn flush(client: &mut Client) -> bool {
    while let Some((bytes, fds)) = client.output.front_mut() {
        let mut control = [0u64; 3];
        let mut iov = sys::IoVec { base: bytes.as_mut_ptr().cast(), len: bytes.len() };
        let mut msg = sys::MsgHdr {
            name: std::ptr::null_mut(),
            namelen: 0,
            iov: &mut iov,
            iovlen: 1,
            control: std::ptr::null_mut(),
            controllen: 0,
            flags: 0,
        };
        if let Some(fd) = fds.first() {
            control = [20, 1 | (1 << 32), fd.as_raw_fd() as u32 as u64];
            msg.control = control.as_mut_ptr().cast();
            msg.controllen = 24;
        }
        // SAFETY: every pointer in `msg` is valid for its length for the duration of the call.
        let n = unsafe { sys::sendmsg(client.fd.as_raw_fd(), &msg, MSG_DONTWAIT | MSG_NOSIGNAL) };
        if n < 0 {
            return matches!(errno(), EAGAIN | EINTR);
        }
        let _ = &control;
        fds.clear();
        bytes.drain(..n as usize);
        if bytes.is_empty() {
            client.output.pop_front();
        }
    }
    true
}
