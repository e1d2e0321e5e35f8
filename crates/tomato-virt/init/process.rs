//! Starting processes, with their terminals, and the descriptors for it.

use std::ffi::{CString, c_char, c_int, c_uint};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::sys::{
    self, EAGAIN, EINTR, EINVAL, ENOENT, O_CLOEXEC, O_CREAT, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDWR,
    O_TRUNC, O_WRONLY, SIGPIPE, TIOCGPTPEER, TIOCSCTTY, TIOCSPTLCK,
};

/// Bytes of the main process's output that are kept, and as many before them.
const LOG_MAX: usize = 1 << 20;
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
    /// Who it is; root by default.
    pub(crate) identity: Identity,
}

/// Ids of a process.
#[derive(Default)]
pub(crate) struct Identity {
    uid: c_uint,
    gid: c_uint,
    groups: Vec<c_uint>,
}

impl Identity {
    /// From `UID:GID:GROUP,GROUP,...`.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let uid = parts.next()?.parse().ok()?;
        let gid = parts.next()?.parse().ok()?;
        let groups = parts.next()?.split(',').filter(|group| !group.is_empty());
        let groups = groups.map(|group| group.parse().ok()).collect::<Option<_>>()?;
        Some(Self { uid, gid, groups })
    }
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
        let Identity { uid, gid, groups } = &command.identity;
        if (*uid, *gid, groups.len()) != (0, 0, 0)
            && (sys::setgroups(groups.len(), groups.as_ptr()) < 0
                || sys::setgid(*gid) < 0
                || sys::setuid(*uid) < 0)
        {
            return errno();
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

/// The main process from the keeper's own arguments: who, where, what.
pub(crate) fn boot_command(mut arguments: Vec<CString>) -> Option<Command> {
    if arguments.len() < 3 {
        return None;
    }
    let argv = arguments.split_off(2);
    let cwd = arguments.pop()?;
    let identity = Identity::parse(arguments.pop()?.to_str().ok()?)?;
    let env = std::env::vars()
        .filter_map(|(name, value)| CString::new(format!("{name}={value}")).ok())
        .collect();
    Some(Command { argv, env, cwd, identity })
}

/// What the main process writes: read from a pipe, kept in a file of bounded length that the container may do with as it likes.
pub(crate) struct BootLog {
    pub(crate) pipe: OwnedFd,
    file: Option<OwnedFd>,
    written: usize,
}

impl BootLog {
    /// The log and the end of the pipe that the process writes to.
    pub(crate) fn new() -> Result<(Self, OwnedFd), i32> {
        let mut ends = [0 as c_int; 2];
        // SAFETY: `ends` has room for two descriptors.
        if unsafe { sys::pipe2(ends.as_mut_ptr(), O_CLOEXEC) } < 0 {
            return Err(errno());
        }
        let (pipe, writer) = (own(ends[0])?, own(ends[1])?);
        // SAFETY: F_SETFL (4) on our own end of the pipe.
        unsafe { sys::fcntl(pipe.as_raw_fd(), 4, O_NONBLOCK) };
        Ok((Self { pipe, file: open_log(), written: 0 }, writer))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        if self.written + bytes.len() > LOG_MAX {
            let (from, to) = (c"/.tomato/boot.log".as_ptr(), c"/.tomato/boot.log.1".as_ptr());
            // SAFETY: plain system call on constant paths.
            unsafe { sys::rename(from, to) };
            self.file = open_log();
            self.written = 0;
        }
        self.written += bytes.len();
        if let Some(file) = &self.file {
            // SAFETY: the buffer is valid. What does not fit on the disk is lost.
            unsafe { sys::write(file.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
        }
    }

    /// Takes what is there, once; false: nobody can write any more.
    pub(crate) fn read(&mut self) -> bool {
        let mut buffer = [0u8; 16384];
        // SAFETY: the buffer is valid for its length.
        let n =
            unsafe { sys::read(self.pipe.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
        if n > 0 {
            self.write(&buffer[..n as usize]);
        }
        n > 0 || (n < 0 && matches!(errno(), EAGAIN | EINTR))
    }
}

/// A file of that name that is a pipe or a link is not opened.
fn open_log() -> Option<OwnedFd> {
    let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW;
    // SAFETY: plain system call on a constant path.
    own(unsafe { sys::open(c"/.tomato/boot.log".as_ptr(), flags, 0o644 as c_uint) }).ok()
}

pub(crate) fn null() -> Result<OwnedFd, i32> {
    // SAFETY: plain system call on a constant path.
    own(unsafe { sys::open(c"/dev/null".as_ptr(), O_RDWR | O_CLOEXEC) })
}
