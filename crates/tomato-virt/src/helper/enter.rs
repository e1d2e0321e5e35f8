//! Becoming the container's own root user in its file system, and opening what is there.
//!
//! Before the first byte of guest data is read this process has entered the container's user namespace and has its file system as root
//! directory, so a link, however it is changed meanwhile, cannot lead out of the container; and what it may not touch outside, the kernel
//! refuses. It is in none of the container's other namespaces, so the container's processes do not see it.
//!
//! Invariants: what processes have open is not reached through `/proc`, neither that of the keeper (which needs a capability that is given
//! up here) nor that of others (whose links are not followed); files that the kernel makes up are not opened.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::sched::{CloneFlags, setns};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;
use serde::{Deserialize, Serialize};

use super::{At, HelperError, IdMapping, mounts};
use crate::container::{ElementPaths, Lock, Phase, State, process_start};
use crate::limits::{ARCHIVE_MEMORY_BYTES, ARCHIVE_NICE, LOCK_DEADLINE};

/// Where the container's files are reached.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// In the running container.
    Started {
        /// Its process 1.
        pid: u32,
        /// Start time of that.
        start_ticks: u64,
    },
    /// On its disk.
    Prepared {
        /// How its template gets its ids.
        mapping: IdMapping,
    },
}

/// Becomes the container's root user in its file system. The lock is held as long as the disk is mounted by us.
pub(super) fn enter(paths: &ElementPaths, place: &Place) -> Result<Option<Lock>, HelperError> {
    rustix::process::nice(ARCHIVE_NICE).at("give way to others")?;
    let lock = match *place {
        Place::Started { pid, start_ticks } => {
            let open = |kind: &str| {
                fs::File::open(format!("/proc/{pid}/ns/{kind}"))
                    .map(OwnedFd::from)
                    .at("open the container's namespaces")
            };
            let (users, mounts) = (open("user")?, open("mnt")?);
            // Only now is it sure that they are those of the process meant.
            if process_start(pid) != Some(start_ticks) {
                return Err(HelperError::Changed);
            }
            let action = || "enter the container's namespaces";
            setns(&users, CloneFlags::CLONE_NEWUSER).at(action())?;
            setns(&mounts, CloneFlags::CLONE_NEWNS).at(action())?;
            None
        }
        Place::Prepared { mapping } => Some(enter_disk(paths, mapping)?),
    };
    become_root_inside()?;
    // Long names are held in memory as they are.
    let memory = rustix::process::Rlimit {
        current: Some(ARCHIVE_MEMORY_BYTES),
        maximum: Some(ARCHIVE_MEMORY_BYTES),
    };
    rustix::process::setrlimit(rustix::process::Resource::As, memory).at("limit the memory")?;
    Ok(lock)
}

/// Mounts the file system of a container that does not run, and makes it the root directory.
fn enter_disk(paths: &ElementPaths, mapping: IdMapping) -> Result<Lock, HelperError> {
    let lock = Lock::take(&paths.disk_lock(), LOCK_DEADLINE).at("wait for the element's disk")?;
    let state = State::load(&paths.state_file()).ok().flatten();
    let state = state.filter(|s| s.phase == Phase::Prepared || s.alive().is_none());
    let state = state.ok_or(HelperError::Changed)?;
    mounts::leave_host()?;
    mounts::make_stage(&paths.stage())?;
    let users = mounts::user_namespace(state.id_base)?;
    mounts::mount_rootfs(paths, &state.rootfs, state.id_base, mapping, &users)?;
    let action = || "enter the container's file system";
    nix::unistd::chroot(&paths.stage().join(mounts::ROOTFS)).at(action())?;
    nix::unistd::chdir("/").at(action())?;
    setns(&users, CloneFlags::CLONE_NEWUSER).at(action())?;
    Ok(lock)
}

fn become_root_inside() -> Result<(), HelperError> {
    let action = || "become the container's root user";
    nix::unistd::setgroups(&[]).at(action())?;
    nix::unistd::setgid(0.into()).at(action())?;
    nix::unistd::setuid(0.into()).at(action())?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    let mut own = rustix::thread::capabilities(None).at(action())?;
    for set in [&mut own.effective, &mut own.permitted, &mut own.inheritable] {
        set.remove(CapabilitySet::SYS_PTRACE);
    }
    rustix::thread::set_capabilities(None, own).at(action())
}

/// What a path leads to.
pub(super) enum Seen {
    /// A regular file, open for reading.
    File(fs::File),
    Dir,
    /// A pipe, socket or device.
    Other,
    Nothing,
}

/// Looks at what is meant by a path; a link at its end is followed.
///
/// # Errors
/// If it cannot be reached, or lies on a file system of the kernel.
pub(super) fn look_at(path: &Path) -> Result<Seen, HelperError> {
    let action = || format!("open {}", path.display());
    let seen = match open(path, OFlags::PATH) {
        Err(Errno::NOENT) => return Ok(Seen::Nothing),
        seen => fs::File::from(refused(path, seen)?),
    };
    let meta = seen.metadata().at(action())?;
    need_stored(path, &seen)?;
    if meta.is_dir() {
        return Ok(Seen::Dir);
    }
    if !meta.is_file() {
        return Ok(Seen::Other);
    }
    // Neither waits at a pipe that was put here since.
    let file = fs::File::from(refused(
        path,
        open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY),
    )?);
    need_stored(path, &file)?;
    let is_file = file.metadata().at(action())?.is_file();
    Ok(if is_file { Seen::File(file) } else { Seen::Other })
}

/// Makes a directory the current one, and tells what it is. It stays that, whatever becomes of its path.
pub(super) fn go_to(dir: &Path) -> Result<fs::Metadata, HelperError> {
    let action = || format!("open directory {}", dir.display());
    let opened = match open(dir, OFlags::PATH | OFlags::DIRECTORY) {
        Err(Errno::NOTDIR) => {
            return Err(HelperError::Refused(format!("{} is no directory", dir.display())));
        }
        Err(Errno::NOENT) => return Err(Errno::NOENT).at(action()),
        opened => fs::File::from(refused(dir, opened)?),
    };
    need_stored(dir, &opened)?;
    rustix::process::fchdir(&opened).at(action())?;
    opened.metadata().at(action())
}

/// Opens a regular file below the current directory; `None` is anything else, nothing, or what lies behind a link.
pub(super) fn open_below(path: &Path) -> io::Result<Option<fs::File>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let Ok(file) = rustix::fs::openat2(CWD, path, flags, Mode::empty(), resolve) else {
        return Ok(None);
    };
    let file = fs::File::from(file);
    Ok(file.metadata()?.is_file().then_some(file))
}

fn open(path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::openat2(
        CWD,
        path,
        flags | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::NO_MAGICLINKS,
    )
}

/// Says what is wrong with a path, where that is the caller's to change.
fn refused<T>(path: &Path, opened: Result<T, Errno>) -> Result<T, HelperError> {
    let shown = path.display();
    let text = match opened {
        Err(Errno::LOOP) => {
            format!(
                "{shown} leads through too many links, or through one that the kernel makes up: name the file itself"
            )
        }
        Err(Errno::NOTDIR) => format!("{shown} leads through something that is no directory"),
        // Of files it is root; of processes it is not, without the capability that was given up.
        Err(Errno::ACCESS | Errno::PERM) => {
            format!("{shown} is closed to the element's own root user: name a file")
        }
        Err(Errno::NAMETOOLONG) => format!("{shown} is too long a path"),
        Err(Errno::NXIO | Errno::NODEV) => {
            format!("{shown} is no file and no directory: name one")
        }
        opened => return opened.at(format!("open {shown}")),
    };
    Err(HelperError::Refused(text))
}

/// Refuses what no disk holds.
fn need_stored(path: &Path, opened: &fs::File) -> Result<(), HelperError> {
    const MADE_UP: [i64; 4] = [
        libc::PROC_SUPER_MAGIC,
        libc::SYSFS_MAGIC,
        libc::CGROUP_SUPER_MAGIC,
        libc::CGROUP2_SUPER_MAGIC,
    ];
    let on = rustix::fs::fstatfs(opened).at(format!("open {}", path.display()))?;
    if MADE_UP.contains(&on.f_type) {
        return Err(HelperError::Refused(format!(
            "{} is made up by the kernel and cannot be copied: read or write it by a command in the element",
            path.display()
        )));
    }
    Ok(())
}
