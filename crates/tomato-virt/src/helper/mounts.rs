//! A container's file system: its own layer on a template whose ids are mapped to the container's range.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags,
};
use serde::{Deserialize, Serialize};

use super::{At, HelperError};
use crate::container::ElementPaths;
use crate::limits::IDS_PER_CONTAINER;
use crate::sys;

/// How a template is given to a container's id range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdMapping {
    /// By an id-mapped mount if the kernel can, else by a copy.
    #[default]
    Auto,
    /// By an id-mapped mount.
    Mount,
    /// By a copy of the template with shifted owners, per container. Extended attributes are not copied.
    Copy,
}

/// Names below the stage directory.
pub(crate) use crate::container::stage::{HOSTNAME, HOSTS, KEEPER, LOWER, ROOTFS};

/// Leaves the host's mount namespace: from here on mounts are this process's own, and those of its children.
pub(crate) fn leave_host() -> Result<(), HelperError> {
    unshare(CloneFlags::CLONE_NEWNS).at("make a mount namespace")?;
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .at("make mounts private")
}

/// Puts an empty memory file system on the stage directory.
pub(crate) fn make_stage(stage: &Path) -> Result<(), HelperError> {
    let action = || format!("make {}", stage.display());
    fs::create_dir_all(stage).at(action())?;
    rustix::mount::mount("tmpfs", stage, "tmpfs", MountFlags::NOSUID, c"mode=0711,size=1m")
        .at(action())?;
    for dir in [LOWER, ROOTFS] {
        fs::create_dir(stage.join(dir)).at(action())?;
    }
    Ok(())
}

/// Shows a file below the stage directory.
pub(crate) fn show_file(from: &Path, to: &Path) -> Result<(), HelperError> {
    let action = || format!("mount {} at {}", from.display(), to.display());
    fs::File::create(to).at(action())?;
    rustix::mount::mount_bind(from, to).at(action())
}

/// A user namespace with the container's id range.
pub(crate) fn user_namespace(id_base: u32) -> Result<OwnedFd, HelperError> {
    let action = || "make a user namespace";
    let (mut ready, mut tell_ready) = io::pipe().at(action())?;
    let parent = nix::unistd::getpid();
    let child = sys::fork(|| {
        // After the unshare, which could take it back.
        let done = unshare(CloneFlags::CLONE_NEWUSER).is_ok()
            && nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).is_ok()
            && nix::unistd::getppid() == parent;
        let told = io::Write::write_all(&mut tell_ready, &[u8::from(done)]);
        // Lives until the other process has opened the namespace and kills it, or dies.
        while done && told.is_ok() {
            nix::unistd::pause();
        }
        1
    })
    .at(action())?;
    let opened = (|| {
        let mut done = [0u8; 1];
        io::Read::read_exact(&mut ready, &mut done)?;
        if done[0] != 1 {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let proc = Path::new("/proc").join(child.to_string());
        let map = format!("0 {id_base} {IDS_PER_CONTAINER}\n");
        fs::write(proc.join("uid_map"), &map)?;
        fs::write(proc.join("gid_map"), &map)?;
        fs::File::open(proc.join("ns/user")).map(OwnedFd::from)
    })();
    nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL).at(action())?;
    nix::sys::wait::waitpid(child, None).at(action())?;
    opened.at(action())
}

/// Mounts the root file system at the stage: the element's own layer on its template.
pub(crate) fn mount_rootfs(
    paths: &ElementPaths,
    template: &Path,
    id_base: u32,
    mapping: IdMapping,
    users: &OwnedFd,
) -> Result<(), HelperError> {
    let lower = paths.stage().join(LOWER);
    let mapped = match mapping {
        IdMapping::Copy => false,
        IdMapping::Mount => mount_mapped(template, &lower, users).map(|()| true)?,
        IdMapping::Auto => mount_mapped(template, &lower, users).is_ok(),
    };
    if mapped {
        match mount_overlay(paths, &lower) {
            // The kernel maps mounts of the template's file system but not below an overlay.
            Err(_) if mapping == IdMapping::Auto => {}
            other => return other,
        }
    }
    let copy = paths.template_copy();
    copy_template(template, &copy, id_base)?;
    mount_overlay(paths, &copy)
}

fn mount_mapped(template: &Path, at: &Path, users: &OwnedFd) -> Result<(), HelperError> {
    let action = || format!("map the ids of {}", template.display());
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = rustix::mount::open_tree(CWD, template, flags).at(action())?;
    sys::map_ids(&tree, users).at(action())?;
    attach(tree.as_fd(), at).at(action())
}

fn attach(mount: std::os::fd::BorrowedFd<'_>, at: &Path) -> rustix::io::Result<()> {
    rustix::mount::move_mount(mount, "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

fn mount_overlay(paths: &ElementPaths, lower: &Path) -> Result<(), HelperError> {
    let mount = || -> rustix::io::Result<()> {
        let fs = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        rustix::mount::fsconfig_set_string(fs.as_fd(), "source", "tomato")?;
        rustix::mount::fsconfig_set_string(fs.as_fd(), "lowerdir", lower)?;
        rustix::mount::fsconfig_set_string(fs.as_fd(), "upperdir", paths.upper())?;
        rustix::mount::fsconfig_set_string(fs.as_fd(), "workdir", paths.work())?;
        rustix::mount::fsconfig_create(fs.as_fd())?;
        let attributes = MountAttrFlags::empty();
        let mount = rustix::mount::fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
        attach(mount.as_fd(), &paths.stage().join(ROOTFS))
    };
    mount().map_err(|source| HelperError::Overlay {
        action: format!("own layer {}", paths.upper().display()),
        source: source.into(),
    })
}

/// Copies a template with shifted owners, unless it is there already. A half-made copy is made again.
fn copy_template(template: &Path, to: &Path, id_base: u32) -> Result<(), HelperError> {
    let action = || format!("copy the template to {}", to.display());
    if to.exists() {
        return Ok(());
    }
    let half = to.with_extension("half");
    if half.exists() {
        fs::remove_dir_all(&half).at(action())?;
    }
    copy_tree(template, &half, id_base).at(action())?;
    fs::rename(&half, to).at(action())
}

fn copy_tree(from: &Path, to: &Path, id_base: u32) -> io::Result<()> {
    let meta = fs::symlink_metadata(from)?;
    let kind = meta.file_type();
    if kind.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            copy_tree(&from.join(&name), &to.join(&name), id_base)?;
        }
    } else if kind.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(from)?, to)?;
    } else if kind.is_file() {
        fs::copy(from, to)?;
    } else {
        return Ok(());
    }
    std::os::unix::fs::lchown(to, Some(id_base + meta.uid()), Some(id_base + meta.gid()))?;
    // Changing the owner clears set-user-id bits, so the mode comes last.
    if kind.is_symlink() {
        Ok(())
    } else {
        fs::set_permissions(to, fs::Permissions::from_mode(meta.mode() & 0o7777))
    }
}
