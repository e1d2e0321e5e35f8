//! The store's small steps on files, with errors that name the file.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;

use super::super::TemplateError;

pub(super) fn open_lock(path: &Path) -> Result<File, TemplateError> {
    let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    opened.map_err(|source| TemplateError::Write { path: path.to_owned(), source })
}

/// The names in a directory; none if it is not there.
pub(super) fn list_dir(dir: &Path) -> Result<Vec<OsString>, TemplateError> {
    let failed = |source| TemplateError::Read { path: dir.to_owned(), source };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
    let mut names = names.collect::<io::Result<Vec<_>>>().map_err(failed)?;
    names.sort();
    Ok(names)
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<(), TemplateError> {
    fs::rename(from, to).map_err(|source| TemplateError::Write { path: to.to_owned(), source })
}

pub(super) fn remove_tree(dir: &Path) -> Result<(), TemplateError> {
    let failed = |source| TemplateError::Write { path: dir.to_owned(), source };
    if is_mounted_below(dir).map_err(failed)? {
        return Err(failed(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "something is mounted inside; unmount it",
        )));
    }
    // One descriptor, however deep what was imported is.
    crate::container::tree::remove(dir).map_err(failed)
}

/// Whether removing `dir` would reach into another file system.
fn is_mounted_below(dir: &Path) -> io::Result<bool> {
    let dir = match dir.canonicalize() {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let mut points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    Ok(points.any(|point| Path::new(&unescaped(point)).starts_with(&dir)))
}

/// Blanks in a mount table are written in octal.
fn unescaped(point: &str) -> String {
    point.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

/// Writes a file so that it is there as a whole or not at all.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), TemplateError> {
    let text = serde_json::to_vec_pretty(value)
        .map_err(|source| TemplateError::Parse { path: path.to_owned(), source })?;
    let dir = path.parent().unwrap_or_else(|| Path::new("/"));
    let hidden =
        format!(".{}", path.file_name().unwrap_or_else(|| OsStr::new("new")).to_string_lossy());
    let temporary = dir.join(hidden);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(&text)?;
        file.sync_all()
    });
    written.map_err(|source| TemplateError::Write { path: temporary.clone(), source })?;
    rename(&temporary, path)?;
    sync_dir(dir)
}

pub(super) fn sync_dir(dir: &Path) -> Result<(), TemplateError> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|source| TemplateError::Write { path: dir.to_owned(), source })
}
