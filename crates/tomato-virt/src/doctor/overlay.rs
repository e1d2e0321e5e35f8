//! Whether containers can share a template's files: overlayfs in the data directory, also above a template whose owners
//! are shown differently to each container. Mounts are made by a thread with a mount namespace of its own.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use super::limits::COMMAND_DEADLINE;
use super::{Finding, Options, chain, existing};
use crate::cmd::Cmd;
use crate::sys;

pub(super) fn plain(options: &Options) -> Finding {
    let name = "overlay";
    let shown = options.data_dir.display();
    match attempt(&options.data_dir, Lower::AsItIs) {
        Ok(()) => Finding::ok(
            name,
            format!("containers keep only what they change, in {shown} (overlayfs)"),
        ),
        Err(error) => Finding::fail(
            name,
            format!("containers cannot keep their files in {shown}: {}", chain(&error)),
            "choose a data directory on ext4, xfs or btrfs with --data-dir, not on overlayfs or a network disk",
        ),
    }
}

pub(super) fn mapped(options: &Options) -> Finding {
    let name = "shared templates";
    // What is mapped is the template, what lies above it the data directory; both may be on different disks.
    match attempt(&options.data_dir, Lower::Mapped(existing(&options.template_dir))) {
        Ok(()) => {
            Finding::ok(name, "containers share the files of their template (id-mapped mounts)")
        }
        Err(error) => Finding::warn(
            name,
            format!(
                "each container range gets its own copy of its template, which takes disk and time: {}",
                chain(&error)
            ),
            "use Linux 5.19 or later and keep templates on ext4, xfs or btrfs (--template-dir)",
        ),
    }
}

#[derive(Clone, Copy)]
enum Lower<'d> {
    AsItIs,
    Mapped(&'d Path),
}

fn attempt(data_dir: &Path, lower: Lower<'_>) -> io::Result<()> {
    let dir = tempfile::Builder::new().prefix(".tomato-probe-").tempdir_in(existing(data_dir))?;
    let below = match lower {
        Lower::AsItIs => None,
        Lower::Mapped(at) => {
            Some(tempfile::Builder::new().prefix(".tomato-probe-").tempdir_in(at)?)
        }
    };
    let template =
        below.as_ref().map_or_else(|| dir.path().join("lower"), |below| below.path().join("lower"));
    for path in ["upper", "work", "merged", "mapped"] {
        fs::create_dir(dir.path().join(path))?;
    }
    fs::create_dir(&template)?;
    fs::write(template.join("file"), "below")?;
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| in_own_mounts(dir.path(), &template, below.is_some()));
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the probe broke off")))
    })
}

/// The namespace and all its mounts go with this thread.
fn in_own_mounts(dir: &Path, template: &Path, map: bool) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let mapped = dir.join("mapped");
    let lower = if map {
        map_ids(dir, template, &mapped)?;
        mapped.as_path()
    } else {
        template
    };
    let option = |name: &str, path: &Path| format!("{name}={}", escaped(path));
    let options = [
        option("lowerdir", lower),
        option("upperdir", &dir.join("upper")),
        option("workdir", &dir.join("work")),
    ];
    let merged = dir.join("merged");
    mount(
        Some("overlay"),
        &merged,
        Some("overlay"),
        MsFlags::empty(),
        Some(options.join(",").as_str()),
    )?;
    fs::write(merged.join("file"), "above")?;
    if fs::read_to_string(dir.join("upper/file"))? != "above"
        || fs::read_to_string(template.join("file"))? != "below"
    {
        return Err(io::Error::other("a change did not stay in the upper directory"));
    }
    Ok(())
}

/// Shows `template` at `to` with its owners mapped through a new user namespace.
fn map_ids(dir: &Path, template: &Path, to: &Path) -> io::Result<()> {
    let namespace = dir.join("user");
    File::create(&namespace)?;
    let mut keep = std::ffi::OsString::from("--user=");
    keep.push(&namespace);
    // With a mount namespace too, because only then a process outside the new ones keeps the file.
    let made = Cmd::new("unshare").arg(keep).args(["--mount", "--map-root-user", "true"]);
    made.deadline(COMMAND_DEADLINE).run().map_err(io::Error::other)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(rustix::fs::CWD, template, flags)?;
    sys::map_ids(&tree, &OwnedFd::from(File::open(&namespace)?))?;
    move_mount(&tree, "", rustix::fs::CWD, to, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    Ok(())
}

/// A path as an option of overlayfs takes it.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "\\\\").replace(',', "\\,").replace(':', "\\:")
}
