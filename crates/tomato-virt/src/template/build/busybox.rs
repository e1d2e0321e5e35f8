//! A root file system of one static program: the machine's own busybox, or Debian's package of it.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::super::Step;
use super::super::elf::{Program, inspect};
use super::super::limits::STEP_DEADLINE;
use super::super::rootfs::{Attributes, Rootfs, inside};
use super::{BuildError, Site};
use crate::cmd::Cmd;

pub(super) fn build(site: Site<'_>) -> Result<(), BuildError> {
    site.report(Step::Fetch, Some(0), "looking for a static busybox");
    let program = match installed() {
        Some(program) => program,
        None => fetch(site)?,
    };
    site.report(Step::Build, Some(30), format!("building from {}", program.display()));
    let applets = Cmd::new(&program)
        .arg("--list-full")
        .deadline(STEP_DEADLINE)
        .run()
        .map_err(|source| BuildError::Run { what: "listing the programs in busybox", source })?
        .stdout_text();
    let failed = |path: &str| {
        let path = path.to_owned();
        move |source| BuildError::Write { path, source }
    };
    fs::create_dir(site.rootfs).map_err(failed("/"))?;
    let root = Rootfs::open(site.rootfs).map_err(failed("/"))?;
    let mut from = File::open(&program).map_err(failed("bin/busybox"))?;
    root.file(Path::new("bin/busybox"), &Attributes::mode(0o755), &mut from)
        .map_err(failed("bin/busybox"))?;
    for applet in applets.lines().filter_map(|line| inside(line.trim().as_bytes())) {
        if applet.file_name().is_none_or(|name| name == "busybox") {
            continue;
        }
        let target = up_to_root(&applet).join("bin/busybox");
        let target = if applet.starts_with("bin") { Path::new("busybox") } else { &target };
        root.symlink(&applet, target.as_os_str(), None)
            .map_err(failed(&applet.display().to_string()))?;
    }
    Ok(())
}

/// `../..` for `usr/bin/wget`.
fn up_to_root(path: &Path) -> PathBuf {
    path.components().skip(1).map(|_| "..").collect()
}

fn installed() -> Option<PathBuf> {
    ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from).into_iter().find(|path| is_static(path))
}

fn is_static(path: &Path) -> bool {
    let program = File::open(path).and_then(|mut file| inspect(&mut file));
    program.is_ok_and(|program| program == Program::Static)
}

fn fetch(site: Site<'_>) -> Result<PathBuf, BuildError> {
    site.report(Step::Fetch, Some(10), "fetching the package busybox-static");
    let fetch = Cmd::new("apt-get").args(["-q", "download", "busybox-static"]);
    let mut fetch = fetch.dir(site.scratch).deadline(STEP_DEADLINE);
    // As root apt fetches as another user, who cannot write into our directory, and says so at length.
    if fs::metadata(site.scratch).is_ok_and(|meta| meta.uid() == 0) {
        fetch = fetch.args(["-o", "APT::Sandbox::User=root"]);
    }
    fetch.run().map_err(BuildError::Fetch)?;
    let unpacked = site.scratch.join("busybox");
    let failed = |source| BuildError::Write { path: "bin/busybox".to_owned(), source };
    for entry in fs::read_dir(site.scratch).map_err(failed)? {
        let package = entry.map_err(failed)?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            Cmd::new("dpkg-deb")
                .arg("-x")
                .args([&package, &unpacked])
                .deadline(STEP_DEADLINE)
                .run()
                .map_err(|source| BuildError::Run { what: "unpacking busybox-static", source })?;
        }
    }
    let found = ["bin/busybox", "usr/bin/busybox"].map(|path| unpacked.join(path));
    let path = unpacked;
    found.into_iter().find(|program| is_static(program)).ok_or(BuildError::Static { path })
}

#[cfg(test)]
mod tests;
