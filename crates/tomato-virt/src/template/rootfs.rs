//! Writing into a root file system that is not ours: every path is taken from its top directory, no symbolic link is
//! followed on the way, and no existing file is written through.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid,
    XattrFlags,
};
use rustix::io::Errno;

use crate::container::tree;

/// A root file system's top directory.
#[derive(Debug)]
pub(super) struct Rootfs {
    top: OwnedFd,
    /// Directories that nobody named but that others lie in.
    made: Cell<u64>,
}

/// Owner and mode of a file to be.
#[derive(Clone, Debug)]
pub(super) struct Attributes {
    /// `None`: the owner is whoever we are.
    pub owner: Option<(u32, u32)>,
    pub mode: u32,
    /// Modification time in seconds of the epoch, if it is to be set.
    pub mtime: Option<u64>,
    pub xattrs: Vec<(String, Vec<u8>)>,
}

impl Attributes {
    /// Our own file with this mode.
    pub(super) fn mode(mode: u32) -> Self {
        Self { owner: None, mode, mtime: None, xattrs: Vec::new() }
    }
}

impl Rootfs {
    pub(super) fn open(top: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { top: rustix::fs::openat(CWD, top, flags, Mode::empty())?, made: Cell::new(0) })
    }

    /// How many directories were made on the way to others.
    pub(super) fn made(&self) -> u64 {
        self.made.get()
    }

    /// What a process chrooted here would get for `path`, symbolic links followed within the root.
    pub(super) fn resolve(&self, path: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(rustix::fs::openat2(&self.top, path, flags, Mode::empty(), resolve)?.into())
    }

    /// Makes a directory and, with mode 755, those above it that are missing.
    pub(super) fn dir(&self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        match rustix::fs::mkdirat(&parent, name, Mode::from(0o700)) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let there = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
                if FileType::from_raw_mode(there.st_mode) != FileType::Directory {
                    self.remove(path)?;
                    rustix::fs::mkdirat(&parent, name, Mode::from(0o700))?;
                }
            }
            Err(errno) => return Err(errno.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(&parent, name, flags, Mode::empty())?;
        apply(&dir, attributes)
    }

    /// Writes a regular file in place of whatever is there; a directory with something in it stays and is an error.
    pub(super) fn file(
        &self,
        path: &Path,
        attributes: &Attributes,
        content: &mut dyn Read,
    ) -> io::Result<u64> {
        self.remove(path)?;
        let (parent, name) = self.parent(path)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&parent, name, flags, Mode::from(0o600))?;
        let mut file = File::from(file);
        let written = io::copy(content, &mut file)?;
        apply(&file, attributes)?;
        Ok(written)
    }

    pub(super) fn symlink(
        &self,
        path: &Path,
        target: &OsStr,
        owner: Option<(u32, u32)>,
    ) -> io::Result<()> {
        self.remove(path)?;
        let (parent, name) = self.parent(path)?;
        rustix::fs::symlinkat(target, &parent, name)?;
        if let Some((uid, gid)) = owner {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            rustix::fs::chownat(&parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }

    /// Gives the file at `existing` a second name.
    pub(super) fn hard_link(&self, path: &Path, existing: &Path) -> io::Result<()> {
        let (old_parent, old_name) = self.parent(existing)?;
        let old = rustix::fs::statat(&old_parent, old_name, AtFlags::SYMLINK_NOFOLLOW)?;
        if self.stat(path).is_ok_and(|new| (new.st_dev, new.st_ino) == (old.st_dev, old.st_ino)) {
            return Ok(());
        }
        self.remove(path)?;
        let (parent, name) = self.parent(path)?;
        Ok(rustix::fs::linkat(&old_parent, old_name, &parent, name, AtFlags::empty())?)
    }

    pub(super) fn fifo(&self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        self.remove(path)?;
        let (parent, name) = self.parent(path)?;
        rustix::fs::mknodat(&parent, name, FileType::Fifo, Mode::from(0o600), 0)?;
        if let Some((uid, gid)) = attributes.owner {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            rustix::fs::chownat(&parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        let mode = Mode::from(attributes.mode & 0o7777);
        // Nobody else writes here, so the name is still the fifo just made.
        Ok(rustix::fs::chmodat(&parent, name, mode, AtFlags::empty())?)
    }

    /// The file at `path`, itself and not what it points to.
    pub(super) fn stat(&self, path: &Path) -> io::Result<Stat> {
        let (parent, name) = self.parent(path)?;
        Ok(rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Removes a file or an empty directory if it is there.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR | Errno::PERM) => {
                Ok(rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)?)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes whatever is at `path`, a directory with all in it; nothing there is fine.
    pub(super) fn remove_all(&self, path: &Path) -> io::Result<()> {
        let Some((parent, name)) = self.existing_parent(path)? else { return Ok(()) };
        match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) if FileType::from_raw_mode(there.st_mode) == FileType::Directory => {
                tree::remove(&open_path(&parent).join(name))
            }
            Ok(_) => Ok(rustix::fs::unlinkat(&parent, name, AtFlags::empty())?),
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes all that is in the directory at `path`, if there is one; the empty path is the root itself.
    pub(super) fn empty(&self, path: &Path) -> io::Result<()> {
        let dir = if path.as_os_str().is_empty() {
            self.top.try_clone()?
        } else {
            match self.open_dir(path) {
                Ok(dir) => dir,
                Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        };
        let names = std::fs::read_dir(open_path(&dir))?.map(|entry| Ok(entry?.file_name()));
        for name in names.collect::<io::Result<Vec<_>>>()? {
            self.remove_all(&path.join(name))?;
        }
        Ok(())
    }

    /// The directory that `path` lies in and its last component; `None` if there is no such directory.
    fn existing_parent<'path>(
        &self,
        path: &'path Path,
    ) -> io::Result<Option<(OwnedFd, &'path OsStr)>> {
        let Some(name) = path.file_name() else { return Ok(None) };
        let above = path.parent().filter(|above| !above.as_os_str().is_empty());
        let Some(above) = above else { return Ok(Some((self.top.try_clone()?, name))) };
        match self.open_dir(above) {
            Ok(dir) => Ok(Some((dir, name))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The directory `path` lies in, opened without following any link and made if missing, and its last component.
    fn parent<'path>(&self, path: &'path Path) -> io::Result<(OwnedFd, &'path OsStr)> {
        let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "not a path inside the root");
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(invalid());
        }
        let name = path.file_name().ok_or_else(invalid)?;
        let above = path.parent().filter(|above| !above.as_os_str().is_empty());
        let Some(above) = above else { return Ok((self.top.try_clone()?, name)) };
        match self.open_dir(above) {
            Err(Errno::NOENT) => {
                self.make_dirs(above)?;
                Ok((self.open_dir(above)?, name))
            }
            opened => Ok((opened?, name)),
        }
    }

    fn open_dir(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.top, path, flags, Mode::empty(), resolve)
    }

    fn make_dirs(&self, path: &Path) -> io::Result<()> {
        let mut dir = self.top.try_clone()?;
        for part in path.components() {
            let part = Path::new(part.as_os_str());
            match rustix::fs::mkdirat(&dir, part, Mode::from(0o755)) {
                Ok(()) => self.made.update(|made| made + 1),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            dir = rustix::fs::openat(&dir, part, flags, Mode::empty())?;
        }
        Ok(())
    }
}

/// A path to an open directory.
fn open_path(dir: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd()))
}

/// Sets owner, mode, attributes and time of an open file, in the order in which none undoes another.
fn apply(file: impl AsFd, attributes: &Attributes) -> io::Result<()> {
    let file = file.as_fd();
    if let Some((uid, gid)) = attributes.owner {
        rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    rustix::fs::fchmod(file, Mode::from(attributes.mode & 0o7777))?;
    for (name, value) in &attributes.xattrs {
        rustix::fs::fsetxattr(file, name, value, XattrFlags::empty())?;
    }
    if let Some(seconds) = attributes.mtime.and_then(|seconds| i64::try_from(seconds).ok()) {
        let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
        rustix::fs::futimens(file, &Timestamps { last_access: time, last_modification: time })?;
    }
    Ok(())
}

/// A path of an archive or recipe as one relative to the root: `./` and trailing slashes gone.
/// `None` if it is absolute, goes up, or holds a zero byte; the empty path is the root itself.
pub(super) fn inside(path: &[u8]) -> Option<PathBuf> {
    let path = Path::new(OsStr::from_bytes(path));
    if path.as_os_str().as_bytes().contains(&0) {
        return None;
    }
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => clean.push(part),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::ParentDir => return None,
        }
    }
    Some(clean)
}
