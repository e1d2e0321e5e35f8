//! A build or import under way, in a directory of its own.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use super::super::TemplateError;
use super::files::{open_lock, remove_tree, write_json};
use super::{Named, TemplateStore};

/// A build under way. Dropped, it leaves nothing.
pub(super) struct Building {
    dir: PathBuf,
    /// What becomes the blob.
    pub(super) blob: PathBuf,
    /// For all that is not the root file system.
    pub(super) scratch: PathBuf,
    _lock: File,
}

impl Building {
    pub(super) fn begin(store: &TemplateStore) -> Result<Self, TemplateError> {
        store.sweep()?;
        // Held until our own lock is taken, so that nobody sweeps this away before.
        let _lock = store.lock()?;
        let mut random = [0; 8];
        let dir = store.dir.join("building");
        getrandom::fill(&mut random).map_err(|error| TemplateError::Write {
            path: dir.clone(),
            source: io::Error::other(error),
        })?;
        let dir = dir.join(format!("{}-{}", std::process::id(), hex::encode(random)));
        let (blob, scratch) = (dir.join("blob"), dir.join("scratch"));
        for path in [&dir, &blob, &scratch, &blob.join("pins")] {
            let made = DirBuilder::new().mode(0o700).create(path);
            made.map_err(|source| TemplateError::Write { path: path.clone(), source })?;
        }
        let path = dir.join("lock");
        let lock = open_lock(&path)?;
        lock.lock().map_err(|source| TemplateError::Write { path, source })?;
        Ok(Self { dir, blob, scratch, _lock: lock })
    }

    pub(super) fn rootfs(&self) -> PathBuf {
        self.blob.join("rootfs")
    }

    /// Completes the future blob and brings all of it to disk.
    pub(super) fn finish(&self, named: &Named) -> Result<(), TemplateError> {
        write_json(&self.blob.join("meta.json"), named)?;
        let opened = File::open(&self.blob);
        let synced = opened.and_then(|dir| rustix::fs::syncfs(&dir).map_err(io::Error::from));
        synced.map_err(|source| TemplateError::Write { path: self.blob.clone(), source })
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.dir) {
            // The next one to open the store tries again.
            tracing::warn!(%error, dir = %self.dir.display(), "cannot remove a finished build directory");
        }
    }
}
