//! Measuring and removing directory trees that a container has made, however deep, wide or odd it made them.
//!
//! Invariants: neither recursion nor the number of open files grows with the depth of a tree; no symbolic link is followed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::limits::{DISK_ENTRIES_MAX, INODE_BYTES};

/// What a container's own layer takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// Bytes on disk, the template not counted.
    pub bytes: u64,
    /// Whether all of it was seen: a tree may hold too many files or be too deep to be measured.
    pub is_whole: bool,
}

/// Bytes of all files below a directory; what vanishes meanwhile is not counted.
pub(crate) fn measure(dir: &Path) -> DiskUse {
    let mut seen = DiskUse { bytes: 0, is_whole: true };
    let mut entries = 0_u64;
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        let listed = match fs::read_dir(&dir) {
            Ok(listed) => listed,
            Err(error) => {
                // Gone meanwhile is fine; a path longer than the kernel takes is not.
                seen.is_whole &= error.kind() == io::ErrorKind::NotFound;
                continue;
            }
        };
        for entry in listed.flatten() {
            entries += 1;
            if entries > DISK_ENTRIES_MAX {
                return DiskUse { is_whole: false, ..seen };
            }
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => {
                    seen.bytes += meta.blocks() * 512 + INODE_BYTES;
                    left.push(entry.path());
                }
                Ok(meta) => seen.bytes += (meta.blocks() * 512 + INODE_BYTES) / meta.nlink().max(1),
                Err(error) => seen.is_whole &= error.kind() == io::ErrorKind::NotFound,
            }
        }
    }
    seen
}

/// Removes a directory with all in it; none is fine. Nobody else may change it meanwhile.
///
/// Directories are moved up to the top before they are emptied, so that every path stays short.
pub(crate) fn remove(top: &Path) -> io::Result<()> {
    let mut moved = 0_u64;
    loop {
        let listed = match fs::read_dir(top) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return fs::remove_file(top);
            }
            Err(error) => return Err(error),
        };
        let mut is_empty = true;
        for entry in listed {
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
        // Onto one that is not empty a directory cannot be moved: the next name then.
        loop {
            match fs::rename(entry.path(), place()) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                other => break other?,
            }
        }
    }
    fs::remove_dir(dir)
}

#[cfg(test)]
mod tests;
