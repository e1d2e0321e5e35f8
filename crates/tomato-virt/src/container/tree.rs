//! Measuring and removing directory trees that a container has made, however deep, wide or odd it made them.
//!
//! Invariants: neither recursion nor the number of open files grows with the depth of a tree; no symbolic link is followed.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::limits::{DISK_ENTRIES_MAX, INODE_BYTES};

/// What a container's own layer takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// Bytes on disk, the template not counted.
    pub bytes: u64,
    /// Whether all of it was seen: a tree may hold too many files or be too deep to be measured.
    pub is_whole: bool,
}

/// Bytes of all files below a directory but those in `skipped`; what vanishes meanwhile is not counted.
///
/// Its owner may exchange directories for links at any moment: each is opened from `top` on without following any.
pub(crate) fn measure(top: &Path, skipped: &[&Path]) -> DiskUse {
    let mut seen = DiskUse { bytes: 0, is_whole: true };
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(root) = rustix::fs::open(top, flags, Mode::empty()) else {
        return DiskUse { is_whole: !top.exists(), ..seen };
    };
    let mut entries = 0_u64;
    let mut left = vec![PathBuf::from(".")];
    while let Some(dir) = left.pop() {
        let opened = open_below(&root, &dir);
        let (at, listed) = match opened.and_then(|at| Ok((Dir::read_from(&at)?, at))) {
            Ok((listed, at)) => (at, listed),
            Err(error) => {
                // Gone meanwhile, or another kind of file, is fine; a path longer than the kernel takes is not.
                seen.is_whole &= is_gone(error);
                continue;
            }
        };
        for entry in listed.flatten() {
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            entries += 1;
            if entries > DISK_ENTRIES_MAX {
                return DiskUse { is_whole: false, ..seen };
            }
            let path = dir.join(OsStr::from_bytes(name.to_bytes()));
            if skipped
                .iter()
                .any(|skipped| *skipped == top.join(path.strip_prefix(".").unwrap_or(&path)))
            {
                continue;
            }
            match rustix::fs::statat(&at, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(meta) => {
                    let is_dir = FileType::from_raw_mode(meta.st_mode).is_dir();
                    let blocks = u64::try_from(meta.st_blocks).unwrap_or(0) * 512 + INODE_BYTES;
                    #[allow(clippy::useless_conversion, reason = "another type on other machines")]
                    let names = if is_dir { 1 } else { u64::from(meta.st_nlink).max(1) };
                    seen.bytes += blocks / names;
                    if is_dir {
                        left.push(path);
                    }
                }
                Err(error) => seen.is_whole &= is_gone(error),
            }
        }
    }
    seen
}

/// Bytes of files without a name that processes still hold open on an element's disk, each counted once.
///
/// Not seen: those that are only mapped, or on their way through a socket.
pub(crate) fn measure_deleted(processes: &[u32]) -> DiskUse {
    /// What `statfs` says of overlayfs: files in memory, which have no name either, count as memory.
    const OVERLAY: i64 = 0x794c_7630;
    let mut seen = DiskUse { bytes: 0, is_whole: true };
    let (mut entries, mut counted) = (0_u64, BTreeSet::new());
    for process in processes {
        // One that has ended meanwhile holds nothing.
        let Ok(open) = fs::read_dir(format!("/proc/{process}/fd")) else { continue };
        for entry in open.flatten() {
            entries += 1;
            if entries > DISK_ENTRIES_MAX {
                return DiskUse { is_whole: false, ..seen };
            }
            let path = entry.path();
            let is_deleted = |name: PathBuf| name.as_os_str().as_bytes().ends_with(b" (deleted)");
            if !fs::read_link(&path).is_ok_and(is_deleted) {
                continue;
            }
            let Ok(meta) = fs::metadata(&path) else { continue };
            let is_on_disk = rustix::fs::statfs(&path).is_ok_and(|fs| fs.f_type == OVERLAY);
            if meta.nlink() == 0 && is_on_disk && counted.insert((meta.dev(), meta.ino())) {
                seen.bytes += meta.blocks() * 512 + INODE_BYTES;
            }
        }
    }
    seen
}

fn is_gone(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}

fn open_below(root: &OwnedFd, dir: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    loop {
        match rustix::fs::openat2(root, dir, flags, Mode::empty(), resolve) {
            // The tree was renamed in while the path was followed.
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Removes a directory with all in it; none is fine. Nobody else may change it meanwhile.
///
/// Directories are moved up to the top before they are emptied, so that every path stays short.
pub(crate) fn remove(top: &Path) -> io::Result<()> {
    match fs::symlink_metadata(top) {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => return fs::remove_file(top),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    let mut moved = 0_u64;
    loop {
        let mut is_empty = true;
        for entry in fs::read_dir(top)? {
            let entry = entry?;
            is_empty = false;
            if entry.file_type()?.is_dir() {
                empty(&entry.path(), || {
                    moved += 1;
                    top.join(format!(".removed-{moved}"))
                })?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        if is_empty {
            return fs::remove_dir(top);
        }
    }
}

/// Removes a directory; directories in it get another place.
fn empty(dir: &Path, mut place: impl FnMut() -> PathBuf) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            fs::remove_file(entry.path())?;
            continue;
        }
        // Onto one that is not empty, or a file, a directory cannot be moved: the next name then.
        loop {
            match fs::rename(entry.path(), place()) {
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory
                    ) => {}
                other => break other?,
            }
        }
    }
    fs::remove_dir(dir)
}

#[cfg(test)]
mod tests;
