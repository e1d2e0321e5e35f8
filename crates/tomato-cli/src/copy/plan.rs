//! What a copy from here consists of, looked at before it is packed.
//!
//! Invariant: the same files make the same tar, so that a copy that broke off can go on.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use tomato_virt::resume::{FilesHead, Rest, Survey, content};

/// Files and folders in the order in which they are packed.
#[derive(Debug)]
pub(super) struct Plan {
    entries: Vec<Entry>,
    /// Name, length and version of all.
    pub(super) head: FilesHead,
}

#[derive(Debug)]
struct Entry {
    path: PathBuf,
    name: PathBuf,
    meta: Metadata,
    /// Of a link.
    target: Option<PathBuf>,
}

impl Plan {
    /// Looks at a file, or a folder with all that is in it, to be copied for this purpose.
    pub(super) fn of(from: &Path, purpose: &str) -> io::Result<Self> {
        let path = fs::canonicalize(from)?;
        let name = path.file_name().map(PathBuf::from);
        let name = name.ok_or_else(|| io::Error::other("from: name a file or folder"))?;
        let mut entries = Vec::new();
        add(&mut entries, &path, &name)?;
        let mut survey = Survey::of(&format!("{purpose} {}", from.display()));
        for Entry { name, meta, target, .. } in &entries {
            survey.add(name, meta, target.as_deref());
        }
        Ok(Self { entries, head: survey.finish() })
    }

    /// Files among it.
    pub(super) fn files(&self) -> u64 {
        let files = self.entries.iter().filter(|entry| entry.meta.is_file());
        u64::try_from(files.count()).unwrap_or(u64::MAX)
    }

    /// Writes the tar from a byte on.
    pub(super) fn pack(&self, out: impl Write, offset: u64, bar: &ProgressBar) -> io::Result<()> {
        let mut tar = tar::Builder::new(Rest::new(out, offset));
        for Entry { path, name, meta, target } in &self.entries {
            let mut header = tar::Header::new_gnu();
            header.set_metadata(meta);
            let wrong = |error| named(path, &error);
            if let Some(target) = target {
                tar.append_link(&mut header, name, target).map_err(wrong)?;
            } else if meta.is_dir() {
                tar.append_data(&mut header, name, io::empty()).map_err(wrong)?;
            } else {
                let file = File::open(path).map_err(wrong)?;
                if file.metadata().map_err(wrong)?.len() < meta.len() {
                    return Err(wrong(io::Error::other("it became shorter while it was copied")));
                }
                let left_out = tar.get_ref().left_out();
                let content = content(file, meta.len(), left_out).map_err(wrong)?;
                tar.append_data(&mut header, name, bar.wrap_read(content)).map_err(wrong)?;
            }
        }
        tar.into_inner()?.flush()
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Adds what is at a path; what is neither file nor folder nor link is left out.
fn add(entries: &mut Vec<Entry>, path: &Path, name: &Path) -> io::Result<()> {
    let wrong = |error: io::Error| named(path, &error);
    let meta = fs::symlink_metadata(path).map_err(wrong)?;
    let target = if meta.is_symlink() { Some(fs::read_link(path).map_err(wrong)?) } else { None };
    if !meta.is_dir() && !meta.is_file() && target.is_none() {
        return Ok(());
    }
    let mut inside = Vec::new();
    if meta.is_dir() {
        for entry in fs::read_dir(path).map_err(wrong)? {
            inside.push(entry.map_err(wrong)?.file_name());
        }
        // A file system gives them as it likes.
        inside.sort();
    }
    entries.push(Entry { path: path.to_owned(), name: name.to_owned(), meta, target });
    inside.iter().try_for_each(|entry| add(entries, &path.join(entry), &name.join(entry)))
}
