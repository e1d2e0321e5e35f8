//! Building the shipped recipes.

use std::io;
use std::path::{Path, PathBuf};

use super::apt::SourcesError;
use super::recipe::{Builder, Recipe};
use super::rootfs::{Attributes, Rootfs};
use super::{Progress, Step};
use crate::cmd::CmdError;

mod busybox;
mod debian;
mod passwd;

/// Why a recipe could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A Debian template needs root.
    #[error("building this template needs root; run the lab as root")]
    Root,
    /// A program the build needs is not there.
    #[error("the program {program} is missing; install it with: apt-get install {package}")]
    Program {
        /// The program.
        program: &'static str,
        /// Debian's package of it.
        package: &'static str,
    },
    /// The machine has no package source to build from.
    #[error("cannot find out where this machine gets its packages")]
    Sources(#[from] SourcesError),
    /// There is no static busybox, and none could be fetched.
    #[error(
        "no static busybox on this machine and none could be fetched; install it with: apt-get install busybox-static"
    )]
    Fetch(#[source] CmdError),
    /// The fetched busybox does not run alone on this machine.
    #[error("{} is not a static program for this machine; install one with: apt-get install busybox-static", path.display())]
    Static {
        /// The program.
        path: PathBuf,
    },
    /// A step of the build failed.
    #[error("{what} failed")]
    Run {
        /// The step.
        what: &'static str,
        /// How.
        #[source]
        source: CmdError,
    },
    /// A file of the new root file system could not be written.
    #[error("cannot write {path} of the new root file system")]
    Write {
        /// Its path inside.
        path: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The recipe names a user or group that no package made.
    #[error("the new root file system has no user and group {owner:?} for {path}")]
    Owner {
        /// The file.
        path: String,
        /// `user:group`.
        owner: String,
    },
}

/// What a build works with.
#[derive(Clone, Copy)]
pub(super) struct Site<'s> {
    /// The directory of the new root file system; not there yet.
    pub rootfs: &'s Path,
    /// An empty directory for everything else, removed afterwards.
    pub scratch: &'s Path,
    /// The machine's package configuration, `/etc/apt`.
    pub apt: &'s Path,
    pub progress: &'s dyn Fn(Progress),
}

impl Site<'_> {
    fn report(&self, step: Step, percent: Option<u8>, message: impl Into<String>) {
        (self.progress)(Progress { step, percent, message: message.into() });
    }
}

/// Builds `recipe` into `site.rootfs`.
pub(super) fn build(recipe: &Recipe, site: Site<'_>) -> Result<(), BuildError> {
    match recipe.builder {
        Builder::Busybox => busybox::build(site)?,
        Builder::Debian => debian::build(recipe, site)?,
    }
    add_files(recipe, site.rootfs)
}

fn add_files(recipe: &Recipe, rootfs: &Path) -> Result<(), BuildError> {
    let failed = |path: &str| {
        let path = path.to_owned();
        move |source| BuildError::Write { path, source }
    };
    let root = Rootfs::open(rootfs).map_err(failed("/"))?;
    for (path, mode) in &recipe.dirs {
        root.dir(Path::new(path), &Attributes::mode(*mode)).map_err(failed(path))?;
    }
    for (file, mode) in &recipe.files {
        let owner = recipe.owners.get(file.path);
        let owner = owner.map(|owner| passwd::owner(&root, file.path, owner)).transpose()?;
        let attributes = Attributes { owner, ..Attributes::mode(*mode) };
        root.file(Path::new(file.path), &attributes, &mut &*file.content)
            .map_err(failed(file.path))?;
    }
    Ok(())
}
