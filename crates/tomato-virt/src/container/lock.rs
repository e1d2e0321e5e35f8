//! File locks: held until dropped, given up by the kernel when the holder dies.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::limits::POLL_INTERVAL;

/// An exclusive lock on a file.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock within `deadline`, making the file if needed (its directory must exist). `TimedOut` if another holds it.
    pub(crate) fn take(path: &Path, deadline: Duration) -> io::Result<Self> {
        let end = Instant::now() + deadline;
        loop {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            match file.try_lock() {
                Ok(()) if is_at(&file, path) => return Ok(Self { file }),
                // Removed and perhaps made again while we waited: the lock of a file nobody else sees is worth nothing.
                Ok(()) => {}
                Err(std::fs::TryLockError::Error(error)) => return Err(error),
                Err(std::fs::TryLockError::WouldBlock) => {
                    if Instant::now() >= end {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    std::thread::sleep(POLL_INTERVAL);
                }
            }
        }
    }
}

impl Lock {
    /// Lets a program this process becomes hold the lock further.
    pub(crate) fn keep_over_exec(&self) -> io::Result<()> {
        rustix::io::fcntl_setfd(&self.file, rustix::io::FdFlags::empty()).map_err(io::Error::from)
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(a), Ok(b)) => a.ino() == b.ino() && a.dev() == b.dev(),
        _ => false,
    }
}
