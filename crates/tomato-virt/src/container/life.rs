//! Preparing, starting, stopping, destroying and observing containers.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Resource, Signal};
use tomato_model::id::ElementId;

use super::host::{Inner, Runtime};
use super::layout::ElementPaths;
use super::state::{Phase, Process, State, replace_unsynced};
use super::{ContainerError, ContainerSpec, ExitReason, Lock, Observed, bundle, cgroup, ids};
use crate::cmd::{Cmd, CmdError};
use crate::helper::{CreateRequest, Request, RuntimeChoice};
use crate::keeper::{self, Keeper, KeeperError};
use crate::limits::{
    CREATE_DEADLINE, HELPER_ERROR_MAX, KEEPER_DEADLINE, KILL_DEADLINE, LOCK_DEADLINE,
    POLL_INTERVAL, SOCKET_PATH_MAX,
};

impl Inner {
    pub(super) fn prepare(&self, spec: &ContainerSpec) -> Result<(), ContainerError> {
        check(spec)?;
        let paths = self.host.element(&spec.id);
        make_dir(&self.host.state_dir, 0o711)?;
        make_dir(&self.host.elements(), 0o711)?;
        make_dir(&paths.state, 0o700)?;
        let _lock = lock(&spec.id, &paths)?;
        self.prepare_locked(spec, &paths).map(|_| ())
    }

    fn prepare_locked(
        &self,
        spec: &ContainerSpec,
        paths: &ElementPaths,
    ) -> Result<State, ContainerError> {
        let failed = |source| ContainerError::ClaimIds { id: spec.id.clone(), source };
        if let Some(state) = State::load(&paths.state_file())? {
            ids::reclaim(&self.host.ids_dir, &paths.state, state.id_base).map_err(failed)?;
            return Ok(state);
        }
        if !spec.rootfs.is_dir() {
            return Err(ContainerError::FindTemplate { path: spec.rootfs.clone() });
        }
        let id_base =
            ids::claim(&self.host.ids_dir, &paths.state, spread(&spec.id)).map_err(failed)?;
        for dir in [paths.upper(), paths.work()] {
            remove_tree(&dir)?;
            make_dir(&dir, 0o755)?;
            own(&dir, id_base)?;
        }
        let hosts = super::network::hosts_text("", &[].into());
        super::network::write_hosts(&paths.hosts(), &hosts, id_base)?;
        write_owned(&paths.hostname(), format!("{}\n", spec.hostname).as_bytes(), id_base)?;
        let state = State {
            id_base,
            phase: Phase::Prepared,
            rootfs: spec.rootfs.clone(),
            process: None,
            last_exit: None,
        };
        state.save(&paths.state_file())?;
        Ok(state)
    }

    pub(super) fn start(&self, spec: &ContainerSpec) -> Result<(), ContainerError> {
        self.prepare(spec)?;
        let paths = self.host.element(&spec.id);
        if paths.keeper_socket().as_os_str().len() > SOCKET_PATH_MAX {
            return Err(ContainerError::SocketPath { path: paths.keeper_socket() });
        }
        let _lock = lock(&spec.id, &paths)?;
        let mut state = self.prepare_locked(spec, &paths)?;
        if state.phase == Phase::Started
            && state.alive().is_some()
            && keeper_of(&spec.id, &paths).is_ok()
        {
            return Ok(());
        }
        if !state.rootfs.is_dir() {
            return Err(ContainerError::FindTemplate { path: state.rootfs });
        }
        self.clear(&spec.id, &paths)?;
        make_run_dir(&self.host.run_dir)?;
        make_dir(&paths.run, 0o711)?;
        write_owned(&paths.hostname(), format!("{}\n", spec.hostname).as_bytes(), state.id_base)?;
        state.phase = Phase::Starting;
        if state.process.take().is_some() {
            state.save(&paths.state_file())?;
        }
        // The boot command waits for the network: nothing of the guest has run before the swap is limited.
        let started = self.create(spec, &paths, &state).and_then(|process| {
            cgroup::limit_swap(&self.host.cgroup(&spec.id), spec.memory_bytes)
                .map_err(|source| ContainerError::Cgroup { id: spec.id.clone(), source })?;
            Ok(process)
        });
        match started {
            Ok(process) => {
                state.phase = Phase::Started;
                state.process = Some(process);
                state.last_exit = None;
                state.save(&paths.state_file())
            }
            Err(error) => {
                // Nothing half-made stays; that this fails too is worth less than the first reason.
                if let Err(second) = self.clear(&spec.id, &paths) {
                    tracing::warn!(element = %spec.id, error = %second, "clear after a failed start");
                }
                state.phase = Phase::Prepared;
                state.save(&paths.state_file())?;
                Err(error)
            }
        }
    }

    fn create(
        &self,
        spec: &ContainerSpec,
        paths: &ElementPaths,
        state: &State,
    ) -> Result<Process, ContainerError> {
        let open_files = rustix::process::getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        let request = Request::Create(Box::new(CreateRequest {
            id: spec.id.to_string(),
            paths: paths.clone(),
            template: state.rootfs.clone(),
            id_base: state.id_base,
            mapping: self.options.id_mapping,
            runtime: match &self.options.runtime {
                Runtime::Libcontainer => RuntimeChoice::Libcontainer,
                Runtime::Runc { program } => RuntimeChoice::Runc(program.clone()),
            },
            keeper: self.keeper_program()?,
            config: bundle::config(&self.host, paths, spec, state.id_base, open_files),
        }));
        let result = Cmd::new(&self.options.helper_program)
            .args(&self.options.helper_arguments)
            .arg(request_text(&request))
            .deadline(CREATE_DEADLINE)
            .run();
        if let Err(error) = result {
            let message = match error {
                CmdError::Exit { stderr, .. } => reason(&stderr, &runtime_log(paths)),
                other => crate::chain(&other),
            };
            let message = message.trim().chars().take(HELPER_ERROR_MAX).collect();
            return Err(ContainerError::Helper { action: "starting the container", message });
        }
        let keeper = keeper_of(&spec.id, paths);
        let pid_file = paths.pid_file();
        let pid = fs::read_to_string(&pid_file)
            .map_err(ContainerError::file("read", &pid_file))?
            .trim()
            .parse::<u32>()
            .ok()
            .and_then(Process::now);
        keeper?;
        pid.ok_or_else(|| ContainerError::NotStarted(spec.id.clone()))
    }

    /// The keeper's program file, written at first use.
    fn keeper_program(&self) -> Result<PathBuf, ContainerError> {
        use sha2::Digest;
        let digest = hex::encode(sha2::Sha256::digest(keeper::PROGRAM));
        let path = self.host.state_dir.join(format!("keeper-{}", &digest[..16]));
        if !path.exists() {
            let failed = || ContainerError::file("write", &path);
            let half = tempfile::NamedTempFile::new_in(&self.host.state_dir).map_err(failed())?;
            fs::write(half.path(), keeper::PROGRAM).map_err(failed())?;
            fs::set_permissions(half.path(), fs::Permissions::from_mode(0o755)).map_err(failed())?;
            // Never replaced: others may be mounting it right now.
            match half.into_temp_path().persist_noclobber(&path) {
                Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed()(error.error));
                }
                _ => {}
            }
        }
        Ok(path)
    }

    pub(super) fn stop(&self, id: &ElementId, grace: Duration) -> Result<(), ContainerError> {
        let paths = self.host.element(id);
        if !paths.state.exists() {
            return self.clear(id, &paths);
        }
        let _lock = lock(id, &paths)?;
        let Some(mut state) = State::load(&paths.state_file())? else {
            return self.clear(id, &paths);
        };
        if let Some(process) = state.alive() {
            let end = self.end_process(id, process, grace)?;
            state.last_exit = Some(end);
        } else if state.phase == Phase::Started {
            state.last_exit = Some(self.how_died(id)?);
        }
        self.clear(id, &paths)?;
        state.phase = Phase::Prepared;
        state.process = None;
        state.save(&paths.state_file())
    }

    fn end_process(
        &self,
        id: &ElementId,
        process: &Process,
        grace: Duration,
    ) -> Result<ExitReason, ContainerError> {
        let Some(handle) = handle(process.pid) else { return self.how_died(id) };
        if !process.is_alive() {
            return self.how_died(id);
        }
        signal(&handle, Signal::TERM);
        if ends_within(&handle, grace) {
            return Ok(ExitReason::Stopped);
        }
        signal(&handle, Signal::KILL);
        if ends_within(&handle, KILL_DEADLINE) {
            Ok(ExitReason::Killed)
        } else {
            Err(ContainerError::Kill { id: id.clone(), waited: KILL_DEADLINE })
        }
    }

    pub(super) fn set_limits(&self, spec: &ContainerSpec) -> Result<(), ContainerError> {
        check(spec)?;
        let paths = self.host.element(&spec.id);
        if !paths.state.exists() {
            return Ok(());
        }
        let _lock = lock(&spec.id, &paths)?;
        match self.started(&spec.id) {
            Ok(_) => {}
            Err(ContainerError::NotPrepared(_) | ContainerError::NotStarted(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
        let limits = cgroup::Limits {
            cpu_quota_us: bundle::cpu_quota_us(spec),
            memory_bytes: spec.memory_bytes,
            pids_max: spec.pids_max,
        };
        cgroup::set_limits(&self.host.cgroup(&spec.id), &limits)
            .map_err(|source| ContainerError::Cgroup { id: spec.id.clone(), source })
    }

    fn how_died(&self, id: &ElementId) -> Result<ExitReason, ContainerError> {
        let kills = self.reading(id)?.oom_kills;
        // Those seen while it still ran did not end it.
        let seen = kills_seen(&self.host.element(id).oom_file());
        Ok(if kills > seen { ExitReason::OutOfMemory } else { ExitReason::Died })
    }

    /// Notes how many processes were killed for memory while the container ran.
    fn note_kills(&self, id: &ElementId, kills: u64) -> Result<(), ContainerError> {
        let file = self.host.element(id).oom_file();
        if kills == kills_seen(&file) {
            return Ok(());
        }
        match replace_unsynced(&file, kills.to_string().as_bytes()) {
            // It is being stopped.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(ContainerError::file("write", file)),
        }
    }

    pub(super) fn reading(&self, id: &ElementId) -> Result<cgroup::Reading, ContainerError> {
        cgroup::read(&self.host.cgroup(id))
            .map_err(|source| ContainerError::Cgroup { id: id.clone(), source })
    }

    pub(super) fn destroy(&self, id: &ElementId) -> Result<(), ContainerError> {
        let paths = self.host.element(id);
        if !paths.state.exists() {
            return self.clear(id, &paths);
        }
        let _lock = lock(id, &paths)?;
        self.clear(id, &paths)?;
        // A damaged record must not keep an element from being destroyed; its claim is void when the directory is gone.
        if let Ok(Some(state)) = State::load(&paths.state_file()) {
            ids::release(&self.host.ids_dir, &paths.state, state.id_base)
                .map_err(|source| ContainerError::ClaimIds { id: id.clone(), source })?;
        }
        remove_tree(&paths.state)
    }

    /// Removes everything of the element but its disk and record: processes, cgroup, runtime state, sockets.
    fn clear(&self, id: &ElementId, paths: &ElementPaths) -> Result<(), ContainerError> {
        let group = self.host.cgroup(id);
        let failed = |source| ContainerError::Cgroup { id: id.clone(), source };
        let mut killed = None;
        let begin = Instant::now();
        // A helper whose caller died may still be at work, and its children hold its lock if it died too: whatever it makes is
        // killed until the lock is free, and then nothing more is made.
        let mut lock = None;
        loop {
            if lock.is_none() && paths.state.exists() {
                match Lock::take(&paths.disk_lock(), Duration::ZERO) {
                    Ok(taken) => lock = Some(taken),
                    Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                    Err(error) => {
                        return Err(ContainerError::file("lock", paths.disk_lock())(error));
                    }
                }
            }
            let left = cgroup::processes(&group).map_err(failed)?;
            kill_members(&group, &left).map_err(failed)?;
            match (left.is_empty(), lock.is_some() || !paths.state.exists()) {
                (true, true) => break,
                (true, false) => {
                    killed = None;
                    if begin.elapsed() > LOCK_DEADLINE {
                        return Err(ContainerError::Lock { id: id.clone(), waited: LOCK_DEADLINE });
                    }
                }
                (false, _) => {
                    if killed.get_or_insert_with(Instant::now).elapsed() > KILL_DEADLINE {
                        let waited = KILL_DEADLINE;
                        return Err(ContainerError::Kill { id: id.clone(), waited });
                    }
                }
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        cgroup::remove(&group, KILL_DEADLINE).map_err(failed)?;
        remove_tree(&paths.run)
    }

    pub(super) fn observe(&self, id: &ElementId) -> Result<Observed, ContainerError> {
        let paths = self.host.element(id);
        let Some(state) = State::load(&paths.state_file())? else { return Ok(Observed::Absent) };
        if state.phase != Phase::Started {
            return Ok(Observed::Prepared { last_exit: state.last_exit });
        }
        match state.alive() {
            Some(process) => {
                let oom_kills = self.reading(id)?.oom_kills;
                // Only what was counted before it was seen alive did surely not end it.
                if process.is_alive() {
                    self.note_kills(id, oom_kills)?;
                }
                Ok(Observed::Started {
                    pid: process.pid,
                    started_at: super::process_started_at(process.start_ticks),
                    oom_kills,
                })
            }
            None => Ok(Observed::Prepared { last_exit: Some(self.how_died(id)?) }),
        }
    }

    pub(super) fn list(&self) -> Result<Vec<ElementId>, ContainerError> {
        let mut dirs = vec![self.host.elements(), self.host.run_dir.clone()];
        let hierarchies = cgroup::hierarchies().unwrap_or_default();
        dirs.extend(hierarchies.into_iter().map(|h| h.root.join(self.host.lab_cgroup())));
        let mut found = Vec::new();
        for dir in dirs {
            match fs::read_dir(&dir) {
                Ok(entries) => found
                    .extend(entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(ContainerError::file("list", dir)(error)),
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// The element's record and its live process 1.
    pub(super) fn started(&self, id: &ElementId) -> Result<(State, Process), ContainerError> {
        let paths = self.host.element(id);
        let state = State::load(&paths.state_file())?
            .ok_or_else(|| ContainerError::NotPrepared(id.clone()))?;
        let process = state.alive().cloned().filter(|_| state.phase == Phase::Started);
        let process = process.ok_or_else(|| ContainerError::NotStarted(id.clone()))?;
        Ok((state, process))
    }

    pub(super) fn keeper(&self, id: &ElementId) -> Result<Keeper, ContainerError> {
        self.started(id)?;
        keeper_of(id, &self.host.element(id))
    }
}

/// What was noted, 0 if nothing was.
fn kills_seen(file: &Path) -> u64 {
    fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn keeper_of(id: &ElementId, paths: &ElementPaths) -> Result<Keeper, ContainerError> {
    Keeper::connect(&paths.keeper_socket(), KEEPER_DEADLINE).map_err(asked(id))
}

/// Takes the lock every changing operation on the element holds.
pub(super) fn lock(id: &ElementId, paths: &ElementPaths) -> Result<Lock, ContainerError> {
    let path = paths.operation_lock();
    Lock::take(&path, LOCK_DEADLINE).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => ContainerError::Lock { id: id.clone(), waited: LOCK_DEADLINE },
        io::ErrorKind::NotFound => ContainerError::NotPrepared(id.clone()),
        _ => ContainerError::file("lock", path)(error),
    })
}

/// For `map_err` on requests to a keeper.
pub(super) fn asked(id: &ElementId) -> impl Fn(KeeperError) -> ContainerError {
    let id = id.clone();
    move |source| ContainerError::AskKeeper { id: id.clone(), source }
}

pub(super) fn request_text(request: &Request) -> String {
    serde_json::to_string(request).expect("plain data is always written")
}

fn check(spec: &ContainerSpec) -> Result<(), ContainerError> {
    let wrong = |text: &str| Err(ContainerError::Invalid(text.to_owned()));
    if spec.hostname.is_empty() || spec.hostname.len() > 64 || spec.hostname.contains(['\0', '\n'])
    {
        return wrong(
            "host name must have 1 to 64 characters in one line: give the element a shorter name",
        );
    }
    if spec.cpus_milli == 0 || spec.memory_bytes == 0 || spec.pids_max == 0 {
        return wrong(
            "cpus, memory and pids of a container must be more than zero: use another profile",
        );
    }
    let main = spec.main.iter().flat_map(|main| main.argv.iter().chain(&main.env));
    if spec.boot.iter().chain(main).any(|text| text.contains('\0')) {
        return wrong("boot command holds a zero character: build the template again");
    }
    Ok(())
}

/// A different place to begin for different elements; the last digits of an id are random.
fn spread(id: &ElementId) -> u32 {
    u32::from_str_radix(&id.as_str()[16..], 16).unwrap_or(0)
}

/// The last line of the runtime's log that tells an error; empty if there is none.
fn runtime_log(paths: &ElementPaths) -> String {
    let text = fs::read_to_string(paths.runtime_log()).unwrap_or_default();
    let is_error = |line: &&str| line.to_ascii_lowercase().contains("error");
    // the first is the cause, the others are what came of it
    text.lines().find(is_error).unwrap_or_default().trim().to_owned()
}

/// Why the runtime failed: what its outer process said, and what an inner one did.
fn reason(said: &str, logged: &str) -> String {
    match (said.trim(), logged) {
        ("", "") => "the runtime gave no reason".to_owned(),
        ("", one) | (one, "") => one.to_owned(),
        (said, logged) => format!("{said}: {logged}"),
    }
}

fn handle(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Sends a signal; that the process has just ended is as good.
fn signal(handle: &OwnedFd, signal: Signal) {
    rustix::process::pidfd_send_signal(handle, signal).ok();
}

fn ends_within(handle: &OwnedFd, time: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::from_borrowed_fd(handle.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Timespec::try_from(left).ok().as_ref()) {
            Ok(0) => return false,
            Err(rustix::io::Errno::INTR) => {}
            other => return other.is_ok(),
        }
    }
}

/// Kills the processes that are still in the group once they can no longer be exchanged for others of the same number.
fn kill_members(group: &Path, members: &[u32]) -> Result<(), cgroup::CgroupError> {
    let handles: Vec<(u32, OwnedFd)> =
        members.iter().filter_map(|pid| Some((*pid, handle(*pid)?))).collect();
    let still = cgroup::processes(group)?;
    for (pid, handle) in &handles {
        if still.contains(pid) {
            signal(handle, Signal::KILL);
        }
    }
    Ok(())
}

fn make_dir(path: &Path, mode: u32) -> Result<(), ContainerError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(ContainerError::file("make directory", path))
}

/// Makes the run directory so that a container's root, nobody outside, can pass through it to what is shown to it.
fn make_run_dir(path: &Path) -> Result<(), ContainerError> {
    make_dir(path, 0o711)
}

fn own(path: &Path, id: u32) -> Result<(), ContainerError> {
    std::os::unix::fs::chown(path, Some(id), Some(id))
        .map_err(ContainerError::file("give away", path))
}

/// Writes a file that is shown in a container, in place so that a container that sees it sees the change.
pub(super) fn write_owned(path: &Path, bytes: &[u8], id: u32) -> Result<(), ContainerError> {
    if path.exists() {
        return fs::write(path, bytes).map_err(ContainerError::file("write", path));
    }
    replace_unsynced(path, bytes).map_err(ContainerError::file("write", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
        .map_err(ContainerError::file("write", path))?;
    own(path, id)
}

pub(super) fn remove_tree(path: &Path) -> Result<(), ContainerError> {
    super::tree::remove(path).map_err(ContainerError::file("remove", path))
}
