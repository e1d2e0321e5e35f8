//! Reading a root file system from a tar archive that nobody vouches for.
//!
//! Kept: owners and modes (set-user-id too), modification times of files, symbolic and hard links, fifos, and the
//! extended attributes `security.capability` and `user.*`. Left out and counted: device nodes (a container has its own
//! `/dev`) and all other extended attributes. Refused: paths that are absolute or go up, paths and hard links through
//! a symbolic link, owners a container does not have, sparse files, anything above the limits. The archive's entry
//! headers are read here rather than by the `tar` crate, which would take name records of any size into memory.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::limits::{
    COPY_BYTES, ID_MAX, IMPORT_BYTES, IMPORT_ENTRIES, LINK_BYTES, MARKS, PATH_BYTES, XATTR_BYTES,
    XATTRS,
};
use super::manifest::is_kept;
use super::rootfs::{Attributes, Rootfs, inside};

/// How the name of a mark of removal begins.
const MARK: &[u8] = b".wh.";
/// The rest of the name of a mark that empties its directory.
const OPAQUE: &[u8] = b".wh..opq";
/// Other marks whose names begin so are notes of the tool that made the layer.
const OTHER_MARK: &[u8] = b".wh.";
/// Bytes of one name or attribute record.
const RECORD_BYTES: u64 = 1 << 20;

/// What an import left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Device nodes.
    pub devices: u64,
    /// Extended attributes other than `security.capability` and `user.*`.
    pub xattrs: u64,
}

/// Why an archive was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is compressed in a way not known here.
    #[error("the archive is compressed with {0}; give it as tar, tar.gz or tar.zst")]
    Compression(&'static str),
    /// It is cut off, damaged, or no tar archive.
    #[error(
        "cannot read the archive after {entries} entries; it must be a tar, tar.gz or tar.zst of a root file system"
    )]
    Read {
        /// Entries read before.
        entries: u64,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// It holds nothing.
    #[error("the archive is empty; it must be a tar, tar.gz or tar.zst of a root file system")]
    Empty,
    /// A path leaves the root directory.
    #[error(
        "archive entry {path:?} is absolute or goes up; pack the archive from inside the root directory, as `tar -C ROOT .`"
    )]
    Escape {
        /// The path as written.
        path: String,
    },
    /// A path leads through a symbolic link.
    #[error(
        "archive entry {path:?} lies behind a symbolic link; it must be packed under its real path"
    )]
    Symlink {
        /// The path as written.
        path: String,
    },
    /// A path, name record, link or attribute is too long.
    #[error("archive entry {path:?} has {what} longer than {limit} bytes")]
    Long {
        /// The path, or its start.
        path: String,
        /// What of it.
        what: &'static str,
        /// What is taken.
        limit: u64,
    },
    /// A kind of entry that a root file system does not need.
    #[error("archive entry {path:?} is {what}, which cannot be imported{remedy}")]
    Kind {
        /// The path as written.
        path: String,
        /// What it is.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// An owner no container has.
    #[error(
        "archive entry {path:?} belongs to id {id}, a container has only 0 to {ID_MAX}; change its owner"
    )]
    Owner {
        /// The path as written.
        path: String,
        /// The user or group id.
        id: u64,
    },
    /// The archive is larger than a template may be.
    #[error("the archive holds more than {limit} {what}")]
    Large {
        /// Bytes or entries.
        what: &'static str,
        /// How many are taken.
        limit: u64,
    },
    /// An entry could not be written.
    #[error("cannot write archive entry {path:?}")]
    Write {
        /// The path as written.
        path: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

/// What is known of the next entry from the records before it.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    uid: Option<u64>,
    gid: Option<u64>,
    pub(super) size: Option<u64>,
    xattrs: Vec<(String, Vec<u8>)>,
    sparse: bool,
}

/// Unpacks `reader` into the empty directory `root`; `progress` hears of the bytes written so far.
pub(super) fn unpack(
    reader: impl Read,
    root: &Rootfs,
    progress: &mut dyn FnMut(u64),
) -> Result<Skipped, ImportError> {
    let mut unpacking = Unpacking::new(root);
    unpacking.all(decompressed(reader)?, progress)?;
    if unpacking.entries == 0 { Err(ImportError::Empty) } else { Ok(unpacking.skipped) }
}

/// A tar archive as it is or unpacked, as its first bytes say.
pub(super) fn decompressed<'r>(reader: impl Read + 'r) -> Result<Box<dyn Read + 'r>, ImportError> {
    let damaged = |source| ImportError::Read { entries: 0, source };
    let mut reader = BufReader::with_capacity(COPY_BYTES, reader);
    let start = reader.fill_buf().map_err(damaged)?;
    Ok(match start {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Box::new(zstd::Decoder::with_buffer(reader).map_err(damaged)?)
        }
        [0xfd, b'7', b'z', b'X', b'Z', ..] => return Err(ImportError::Compression("xz")),
        [b'B', b'Z', b'h', ..] => return Err(ImportError::Compression("bzip2")),
        [b'P', b'K', 3, 4, ..] => return Err(ImportError::Compression("zip")),
        [] => return Err(ImportError::Empty),
        _ => Box::new(reader),
    })
}

/// Entries being written. Its limits count over all archives laid over each other.
pub(super) struct Unpacking<'r> {
    root: &'r Rootfs,
    entries: u64,
    bytes: u64,
    pub(super) skipped: Skipped,
    /// It goes over others: what is there is replaced, and marks of removal are not files.
    is_layer: bool,
}

impl<'r> Unpacking<'r> {
    fn new(root: &'r Rootfs) -> Self {
        Self { root, entries: 0, bytes: 0, skipped: Skipped::default(), is_layer: false }
    }

    /// For layers of an image.
    pub(super) fn layers(root: &'r Rootfs) -> Self {
        Self { is_layer: true, ..Self::new(root) }
    }

    /// Writes every entry of an archive.
    pub(super) fn all(
        &mut self,
        reader: impl Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ImportError> {
        self.each(reader, |this, entry, records| {
            this.entry(entry, records)?;
            progress(this.bytes);
            Ok(())
        })
    }

    /// Finds the marks of removal in an archive and writes nothing.
    pub(super) fn marks(&mut self, reader: impl Read) -> Result<Marks, ImportError> {
        let mut marks = Marks::default();
        // They are counted when they are written.
        let (entries, skipped) = (self.entries, self.skipped);
        self.each(reader, |_, entry, records| {
            let raw = records.path.unwrap_or_else(|| entry.header().path_bytes().into_owned());
            marks.add(&raw)
        })?;
        (self.entries, self.skipped) = (entries, skipped);
        Ok(marks)
    }

    /// Hands every entry that is a file of some kind to `work`, with what the records before it say.
    pub(super) fn each<R: Read>(
        &mut self,
        reader: R,
        mut work: impl FnMut(&mut Self, &mut Entry<'_, R>, Records) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let mut archive = Archive::new(reader);
        let entries = archive.entries().map_err(|source| self.damaged(source))?;
        let mut records = Records::default();
        for entry in entries.raw(true) {
            let mut entry = entry.map_err(|source| self.damaged(source))?;
            self.entries += 1;
            if self.entries.saturating_add(self.root.made()) > IMPORT_ENTRIES {
                return Err(ImportError::Large { what: "entries", limit: IMPORT_ENTRIES });
            }
            if !self.record(&mut entry, &mut records)? {
                work(self, &mut entry, std::mem::take(&mut records))?;
            }
        }
        Ok(())
    }
}

/// What a layer removes of those below it.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Files, or directories with all in them.
    pub(super) removed: Vec<PathBuf>,
    /// Directories whose former content goes.
    pub(super) emptied: Vec<PathBuf>,
}

impl Marks {
    /// Notes an entry if it is a mark, whatever kind of file it is.
    fn add(&mut self, raw: &[u8]) -> Result<(), ImportError> {
        let shown = || String::from_utf8_lossy(raw).chars().take(200).collect::<String>();
        let path = checked_path(raw, &shown())?;
        let Some(name) = mark(&path) else { return Ok(()) };
        let parent = path.parent().map(PathBuf::from).unwrap_or_default();
        if name == OPAQUE {
            self.emptied.push(parent);
        } else if !name.starts_with(OTHER_MARK) {
            // What is left may be nothing or dots, which would be the directory itself or the one above.
            if matches!(name, b"" | b"." | b"..") {
                return Err(ImportError::Escape { path: shown() });
            }
            self.removed.push(parent.join(OsStr::from_bytes(name)));
        }
        if self.removed.len() + self.emptied.len() > MARKS {
            return Err(ImportError::Large { what: "removed files", limit: MARKS as u64 });
        }
        Ok(())
    }
}

/// The rest of the name of a mark of removal.
fn mark(path: &Path) -> Option<&[u8]> {
    path.file_name()?.as_bytes().strip_prefix(MARK)
}

impl Unpacking<'_> {
    fn damaged(&self, source: io::Error) -> ImportError {
        ImportError::Read { entries: self.entries, source }
    }

    /// Takes an entry that only describes the next one; false if it is none such.
    fn record<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
        records: &mut Records,
    ) -> Result<bool, ImportError> {
        match entry.header().entry_type() {
            EntryType::GNULongName => records.path = Some(without_zeros(self.content(entry)?)),
            EntryType::GNULongLink => records.link = Some(without_zeros(self.content(entry)?)),
            EntryType::XHeader => {
                let content = self.content(entry)?;
                self.extensions(&content, records)?;
            }
            EntryType::XGlobalHeader => drop(self.content(entry)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn content<R: Read>(&self, entry: &mut Entry<'_, R>) -> Result<Vec<u8>, ImportError> {
        let mut content = Vec::new();
        let read = entry.take(RECORD_BYTES + 1).read_to_end(&mut content);
        read.map_err(|source| self.damaged(source))?;
        if content.len() as u64 > RECORD_BYTES {
            let path = format!("number {}", self.entries);
            return Err(ImportError::Long { path, what: "a record", limit: RECORD_BYTES });
        }
        Ok(content)
    }

    fn extensions(&mut self, content: &[u8], records: &mut Records) -> Result<(), ImportError> {
        for extension in PaxExtensions::new(content) {
            let extension = extension.map_err(|source| self.damaged(source))?;
            let Ok(key) = extension.key() else { continue };
            let value = extension.value_bytes();
            let number = || std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            match key {
                "path" => records.path = Some(value.to_owned()),
                "linkpath" => records.link = Some(value.to_owned()),
                "uid" => records.uid = number(),
                "gid" => records.gid = number(),
                "size" => records.size = number(),
                _ if key.starts_with("GNU.sparse.") => records.sparse = true,
                _ => {
                    let Some(name) = key.strip_prefix("SCHILY.xattr.") else { continue };
                    if is_kept(name) && value.len() <= XATTR_BYTES && records.xattrs.len() < XATTRS
                    {
                        records.xattrs.push((name.to_owned(), value.to_owned()));
                    } else {
                        self.skipped.xattrs += 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn entry<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
        records: Records,
    ) -> Result<(), ImportError> {
        let raw = records.path.clone().unwrap_or_else(|| entry.header().path_bytes().into_owned());
        let shown: String = String::from_utf8_lossy(&raw).chars().take(200).collect();
        let path = checked_path(&raw, &shown)?;
        let header = entry.header();
        let kind = header.entry_type();
        let size = header.entry_size().map_err(|source| self.damaged(source))?;
        let other = |what: &str, remedy| ImportError::Kind {
            path: shown.clone(),
            what: what.to_owned(),
            remedy,
        };
        if records.sparse || kind == EntryType::GNUSparse {
            return Err(other("a sparse file", "; pack without --sparse"));
        }
        if records.size.is_some_and(|told| told != size) {
            return Err(other("a file above 8 GiB in pax format", "; pack with --format=gnu"));
        }
        let attributes = attributes_of(header, records.uid, records.gid, records.xattrs, &shown)
            .map_err(|error| match error {
                HeaderError::Damaged(source) => self.damaged(source),
                HeaderError::Refused(error) => error,
            })?;
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        if self.is_layer {
            if mark(&path).is_some() {
                return Ok(());
            }
            if !matches!(kind, EntryType::Directory | EntryType::Link) {
                self.root.remove_all(&path).map_err(|source| refused(&shown, source))?;
            }
        }
        let link = records.link.or_else(|| entry.header().link_name_bytes().map(Into::into));
        let link = link.unwrap_or_default();
        let written = match kind {
            EntryType::Regular | EntryType::Continuous if !raw.ends_with(b"/") => {
                self.bytes = self.bytes.saturating_add(size);
                if self.bytes > IMPORT_BYTES {
                    return Err(ImportError::Large { what: "bytes", limit: IMPORT_BYTES });
                }
                self.root
                    .file(&path, &attributes, entry)
                    .and_then(|written| complete(written, size))
            }
            // The oldest archives mark a directory by its closing slash alone.
            EntryType::Directory | EntryType::Regular | EntryType::Continuous => {
                self.root.dir(&path, &attributes)
            }
            EntryType::Symlink if link.len() > LINK_BYTES || link.is_empty() => {
                return Err(ImportError::Long {
                    path: shown,
                    what: "a link target",
                    limit: LINK_BYTES as u64,
                });
            }
            EntryType::Symlink => {
                self.root.symlink(&path, OsStr::from_bytes(&link), attributes.owner)
            }
            EntryType::Link => {
                let target = checked_path(&link, &String::from_utf8_lossy(&link))?;
                if self.is_layer && target != path {
                    self.root.remove_all(&path).map_err(|source| refused(&shown, source))?;
                }
                self.root.hard_link(&path, &target)
            }
            EntryType::Fifo => self.root.fifo(&path, &attributes),
            EntryType::Char | EntryType::Block => {
                self.skipped.devices += 1;
                Ok(())
            }
            unknown => {
                return Err(other(&format!("of type {:?}", char::from(unknown.as_byte())), ""));
            }
        };
        written.map_err(|source| refused(&shown, source))
    }
}

/// Why an entry could not be written or removed.
pub(super) fn refused(shown: &str, source: io::Error) -> ImportError {
    let path = shown.to_owned();
    match rustix::io::Errno::from_io_error(&source) {
        Some(rustix::io::Errno::LOOP) => ImportError::Symlink { path },
        _ => ImportError::Write { path, source },
    }
}

pub(super) fn complete(written: u64, size: u64) -> io::Result<()> {
    if written == size { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

enum HeaderError {
    Damaged(io::Error),
    Refused(ImportError),
}

fn attributes_of(
    header: &tar::Header,
    uid: Option<u64>,
    gid: Option<u64>,
    xattrs: Vec<(String, Vec<u8>)>,
    shown: &str,
) -> Result<Attributes, HeaderError> {
    let id = |told: Option<u64>, written: io::Result<u64>| {
        let id = told.map_or(written, Ok).map_err(HeaderError::Damaged)?;
        u32::try_from(id)
            .ok()
            .filter(|_| id <= ID_MAX)
            .ok_or_else(|| HeaderError::Refused(ImportError::Owner { path: shown.to_owned(), id }))
    };
    Ok(Attributes {
        owner: Some((id(uid, header.uid())?, id(gid, header.gid())?)),
        mode: header.mode().map_err(HeaderError::Damaged)?,
        mtime: header.mtime().ok(),
        xattrs,
    })
}

fn checked_path(raw: &[u8], shown: &str) -> Result<PathBuf, ImportError> {
    if raw.len() > PATH_BYTES {
        let path = shown.to_owned();
        return Err(ImportError::Long { path, what: "a path", limit: PATH_BYTES as u64 });
    }
    inside(raw).ok_or_else(|| ImportError::Escape { path: shown.to_owned() })
}

fn without_zeros(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

#[cfg(test)]
mod tests;
