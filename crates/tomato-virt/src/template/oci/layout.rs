//! An image layout that came as a tar archive.
//!
//! Invariant: only `index.json` and `blobs/sha256/<digest>` of the archive are written, as plain files under names made here, so nothing in it
//! can lead outside.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tar::{Archive, EntryType};

use super::super::import::decompressed;
use super::super::limits::{IMAGE_BYTES, LAYOUT_FILES};
use super::{Blob, BlobDigest, ImageSource, OciError};

/// The parts of a layout in a directory of ours.
#[derive(Debug)]
pub(crate) struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// Reads a layout from a tar archive, plain or compressed, into an empty directory.
    pub(in super::super) fn read(reader: impl Read, dir: &Path) -> Result<Self, OciError> {
        let damaged = |source| OciError::Fetch { what: "the layout".to_owned(), source };
        let reader = decompressed(reader).map_err(|e| damaged(io::Error::other(e)))?;
        let mut archive = Archive::new(reader);
        let (mut files, mut bytes) = (0, 0_u64);
        for entry in archive.entries().map_err(damaged)? {
            let mut entry = entry.map_err(damaged)?;
            files += 1;
            if files > LAYOUT_FILES {
                return Err(OciError::Large { what: "files", limit: LAYOUT_FILES as u64 });
            }
            let kind = entry.header().entry_type();
            let name = file_of(&entry.path().map_err(damaged)?);
            let Some(name) = name.filter(|_| matches!(kind, EntryType::Regular)) else { continue };
            bytes = bytes.saturating_add(entry.size());
            if bytes > IMAGE_BYTES {
                return Err(OciError::Large { what: "bytes", limit: IMAGE_BYTES });
            }
            let mut file = File::create(dir.join(name)).map_err(OciError::Write)?;
            io::copy(&mut entry, &mut file).map_err(damaged)?;
        }
        if !dir.join(INDEX).exists() {
            let text = "the archive has no index.json; give an OCI image layout, as `skopeo copy ... oci:DIR` makes it";
            return Err(OciError::Unsupported(text.to_owned()));
        }
        Ok(Self { dir: dir.to_owned() })
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(File::open(self.dir.join(name))?))
    }
}

const INDEX: &str = "index.json";

/// Under which name an entry is kept, if it is.
fn file_of(path: &Path) -> Option<String> {
    let path = path.strip_prefix(".").unwrap_or(path).to_str()?;
    if path == INDEX {
        return Some(INDEX.to_owned());
    }
    let digest = path.strip_prefix("blobs/sha256/")?;
    let digest: BlobDigest = format!("sha256:{digest}").parse().ok()?;
    Some(digest.hex().to_owned())
}

impl ImageSource for Layout {
    fn root(&mut self) -> io::Result<Box<dyn Read + '_>> {
        self.open(INDEX)
    }

    fn blob(&mut self, blob: &Blob) -> io::Result<Box<dyn Read + '_>> {
        self.open(blob.digest.hex()).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                io::Error::new(error.kind(), format!("the layout has no blob {}", blob.digest))
            }
            _ => error,
        })
    }
}

impl Drop for Layout {
    fn drop(&mut self) {
        // Its directory goes with the build at the latest.
        fs::remove_dir_all(&self.dir).ok();
    }
}
