//! Templates: root file systems stored by digest in a directory that several labs may share.
//!
//! ```text
//! TEMPLATE_DIR/                     mode 700: the files inside carry real owners and set-user-id bits
//!   names/NAME.json                 what a name stands for now
//!   blobs/sha256-…/rootfs/          one root file system, never changed once it is here
//!   blobs/sha256-…/pins/HOLDER      someone uses it, see [`TemplateStore::pin`]
//!   building/PID-…/                 a build or import under way, its file `lock` held by the builder
//!   locks/NAME                      held while NAME is built, so that the next one waits
//!   lock                            held for the moment of each change to the above
//! ```
//!
//! Invariants: a root file system appears under its digest by one rename after all of it is on disk, so half-built ones
//! exist only in `building/` and are removed by the next who comes once their builder is dead; it goes when no name and
//! no pin holds it; locks belong to open files, so that a killed holder lets go. Everything here blocks: call it from a
//! thread that may.

use std::io::{self, Read};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::container::MainProcess;

mod apt;
mod build;
mod elf;
mod import;
mod limits;
mod manifest;
mod name;
mod oci;
mod recipe;
mod rootfs;
mod store;
#[cfg(test)]
mod tests;

pub use apt::SourcesError;
pub use build::BuildError;
pub use import::{ImportError, Skipped};
pub use manifest::ReadError;
pub use name::{Digest, Holder, NameError, TemplateName};
pub use oci::{Blob, BlobDigest, ImageSource, OciError};
pub use recipe::names as shipped_names;
pub use store::TemplateStore;

/// A template whose files are here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its name.
    pub name: TemplateName,
    /// The digest of its files, as the module `manifest` says: contents, modes, owners, links, no times.
    pub digest: Digest,
    /// A short name for people.
    pub label: String,
    /// What it is for.
    pub description: String,
    /// The top directory of its files, owned by the real user ids 0 and up.
    pub rootfs: PathBuf,
    /// The command to run as root when a container starts; empty if there is none.
    pub boot: Vec<String>,
    /// What is run in its place, if it came from an image.
    pub main: Option<MainProcess>,
    /// When it was built or imported, in seconds of the epoch.
    pub built_at: u64,
    /// The sum of the recipe it was built from; none for an imported one.
    pub recipe: Option<String>,
    /// Bytes of its files.
    pub bytes: u64,
    /// Files and directories in it.
    pub entries: u64,
}

/// A template by name, built or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateInfo {
    /// Its name.
    pub name: TemplateName,
    /// A short name for people.
    pub label: String,
    /// What it is for.
    pub description: String,
    /// Where it comes from and whether it must be built at its next use.
    pub state: TemplateState,
    /// Its files as they are now, if any; with [`TemplateState::Outdated`] those of the older recipe.
    pub built: Option<Template>,
}

/// Whether a template can be used as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateState {
    /// Shipped, and built at its first use.
    Shipped,
    /// Shipped and built from an older recipe; built anew at its next use.
    Outdated,
    /// Shipped and built.
    Built,
    /// Imported by a user.
    Imported,
}

/// Which part of the work a [`Progress`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Another lab builds the same template.
    Wait,
    /// Packages are fetched.
    Fetch,
    /// The root file system is made.
    Build,
    /// An archive is unpacked.
    Import,
    /// The result is checked and summed up.
    Check,
    /// The result is put on disk for good.
    Store,
}

/// How far a build or import is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// How much of the whole is done, 0 to 100, if that can be said.
    pub percent: Option<u8>,
    /// A sentence for people.
    pub message: String,
}

/// What an import cannot see in the archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// A short name for people; the template's name if empty. Cut at 4096 bytes.
    pub label: String,
    /// What it is for. Cut at 4096 bytes.
    pub description: String,
    /// The boot command; `None`: `/bin/sh /etc/tomato/boot` if the archive has that file.
    pub boot: Option<Vec<String>>,
}

/// A template just imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The template.
    pub template: Template,
    /// What of the archive was left out.
    pub skipped: Skipped,
}

/// Why something with templates did not work.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// No such template.
    #[error("there is no template {name}; there are: {known}")]
    Find {
        /// What was asked for.
        name: TemplateName,
        /// What there is.
        known: String,
    },
    /// The name belongs to a shipped template.
    #[error("the template name {name} belongs to a shipped template; choose another")]
    Shipped {
        /// The name.
        name: TemplateName,
    },
    /// A file or directory of the template directory could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A file or directory of the template directory could not be written or removed.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A file of the template directory is damaged.
    #[error("cannot understand {}; remove it and the template is built again at its next use", path.display())]
    Parse {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A shipped template could not be built.
    #[error("cannot build the template {name}")]
    Build {
        /// Its name.
        name: TemplateName,
        /// Why.
        #[source]
        source: BuildError,
    },
    /// An archive could not be imported.
    #[error("cannot import the template {name}")]
    Import {
        /// Its name.
        name: TemplateName,
        /// Why.
        #[source]
        source: ImportError,
    },
    /// An image could not be taken.
    #[error("cannot import the image as template {name}")]
    Image {
        /// The template's name.
        name: TemplateName,
        /// Why.
        #[source]
        source: OciError,
    },
    /// The files could not be summed up.
    #[error("cannot compute the digest of the template {name}")]
    Sum {
        /// Its name.
        name: TemplateName,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// There is no shell in it.
    #[error(
        "the template {name} has no /bin/sh; give the archive of a whole root file system, packed from its top directory"
    )]
    Shell {
        /// Its name.
        name: TemplateName,
    },
    /// Its programs are for another kind of machine.
    #[error(
        "the programs in the template {name} are for another kind of machine (ELF machine {machine}); get its archive for {}",
        std::env::consts::ARCH
    )]
    Machine {
        /// Its name.
        name: TemplateName,
        /// The ELF machine number of `/bin/sh`.
        machine: u16,
    },
    /// A digest without files.
    #[error("the files of template {digest} are not here any more; start the element anew")]
    Gone {
        /// The digest.
        digest: Digest,
    },
}

impl TemplateStore {
    /// Imports the archive of a root file system (tar, tar.gz or tar.zst, found out by its first bytes) under `name`.
    /// An imported template of that name is replaced; what runs on it keeps its files if it holds a pin.
    ///
    /// # Errors
    /// When the name is a shipped one, the archive is damaged, hostile, too large or no root file system, or the disk
    /// is full. Nothing is left behind then.
    pub fn import_tar(
        &self,
        name: &TemplateName,
        reader: impl Read,
        options: ImportOptions,
        progress: &dyn Fn(Progress),
    ) -> Result<Imported, TemplateError> {
        self.import(name, Box::new(reader), options, progress)
    }

    /// Imports an OCI image that came as the tar archive of its layout; otherwise like [`TemplateStore::import_tar`], but it needs no shell.
    ///
    /// # Errors
    /// Also when a part is not what its digest says, or the image is for another kind of machine.
    pub fn import_layout(
        &self,
        name: &TemplateName,
        reader: impl Read,
        options: ImportOptions,
        progress: &dyn Fn(Progress),
    ) -> Result<Imported, TemplateError> {
        self.import_oci(name, Image::Layout(Box::new(reader)), options, progress)
    }

    /// Imports an OCI image part by part, as from a registry; otherwise like [`TemplateStore::import_layout`].
    ///
    /// # Errors
    /// Also when a part cannot be had.
    pub fn import_image(
        &self,
        name: &TemplateName,
        source: &mut dyn ImageSource,
        options: ImportOptions,
        progress: &dyn Fn(Progress),
    ) -> Result<Imported, TemplateError> {
        self.import_oci(name, Image::Parts(source), options, progress)
    }
}

/// How an image comes.
enum Image<'i> {
    Layout(Box<dyn Read + 'i>),
    Parts(&'i mut dyn ImageSource),
}

/// Where the packages of Debian templates come from on this machine, for the probes of the host. `apt` is `/etc/apt`.
pub(crate) fn debian_uris(apt: &std::path::Path) -> Result<Vec<String>, SourcesError> {
    let recipe = recipe::find("debian-12").map(|recipe| recipe.suite).unwrap_or_default();
    let sources = apt::sources_for(apt, &recipe)?;
    Ok(apt::public_uris(&sources))
}
