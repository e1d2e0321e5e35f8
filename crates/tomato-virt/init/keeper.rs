//! The keeper: process 1 of every container. A static program that uses only `std` and the C library's system call wrappers.
//!
//! It reaps orphans, runs the boot command, keeps duplicates of the element's TAP descriptors so that their carrier survives
//! the death of every other process of the product, starts processes on request and remembers how they ended.
//! It serves the unix socket inherited as descriptor 3, which only the host can reach (its path lies outside the container).
//! The protocol is described in `src/keeper.rs`, the client side. One thread, one poll loop; every table is bounded; a client that
//! sends garbage is disconnected and nothing else happens.
#![deny(unsafe_op_in_unsafe_fn)]

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{CString, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

const LISTENER: RawFd = 3;
const PROTOCOL_VERSION: u32 = 1;
const CLIENTS_MAX: usize = 64;
const FRAME_MAX: usize = 256 * 1024;
const FDS_PER_CLIENT_MAX: usize = 8;
const HELD_MAX: usize = 256;
const FINISHED_MAX: usize = 1024;
const BOOT_LOG: &str = "/.tomato/boot.log";
const CHILD_OOM_SCORE: &[u8] = b"500";

mod sys {
    //! Declarations of the C library, for 64-bit Linux.
    use super::*;

    #[repr(C)]
    pub struct PollFd {
        pub fd: c_int,
        pub events: i16,
        pub revents: i16,
    }
    #[repr(C)]
    pub struct IoVec {
        pub base: *mut c_void,
        pub len: usize,
    }
    #[repr(C)]
    pub struct MsgHdr {
        pub name: *mut c_void,
        pub namelen: u32,
        pub iov: *mut IoVec,
        pub iovlen: usize,
        pub control: *mut c_void,
        pub controllen: usize,
        pub flags: c_int,
    }
    #[repr(C)]
    pub struct SockFilter {
        pub code: u16,
        pub jt: u8,
        pub jf: u8,
        pub k: u32,
    }
    #[repr(C)]
    pub struct SockFprog {
        pub len: u16,
        pub filter: *const SockFilter,
    }
    /// Size of the C library's `sigset_t`.
    pub type SigSet = [u64; 16];

    unsafe extern "C" {
        pub fn poll(fds: *mut PollFd, n: c_ulong, timeout: c_int) -> c_int;
        pub fn accept4(fd: c_int, addr: *mut c_void, len: *mut c_void, flags: c_int) -> c_int;
        pub fn recvmsg(fd: c_int, msg: *mut MsgHdr, flags: c_int) -> isize;
        pub fn sendmsg(fd: c_int, msg: *const MsgHdr, flags: c_int) -> isize;
        pub fn read(fd: c_int, buf: *mut c_void, n: usize) -> isize;
        pub fn write(fd: c_int, buf: *const c_void, n: usize) -> isize;
        pub fn open(path: *const c_char, flags: c_int, ...) -> c_int;
        pub fn pipe2(fds: *mut c_int, flags: c_int) -> c_int;
        pub fn dup(fd: c_int) -> c_int;
        pub fn dup2(old: c_int, new: c_int) -> c_int;
        pub fn fcntl(fd: c_int, cmd: c_int, ...) -> c_int;
        pub fn fork() -> c_int;
        pub fn setsid() -> c_int;
        pub fn chdir(path: *const c_char) -> c_int;
        pub fn execve(path: *const c_char, argv: *const *const c_char, env: *const *const c_char)
        -> c_int;
        pub fn _exit(code: c_int) -> !;
        pub fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
        pub fn kill(pid: c_int, signal: c_int) -> c_int;
        pub fn sigfillset(set: *mut SigSet) -> c_int;
        pub fn sigemptyset(set: *mut SigSet) -> c_int;
        pub fn sigprocmask(how: c_int, set: *const SigSet, old: *mut SigSet) -> c_int;
        pub fn sigaddset(set: *mut SigSet, signal: c_int) -> c_int;
        pub fn signal(signal: c_int, handler: usize) -> usize;
        pub fn signalfd(fd: c_int, set: *const SigSet, flags: c_int) -> c_int;
        pub fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
        pub fn prctl(option: c_int, ...) -> c_int;
        pub fn syscall(number: c_long, ...) -> c_long;
    }
}

const POLLIN: i16 = 1;
const POLLOUT: i16 = 4;
const O_WRONLY: c_int = 1;
const O_RDWR: c_int = 2;
const O_CREAT: c_int = 0o100;
const O_NOCTTY: c_int = 0o400;
const O_TRUNC: c_int = 0o1000;
const O_NONBLOCK: c_int = 0o4000;
const O_CLOEXEC: c_int = 0o2000000;
const SIGHUP: c_int = 1;
const SIGPIPE: c_int = 13;
const SIGTERM: c_int = 15;
const SIGCHLD: c_int = 17;
const SIGCONT: c_int = 18;
const EINTR: i32 = 4;
const EAGAIN: i32 = 11;
const ECHILD: i32 = 10;
const EINVAL: i32 = 22;
const ENOENT: i32 = 2;
const ENOSPC: i32 = 28;
const MSG_NOSIGNAL: c_int = 0x4000;
const MSG_DONTWAIT: c_int = 0x40;
const MSG_CMSG_CLOEXEC: c_int = 0x4000_0000;
const MSG_CTRUNC: c_int = 8;
const TIOCSCTTY: c_ulong = 0x540e;
const TIOCSPTLCK: c_ulong = 0x4004_5431;
const TIOCGPTPEER: c_ulong = 0x5441;

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(EINVAL)
}

/// Takes a descriptor the kernel has just returned, or the error number.
fn own(fd: c_int) -> Result<OwnedFd, i32> {
    // SAFETY: the callers pass the result of a call that returns a fresh descriptor or a negative number.
    if fd < 0 { Err(errno()) } else { Ok(unsafe { OwnedFd::from_raw_fd(fd) }) }
}

/// Reading side of a request.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        if n > self.0.len() {
            return None;
        }
        let (head, tail) = self.0.split_at(n);
        self.0 = tail;
        Some(head)
    }
    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }
    fn u32(&mut self) -> Option<u32> {
        self.take(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }
    fn u64(&mut self) -> Option<u64> {
        let low = self.u32()?;
        let high = self.u32()?;
        Some(u64::from(low) | (u64::from(high) << 32))
    }
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let n = self.u32()?;
        self.take(n as usize)
    }
    fn c_string(&mut self) -> Option<CString> {
        CString::new(self.bytes()?).ok()
    }
    fn list(&mut self) -> Option<Vec<CString>> {
        let n = self.u32()?;
        (0..n).map(|_| self.c_string()).collect()
    }
}

#[derive(Clone, Copy)]
enum State {
    Running(c_int),
    Exited(u32),
    Signalled(u32),
}

impl State {
    fn encode(self, out: &mut Vec<u8>) {
        let (kind, code) = match self {
            State::Running(_) => (0u8, 0u32),
            State::Exited(code) => (1, code),
            State::Signalled(signal) => (2, signal),
        };
        out.push(kind);
        out.extend(code.to_le_bytes());
    }
}

struct Client {
    fd: OwnedFd,
    input: Vec<u8>,
    fds: VecDeque<OwnedFd>,
    output: VecDeque<(Vec<u8>, Vec<OwnedFd>)>,
    waits_for: Option<u64>,
}

struct Command {
    argv: Vec<CString>,
    env: Vec<CString>,
    cwd: CString,
}

struct Keeper {
    clients: Vec<Client>,
    held: BTreeMap<Vec<u8>, OwnedFd>,
    processes: BTreeMap<u64, State>,
    finished: VecDeque<u64>,
    next_serial: u64,
    boot: u64,
    stopping: bool,
}

type Answer = Result<(Vec<u8>, Vec<OwnedFd>), i32>;

impl Keeper {
    /// Serves one whole request. `None`: no answer now (a wait), or `Err(())`: garbage, drop the client.
    fn serve(&mut self, index: usize, frame: &[u8]) -> Result<Option<Answer>, ()> {
        let mut f = Fields(frame);
        let answer = match f.u8().ok_or(())? {
            1 => {
                let mut out = PROTOCOL_VERSION.to_le_bytes().to_vec();
                out.extend(self.boot.to_le_bytes());
                Ok((out, Vec::new()))
            }
            2 => {
                let name = f.bytes().ok_or(())?.to_vec();
                let fd = self.clients[index].fds.pop_front().ok_or(())?;
                if self.held.len() >= HELD_MAX && !self.held.contains_key(&name) {
                    Err(ENOSPC)
                } else {
                    self.held.insert(name, fd);
                    Ok((Vec::new(), Vec::new()))
                }
            }
            3 => match self.held.get(f.bytes().ok_or(())?) {
                None => Err(ENOENT),
                Some(fd) => duplicate(fd).map(|fd| (Vec::new(), vec![fd])),
            },
            4 => {
                self.held.remove(f.bytes().ok_or(())?);
                Ok((Vec::new(), Vec::new()))
            }
            5 => {
                let mut out = (self.held.len() as u32).to_le_bytes().to_vec();
                for name in self.held.keys() {
                    out.extend((name.len() as u32).to_le_bytes());
                    out.extend(name);
                }
                Ok((out, Vec::new()))
            }
            6 => self.serve_spawn(index, &mut f)?,
            7 => {
                let serial = f.u64().ok_or(())?;
                match self.processes.get(&serial) {
                    None => Err(ENOENT),
                    Some(State::Running(_)) => {
                        self.clients[index].waits_for = Some(serial);
                        return Ok(None);
                    }
                    Some(state) => Ok(encoded(*state)),
                }
            }
            8 => {
                let serial = f.u64().ok_or(())?;
                let signal = f.u32().ok_or(())?;
                match (self.processes.get(&serial), i32::try_from(signal)) {
                    (Some(State::Running(pid)), Ok(signal)) => send_signal(*pid, signal),
                    _ => Err(ENOENT),
                }
            }
            9 => {
                let mut out = (self.processes.len() as u32).to_le_bytes().to_vec();
                for (serial, state) in &self.processes {
                    out.extend(serial.to_le_bytes());
                    state.encode(&mut out);
                }
                Ok((out, Vec::new()))
            }
            10 => match self.processes.get(&f.u64().ok_or(())?) {
                None => Err(ENOENT),
                Some(state) => Ok(encoded(*state)),
            },
            _ => return Err(()),
        };
        Ok(Some(answer))
    }

    fn serve_spawn(&mut self, index: usize, f: &mut Fields<'_>) -> Result<Answer, ()> {
        let pty = f.u8().ok_or(())? == 1;
        let argv = f.list().ok_or(())?;
        let env = f.list().ok_or(())?;
        let cwd = f.c_string().ok_or(())?;
        let command = Command { argv, env, cwd };
        if command.argv.is_empty() {
            return Err(());
        }
        if pty {
            return Ok(open_pty().and_then(|(master, slave)| {
                let stdio = [slave.as_raw_fd(); 3];
                let (serial, pid) = self.spawn(&command, stdio, true)?;
                Ok((spawned(serial, pid), vec![master]))
            }));
        }
        let fds = &mut self.clients[index].fds;
        if fds.len() < 3 {
            return Err(());
        }
        let stdio: Vec<OwnedFd> = fds.drain(..3).collect();
        let raw = [stdio[0].as_raw_fd(), stdio[1].as_raw_fd(), stdio[2].as_raw_fd()];
        Ok(self
            .spawn(&command, raw, false)
            .map(|(serial, pid)| (spawned(serial, pid), Vec::new())))
    }

    fn spawn(&mut self, command: &Command, stdio: [RawFd; 3], pty: bool) -> Result<(u64, u32), i32> {
        if self.stopping {
            return Err(ECHILD);
        }
        let pid = start_process(command, stdio, pty)?;
        let serial = self.next_serial;
        self.next_serial += 1;
        self.processes.insert(serial, State::Running(pid));
        Ok((serial, pid as u32))
    }

    /// Reaps every ended child, remembers those we started and answers who waits for them.
    fn reap(&mut self) {
        loop {
            let mut status = 0;
            // SAFETY: `status` is a valid place for the result.
            let pid = unsafe { sys::waitpid(-1, &mut status, 1) };
            if pid == 0 {
                return;
            }
            if pid < 0 {
                if errno() == EINTR {
                    continue;
                }
                if self.stopping {
                    std::process::exit(0);
                }
                return;
            }
            let state = match status & 0x7f {
                0 => State::Exited(((status >> 8) & 0xff) as u32),
                signal => State::Signalled(signal as u32),
            };
            let found = self
                .processes
                .iter()
                .find(|(_, s)| matches!(s, State::Running(p) if *p == pid))
                .map(|(serial, _)| *serial);
            if let Some(serial) = found {
                self.finish(serial, state);
            }
        }
    }

    fn finish(&mut self, serial: u64, state: State) {
        self.processes.insert(serial, state);
        self.finished.push_back(serial);
        while self.finished.len() > FINISHED_MAX {
            if let Some(oldest) = self.finished.pop_front() {
                self.processes.remove(&oldest);
            }
        }
        for client in &mut self.clients {
            if client.waits_for == Some(serial) {
                client.waits_for = None;
                client.output.push_back(framed(Ok(encoded(state))));
            }
        }
    }

    /// Reads what a client sent and serves every whole request in it; false: the client is gone.
    fn read_client(&mut self, index: usize) -> bool {
        if !receive(&mut self.clients[index]) {
            return false;
        }
        self.serve_buffered(index)
    }

    fn serve_buffered(&mut self, index: usize) -> bool {
        loop {
            let client = &mut self.clients[index];
            if client.waits_for.is_some() || client.input.len() < 4 {
                return true;
            }
            let i = &client.input;
            let n = u32::from_le_bytes([i[0], i[1], i[2], i[3]]) as usize;
            if n == 0 || n > FRAME_MAX {
                return false;
            }
            if client.input.len() < 4 + n {
                return true;
            }
            let frame: Vec<u8> = client.input.drain(..4 + n).skip(4).collect();
            match self.serve(index, &frame) {
                Err(()) => return false,
                Ok(None) => {}
                Ok(Some(answer)) => self.clients[index].output.push_back(framed(answer)),
            }
        }
    }

    fn accept(&mut self, listener: RawFd) {
        // SAFETY: no address is asked for; the result is a fresh descriptor or an error.
        let fd = unsafe {
            let none = std::ptr::null_mut();
            sys::accept4(listener, none, none, O_CLOEXEC | O_NONBLOCK)
        };
        let Ok(fd) = own(fd) else { return };
        if self.clients.len() < CLIENTS_MAX {
            self.clients.push(Client {
                fd,
                input: Vec::new(),
                fds: VecDeque::new(),
                output: VecDeque::new(),
                waits_for: None,
            });
        }
    }

    fn begin_stop(&mut self) {
        self.stopping = true;
        for signal in [SIGTERM, SIGHUP, SIGCONT] {
            // SAFETY: plain system call; -1 names every process of this container but ourselves.
            unsafe { sys::kill(-1, signal) };
        }
        self.reap();
    }

    fn run(&mut self, signals: &OwnedFd) -> ! {
        loop {
            let mut polled = vec![
                sys::PollFd { fd: LISTENER, events: POLLIN, revents: 0 },
                sys::PollFd { fd: signals.as_raw_fd(), events: POLLIN, revents: 0 },
            ];
            polled.extend(self.clients.iter().map(|c| sys::PollFd {
                fd: c.fd.as_raw_fd(),
                events: if c.output.is_empty() { POLLIN } else { POLLIN | POLLOUT },
                revents: 0,
            }));
            // SAFETY: the array outlives the call and its length is given.
            let n = unsafe { sys::poll(polled.as_mut_ptr(), polled.len() as c_ulong, -1) };
            if n < 0 {
                continue;
            }
            let mut dead = Vec::new();
            for (index, p) in polled[2..].iter().enumerate() {
                let alive = p.revents & !POLLOUT == 0 || self.read_client(index);
                if !alive {
                    dead.push(index);
                }
            }
            if polled[1].revents != 0 {
                self.take_signals(signals);
            }
            for index in 0..self.clients.len() {
                let served = self.serve_buffered(index) && flush(&mut self.clients[index]);
                if !served && !dead.contains(&index) {
                    dead.push(index);
                }
            }
            dead.sort_unstable();
            for index in dead.into_iter().rev() {
                self.clients.remove(index);
            }
            if polled[0].revents != 0 {
                self.accept(LISTENER);
            }
        }
    }

    fn take_signals(&mut self, signals: &OwnedFd) {
        let mut info = [0u8; 128];
        loop {
            // SAFETY: the buffer is as long as one `signalfd_siginfo`.
            let n = unsafe { sys::read(signals.as_raw_fd(), info.as_mut_ptr().cast(), info.len()) };
            if n < 128 {
                break;
            }
            let signal = i32::from_le_bytes([info[0], info[1], info[2], info[3]]);
            if signal == SIGTERM {
                self.begin_stop();
            }
        }
        self.reap();
    }
}

fn encoded(state: State) -> (Vec<u8>, Vec<OwnedFd>) {
    let mut out = Vec::new();
    state.encode(&mut out);
    (out, Vec::new())
}

fn spawned(serial: u64, pid: u32) -> Vec<u8> {
    let mut out = serial.to_le_bytes().to_vec();
    out.extend(pid.to_le_bytes());
    out
}

fn framed(answer: Answer) -> (Vec<u8>, Vec<OwnedFd>) {
    let (status, body, fds) = match answer {
        Ok((body, fds)) => (0u8, body, fds),
        Err(errno) => (1, errno.to_le_bytes().to_vec(), Vec::new()),
    };
    let mut out = (body.len() as u32 + 1).to_le_bytes().to_vec();
    out.push(status);
    out.extend(body);
    (out, fds)
}

fn duplicate(fd: &OwnedFd) -> Result<OwnedFd, i32> {
    // SAFETY: F_DUPFD_CLOEXEC (1030) on an open descriptor returns a fresh one or an error.
    own(unsafe { sys::fcntl(fd.as_raw_fd(), 1030, 3 as c_int) })
}

fn send_signal(pid: c_int, signal: c_int) -> Answer {
    // SAFETY: plain system calls; `pid` is a child that has not been reaped, so the number is still its own.
    unsafe {
        if sys::kill(-pid, signal) < 0 {
            sys::kill(pid, signal);
        }
    }
    Ok((Vec::new(), Vec::new()))
}

fn receive(client: &mut Client) -> bool {
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
    let n = unsafe {
        sys::recvmsg(client.fd.as_raw_fd(), &mut msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
    };
    if n < 0 {
        return matches!(errno(), EAGAIN | EINTR);
    }
    take_descriptors(&control, msg.controllen, &mut client.fds);
    if n == 0 || msg.flags & MSG_CTRUNC != 0 || client.fds.len() > FDS_PER_CLIENT_MAX {
        return false;
    }
    client.input.extend(&buffer[..n as usize]);
    client.input.len() <= FRAME_MAX + 16384
}

/// Takes the descriptors out of the control messages (all of them, so that none leaks).
fn take_descriptors(control: &[u64], used: usize, fds: &mut VecDeque<OwnedFd>) {
    let mut at = 0;
    while at + 2 < control.len() && (at * 8) + 16 <= used {
        let length = control[at] as usize;
        let (level, kind) = ((control[at + 1] & 0xffff_ffff) as u32, (control[at + 1] >> 32) as u32);
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
fn flush(client: &mut Client) -> bool {
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

fn open_pty() -> Result<(OwnedFd, OwnedFd), i32> {
    // SAFETY: plain system calls on a constant path and on the descriptor just opened.
    unsafe {
        let master = own(sys::open(c"/dev/ptmx".as_ptr(), O_RDWR | O_NOCTTY | O_CLOEXEC))?;
        let unlock: c_int = 0;
        if sys::ioctl(master.as_raw_fd(), TIOCSPTLCK, &unlock as *const c_int) < 0 {
            return Err(errno());
        }
        let flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
        let slave = own(sys::ioctl(master.as_raw_fd(), TIOCGPTPEER, flags))?;
        Ok((master, slave))
    }
}

/// Starts a process in its own session. The error number is that of the failed step (no such program, no such directory, ...).
fn start_process(command: &Command, stdio: [RawFd; 3], pty: bool) -> Result<c_int, i32> {
    let programs = candidates(command);
    let argv = pointers(&command.argv);
    let env = pointers(&command.env);
    let mut ends = [0 as c_int; 2];
    // SAFETY: `ends` has room for two descriptors.
    if unsafe { sys::pipe2(ends.as_mut_ptr(), O_CLOEXEC) } < 0 {
        return Err(errno());
    }
    let (reader, writer) = (own(ends[0])?, own(ends[1])?);
    // SAFETY: this process has one thread, so the child may run any code.
    let pid = unsafe { sys::fork() };
    if pid < 0 {
        return Err(errno());
    }
    if pid == 0 {
        let failed = become_program(command, &programs, &argv, &env, stdio, pty);
        let bytes = failed.to_le_bytes();
        // SAFETY: the buffer is valid; `_exit` ends this child.
        unsafe {
            sys::write(writer.as_raw_fd(), bytes.as_ptr().cast(), 4);
            sys::_exit(127);
        }
    }
    drop(writer);
    let mut bytes = [0u8; 4];
    // SAFETY: the buffer is valid for four bytes; the pipe closes when the child has become the program or ended.
    let n = unsafe { sys::read(reader.as_raw_fd(), bytes.as_mut_ptr().cast(), 4) };
    if n == 4 { Err(i32::from_le_bytes(bytes)) } else { Ok(pid) }
}

/// The paths to try: the program itself if it has a slash, else one per directory of the command's PATH.
fn candidates(command: &Command) -> Vec<CString> {
    let program = command.argv[0].as_bytes();
    if program.contains(&b'/') {
        return vec![command.argv[0].clone()];
    }
    let path = command.env.iter().find_map(|e| e.as_bytes().strip_prefix(b"PATH="));
    path.unwrap_or(b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .split(|b| *b == b':')
        .filter_map(|dir| CString::new([dir, b"/", program].concat()).ok())
        .collect()
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
}

/// In the child: never returns if all goes well, else the error number of the failed step.
fn become_program(
    command: &Command,
    programs: &[CString],
    argv: &[*const c_char],
    env: &[*const c_char],
    stdio: [RawFd; 3],
    pty: bool,
) -> i32 {
    // SAFETY: the child of a single-threaded process; every pointer comes from live `CString`s and null-ended arrays.
    unsafe {
        sys::setsid();
        let mut none: sys::SigSet = [0; 16];
        sys::sigemptyset(&mut none);
        sys::sigprocmask(2, &none, std::ptr::null_mut());
        sys::signal(SIGPIPE, 0);
        raise_oom_score();
        if sys::chdir(command.cwd.as_ptr()) < 0 {
            return errno();
        }
        // First out of the way of 0..2, then into place: the given numbers may overlap.
        let high: Vec<c_int> = stdio.iter().map(|fd| sys::fcntl(*fd, 1030, 10 as c_int)).collect();
        for (target, fd) in high.iter().enumerate() {
            if *fd < 0 || sys::dup2(*fd, target as c_int) < 0 {
                return errno();
            }
        }
        if pty {
            sys::ioctl(0, TIOCSCTTY, 0 as c_int);
        }
        let mut failed = ENOENT;
        for program in programs {
            sys::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr());
            if errno() != ENOENT {
                failed = errno();
            }
        }
        failed
    }
}

/// Makes a container that runs out of memory lose a child, not its process 1.
fn raise_oom_score() {
    // SAFETY: plain system calls on a constant path and buffer.
    unsafe {
        if let Ok(fd) = own(sys::open(c"/proc/self/oom_score_adj".as_ptr(), O_WRONLY | O_CLOEXEC)) {
            sys::write(fd.as_raw_fd(), CHILD_OOM_SCORE.as_ptr().cast(), CHILD_OOM_SCORE.len());
        }
    }
}

include!("seccomp.rs");

fn boot_command(arguments: Vec<CString>) -> Command {
    let env = std::env::vars()
        .filter_map(|(name, value)| CString::new(format!("{name}={value}")).ok())
        .collect();
    Command { argv: arguments, env, cwd: c"/".to_owned() }
}

fn boot_stdio() -> Option<(OwnedFd, OwnedFd)> {
    let log = CString::new(BOOT_LOG).ok()?;
    let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    // SAFETY: plain system calls on constant paths.
    unsafe {
        let null = own(sys::open(c"/dev/null".as_ptr(), O_RDWR | O_CLOEXEC)).ok()?;
        let log = own(sys::open(log.as_ptr(), flags, 0o600 as c_uint))
            .or_else(|_| own(sys::dup(null.as_raw_fd())));
        Some((null, log.ok()?))
    }
}

fn main() {
    let arguments: Vec<CString> = std::env::args_os()
        .skip(1)
        .filter_map(|a| CString::new(std::os::unix::ffi::OsStringExt::into_vec(a)).ok())
        .collect();
    // SAFETY: plain system calls before anything else runs; the sets are valid places. PR_SET_DUMPABLE (4) = 0 keeps the container's
    // own processes from tracing this one.
    let signals = unsafe {
        sys::prctl(4, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong);
        let mut all: sys::SigSet = [0; 16];
        sys::sigfillset(&mut all);
        sys::sigprocmask(2, &all, std::ptr::null_mut());
        let mut taken: sys::SigSet = [0; 16];
        sys::sigemptyset(&mut taken);
        sys::sigaddset(&mut taken, SIGCHLD);
        sys::sigaddset(&mut taken, SIGTERM);
        sys::fcntl(LISTENER, 2, 1 as c_int);
        sys::fcntl(LISTENER, 4, O_NONBLOCK);
        own(sys::signalfd(-1, &taken, O_CLOEXEC | O_NONBLOCK))
    };
    let Ok(signals) = signals else { std::process::exit(111) };
    if install_seccomp().is_err() {
        std::process::exit(112);
    }
    let mut keeper = Keeper {
        clients: Vec::new(),
        held: BTreeMap::new(),
        processes: BTreeMap::new(),
        finished: VecDeque::new(),
        next_serial: 1,
        boot: 0,
        stopping: false,
    };
    if !arguments.is_empty()
        && let Some((null, log)) = boot_stdio()
    {
        let stdio = [null.as_raw_fd(), log.as_raw_fd(), log.as_raw_fd()];
        if let Ok((serial, _)) = keeper.spawn(&boot_command(arguments), stdio, false) {
            keeper.boot = serial;
        }
    }
    keeper.run(&signals)
}
