//! Templates from OCI images: every part is checked against its digest, the layers are laid over each other with their marks of removal, and
//! what the image says of its process is kept beside the files.
//!
//! Invariants: nothing of a part is used before its size and digest were found right; a layer's unpacked bytes are checked against the image's
//! configuration too; limits count over all layers. What a layer may hold is said in `import`: no path leaves the root directory or leads
//! through a symbolic link, device nodes are left out.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};

mod document;
mod layout;
mod user;

pub use document::{Blob, BlobDigest};
pub(super) use layout::Layout;

use super::import::{self, ImportError, Unpacking, decompressed};
use super::limits::{COPY_BYTES, DOCUMENT_BYTES, IMAGE_BYTES, IMPORT_BYTES, INDEX_DEPTH};
use super::rootfs::Rootfs;
use crate::container::MainProcess;
use document::{Config, Manifest, Root};

/// Where the parts of an image come from. Nothing it gives is trusted.
pub trait ImageSource {
    /// The document that the image's name stands for: a manifest, or an index of manifests.
    ///
    /// # Errors
    /// If it cannot be had; told to the user as it is.
    fn root(&mut self) -> io::Result<Box<dyn Read + '_>>;

    /// A part by its digest.
    ///
    /// # Errors
    /// If it cannot be had; told to the user as it is.
    fn blob(&mut self, blob: &Blob) -> io::Result<Box<dyn Read + '_>>;
}

/// Why an image was not taken.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// A part could not be had.
    #[error("cannot get {what} of the image")]
    Fetch {
        /// Which part.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A part is not what its digest says.
    #[error(
        "{what} of the image is damaged: it has {found} instead of {expected}; get the image again"
    )]
    Damaged {
        /// Which part.
        what: String,
        /// Its digest or size as it came.
        found: String,
        /// As it should be.
        expected: String,
    },
    /// A document makes no sense.
    #[error("cannot understand {what} of the image")]
    Parse {
        /// Which document.
        what: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It is something that is not supported.
    #[error("the image cannot be used: {0}")]
    Unsupported(String),
    /// It is larger than an image may be.
    #[error("the image has more than {limit} {what}")]
    Large {
        /// Of what.
        what: &'static str,
        /// How many are taken.
        limit: u64,
    },
    /// A layer could not be unpacked.
    #[error("cannot unpack layer {number} of the image")]
    Layer {
        /// Counted from 1.
        number: usize,
        /// Why.
        #[source]
        source: ImportError,
    },
    /// The archive with a layout could not be read.
    #[error("cannot read the archive with the image layout")]
    Layout(#[source] ImportError),
    /// A file of ours could not be written or read.
    #[error("cannot write the image to the template directory")]
    Write(#[source] io::Error),
}

/// What was taken of an image beside its files.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) main: MainProcess,
    pub(super) skipped: import::Skipped,
}

/// Unpacks an image into the empty directory `root`; parts lie in `scratch` meanwhile. `progress` hears a sentence now and then.
pub(super) fn take(
    source: &mut dyn ImageSource,
    root: &Rootfs,
    scratch: &Path,
    progress: &mut dyn FnMut(String),
) -> Result<Taken, OciError> {
    let mut fetching = Fetching { source, bytes: 0 };
    let manifest = fetching.manifest()?;
    let config: Config = fetching.document(&manifest.config, "the configuration")?;
    config.check(manifest.layers.len())?;
    let count = manifest.layers.len();
    let mut unpacking = Unpacking::layers(root);
    for (index, (layer, diff)) in manifest.layers.iter().zip(config.diff_ids()).enumerate() {
        let number = index + 1;
        progress(format!("layer {number} of {count} ({} MB)", layer.size.div_ceil(1_000_000)));
        let part = scratch.join("layer");
        fetching.fetch_to(layer, &format!("layer {number}"), &part)?;
        let failed = |source| OciError::Layer { number, source };
        mark(&part, diff, number, &mut unpacking, root)?;
        let file = File::open(&part).map_err(OciError::Write)?;
        let reader = decompressed(file).map_err(failed)?;
        unpacking.all(reader.take(IMPORT_BYTES), &mut |_| ()).map_err(failed)?;
        fs::remove_file(&part).map_err(OciError::Write)?;
    }
    Ok(Taken { main: user::main_process(config.process(), root)?, skipped: unpacking.skipped })
}

/// Removes what a layer says is gone, after its unpacked bytes were found right.
fn mark(
    part: &Path,
    diff: &BlobDigest,
    number: usize,
    unpacking: &mut Unpacking<'_>,
    root: &Rootfs,
) -> Result<(), OciError> {
    let failed = |source| OciError::Layer { number, source };
    let file = File::open(part).map_err(OciError::Write)?;
    let mut reader = Summed::new(decompressed(file).map_err(failed)?);
    let marks = unpacking.marks(&mut reader).map_err(failed)?;
    // The end of an archive is padded; the sum is over all of it.
    io::copy(&mut reader, &mut io::sink())
        .map_err(|source| failed(ImportError::Read { entries: 0, source }))?;
    reader.expect(diff, &format!("layer {number} unpacked"))?;
    let refused =
        |path: &Path, source| failed(import::refused(&path.display().to_string(), source));
    for path in &marks.emptied {
        root.empty(path).map_err(|source| refused(path, source))?;
    }
    for path in &marks.removed {
        root.remove_all(path).map_err(|source| refused(path, source))?;
    }
    Ok(())
}

/// Reads with a sum over what was read, and not more than an import may have.
struct Summed<R> {
    from: R,
    sum: Sha256,
    left: u64,
}

impl<R: Read> Summed<R> {
    fn new(from: R) -> Self {
        Self { from, sum: Sha256::new(), left: IMPORT_BYTES }
    }

    fn expect(self, expected: &BlobDigest, what: &str) -> Result<(), OciError> {
        let found = BlobDigest::of_sum(&self.sum.finalize());
        if found == *expected {
            return Ok(());
        }
        let (found, expected) = (found.to_string(), expected.to_string());
        Err(OciError::Damaged { what: what.to_owned(), found, expected })
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        self.sum.update(&buffer[..read]);
        Ok(read)
    }
}

struct Fetching<'s> {
    source: &'s mut dyn ImageSource,
    /// Of all parts so far.
    bytes: u64,
}

impl Fetching<'_> {
    /// Follows indexes to the manifest for this machine.
    fn manifest(&mut self) -> Result<Manifest, OciError> {
        let what = "the index";
        let fetch = |source| OciError::Fetch { what: what.to_owned(), source };
        let mut text = Vec::new();
        let reader = self.source.root().map_err(fetch)?;
        reader.take(DOCUMENT_BYTES + 1).read_to_end(&mut text).map_err(fetch)?;
        if text.len() as u64 > DOCUMENT_BYTES {
            return Err(OciError::Large { what: "bytes in its index", limit: DOCUMENT_BYTES });
        }
        let parse = |source| OciError::Parse { what: what.to_owned(), source };
        let mut root: Root = serde_json::from_slice(&text).map_err(parse)?;
        for _ in 0..INDEX_DEPTH {
            match root {
                Root::Manifest(manifest) => return manifest.checked(),
                Root::Index(index) => root = self.document(index.choose()?, "a manifest")?,
            }
        }
        Err(OciError::Large { what: "indexes within each other", limit: INDEX_DEPTH as u64 })
    }

    fn document<T: serde::de::DeserializeOwned>(
        &mut self,
        blob: &Blob,
        what: &str,
    ) -> Result<T, OciError> {
        if blob.size > DOCUMENT_BYTES {
            return Err(OciError::Large { what: "bytes in a document", limit: DOCUMENT_BYTES });
        }
        let mut text = Vec::new();
        self.copy(blob, what, &mut text)?;
        serde_json::from_slice(&text)
            .map_err(|source| OciError::Parse { what: what.to_owned(), source })
    }

    fn fetch_to(&mut self, blob: &Blob, what: &str, path: &Path) -> Result<(), OciError> {
        let mut file = File::create(path).map_err(OciError::Write)?;
        self.copy(blob, what, &mut file)
    }

    /// Copies a part and checks it; what was written of a wrong one is never used.
    fn copy(&mut self, blob: &Blob, what: &str, to: &mut dyn Write) -> Result<(), OciError> {
        self.bytes = self.bytes.saturating_add(blob.size);
        if self.bytes > IMAGE_BYTES {
            return Err(OciError::Large { what: "bytes", limit: IMAGE_BYTES });
        }
        let fetch = |source| OciError::Fetch { what: what.to_owned(), source };
        let reader = self.source.blob(blob).map_err(fetch)?;
        let mut reader =
            Summed::new(BufReader::with_capacity(COPY_BYTES, reader.take(blob.size + 1)));
        let mut buffer = vec![0; COPY_BYTES];
        let mut copied = 0_u64;
        loop {
            let read = reader.read(&mut buffer).map_err(fetch)?;
            if read == 0 {
                break;
            }
            copied += read as u64;
            to.write_all(&buffer[..read]).map_err(OciError::Write)?;
        }
        if copied != blob.size {
            let found = if copied > blob.size { "more".to_owned() } else { copied.to_string() };
            let (found, expected) = (format!("{found} bytes"), format!("{} bytes", blob.size));
            return Err(OciError::Damaged { what: what.to_owned(), found, expected });
        }
        reader.expect(&blob.digest, what)
    }
}

#[cfg(test)]
mod tests;
