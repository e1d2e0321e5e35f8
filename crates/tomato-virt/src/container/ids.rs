//! Ranges of user and group ids, one per prepared container, claimed host-wide so that no two containers of any lab share one.
//!
//! A claim is a file named after the range whose content is the claiming element's directory. Claims are
//! changed under a lock on the directory. A claim whose element directory is gone is void.

use std::io;
use std::path::{Path, PathBuf};

use super::Lock;
use crate::limits::{ID_RANGE_FIRST, ID_RANGES, IDS_PER_CONTAINER, LOCK_DEADLINE};

/// No range could be claimed.
#[derive(Debug, thiserror::Error)]
pub enum IdRangeError {
    /// A claim file could not be read or written.
    #[error("claim a range in {path}")]
    Claim {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// All are taken.
    #[error(
        "all {ID_RANGES} id ranges of this host are taken: destroy elements that are not needed"
    )]
    Exhausted,
    /// The element's recorded range was given to another.
    #[error("the element's id range was given to {to}: destroy one of the two elements")]
    Taken {
        /// Directory of the other element.
        to: PathBuf,
    },
}

const LOCK_FILE: &str = ".lock";

/// First id of range `index`.
fn base(index: u32) -> u32 {
    ID_RANGE_FIRST + index * IDS_PER_CONTAINER
}

/// Claims a range for the element directory `owner`, starting the search at `start` (any number; different elements should use
/// different ones so that they do not compete).
pub(crate) fn claim(dir: &Path, owner: &Path, start: u32) -> Result<u32, IdRangeError> {
    for step in 0..ID_RANGES {
        let candidate = base((start.wrapping_add(step)) % ID_RANGES);
        if try_claim(dir, owner, candidate)?.is_none() {
            return Ok(candidate);
        }
    }
    Err(IdRangeError::Exhausted)
}

/// Makes sure that the recorded range is still claimed for `owner`.
pub(crate) fn reclaim(dir: &Path, owner: &Path, id_base: u32) -> Result<(), IdRangeError> {
    match try_claim(dir, owner, id_base)? {
        None => Ok(()),
        Some(to) => Err(IdRangeError::Taken { to }),
    }
}

/// Gives a range back if it is `owner`'s.
pub(crate) fn release(dir: &Path, owner: &Path, id_base: u32) -> Result<(), IdRangeError> {
    let Some(_lock) = lock_if_there(dir)? else { return Ok(()) };
    let path = dir.join(id_base.to_string());
    if holder(&path)?.as_deref() == Some(owner) {
        remove(&path)?;
    }
    Ok(())
}

/// Gives back every range of elements below `elements`, and removes the directory if it is empty then.
pub(crate) fn release_all(dir: &Path, elements: &Path) -> Result<(), IdRangeError> {
    let Some(_lock) = lock_if_there(dir)? else { return Ok(()) };
    let entries = std::fs::read_dir(dir)
        .map_err(|source| IdRangeError::Claim { path: dir.to_owned(), source })?;
    for entry in entries.flatten().filter(|entry| entry.file_name() != LOCK_FILE) {
        if holder(&entry.path())?.is_some_and(|owner| owner.starts_with(elements)) {
            remove(&entry.path())?;
        }
    }
    let only_lock = std::fs::read_dir(dir)
        .is_ok_and(|left| left.flatten().all(|entry| entry.file_name() == LOCK_FILE));
    if only_lock {
        // Who waits for it sees that it is gone and makes another.
        remove(&dir.join(LOCK_FILE))?;
        // Another lab may claim just now and so keep it; that is no error.
        std::fs::remove_dir(dir).ok();
    }
    Ok(())
}

/// The lock on a directory, `None` if there is no directory.
fn lock_if_there(dir: &Path) -> Result<Option<Lock>, IdRangeError> {
    let path = dir.join(LOCK_FILE);
    match Lock::take(&path, LOCK_DEADLINE) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IdRangeError::Claim { path, source }),
    }
}

/// The lock on a directory, which is made if it is not there, or not any more.
fn lock(dir: &Path) -> Result<Lock, IdRangeError> {
    loop {
        std::fs::create_dir_all(dir)
            .map_err(|source| IdRangeError::Claim { path: dir.to_owned(), source })?;
        if let Some(lock) = lock_if_there(dir)? {
            return Ok(lock);
        }
    }
}

fn remove(path: &Path) -> Result<(), IdRangeError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(IdRangeError::Claim { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

fn holder(path: &Path) -> Result<Option<PathBuf>, IdRangeError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(PathBuf::from(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IdRangeError::Claim { path: path.to_owned(), source }),
    }
}

/// `None` if the range is `owner`'s now, else who has it.
fn try_claim(dir: &Path, owner: &Path, id_base: u32) -> Result<Option<PathBuf>, IdRangeError> {
    let path = dir.join(id_base.to_string());
    let failed = |source| IdRangeError::Claim { path: path.clone(), source };
    let _lock = lock(dir)?;
    if let Some(holder) = holder(&path)? {
        if holder == owner {
            return Ok(None);
        }
        if holder.exists() {
            return Ok(Some(holder));
        }
    }
    let text = owner.to_str().ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
    super::state::replace_file(&path, text.as_bytes()).map_err(failed)?;
    Ok(None)
}

#[cfg(test)]
mod tests;
