//! What a template's digest covers.
//!
//! The digest is the SHA-256 sum of these fields, each written as its length in bytes (64 bit, little-endian) and its
//! bytes; numbers are written as decimal text:
//!
//! 1. the text `tomato template 1`;
//! 2. the recipe's sum in hex (see [`recipe`](super::recipe)), or `import` where there is none;
//! 3. for every file below the root directory, parents first and the names of one directory in byte order:
//!    its path; its type (`dir`, `file`, `symlink`, `fifo`, `other`); its permission bits in octal, its user and group
//!    id; its content's SHA-256 sum in hex for a file, its target for a symlink, else nothing; the path of the first
//!    file it is a hard link to, else nothing; the number of its extended attributes `security.capability` and `user.*`,
//!    then name and value of each, by name;
//! 4. the number of files.
//!
//! Times are left out, so that building the same thing twice gives the same digest; so is the root directory itself.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::limits::{COPY_BYTES, XATTR_BYTES, XATTRS};
use super::name::Digest;

/// What was found while summing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub digest: Digest,
    /// Bytes of the regular files, hard links counted once.
    pub bytes: u64,
    pub entries: u64,
}

/// A file that could not be read while summing.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub struct ReadError {
    /// Which one.
    pub path: PathBuf,
    /// The system's answer.
    #[source]
    pub source: io::Error,
}

/// Sums up the tree below `root`.
pub(super) fn manifest(root: &Path, recipe: Option<&str>) -> Result<Manifest, ReadError> {
    let mut summing = Summing { sum: Sha256::new(), links: BTreeMap::new(), bytes: 0, entries: 0 };
    summing.field(b"tomato template 1");
    summing.field(recipe.unwrap_or("import").as_bytes());
    let mut open = vec![PathBuf::new()];
    while let Some(path) = open.pop() {
        let full = root.join(&path);
        let children = summing
            .entry(&full, &path)
            .map_err(|source| ReadError { path: full.clone(), source })?;
        open.extend(children.into_iter().rev().map(|name| path.join(name)));
    }
    let entries = summing.entries;
    summing.field(entries.to_string().as_bytes());
    let digest = Digest::of_sum(&summing.sum.finalize());
    Ok(Manifest { digest, bytes: summing.bytes, entries })
}

struct Summing {
    sum: Sha256,
    /// Files with several names: device and inode to the first name seen.
    links: BTreeMap<(u64, u64), PathBuf>,
    bytes: u64,
    entries: u64,
}

impl Summing {
    fn field(&mut self, bytes: &[u8]) {
        // A length in memory always fits 64 bits.
        self.sum.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.sum.update(bytes);
    }

    /// Adds one file; gives the names of its children in order.
    fn entry(&mut self, full: &Path, path: &Path) -> io::Result<Vec<OsString>> {
        let meta = fs::symlink_metadata(full)?;
        if !path.as_os_str().is_empty() {
            self.entries += 1;
            self.describe(full, path, &meta)?;
        }
        if !meta.is_dir() {
            return Ok(Vec::new());
        }
        let names = fs::read_dir(full)?.map(|child| child.map(|child| child.file_name()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        Ok(names)
    }

    fn describe(&mut self, full: &Path, path: &Path, meta: &Metadata) -> io::Result<()> {
        let first = self.first_name(path, meta);
        let (kind, content) = match meta.file_type() {
            kind if kind.is_dir() => ("dir", Vec::new()),
            kind if kind.is_symlink() => {
                ("symlink", fs::read_link(full)?.into_os_string().into_vec())
            }
            kind if kind.is_file() && first.is_some() => ("file", Vec::new()),
            kind if kind.is_file() => {
                self.bytes += meta.len();
                ("file", hex::encode(sum_of_file(full)?).into_bytes())
            }
            kind if std::os::unix::fs::FileTypeExt::is_fifo(&kind) => ("fifo", Vec::new()),
            _ => ("other", Vec::new()),
        };
        self.field(path.as_os_str().as_bytes());
        self.field(kind.as_bytes());
        self.field(format!("{:o}", meta.mode() & 0o7777).as_bytes());
        self.field(meta.uid().to_string().as_bytes());
        self.field(meta.gid().to_string().as_bytes());
        self.field(&content);
        self.field(first.as_deref().unwrap_or_else(|| Path::new("")).as_os_str().as_bytes());
        let xattrs = xattrs_of(full)?;
        self.field(xattrs.len().to_string().as_bytes());
        for (name, value) in xattrs {
            self.field(name.as_bytes());
            self.field(&value);
        }
        Ok(())
    }

    fn first_name(&mut self, path: &Path, meta: &Metadata) -> Option<PathBuf> {
        if !meta.is_file() || meta.nlink() < 2 {
            return None;
        }
        let file = (meta.dev(), meta.ino());
        let first = self.links.entry(file).or_insert_with(|| path.to_owned());
        (first != path).then(|| first.clone())
    }
}

fn sum_of_file(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut sum = Sha256::new();
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(sum.finalize().into()),
            count => sum.update(&buffer[..count]),
        }
    }
}

/// The extended attributes that belong to a template, by name.
fn xattrs_of(path: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut names = vec![0; XATTR_BYTES];
    let length = match rustix::fs::llistxattr(path, &mut names[..]) {
        Ok(length) => length,
        Err(rustix::io::Errno::NOTSUP) => return Ok(BTreeMap::new()),
        Err(errno) => return Err(errno.into()),
    };
    let kept = names[..length]
        .split(|&byte| byte == 0)
        .filter_map(|name| std::str::from_utf8(name).ok())
        .filter(|name| is_kept(name));
    kept.take(XATTRS)
        .map(|name| {
            let mut value = vec![0; XATTR_BYTES];
            let length = rustix::fs::lgetxattr(path, name, &mut value[..])?;
            value.truncate(length);
            Ok((name.to_owned(), value))
        })
        .collect()
}

/// Whether an extended attribute belongs to a template. Others are the machine's own (`security.selinux`) or would
/// change how overlayfs reads the template (`trusted.overlay.*`).
pub(super) fn is_kept(xattr: &str) -> bool {
    xattr == "security.capability"
        || (xattr.starts_with("user.") && !xattr.starts_with("user.overlay."))
}
