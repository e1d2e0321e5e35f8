//! A Debian root file system by `mmdebstrap`, from the machine's own package sources.
//!
//! The build runs in mount and pid namespaces of its own that die with it: whatever kills it or us, no process and no
//! mount is left, and what it wrote can be removed.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use super::super::Step;
use super::super::apt::{Credentials, settings, sources_for, to_deb822};
use super::super::limits::{BUILD_DEADLINE, STEP_DEADLINE};
use super::super::recipe::Recipe;
use super::super::rootfs::{Attributes, Rootfs};
use super::{BuildError, Site};
use crate::cmd::{Cmd, Stream, find};

/// What apt and dpkg leave out: manuals, translations and documents, but no licence.
const DPKG_OPTIONS: &[&str] = &[
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/lintian/*",
];

/// Variables of the caller that say how to reach the sources.
const PROXIES: &[&str] = &["http_proxy", "https_proxy", "ftp_proxy", "no_proxy"];

/// The date packages are told to write into what they generate, in seconds of the epoch, so that two builds agree.
const SOURCE_DATE: &str = "1700000000";

/// What mmdebstrap says when a phase begins, how far the build is then in percent, and what to tell the user.
const PHASES: &[(&str, u8, &str)] = &[
    ("running apt-get update", 2, "reading the package lists"),
    ("downloading packages", 12, "downloading packages"),
    ("extracting archives", 30, "unpacking the base system"),
    ("installing essential", 40, "setting up the base system"),
    ("installing remaining", 55, "installing the packages"),
    ("cleaning package lists", 90, "cleaning up"),
];

/// Files and directories' contents that belong to this machine or to the build, not to the template.
const LEFTOVERS: &[&str] = &[
    "etc/apt/apt.conf.d/99mmdebstrap",
    "var/cache/ldconfig/aux-cache",
    "var/log/alternatives.log",
    "var/log/bootstrap.log",
    "var/log/dpkg.log",
    "var/log/apt/eipp.log.xz",
    "var/log/apt/history.log",
    "var/log/apt/term.log",
    "var/lib/systemd/random-seed",
    "etc/machine-id",
];

pub(super) fn build(recipe: &Recipe, site: Site<'_>) -> Result<(), BuildError> {
    if !rustix::process::geteuid().is_root() {
        return Err(BuildError::Root);
    }
    for (program, package) in
        [("mmdebstrap", "mmdebstrap"), ("unshare", "util-linux"), ("setpriv", "util-linux")]
    {
        find(program).ok_or(BuildError::Program { program, package })?;
    }
    let sources = sources_for(site.apt, &recipe.suite)?;
    let list = site.scratch.join("debian.sources");
    fs::write(&list, to_deb822(&sources, Credentials::Kept))
        .map_err(|source| BuildError::Write { path: "debian.sources".to_owned(), source })?;
    site.report(Step::Fetch, Some(0), format!("building Debian {}", recipe.suite));
    let progress = |line: &str| {
        if let Some((_, percent, message)) = PHASES.iter().find(|(start, ..)| line.contains(start))
        {
            let step = if *percent < 30 { Step::Fetch } else { Step::Build };
            site.report(step, Some(*percent), *message);
        }
    };
    command(recipe, site, &list)?
        .lines(|stream, line| {
            tracing::debug!(template = recipe.name, line, "mmdebstrap");
            if stream == Stream::Stderr {
                progress(line);
            }
        })
        .map_err(|source| BuildError::Run { what: "building the Debian system", source })?;
    let mut clean = to_deb822(&sources, Credentials::Removed);
    clean.truncate(clean.trim_end().len() + 1);
    tidy(site.rootfs, clean.as_bytes())
}

/// The command: killed with us, in namespaces killed with it.
fn command(recipe: &Recipe, site: Site<'_>, list: &Path) -> Result<Cmd, BuildError> {
    let mut command = Cmd::new("setpriv")
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "--pid",
            "--fork",
        ])
        .args(["--kill-child", "--mount-proc", "mmdebstrap", "--mode=root", "--variant=minbase"])
        .args([
            "--format=directory",
            "--aptopt=Acquire::Languages \"none\"",
            "--aptopt=APT::Sandbox::User \"root\"",
        ])
        .args(DPKG_OPTIONS.iter().map(|option| format!("--dpkgopt={option}")))
        .args(machine_settings()?.iter().map(|setting| format!("--aptopt={setting}")))
        .arg(format!("--include={}", recipe.packages.join(",")))
        .arg(&recipe.suite)
        .args([site.rootfs, list])
        .clear_env()
        .env("PATH", search_path())
        .env("LC_ALL", "C.UTF-8")
        .env("TMPDIR", site.scratch)
        .env("SOURCE_DATE_EPOCH", SOURCE_DATE)
        .deadline(BUILD_DEADLINE);
    for name in PROXIES {
        if let Some(value) = std::env::var_os(name) {
            command = command.env(name, value);
        }
    }
    Ok(command)
}

fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin");
    path
}

fn machine_settings() -> Result<Vec<String>, BuildError> {
    let dump = Cmd::new("apt-config").arg("dump").deadline(STEP_DEADLINE).run();
    let dump =
        dump.map_err(|source| BuildError::Run { what: "reading the settings of apt", source })?;
    Ok(settings(&dump.stdout_text()))
}

/// Takes out what belongs to this machine or to the build.
fn tidy(rootfs: &Path, sources: &[u8]) -> Result<(), BuildError> {
    let failed = |path: &str| {
        let path = path.to_owned();
        move |source| BuildError::Write { path, source }
    };
    for dir in ["dev", "run", "tmp", "etc/apt/sources.list.d", "var/lib/apt/lists", "var/cache/apt"]
    {
        empty(&rootfs.join(dir)).map_err(failed(dir))?;
    }
    let root = Rootfs::open(rootfs).map_err(failed("/"))?;
    for path in LEFTOVERS {
        root.remove(Path::new(path)).map_err(failed(path))?;
    }
    let files: [(&str, &[u8]); 5] = [
        ("etc/apt/sources.list.d/debian.sources", sources),
        ("etc/hostname", b"localhost\n"),
        ("etc/hosts", b"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"),
        ("etc/resolv.conf", b""),
        ("etc/machine-id", b""),
    ];
    for (path, mut content) in files {
        root.file(Path::new(path), &Attributes::mode(0o644), &mut content).map_err(failed(path))?;
    }
    Ok(())
}

/// Removes all that is in a directory of the new system.
fn empty(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
