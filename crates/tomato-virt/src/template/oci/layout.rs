//! An image layout that came as a tar archive.
//!
//! Invariant: only `index.json` and `blobs/sha256/<digest>` of the archive are written, as plain files under names made here, so nothing in it
//! can lead outside. Its entries are read as those of every archive that nobody vouches for, see `import.rs`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tar::{Entry, EntryType};

use super::super::import::{ImportError, Records, Unpacking, complete, decompressed};
use super::super::limits::{IMAGE_BYTES, LAYOUT_FILES};
use super::super::rootfs::Rootfs;
use super::{Blob, BlobDigest, ImageSource, OciError};

/// The parts of a layout in a directory of ours.
#[derive(Debug)]
pub(crate) struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// Reads a layout from a tar archive, plain or compressed, into an empty directory.
    pub(in super::super) fn read(reader: impl Read, dir: &Path) -> Result<Self, OciError> {
        let root = Rootfs::open(dir).map_err(OciError::Write)?;
        // Records and files that are not kept count too.
        let mut reader = decompressed(reader).map_err(OciError::Layout)?.take(IMAGE_BYTES);
        let mut files = 0;
        let read = Unpacking::layers(&root).each(&mut reader, |_, entry, records| {
            files += 1;
            if files > LAYOUT_FILES {
                return Err(ImportError::Large { what: "files", limit: LAYOUT_FILES as u64 });
            }
            keep(entry, &records, dir)
        });
        if reader.limit() == 0 {
            return Err(OciError::Large { what: "bytes", limit: IMAGE_BYTES });
        }
        read.map_err(OciError::Layout)?;
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

/// Writes an entry to a file of ours if it belongs to the layout.
fn keep<R: Read>(
    entry: &mut Entry<'_, R>,
    records: &Records,
    dir: &Path,
) -> Result<(), ImportError> {
    let raw = records.path.clone().unwrap_or_else(|| entry.header().path_bytes().into_owned());
    let is_file = matches!(entry.header().entry_type(), EntryType::Regular);
    let Some(name) = file_of(&raw).filter(|_| is_file) else { return Ok(()) };
    let size = entry.size();
    let written = File::create(dir.join(&name)).and_then(|mut file| io::copy(entry, &mut file));
    let whole = written.and_then(|written| complete(written, records.size.unwrap_or(size)));
    whole.map_err(|source| ImportError::Write { path: name, source })
}

/// Under which name an entry is kept, if it is.
fn file_of(path: &[u8]) -> Option<String> {
    let path = Path::new(OsStr::from_bytes(path));
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
