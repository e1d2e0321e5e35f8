//! Uploads of files that may break off: what came is kept for a while, and the next call goes on there.
//!
//! Invariants: one call at a time has a part, and a newer call ends the older; an element has few parts, none of them longer than its
//! disk; a part that nobody goes on with is removed, and so is one from before the machine was started.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::json;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::id::ElementId;

use crate::error::of_host;
use crate::host::{Host, lock};
use crate::limits::{PART_END_WAIT, PART_KEPT, PART_NAME_BYTES, PARTS_PER_ELEMENT};

/// Who has which part.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parts(Arc<Mutex<BTreeMap<PathBuf, Holder>>>);

#[derive(Debug, Clone, Default)]
struct Holder {
    taken: CancellationToken,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// The only right to read and write a part.
#[derive(Debug)]
pub(crate) struct Claim {
    parts: Parts,
    path: PathBuf,
    /// Somebody else wants it.
    pub(crate) taken: CancellationToken,
    _turn: OwnedMutexGuard<()>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut holders = lock(&self.parts.0);
        if !self.taken.is_cancelled() {
            holders.remove(&self.path);
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "as map_err gives it")]
fn failed(error: io::Error) -> ApiError {
    of_host("keep a part of an upload", &error)
}

fn root(host: &Host) -> PathBuf {
    host.parts.state_dir.join("host").join("parts")
}

/// Those since the machine was started: of older ones the disk may not have all bytes.
fn dir(host: &Host) -> PathBuf {
    root(host).join(tomato_virt::boot_id())
}

/// Takes a part over from whoever has it.
///
/// # Errors
/// If its name is none, or the element has too many in use.
pub(crate) async fn claim(host: &Host, id: &ElementId, name: &str) -> Result<Claim, ApiError> {
    let path = path_of(host, id, name)?;
    let parts = host.uploads.clone();
    let (taken, turn) = {
        let mut holders = lock(&parts.0);
        make_room(&holders, id, &path)?;
        let holder = holders.entry(path.clone()).or_default();
        holder.taken.cancel();
        holder.taken = CancellationToken::new();
        (holder.taken.clone(), Arc::clone(&holder.turn))
    };
    let turn = turn.lock_owned().await;
    Ok(Claim { parts, path, taken, _turn: turn })
}

/// How many bytes of a part are there. Who writes it is not disturbed, but is given time to end when its connection broke.
///
/// # Errors
/// If its name is none.
pub(crate) async fn held(host: &Host, id: &ElementId, name: &str) -> Result<u64, ApiError> {
    let path = path_of(host, id, name)?;
    let turn = lock(&host.uploads.0).get(&path).map(|holder| Arc::clone(&holder.turn));
    if let Some(turn) = turn {
        drop(timeout(PART_END_WAIT, turn.lock()).await);
    }
    length(&path)
}

fn length(path: &Path) -> Result<u64, ApiError> {
    match fs::metadata(path) {
        Ok(meta) => Ok(meta.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(failed(error)),
    }
}

fn path_of(host: &Host, id: &ElementId, name: &str) -> Result<PathBuf, ApiError> {
    let is_name = (1..=PART_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !is_name {
        let message = format!(
            "part: {name:?} is no name; use 1 to {PART_NAME_BYTES} lower-case letters and digits"
        );
        return Err(ApiError::new(ErrorCode::InvalidValue, message));
    }
    Ok(dir(host).join(format!("{id}.{name}.part")))
}

/// Removes the oldest part of an element that has as many as it may.
fn make_room(
    holders: &BTreeMap<PathBuf, Holder>,
    id: &ElementId,
    path: &Path,
) -> Result<(), ApiError> {
    let mut others: Vec<(SystemTime, PathBuf)> = Vec::new();
    for other in of_element(path.parent().unwrap_or_else(|| Path::new("/")), id).map_err(failed)? {
        let changed = fs::metadata(&other).and_then(|meta| meta.modified());
        if other != path {
            others.push((changed.unwrap_or(SystemTime::UNIX_EPOCH), other));
        }
    }
    if others.len() < PARTS_PER_ELEMENT {
        return Ok(());
    }
    others.retain(|(_, other)| !holders.contains_key(other));
    match others.into_iter().min() {
        Some((_, oldest)) => remove(&oldest).map_err(failed),
        None => {
            let message = format!(
                "{PARTS_PER_ELEMENT} uploads to element {id} are under way, which is the most; wait for one to end"
            );
            Err(ApiError::new(ErrorCode::NoResources, message))
        }
    }
}

fn of_element(dir: &Path, id: &ElementId) -> io::Result<Vec<PathBuf>> {
    let of = id.to_string();
    let mut all = entries(dir)?;
    all.retain(|path| owner(path) == Some(&of));
    Ok(all)
}

fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn owner(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.split('.').next()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl Claim {
    /// The part with its first `offset` bytes, to be written on from there.
    ///
    /// # Errors
    /// `conflict` with the number of bytes if there are fewer.
    pub(crate) fn open(&self, offset: u64) -> Result<File, ApiError> {
        let held = length(&self.path)?;
        if offset > held {
            let message = format!(
                "offset: {held} bytes of the upload are held; go on there, not at {offset}"
            );
            return Err(ApiError::new(ErrorCode::Conflict, message).with(json!({"bytes": held})));
        }
        let open = || {
            fs::create_dir_all(self.path.parent().unwrap_or_else(|| Path::new("/")))?;
            let mut options = File::options();
            let mut file =
                options.read(true).write(true).create(true).truncate(false).open(&self.path)?;
            file.set_len(offset)?;
            file.seek(SeekFrom::End(0)).map(|_| file)
        };
        open().map_err(failed)
    }

    /// The upload has ended.
    pub(crate) fn remove(&self) -> Result<(), ApiError> {
        remove(&self.path).map_err(failed)
    }
}

/// Ends the uploads to an element and removes their parts.
pub(crate) fn forget(host: &Host, id: &ElementId) -> Result<(), ApiError> {
    let holders = lock(&host.uploads.0);
    let of = id.to_string();
    holders.iter().filter(|(path, _)| owner(path) == Some(&of)).for_each(|(_, h)| h.taken.cancel());
    of_element(&dir(host), id)
        .and_then(|all| all.iter().try_for_each(|p| remove(p)))
        .map_err(failed)
}

/// Removes what nobody goes on with at `now`, and what belongs to no element.
pub(crate) fn remove_old(
    host: &Host,
    known: &BTreeSet<ElementId>,
    now: SystemTime,
) -> io::Result<()> {
    let dir = dir(host);
    for other in entries(&root(host))?.iter().filter(|other| **other != dir) {
        fs::remove_dir_all(other)?;
    }
    for path in entries(&dir)? {
        let is_known =
            owner(&path).and_then(|id| id.parse().ok()).is_some_and(|id| known.contains(&id));
        let changed = fs::metadata(&path).and_then(|meta| meta.modified());
        let age = changed.map_or(Duration::ZERO, |at| now.duration_since(at).unwrap_or_default());
        let is_used = lock(&host.uploads.0).contains_key(&path);
        if !is_known || (age > PART_KEPT && !is_used) {
            remove(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
