//! Packing and unpacking directories of a container, as the container's own root user, inside its file system.
//!
//! Before the first byte of guest data is read this process has entered the container's user namespace and has its file system as root
//! directory, so a link, however it is changed meanwhile, cannot lead out of the container; and what it may not touch outside, the kernel
//! refuses. It is in none of the container's other namespaces, so the container's processes do not see it.

use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};
use serde::{Deserialize, Serialize};

use super::{At, HelperError, IdMapping, mounts};
use crate::container::{ElementPaths, Lock, Phase, State, process_start};
use crate::limits::LOCK_DEADLINE;

/// Where the container's files are reached.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// In the running container.
    Started {
        /// Its process 1.
        pid: u32,
        /// Start time of that.
        start_ticks: u64,
    },
    /// On its disk.
    Prepared {
        /// How its template gets its ids.
        mapping: IdMapping,
    },
}

/// What to pack or where to unpack.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PackRequest {
    pub(crate) paths: ElementPaths,
    pub(crate) place: Place,
    pub(crate) dir: PathBuf,
}

/// Writes the directory as tar.gz to stdout.
pub(crate) fn pack(request: &PackRequest) -> Result<(), HelperError> {
    let _entered = enter(request)?;
    let root =
        fs::metadata(&request.dir).at(format!("open directory {}", request.dir.display()))?;
    if !root.is_dir() {
        return Err(HelperError::Refused(format!("{} is no directory", request.dir.display())));
    }
    let gzip = flate2::write::GzEncoder::new(io::stdout().lock(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    pack_dir(&mut tar, &request.dir, Path::new("."), root.dev())?;
    tar.into_inner()
        .and_then(flate2::write::GzEncoder::finish)
        .and_then(|mut out| out.flush())
        .at("finish the archive")
}

/// Writes the file or directory under its own name as tar to stdout.
pub(crate) fn read(request: &PackRequest) -> Result<(), HelperError> {
    let _entered = enter(request)?;
    let path = &request.dir;
    let meta = fs::metadata(path).at(format!("open {}", path.display()))?;
    let name = path.file_name().map_or_else(|| Path::new("."), Path::new);
    let mut tar = tar::Builder::new(io::BufWriter::new(io::stdout().lock()));
    if meta.is_dir() {
        tar.append_dir(name, path).at(format!("pack {}", path.display()))?;
        pack_dir(&mut tar, path, name, meta.dev())?;
    } else if meta.is_file() {
        // Its name may be a link; what is meant is the file.
        let path = fs::canonicalize(path).at(format!("open {}", path.display()))?;
        pack_file(&mut tar, &path, name)?;
    } else {
        return Err(HelperError::Refused(format!(
            "{} is no file and no directory",
            path.display()
        )));
    }
    tar.into_inner().and_then(|mut out| out.flush()).at("finish the archive")
}

fn pack_dir<W: Write>(
    tar: &mut tar::Builder<W>,
    dir: &Path,
    name: &Path,
    device: u64,
) -> Result<(), HelperError> {
    let failed = |path: &Path| format!("pack {}", path.display());
    let mut entries: Vec<_> = match fs::read_dir(dir) {
        Ok(entries) => entries.flatten().map(|entry| entry.file_name()).collect(),
        // Removed while we pack.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).at(failed(dir)),
    };
    entries.sort();
    for entry in entries {
        let (path, name) = (dir.join(&entry), name.join(&entry));
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if meta.is_symlink() {
            let Ok(target) = fs::read_link(&path) else { continue };
            let mut header = tar::Header::new_gnu();
            header.set_metadata(&meta);
            tar.append_link(&mut header, &name, target).at(failed(&path))?;
        } else if meta.is_dir() && meta.dev() == device {
            tar.append_dir(&name, &path).at(failed(&path))?;
            pack_dir(tar, &path, &name, device)?;
        } else if meta.is_file() {
            pack_file(tar, &path, &name)?;
        }
    }
    Ok(())
}

/// Packs a file with the length it has when it is opened, filled with zeros if it becomes shorter meanwhile.
fn pack_file<W: Write>(
    tar: &mut tar::Builder<W>,
    path: &Path,
    name: &Path,
) -> Result<(), HelperError> {
    let action = || format!("pack {}", path.display());
    // Neither follows a link nor waits at a pipe that was put here since.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let Ok(file) = fs::OpenOptions::new().read(true).custom_flags(flags).open(path) else {
        return Ok(());
    };
    let meta = file.metadata().at(action())?;
    if !meta.is_file() {
        return Ok(());
    }
    let mut header = tar::Header::new_gnu();
    header.set_metadata(&meta);
    header.set_size(meta.len());
    let data = file.chain(io::repeat(0)).take(meta.len());
    tar.append_data(&mut header, name, data).at(action())
}

/// Unpacks stdin into the directory.
pub(crate) fn unpack(request: &PackRequest) -> Result<(), HelperError> {
    let _entered = enter(request)?;
    unpack_in(&request.dir)
}

/// Unpacks stdin into the directory if it is one; else the one thing in the archive gets that name.
pub(crate) fn write(request: &PackRequest) -> Result<(), HelperError> {
    let _entered = enter(request)?;
    let path = &request.dir;
    let into_dir = fs::metadata(path).is_ok_and(|meta| meta.is_dir());
    let (Some(parent), Some(name), false) = (path.parent(), path.file_name(), into_dir) else {
        return unpack_in(path);
    };
    fs::metadata(parent).at(format!("open directory {}", parent.display()))?;
    let mut new = std::ffi::OsString::from(".");
    new.push(name);
    new.push(format!(".{}", std::process::id()));
    let new = parent.join(new);
    fs::create_dir(&new).at(format!("make directory {}", new.display()))?;
    let placed = unpack_in(&new).and_then(|()| {
        let mut entries = fs::read_dir(&new).at("read the archive")?.flatten();
        let (Some(only), None) = (entries.next(), entries.next()) else {
            let text =
                format!("{} is no directory and the archive has several things", path.display());
            return Err(HelperError::Refused(text));
        };
        fs::rename(only.path(), path).at(format!("make {}", path.display()))
    });
    fs::remove_dir_all(&new).at(format!("remove {}", new.display()))?;
    placed
}

fn unpack_in(dir: &Path) -> Result<(), HelperError> {
    fs::create_dir_all(dir).at(format!("make directory {}", dir.display()))?;
    let input = decompressed(io::stdin().lock())?;
    let mut archive = tar::Archive::new(input);
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(true);
    archive.set_overwrite(true);
    let entries = archive.entries().at("read the archive")?;
    let mut count = 0u64;
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
        let path = entry.path().map(|p| p.display().to_string()).unwrap_or_default();
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
    nix::unistd::sync();
    Ok(())
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

/// Becomes the container's root user in its file system. The lock is held as long as the disk is mounted by us.
fn enter(request: &PackRequest) -> Result<Option<Lock>, HelperError> {
    let lock = match request.place {
        Place::Started { pid, start_ticks } => {
            let open = |kind: &str| {
                fs::File::open(format!("/proc/{pid}/ns/{kind}"))
                    .map(OwnedFd::from)
                    .at("open the container's namespaces")
            };
            let (users, mounts) = (open("user")?, open("mnt")?);
            // Only now is it sure that they are those of the process meant.
            if process_start(pid) != Some(start_ticks) {
                return Err(HelperError::Changed);
            }
            let action = || "enter the container's namespaces";
            setns(&users, CloneFlags::CLONE_NEWUSER).at(action())?;
            setns(&mounts, CloneFlags::CLONE_NEWNS).at(action())?;
            None
        }
        Place::Prepared { mapping } => {
            let lock = Lock::take(&request.paths.disk_lock(), LOCK_DEADLINE)
                .at("wait for the element's disk")?;
            let state = State::load(&request.paths.state_file()).ok().flatten();
            let state = state.filter(|s| s.phase == Phase::Prepared || s.alive().is_none());
            let state = state.ok_or(HelperError::Changed)?;
            mounts::leave_host()?;
            mounts::make_stage(&request.paths.stage())?;
            let users = mounts::user_namespace(state.id_base)?;
            mounts::mount_rootfs(&request.paths, &state.rootfs, state.id_base, mapping, &users)?;
            let action = || "enter the container's file system";
            nix::unistd::chroot(&request.paths.stage().join(mounts::ROOTFS)).at(action())?;
            nix::unistd::chdir("/").at(action())?;
            setns(&users, CloneFlags::CLONE_NEWUSER).at(action())?;
            Some(lock)
        }
    };
    let action = || "become the container's root user";
    nix::unistd::setgroups(&[]).at(action())?;
    nix::unistd::setgid(0.into()).at(action())?;
    nix::unistd::setuid(0.into()).at(action())?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    Ok(lock)
}
