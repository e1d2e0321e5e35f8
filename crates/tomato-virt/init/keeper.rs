//! The keeper: process 1 of every container. A static program that uses only `std` and the C library's system call wrappers.
//!
//! It reaps orphans, runs the boot command once told that the network is there (or after [`BOOT_WAIT`]), keeps duplicates of the element's TAP descriptors so that their carrier survives
//! the death of every other process of the product, starts processes on request and remembers how they ended.
//! It serves the unix socket inherited as descriptor 3, which only the host can reach (its path lies outside the container).
//! The protocol is described in `src/keeper.rs`, the client side. One thread, one poll loop; every table is bounded; a client that
//! sends garbage is disconnected and nothing else happens.
#![deny(unsafe_op_in_unsafe_fn)]

mod clients;
mod process;
mod seccomp;
mod sys;

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{CString, c_int, c_ulong};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use clients::{Client, FRAME_MAX, Fields, flush, receive};
use process::{
    BootLog, Command, Identity, boot_command, duplicate, errno, null, open_pty, own, start_process,
};
use sys::{
    ECHILD, EINTR, ENOENT, ENOSPC, O_CLOEXEC, O_NONBLOCK, POLLIN, POLLOUT, SIGCHLD, SIGCONT,
    SIGHUP, SIGTERM,
};

const LISTENER: RawFd = 3;
const PROTOCOL_VERSION: u32 = 2;
/// How long the boot command waits for the network when nobody says that it is there.
const BOOT_WAIT: Duration = Duration::from_secs(20);
const CLIENTS_MAX: usize = 64;
const HELD_MAX: usize = 256;
const FINISHED_MAX: usize = 1024;

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

struct Keeper {
    clients: Vec<Client>,
    held: BTreeMap<Vec<u8>, OwnedFd>,
    processes: BTreeMap<u64, State>,
    finished: VecDeque<u64>,
    next_serial: u64,
    boot: u64,
    /// The main process while it waits, and until when.
    pending: Option<(Command, Instant)>,
    log: Option<BootLog>,
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
            5 => Ok((self.held_names(), Vec::new())),
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
            9 => Ok((self.process_table(), Vec::new())),
            10 => match self.processes.get(&f.u64().ok_or(())?) {
                None => Err(ENOENT),
                Some(state) => Ok(encoded(*state)),
            },
            11 => {
                self.run_boot();
                Ok((Vec::new(), Vec::new()))
            }
            _ => return Err(()),
        };
        Ok(Some(answer))
    }

    fn held_names(&self) -> Vec<u8> {
        let mut out = (self.held.len() as u32).to_le_bytes().to_vec();
        for name in self.held.keys() {
            out.extend((name.len() as u32).to_le_bytes());
            out.extend(name);
        }
        out
    }

    fn process_table(&self) -> Vec<u8> {
        let mut out = (self.processes.len() as u32).to_le_bytes().to_vec();
        for (serial, state) in &self.processes {
            out.extend(serial.to_le_bytes());
            state.encode(&mut out);
        }
        out
    }

    /// Starts the main process unless that was done; that it could not be is in its log, and it counts as ended as a shell would have it.
    fn run_boot(&mut self) {
        let Some((command, _)) = self.pending.take() else { return };
        let begun = BootLog::new().and_then(|(log, writer)| {
            self.log = Some(log);
            let null = null()?;
            let stdio = [null.as_raw_fd(), writer.as_raw_fd(), writer.as_raw_fd()];
            self.spawn(&command, stdio, false)
        });
        match begun {
            Ok((serial, _)) => self.boot = serial,
            Err(error) => {
                let error = std::io::Error::from_raw_os_error(error);
                let (program, cwd) = (&command.argv[0], &command.cwd);
                let (program, cwd) = (program.to_string_lossy(), cwd.to_string_lossy());
                if let Some(log) = &mut self.log {
                    log.write(format!("cannot start {program} in {cwd}: {error}\n").as_bytes());
                }
                self.boot = self.next_serial;
                self.next_serial += 1;
                self.finish(self.boot, State::Exited(127));
            }
        }
    }

    /// Milliseconds until the boot command has waited long enough; -1 where none waits.
    fn poll_timeout(&self) -> c_int {
        let Some((_, end)) = &self.pending else { return -1 };
        let left = end.saturating_duration_since(Instant::now());
        // Rounded up, so that the time is over when poll returns.
        c_int::try_from(left.as_millis()).map_or(c_int::MAX, |left| left.saturating_add(1))
    }

    fn serve_spawn(&mut self, index: usize, f: &mut Fields<'_>) -> Result<Answer, ()> {
        let pty = f.u8().ok_or(())? == 1;
        let argv = f.list().ok_or(())?;
        let env = f.list().ok_or(())?;
        let cwd = f.c_string().ok_or(())?;
        let command = Command { argv, env, cwd, identity: Identity::default() };
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
        Ok(self.spawn(&command, raw, false).map(|(serial, pid)| (spawned(serial, pid), Vec::new())))
    }

    fn spawn(
        &mut self,
        command: &Command,
        stdio: [RawFd; 3],
        pty: bool,
    ) -> Result<(u64, u32), i32> {
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
            let clients = polled.len();
            polled.extend(self.log.iter().map(|log| sys::PollFd {
                fd: log.pipe.as_raw_fd(),
                events: POLLIN,
                revents: 0,
            }));
            // SAFETY: the array outlives the call and its length is given.
            let n = unsafe { sys::poll(polled.as_mut_ptr(), polled.len() as c_ulong, self.poll_timeout()) };
            if self.pending.as_ref().is_some_and(|(_, end)| Instant::now() >= *end) {
                self.run_boot();
            }
            if n < 0 {
                continue;
            }
            let mut dead = Vec::new();
            if polled[clients..].iter().any(|p| p.revents != 0)
                && !self.log.as_mut().is_some_and(BootLog::read)
            {
                self.log = None;
            }
            for (index, p) in polled[2..clients].iter().enumerate() {
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

fn send_signal(pid: c_int, signal: c_int) -> Answer {
    // SAFETY: plain system calls; `pid` is a child that has not been reaped, so the number is still its own.
    unsafe {
        if sys::kill(-pid, signal) < 0 {
            sys::kill(pid, signal);
        }
    }
    Ok((Vec::new(), Vec::new()))
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
    if seccomp::install().is_err() {
        std::process::exit(112);
    }
    let mut keeper = Keeper {
        clients: Vec::new(),
        held: BTreeMap::new(),
        processes: BTreeMap::new(),
        finished: VecDeque::new(),
        next_serial: 1,
        boot: 0,
        pending: boot_command(arguments).map(|command| (command, Instant::now() + BOOT_WAIT)),
        log: None,
        stopping: false,
    };
    keeper.run(&signals)
}
