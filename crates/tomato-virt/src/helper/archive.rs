//! Packing and unpacking directories of a container, after [`enter`](super::enter) made this process the container's own root user.
//!
//! Invariants: the directory that is meant is opened once and everything in it is reached from there; of what is packed nothing is read
//! through a symbolic link; no tree is deeper than [`ARCHIVE_DEPTH_MAX`], in either direction, as resolving a path costs more the deeper it
//! is.

use std::fs;
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::enter::{Place, Seen, enter, go_to, look_at, open_below};
use super::{At, HelperError};
use crate::container::{ElementPaths, remove_tree};
use crate::limits::{ARCHIVE_DEPTH_MAX, ARCHIVE_ENTRIES_MAX, DISK_BLOCK_BYTES, INODE_BYTES};
use crate::resume::{Rest, Survey, content};

/// What to pack or where to unpack.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PackRequest {
    pub(crate) paths: ElementPaths,
    pub(crate) place: Place,
    pub(crate) dir: PathBuf,
    /// Bytes of all files that are packed, or that what is unpacked may take on disk.
    pub(crate) limit_bytes: u64,
}

/// What to read, and from where on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReadRequest {
    pub(crate) place: PackRequest,
    /// Bytes at the tar's beginning that are left out.
    pub(crate) offset: u64,
}

/// Whose ends to read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TailsRequest {
    pub(crate) place: PackRequest,
    /// Names in the directory, and how many bytes of each at most.
    pub(crate) files: Vec<(String, u64)>,
}

/// Writes the directory as tar.gz to stdout.
pub(crate) fn pack(request: &PackRequest) -> Result<(), HelperError> {
    let _entered = enter(&request.paths, &request.place)?;
    let root = go_to(&request.dir)?;
    let gzip = flate2::write::GzEncoder::new(io::stdout().lock(), flate2::Compression::fast());
    let mut packer =
        Packer { tar: tar::Builder::new(Rest::new(gzip, 0)), limit: Limit::new(request) };
    let here = Path::new(".");
    Walk { device: root.dev(), visit: &mut |found| packer.add(&found) }.dir(here, here, 0)?;
    packer
        .tar
        .into_inner()
        .and_then(|out| out.into_inner().finish())
        .and_then(|mut out| out.flush())
        .at("finish the archive")
}

/// Writes the file or directory under its own name as tar to stdout, from a place on; before it, what it will be.
pub(crate) fn read(request: &ReadRequest) -> Result<(), HelperError> {
    let ReadRequest { place, offset } = request;
    let _entered = enter(&place.paths, &place.place)?;
    let (mut survey, mut limit) = (Survey::default(), Limit::new(place));
    walk(&place.dir, &mut |found| {
        limit.take("the directory", found.bytes())?;
        survey.add(&found.name, &found.meta, found.target());
        Ok(())
    })?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    out.write_all(&survey.finish().to_bytes()).at("begin the archive")?;
    let tar = tar::Builder::new(Rest::new(out, *offset));
    let mut packer = Packer { tar, limit: Limit::new(place) };
    walk(&place.dir, &mut |found| packer.add(&found))?;
    packer.tar.into_inner().and_then(|mut out| out.flush()).at("finish the archive")
}

/// What may still be packed or unpacked.
struct Limit {
    bytes: u64,
    entries: u64,
    all: u64,
}

impl Limit {
    fn new(request: &PackRequest) -> Self {
        Self { bytes: request.limit_bytes, entries: ARCHIVE_ENTRIES_MAX, all: request.limit_bytes }
    }

    /// One more entry of that many bytes; `what` is too large with it.
    fn take(&mut self, what: &str, bytes: u64) -> Result<(), HelperError> {
        let Some(entries) = self.entries.checked_sub(1) else {
            return Err(HelperError::Refused(format!(
                "{what} has more than {ARCHIVE_ENTRIES_MAX} files and directories: use a smaller one"
            )));
        };
        let Some(left) = self.bytes.checked_sub(bytes) else {
            return Err(HelperError::Refused(format!(
                "{what} takes more than the {} bytes there is room for: use a smaller one, or make room by removing files or by \
                 a larger profile",
                self.all
            )));
        };
        (self.entries, self.bytes) = (entries, left);
        Ok(())
    }
}

/// Something that goes into a tar.
struct Found {
    /// From the directory that was gone to.
    path: PathBuf,
    /// Under which it is packed.
    name: PathBuf,
    meta: fs::Metadata,
    what: What,
}

enum What {
    Dir,
    File,
    /// The one file that is meant, open already.
    OpenFile(fs::File),
    Link(PathBuf),
}

impl Found {
    fn bytes(&self) -> u64 {
        if self.meta.is_file() { self.meta.len() } else { 0 }
    }

    fn target(&self) -> Option<&Path> {
        match &self.what {
            What::Link(target) => Some(target),
            What::Dir | What::File | What::OpenFile(_) => None,
        }
    }
}

/// Looks at a file, or at a directory with all that is in it, under its own name.
fn walk(
    path: &Path,
    visit: &mut dyn FnMut(Found) -> Result<(), HelperError>,
) -> Result<(), HelperError> {
    let name = path.file_name().map_or_else(|| Path::new("."), Path::new).to_owned();
    match look_at(path)? {
        Seen::File(file) => {
            let meta = file.metadata().at(format!("open {}", path.display()))?;
            visit(Found { path: path.to_owned(), name, meta, what: What::OpenFile(file) })
        }
        Seen::Dir => {
            let (meta, here) = (go_to(path)?, Path::new("."));
            let device = meta.dev();
            visit(Found { path: here.to_owned(), name: name.clone(), meta, what: What::Dir })?;
            Walk { device, visit }.dir(here, &name, 0)
        }
        Seen::Nothing => Err(rustix::io::Errno::NOENT).at(format!("open {}", path.display())),
        Seen::Other => {
            let text = format!("{} is no file and no directory: name one", path.display());
            Err(HelperError::Refused(text))
        }
    }
}

/// A walk that stays on one file system.
struct Walk<'a> {
    device: u64,
    visit: &'a mut dyn FnMut(Found) -> Result<(), HelperError>,
}

impl Walk<'_> {
    /// Looks at what is in a directory, in the order the file system gives it: nothing grows with the number of files.
    fn dir(&mut self, dir: &Path, name: &Path, depth: usize) -> Result<(), HelperError> {
        if depth > ARCHIVE_DEPTH_MAX {
            return Err(HelperError::Refused(format!(
                "the directory is deeper than {ARCHIVE_DEPTH_MAX} levels: use a smaller one"
            )));
        }
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            // Removed while we pack.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).at(format!("pack {}", name.display())),
        };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), name.join(entry.file_name()));
            let Ok(meta) = fs::symlink_metadata(&path) else { continue };
            if meta.is_symlink() {
                let Ok(target) = fs::read_link(&path) else { continue };
                (self.visit)(Found { path, name, meta, what: What::Link(target) })?;
            } else if meta.is_dir() && meta.dev() == self.device {
                let found = Found { path: path.clone(), name: name.clone(), meta, what: What::Dir };
                (self.visit)(found)?;
                self.dir(&path, &name, depth + 1)?;
            } else if meta.is_file() {
                (self.visit)(Found { path, name, meta, what: What::File })?;
            }
        }
        Ok(())
    }
}

struct Packer<W: Write> {
    tar: tar::Builder<Rest<W>>,
    limit: Limit,
}

impl<W: Write> Packer<W> {
    fn add(&mut self, found: &Found) -> Result<(), HelperError> {
        let Found { path, name, meta, what } = found;
        let action = || format!("pack {}", name.display());
        let added = match what {
            What::File => match open_below(path).at(action())? {
                Some(file) => return self.file(file, name),
                // Something else since.
                None => return Ok(()),
            },
            What::OpenFile(file) => return self.file(file.try_clone().at(action())?, name),
            What::Dir => {
                self.limit.take("the directory", 0)?;
                self.tar.append_dir(name, path)
            }
            What::Link(target) => {
                self.limit.take("the directory", 0)?;
                let mut header = tar::Header::new_gnu();
                header.set_metadata(meta);
                self.tar.append_link(&mut header, name, target)
            }
        };
        added.at(action())
    }

    fn file(&mut self, file: fs::File, name: &Path) -> Result<(), HelperError> {
        let action = || format!("pack {}", name.display());
        let meta = file.metadata().at(action())?;
        self.limit.take("the directory", meta.len())?;
        append(&mut self.tar, file, &meta, meta.len(), name).at(action())
    }
}

/// Packs a file with the length it had when it was opened, filled with zeros if it becomes shorter meanwhile.
fn append<W: Write>(
    tar: &mut tar::Builder<Rest<W>>,
    file: fs::File,
    meta: &fs::Metadata,
    bytes: u64,
    name: &Path,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_metadata(meta);
    header.set_size(bytes);
    let content = content(file, bytes, tar.get_ref().left_out())?;
    tar.append_data(&mut header, name, content)
}

/// Writes the ends of files as tar to stdout; those that are not there, or no files, are left out.
pub(crate) fn tails(request: &TailsRequest) -> Result<(), HelperError> {
    let PackRequest { paths, place, dir, .. } = &request.place;
    let _entered = enter(paths, place)?;
    if go_to(dir).is_err() {
        return Err(HelperError::Refused(format!("{} is no directory", dir.display())));
    }
    let mut tar = tar::Builder::new(Rest::new(io::stdout().lock(), 0));
    for (name, bytes) in &request.files {
        let action = || format!("read {name}");
        let Some(mut file) = open_below(Path::new(name)).at(action())? else { continue };
        let meta = file.metadata().at(action())?;
        let bytes = meta.len().min(*bytes);
        file.seek(io::SeekFrom::Start(meta.len() - bytes)).at(action())?;
        append(&mut tar, file, &meta, bytes, Path::new(name)).at(action())?;
    }
    tar.into_inner().and_then(|mut out| out.flush()).at("finish the ends of files")
}

/// Removes what is in the directory, if there is one.
pub(crate) fn empty(request: &PackRequest) -> Result<(), HelperError> {
    let _entered = enter(&request.paths, &request.place)?;
    let action = || format!("empty {}", request.dir.display());
    match go_to(&request.dir) {
        Ok(_) => {}
        Err(HelperError::Step { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    for entry in fs::read_dir(".").at(action())? {
        remove_tree(&entry.at(action())?.path()).at(action())?;
    }
    Ok(())
}

/// Unpacks stdin into the directory.
pub(crate) fn unpack(request: &PackRequest) -> Result<(), HelperError> {
    let _entered = enter(&request.paths, &request.place)?;
    let dir = &request.dir;
    fs::create_dir_all(dir).at(format!("make directory {}", dir.display()))?;
    go_to_shallow(dir)?;
    unpack_in(Path::new("."), request)
}

/// Unpacks stdin into the directory if it is one; else the one thing in the archive gets that name.
pub(crate) fn write(request: &PackRequest) -> Result<(), HelperError> {
    let _entered = enter(&request.paths, &request.place)?;
    let path = &request.dir;
    let into_dir = matches!(look_at(path)?, Seen::Dir);
    let (Some(parent), Some(name), false) = (path.parent(), path.file_name(), into_dir) else {
        go_to_shallow(path)?;
        return unpack_in(Path::new("."), request);
    };
    go_to_shallow(parent)?;
    let new = PathBuf::from(format!(".tomato-copy-{}", std::process::id()));
    let beside = || format!("{} in {}", new.display(), parent.display());
    fs::create_dir(&new).at(format!("make directory {}", beside()))?;
    let placed = unpack_in(&new, request).and_then(|()| {
        let mut entries = fs::read_dir(&new).at("read the archive")?.flatten();
        let (Some(only), None) = (entries.next(), entries.next()) else {
            let text =
                format!("{} is no directory and the archive has several things", path.display());
            return Err(HelperError::Refused(text));
        };
        fs::rename(only.path(), name).at(format!("make {}", path.display()))
    });
    fs::remove_dir_all(&new).at(format!("remove {}", beside()))?;
    placed
}

/// Goes to a directory in which files are made, each of them by resolving its path from the root.
fn go_to_shallow(dir: &Path) -> Result<(), HelperError> {
    go_to(dir)?;
    let real = std::env::current_dir().at(format!("open directory {}", dir.display()))?;
    if depth(&real) > ARCHIVE_DEPTH_MAX {
        return Err(HelperError::Refused(format!(
            "the directory lies deeper than {ARCHIVE_DEPTH_MAX} levels: use one nearer to the root"
        )));
    }
    Ok(())
}

/// Levels of a path, those that lead nowhere not counted.
fn depth(path: &Path) -> usize {
    path.components().filter(|part| matches!(part, Component::Normal(_))).count()
}

fn unpack_in(dir: &Path, request: &PackRequest) -> Result<(), HelperError> {
    let input = decompressed(io::stdin().lock())?;
    let mut archive = tar::Archive::new(input);
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(true);
    archive.set_overwrite(true);
    let entries = archive.entries().at("read the archive")?;
    let mut limit = Limit::new(request);
    let mut count = 0u64;
    let mut last = PathBuf::new();
    for entry in entries {
        let mut entry = entry.at("read the archive")?;
        count += 1;
        let kind = entry.header().entry_type();
        let wanted = kind.is_file()
            || kind.is_dir()
            || kind.is_symlink()
            || kind.is_hard_link()
            || kind.is_contiguous()
            || kind.is_gnu_sparse();
        if !wanted {
            continue;
        }
        let path = entry.path().map(std::borrow::Cow::into_owned).unwrap_or_default();
        let target = entry.link_name().ok().flatten().filter(|_| kind.is_hard_link());
        if depth(&path).max(target.as_deref().map_or(0, depth)) > ARCHIVE_DEPTH_MAX {
            return Err(HelperError::Refused(format!(
                "the archive has directories deeper than {ARCHIVE_DEPTH_MAX} levels: pack fewer"
            )));
        }
        limit.take("the archive", room(&path, &last, entry.size()))?;
        last.clone_from(&path);
        let path = path.display();
        let inside = entry.unpack_in(dir).at(format!("unpack {path}"))?;
        if !inside {
            return Err(HelperError::Refused(format!(
                "archive entry {path} leads out of its directory"
            )));
        }
    }
    if count == 0 {
        return Err(HelperError::Refused("the archive is empty or no tar archive".to_owned()));
    }
    // Whatever follows the archive's end is read, so that the writer is not stopped by a closed pipe.
    io::copy(&mut archive.into_inner(), &mut io::sink()).at("read the archive")?;
    fs::File::open(dir)
        .and_then(|opened| rustix::fs::syncfs(opened).map_err(io::Error::from))
        .at("write the files to disk")
}

/// Bytes on disk of an entry, and of the directories that are made for it after the entry before.
fn room(path: &Path, last: &Path, bytes: u64) -> u64 {
    let shared = path.components().zip(last.components()).take_while(|(a, b)| a == b).count();
    let made = path.components().count().saturating_sub(shared).max(1);
    let made = u64::try_from(made).unwrap_or(u64::MAX);
    let blocks = bytes.div_ceil(DISK_BLOCK_BYTES).saturating_add(made - 1);
    blocks.saturating_mul(DISK_BLOCK_BYTES).saturating_add(INODE_BYTES * made)
}

/// The input, decompressed as its first bytes tell.
fn decompressed<'a>(input: impl Read + 'a) -> Result<Box<dyn Read + 'a>, HelperError> {
    let action = || "read the archive";
    let mut input = BufReader::new(input);
    let mut magic = [0u8; 4];
    let mut have = 0;
    while have < magic.len() {
        match input.read(&mut magic[have..]).at(action())? {
            0 => break,
            n => have += n,
        }
    }
    let whole = io::Cursor::new(magic[..have].to_vec()).chain(input);
    Ok(match magic {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::stream::read::Decoder::new(whole).at(action())?),
        _ => Box::new(whole),
    })
}
