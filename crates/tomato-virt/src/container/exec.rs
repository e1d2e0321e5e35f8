//! Commands in a container, run by its keeper with pipes of ours, and archives, run by the helper.

mod output;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tomato_model::id::ElementId;

use self::output::Output;
use super::host::Inner;
use super::layout::ElementPaths;
use super::life::{asked, lock, request_text};
use super::{
    ContainerError, ContainerUsage, ExecOutput, ExecRequest, ProcessId, ProcessState, SpawnRequest,
    Terminal, bundle, cgroup,
};
use crate::cmd::{Cmd, CmdError, Streams};
use crate::helper::{MISSING, PackRequest, Place, REFUSED, ReadRequest, Request, TailsRequest};
use crate::keeper::{Ended, Keeper, KeeperError, Start};
use crate::limits::{
    ARCHIVE_DEADLINE, DEVICES_BYTES, EXEC_KILL_DEADLINE, FILES_BYTES, HELPER_ERROR_MAX,
    TAILS_BYTES, TAILS_DEADLINE,
};

/// Prefix of the name under which the keeper holds a terminal; the number of its process follows.
const HELD_TERMINAL: &str = "terminal:";

/// Whether a descriptor a container handed out is the master side of a terminal.
fn is_terminal(fd: &OwnedFd) -> bool {
    rustix::pty::ptsname(fd, Vec::new()).is_ok()
}

impl Inner {
    pub(super) fn exec(
        &self,
        id: &ElementId,
        request: &ExecRequest,
        gone: Option<&OwnedFd>,
    ) -> Result<ExecOutput, ContainerError> {
        let (state, _) = self.started(id)?;
        let start = start(&request.argv, &request.env, &request.cwd)?;
        let mut keeper = self.keeper(id)?;
        let failed = || ContainerError::file("make a pipe for", "a command");
        let (stdin, to_stdin) = io::pipe().map_err(failed())?;
        let (from_stdout, stdout) = io::pipe().map_err(failed())?;
        let (from_stderr, stderr) = io::pipe().map_err(failed())?;
        // Inside they are opened again as /dev/stdout and the like, which needs the container's own owner.
        for pipe in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
            let owner = rustix::fs::Uid::from_raw(state.id_base);
            let group = rustix::fs::Gid::from_raw(state.id_base);
            rustix::fs::fchown(pipe, Some(owner), Some(group)).map_err(|e| failed()(e.into()))?;
        }
        for pipe in [to_stdin.as_fd(), from_stdout.as_fd(), from_stderr.as_fd()] {
            rustix::io::ioctl_fionbio(pipe, true).map_err(|e| failed()(e.into()))?;
        }
        let serial = keeper
            .spawn(&start, [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()])
            .map_err(not_started(id, &request.argv))?;
        drop((stdin, stdout, stderr));
        keeper.begin_wait(serial).map_err(asked(id))?;
        let mut run = Run {
            input: request.stdin.as_ref().map(|bytes| (OwnedFd::from(to_stdin), bytes.as_slice())),
            outputs: [
                Output::new(from_stdout.into(), request.output_limit_bytes),
                Output::new(from_stderr.into(), request.output_limit_bytes),
            ],
            gone,
        };
        let (ended, timed_out) = match run.until_end(&mut keeper, request.timeout) {
            Ok(Some(ended)) => (ended, false),
            Ok(None) => {
                run.gone = None;
                // The connection that waits is busy, so another one kills.
                self.keeper(id)?.kill(serial, libc::SIGKILL).map_err(asked(id))?;
                let ended = run.until_end(&mut keeper, EXEC_KILL_DEADLINE).map_err(asked(id))?;
                (ended.unwrap_or(Ended::Signalled(libc::SIGKILL)), true)
            }
            Err(error) => return Err(asked(id)(error)),
        };
        Ok(run.finish(ended, timed_out))
    }

    pub(super) fn spawn(
        &self,
        id: &ElementId,
        request: &SpawnRequest,
    ) -> Result<ProcessId, ContainerError> {
        let (program, output) = (&request.argv, request.output.as_deref());
        let argv = match output {
            None => program.clone(),
            // The file is opened inside, by the container's own right, so no link in its path can lead out.
            Some(file) => [
                &["/bin/sh", "-c", "f=$1; shift; exec \"$@\" >>\"$f\" 2>&1", "sh", file]
                    .map(str::to_owned)[..],
                program,
            ]
            .concat(),
        };
        let start = start(&argv, &request.env, &request.cwd)?;
        let null = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")
            .map_err(ContainerError::file("open", "/dev/null"))?;
        self.keeper(id)?
            .spawn(&start, [null.as_fd(); 3])
            .map(ProcessId)
            .map_err(not_started(id, program))
    }

    pub(super) fn console(
        &self,
        id: &ElementId,
        request: &SpawnRequest,
    ) -> Result<Terminal, ContainerError> {
        let paths = self.host.element(id);
        let _lock = lock(id, &paths)?;
        let mut keeper = self.keeper(id)?;
        for name in keeper.names().map_err(asked(id))? {
            let Some(serial) = name.strip_prefix(HELD_TERMINAL) else { continue };
            let serial = serial.parse().ok();
            let state = serial.map(|serial| keeper.state(serial)).transpose().map_err(asked(id))?;
            if let (Some(serial), Some(Some(Ended::Running))) = (serial, state)
                && let Some(master) = keeper.held(&name).map_err(asked(id))?
                && is_terminal(&master)
            {
                return Ok(Terminal { process: ProcessId(serial), master, is_new: false });
            }
            // Its process has ended: what else uses the terminal is told so.
            keeper.release(&name).map_err(asked(id))?;
        }
        let start = start(&request.argv, &request.env, &request.cwd)?;
        let (serial, master) =
            keeper.spawn_on_terminal(&start).map_err(not_started(id, &request.argv))?;
        if !is_terminal(&master) {
            return Err(asked(id)(KeeperError::Answer));
        }
        keeper.hold(&format!("{HELD_TERMINAL}{serial}"), master.as_fd()).map_err(asked(id))?;
        Ok(Terminal { process: ProcessId(serial), master, is_new: true })
    }

    pub(super) fn wait(
        &self,
        id: &ElementId,
        process: ProcessId,
        timeout: Duration,
        gone: &OwnedFd,
    ) -> Result<ProcessState, ContainerError> {
        let mut keeper = self.keeper(id)?;
        let now = keeper.state(process.0).map_err(asked(id))?;
        if now != Some(Ended::Running) || timeout.is_zero() {
            return Ok(now.map_or(ProcessState::Unknown, ProcessState::from));
        }
        keeper.begin_wait(process.0).map_err(asked(id))?;
        let mut run =
            Run { input: None, outputs: [Output::none(), Output::none()], gone: Some(gone) };
        match run.until_end(&mut keeper, timeout) {
            Ok(ended) => Ok(ended.map_or(ProcessState::Running, ProcessState::from)),
            Err(error) => Err(asked(id)(error)),
        }
    }

    pub(super) fn kill(
        &self,
        id: &ElementId,
        process: ProcessId,
        signal: i32,
    ) -> Result<(), ContainerError> {
        self.keeper(id)?.kill(process.0, signal).map_err(asked(id))
    }

    pub(super) fn pack(
        &self,
        id: &ElementId,
        dir: &str,
        to: &mut dyn Write,
        limit_bytes: u64,
        gone: OwnedFd,
    ) -> Result<(), ContainerError> {
        let limit_bytes = limit_bytes.min(self.room()?);
        let request = Request::Pack(self.place(id, dir, limit_bytes)?);
        self.take_out(&request, to, limit_bytes, gone)
    }

    pub(super) fn read_files(
        &self,
        id: &ElementId,
        (path, offset): (&str, u64),
        to: &mut dyn Write,
        gone: OwnedFd,
    ) -> Result<(), ContainerError> {
        // Nothing of it is kept on the host; but a sparse file may be far longer than the element's disk.
        let place = self.place(id, path, FILES_BYTES)?;
        let request = Request::Read(ReadRequest { place, offset });
        self.take_out(&request, to, FILES_BYTES, gone)
    }

    fn take_out(
        &self,
        request: &Request,
        to: &mut dyn Write,
        output_max: u64,
        gone: OwnedFd,
    ) -> Result<(), ContainerError> {
        let input = &mut io::empty();
        let streams = Streams { input, output: to, output_max, cancelled: Some(gone) };
        self.archive("packing", request, ARCHIVE_DEADLINE, streams)?;
        to.flush().map_err(ContainerError::CopyArchive)
    }

    pub(super) fn unpack(
        &self,
        id: &ElementId,
        dir: &str,
        from: &mut dyn Read,
        limit_bytes: u64,
        gone: OwnedFd,
    ) -> Result<(), ContainerError> {
        let limit_bytes = limit_bytes.min(self.room()?);
        let request = Request::Unpack(self.place(id, dir, limit_bytes)?);
        self.put_in(&request, from, gone)
    }

    pub(super) fn write_files(
        &self,
        id: &ElementId,
        (path, limit_bytes): (&str, u64),
        from: &mut dyn Read,
        gone: OwnedFd,
    ) -> Result<(), ContainerError> {
        let request = Request::Write(self.place(id, path, limit_bytes.min(self.room()?))?);
        self.put_in(&request, from, gone)
    }

    fn put_in(
        &self,
        request: &Request,
        from: &mut dyn Read,
        gone: OwnedFd,
    ) -> Result<(), ContainerError> {
        let output = &mut io::sink();
        let cancelled = Some(gone);
        let streams = Streams { input: from, output, output_max: u64::MAX, cancelled };
        self.archive("unpacking", request, ARCHIVE_DEADLINE, streams)
    }

    pub(super) fn tails(
        &self,
        id: &ElementId,
        dir: &str,
        files: Vec<(String, u64)>,
        gone: OwnedFd,
    ) -> Result<BTreeMap<String, Vec<u8>>, ContainerError> {
        if files.iter().any(|(name, _)| name.contains(['/', '\0'])) {
            return Err(ContainerError::Invalid("names of files have no slashes".to_owned()));
        }
        let place = self.place(id, dir, TAILS_BYTES)?;
        let mut tar = Vec::new();
        let streams = Streams {
            input: &mut io::empty(),
            output: &mut tar,
            output_max: TAILS_BYTES,
            cancelled: Some(gone),
        };
        let request = Request::Tails(TailsRequest { place, files });
        self.archive("reading files", &request, TAILS_DEADLINE, streams)?;
        let mut found = BTreeMap::new();
        for entry in
            tar::Archive::new(tar.as_slice()).entries().map_err(ContainerError::CopyArchive)?
        {
            let mut entry = entry.map_err(ContainerError::CopyArchive)?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(ContainerError::CopyArchive)?;
            found.insert(name, bytes);
        }
        Ok(found)
    }

    pub(super) fn empty(
        &self,
        id: &ElementId,
        dir: &str,
        gone: OwnedFd,
    ) -> Result<(), ContainerError> {
        let request = Request::Empty(self.place(id, dir, 0)?);
        let streams = Streams {
            input: &mut io::empty(),
            output: &mut io::sink(),
            output_max: u64::MAX,
            cancelled: Some(gone),
        };
        self.archive("emptying a directory", &request, ARCHIVE_DEADLINE, streams)
    }

    fn place(
        &self,
        id: &ElementId,
        dir: &str,
        limit_bytes: u64,
    ) -> Result<PackRequest, ContainerError> {
        if !dir.starts_with('/') || dir.contains('\0') {
            return Err(ContainerError::Invalid(format!(
                "path {dir:?} is not absolute: begin it with a slash"
            )));
        }
        let paths = self.host.element(id);
        let place = match self.started(id) {
            Ok((_, process)) => {
                Place::Started { pid: process.pid, start_ticks: process.start_ticks }
            }
            Err(ContainerError::NotStarted(_)) => {
                fs::create_dir_all(&paths.run)
                    .map_err(ContainerError::file("make directory", &paths.run))?;
                Place::Prepared { mapping: self.options.id_mapping }
            }
            Err(error) => return Err(error),
        };
        Ok(PackRequest { paths, place, dir: dir.into(), limit_bytes })
    }

    /// Runs the helper with data going through it.
    fn archive(
        &self,
        action: &'static str,
        request: &Request,
        deadline: Duration,
        streams: Streams<'_>,
    ) -> Result<(), ContainerError> {
        let run = Cmd::new(&self.options.helper_program)
            .args(&self.options.helper_arguments)
            .arg(request_text(request))
            .output_bytes(HELPER_ERROR_MAX)
            .deadline(deadline)
            .stream(streams);
        let Err(error) = run else { return Ok(()) };
        let program = self.options.helper_program.clone();
        Err(match error {
            CmdError::Exit { status, stderr, .. } if status.code() == Some(REFUSED.into()) => {
                ContainerError::Refused { action, message: stderr }
            }
            CmdError::Exit { status, stderr, .. } if status.code() == Some(MISSING.into()) => {
                ContainerError::Missing { action, message: stderr }
            }
            CmdError::Exit { status, stderr, .. } => {
                let message = if stderr.is_empty() { status.to_string() } else { stderr };
                ContainerError::Helper { action, message }
            }
            CmdError::Deadline { deadline, .. } => {
                ContainerError::ArchiveTime { action, waited: deadline }
            }
            CmdError::TooMuch { limit_bytes, .. } => ContainerError::ArchiveSize { limit_bytes },
            CmdError::Data { source, .. } => ContainerError::CopyArchive(source),
            CmdError::Cancelled { .. } => ContainerError::Cancelled { action },
            CmdError::Start { source, .. } | CmdError::Follow { source, .. } => {
                ContainerError::RunHelper { program, source }
            }
            error @ CmdError::Find { .. } => {
                ContainerError::RunHelper { program, source: io::Error::other(error) }
            }
        })
    }

    pub(super) fn main_process(
        &self,
        id: &ElementId,
    ) -> Result<Option<ProcessState>, ContainerError> {
        let mut keeper = self.keeper(id)?;
        let Some(serial) = keeper.main_process().map_err(asked(id))? else { return Ok(None) };
        let state = keeper.state(serial).map_err(asked(id))?;
        Ok(Some(state.map_or(ProcessState::Unknown, Into::into)))
    }

    pub(super) fn usage(&self, id: &ElementId) -> Result<ContainerUsage, ContainerError> {
        let paths = self.host.element(id);
        if !paths.state_file().exists() {
            return Err(ContainerError::NotPrepared(id.clone()));
        }
        let reading = self.reading(id)?;
        let unread_frames = match self.started(id) {
            Ok((_, process)) => unread_frames(&read_devices(process.pid)),
            Err(_) => BTreeMap::new(),
        };
        let (cpu_ns, memory_bytes) = (reading.cpu_ns, reading.memory_bytes);
        Ok(ContainerUsage { cpu_ns, memory_bytes, unread_frames })
    }

    pub(super) fn disk(&self, id: &ElementId) -> Result<super::DiskUse, ContainerError> {
        let paths = self.host.element(id);
        if !paths.state_file().exists() {
            return Err(ContainerError::NotPrepared(id.clone()));
        }
        let named = measured(&paths);
        let group = self.host.cgroup(id);
        let processes = cgroup::processes(&group)
            .map_err(|source| ContainerError::Cgroup { id: id.clone(), source })?;
        let deleted = super::tree::measure_deleted(&processes);
        Ok(super::DiskUse {
            bytes: named.bytes + deleted.bytes,
            is_whole: named.is_whole && deleted.is_whole,
        })
    }
}

/// All an element has written, `/etc/hosts` too, which lies beside its own layer; not its template.
fn measured(paths: &ElementPaths) -> super::DiskUse {
    let template = paths.template_copy();
    super::tree::measure(&paths.state, &[&template, &template.with_extension("half")])
}

impl From<Ended> for ProcessState {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Running => Self::Running,
            Ended::Exited(code) => Self::Exited(code),
            Ended::Signalled(signal) => Self::Signalled(signal),
        }
    }
}

fn start(
    argv: &[String],
    env: &BTreeMap<String, String>,
    cwd: &str,
) -> Result<Start, ContainerError> {
    let invalid = |text: &str| text.contains('\0');
    if argv.first().is_none_or(String::is_empty)
        || argv.iter().any(|a| invalid(a))
        || env.iter().any(|(n, v)| invalid(n) || invalid(v) || n.is_empty() || n.contains('='))
        || !cwd.starts_with('/')
        || invalid(cwd)
    {
        return Err(ContainerError::Invalid(
            "command needs a program, an absolute working directory and texts without zero characters"
                .to_owned(),
        ));
    }
    let mut all: BTreeMap<String, String> =
        bundle::ENVIRONMENT.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    all.extend(env.iter().map(|(n, v)| (n.clone(), v.clone())));
    Ok(Start {
        argv: argv.to_vec(),
        env: all.into_iter().map(|(n, v)| format!("{n}={v}")).collect(),
        cwd: cwd.to_owned(),
    })
}

fn not_started(id: &ElementId, argv: &[String]) -> impl FnOnce(KeeperError) -> ContainerError {
    let (id, program) = (id.clone(), argv.first().cloned().unwrap_or_default());
    move |error| match error {
        KeeperError::Refused(source) => ContainerError::StartCommand { id, program, source },
        source => ContainerError::AskKeeper { id, source },
    }
}

/// A command that runs.
struct Run<'a> {
    input: Option<(OwnedFd, &'a [u8])>,
    outputs: [Output; 2],
    /// Hung up when nobody wants the end any more.
    gone: Option<&'a OwnedFd>,
}

impl Run<'_> {
    /// Moves data until the keeper tells how the command ended; `None` when the time is over or the caller has gone.
    fn until_end(
        &mut self,
        keeper: &mut Keeper,
        timeout: Duration,
    ) -> Result<Option<Ended>, KeeperError> {
        let end = Instant::now() + timeout;
        loop {
            self.write_input();
            let left = end.saturating_duration_since(Instant::now());
            let mut fds = vec![PollFd::from_borrowed_fd(keeper.descriptor(), PollFlags::IN)];
            fds.extend(self.gone.map(|gone| PollFd::from_borrowed_fd(gone.as_fd(), PollFlags::IN)));
            for from in self.outputs.iter().filter_map(|o| o.from.as_ref()) {
                fds.push(PollFd::from_borrowed_fd(from.as_fd(), PollFlags::IN));
            }
            if let Some((to, _)) = &self.input {
                fds.push(PollFd::from_borrowed_fd(to.as_fd(), PollFlags::OUT));
            }
            match poll(&mut fds, Timespec::try_from(left).ok().as_ref()) {
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(KeeperError::Talk(error.into())),
                Ok(_) => {}
            }
            let told = !fds[0].revents().is_empty();
            let is_gone = self.gone.is_some() && !fds[1].revents().is_empty();
            drop(fds);
            for output in &mut self.outputs {
                output.read();
            }
            if told {
                return keeper.finish_wait().map(Some);
            }
            if left.is_zero() || is_gone {
                return Ok(None);
            }
        }
    }

    /// Writes what the command takes now; closes its input at the end or when it takes no more.
    fn write_input(&mut self) {
        while let Some((to, bytes)) = &mut self.input {
            if bytes.is_empty() {
                self.input = None;
                return;
            }
            match rustix::io::write(&*to, bytes) {
                Ok(n) => *bytes = &bytes[n..],
                Err(rustix::io::Errno::AGAIN) => return,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => self.input = None,
            }
        }
    }

    fn finish(mut self, ended: Ended, timed_out: bool) -> ExecOutput {
        // What it wrote before it ended is in the pipes; processes it left behind may hold them open for ever.
        for output in &mut self.outputs {
            output.read();
        }
        let [stdout, stderr] = self.outputs;
        let (exit_code, signal) = match ended {
            Ended::Running => (None, None),
            Ended::Exited(code) => (Some(code), None),
            Ended::Signalled(signal) => (None, Some(signal)),
        };
        ExecOutput {
            exit_code,
            signal,
            truncated: stdout.truncated || stderr.truncated,
            stdout: stdout.kept,
            stderr: stderr.kept,
            timed_out,
        }
    }
}

/// What the kernel counts of the interfaces that a process has, as far as one that made very many lets us; nothing if it has ended.
fn read_devices(pid: u32) -> String {
    let mut text = String::new();
    let read = fs::File::open(format!("/proc/{pid}/net/dev"))
        .and_then(|file| file.take(DEVICES_BYTES).read_to_string(&mut text));
    read.map_or_else(|_ended| String::new(), |_| text)
}

/// Frames dropped on their way out, by interface: the 12th number of its line (proc(5), `/proc/net/dev`).
fn unread_frames(devices: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let dropped = numbers.split_whitespace().nth(11)?.parse().ok()?;
        Some((name.trim().to_owned(), dropped))
    };
    devices.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_frames_are_read_by_interface() {
        let devices = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       0       0    1    2    0     0          0         0        0       0    0    0    0     0       0          0
  eth0: 1000 10 0 3 0 0 0 0 2000 20 0 77 0 0 0 0
";
        let known = unread_frames(devices);
        assert_eq!((known.len(), known["lo"], known["eth0"]), (2, 0, 77));
        assert!(read_devices(std::process::id()).contains("lo:"));
    }
}
