//! Tars that go on where they broke off: the same files make the same bytes, of which those the other side has are left out.
//!
//! Invariant: what is left out is not read from disk either, but for the room that headers may take.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::limits::TAR_HEADER_ROOM;

/// Bytes of [`FilesHead`] before a tar.
pub const FILES_HEAD_BYTES: usize = 48;
/// Unit of which a tar is made, in bytes.
const TAR_BLOCK: u64 = 512;
/// Longest name, with a closing zero, that has place in an entry's own header, in bytes.
const TAR_NAME: u64 = 100;

/// What comes before the tar of files that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilesHead {
    /// Of the files as they were when reading began; the tar is the same as long as this is.
    pub version: [u8; 32],
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes of the whole tar.
    pub tar_bytes: u64,
}

impl FilesHead {
    /// As it is sent.
    pub fn to_bytes(self) -> [u8; FILES_HEAD_BYTES] {
        let mut bytes = [0; FILES_HEAD_BYTES];
        bytes[..32].copy_from_slice(&self.version);
        bytes[32..40].copy_from_slice(&self.bytes.to_be_bytes());
        bytes[40..].copy_from_slice(&self.tar_bytes.to_be_bytes());
        bytes
    }

    /// As it came.
    pub fn from_bytes(bytes: &[u8; FILES_HEAD_BYTES]) -> Self {
        let (version, numbers) = bytes.split_at(32);
        let number = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&numbers[at..at + 8]);
            u64::from_be_bytes(number)
        };
        let mut own = [0; 32];
        own.copy_from_slice(version);
        Self { version: own, bytes: number(0), tar_bytes: number(8) }
    }

    /// The version in hexadecimal digits.
    pub fn version_text(&self) -> String {
        hex::encode(self.version)
    }
}

/// What a tar will hold, looked at before it is made.
#[derive(Debug, Default)]
pub struct Survey {
    digest: Sha256,
    bytes: u64,
    tar_bytes: u64,
}

impl Survey {
    /// One whose version is that of these files for this purpose only.
    pub fn of(purpose: &str) -> Self {
        let mut survey = Self::default();
        survey.digest.update((purpose.len() as u64).to_be_bytes());
        survey.digest.update(purpose);
        survey
    }

    /// One more entry under this name, in the order of the tar; `target` is that of a link.
    pub fn add(&mut self, name: &Path, meta: &Metadata, target: Option<&Path>) {
        let length = if meta.is_file() { meta.len() } else { 0 };
        for text in [name, target.unwrap_or_else(|| Path::new(""))] {
            let text = text.as_os_str().as_encoded_bytes();
            let count = text.len() as u64;
            self.digest.update(count.to_be_bytes());
            self.digest.update(text);
            // A directory's slash makes a name of exactly that length longer; the sum is for showing how far a copy is.
            let own = if count < TAR_NAME { 0 } else { TAR_BLOCK + blocks(count + 1) };
            self.tar_bytes += own;
        }
        for number in [u64::from(meta.mode()), meta.uid().into(), meta.gid().into(), length] {
            self.digest.update(number.to_be_bytes());
        }
        for number in [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()] {
            self.digest.update(number.to_be_bytes());
        }
        self.bytes += length;
        self.tar_bytes += TAR_BLOCK + blocks(length);
    }

    /// What was found.
    pub fn finish(self) -> FilesHead {
        FilesHead {
            version: self.digest.finalize().into(),
            bytes: self.bytes,
            tar_bytes: self.tar_bytes + 2 * TAR_BLOCK,
        }
    }
}

fn blocks(bytes: u64) -> u64 {
    bytes.div_ceil(TAR_BLOCK) * TAR_BLOCK
}

/// Writes what follows the first bytes, which the other side has.
#[derive(Debug)]
pub struct Rest<W> {
    out: W,
    left_out: u64,
}

impl<W> Rest<W> {
    /// Leaves out the first `left_out` bytes.
    pub fn new(out: W, left_out: u64) -> Self {
        Self { out, left_out }
    }

    /// Bytes that are still left out.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What it writes to.
    pub fn into_inner(self) -> W {
        self.out
    }
}

impl<W: Write> Write for Rest<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len() as u64;
        if count <= self.left_out {
            self.left_out -= count;
            return Ok(bytes.len());
        }
        // Less than the slice is long.
        let skipped = usize::try_from(self.left_out).map_err(io::Error::other)?;
        let written = self.out.write(&bytes[skipped..])?;
        if written > 0 {
            self.left_out = 0;
            return Ok(skipped + written);
        }
        Ok(0)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What an entry of `bytes` has from the place where the file stands, filled with zeros if it becomes shorter meanwhile. Of what is left
/// out of the tar anyway nothing is read.
///
/// # Errors
/// If the file cannot be read from there.
pub fn content(mut file: File, bytes: u64, left_out: u64) -> io::Result<impl Read> {
    let unread = left_out.saturating_sub(TAR_HEADER_ROOM).min(bytes);
    let offset = i64::try_from(unread).map_err(io::Error::other)?;
    file.seek(SeekFrom::Current(offset))?;
    let zeros = io::repeat(0).take(unread);
    Ok(zeros.chain(file.chain(io::repeat(0)).take(bytes - unread)))
}

#[cfg(test)]
mod tests;
