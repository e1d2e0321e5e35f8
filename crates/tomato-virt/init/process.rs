//! Starting processes, with their terminals, and the descriptors for it.

use std::ffi::{CString, c_char, c_int, c_uint};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::sys::{
    self, EINVAL, ENOENT, O_CLOEXEC, O_CREAT, O_NOCTTY, O_RDWR, O_TRUNC, O_WRONLY, SIGPIPE,
    TIOCGPTPEER, TIOCSCTTY, TIOCSPTLCK,
};

const BOOT_LOG: &str = "/.tomato/boot.log";
const CHILD_OOM_SCORE: &[u8] = b"500";

pub(crate) fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(EINVAL)
}

/// Takes a descriptor the kernel has just returned, or the error number.
pub(crate) fn own(fd: c_int) -> Result<OwnedFd, i32> {
    // SAFETY: the callers pass the result of a call that returns a fresh descriptor or a negative number.
    if fd < 0 { Err(errno()) } else { Ok(unsafe { OwnedFd::from_raw_fd(fd) }) }
}

pub(crate) struct Command {
    pub(crate) argv: Vec<CString>,
    pub(crate) env: Vec<CString>,
    pub(crate) cwd: CString,
}

pub(crate) fn duplicate(fd: &OwnedFd) -> Result<OwnedFd, i32> {
    // SAFETY: F_DUPFD_CLOEXEC (1030) on an open descriptor returns a fresh one or an error.
    own(unsafe { sys::fcntl(fd.as_raw_fd(), 1030, 3 as c_int) })
}

pub(crate) fn open_pty() -> Result<(OwnedFd, OwnedFd), i32> {
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
pub(crate) fn start_process(command: &Command, stdio: [RawFd; 3], pty: bool) -> Result<c_int, i32> {
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

pub(crate) fn boot_command(arguments: Vec<CString>) -> Command {
    let env = std::env::vars()
        .filter_map(|(name, value)| CString::new(format!("{name}={value}")).ok())
        .collect();
    Command { argv: arguments, env, cwd: c"/".to_owned() }
}

pub(crate) fn boot_stdio() -> Option<(OwnedFd, OwnedFd)> {
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
