//! What this host must not forget: one JSON file per topology.
//!
//! Invariants: a file is replaced by rename after its content is on disk, so it is whole at any time; a change is in the ledger
//! before it is acted upon; a file that cannot be read stops the start, because what it names would look like an orphan.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tomato_api::error::ApiError;
use tomato_api::host::{WantedElement, WantedTopology};
use tomato_model::id::{ElementId, TopologyId};
use tomato_virt::container::MainProcess;

/// All that is known of one topology on this host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What the backend asked for last.
    pub wanted: WantedTopology,
    /// Everything of it shall go.
    pub is_removing: bool,
    /// Every element of which anything may be on this host.
    pub elements: BTreeMap<ElementId, ElementRecord>,
}

/// What must be remembered of an element.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ElementRecord {
    /// The template it was prepared from.
    pub template: Option<PinnedTemplate>,
    /// Name of that template.
    #[serde(default)]
    pub template_name: Option<String>,
    /// The limits it was started with or given since.
    #[serde(default)]
    pub limits: Option<Limits>,
    /// It is being made anew although nobody asked for a start.
    #[serde(default)]
    pub is_restarting: bool,
    /// The start count of its last start.
    pub started_count: u64,
    /// The last failure, and what was wanted then: it is not tried again until something else is wanted.
    pub failure: Option<Failure>,
}

/// What an element may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Thousandths of one processor.
    pub cpu_milli: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids_max: u32,
}

/// A template fixed by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedTemplate {
    /// Digest of its files.
    pub digest: String,
    /// Top directory of its files.
    pub rootfs: PathBuf,
    /// Command run at each start.
    pub boot: Vec<String>,
    /// What is run in its place, if the template came from an image.
    #[serde(default)]
    pub main: Option<MainProcess>,
}

/// Something that did not work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What was wanted.
    pub wanted: WantedElement,
    /// Why it did not work.
    pub error: ApiError,
}

/// The directory of the records.
#[derive(Debug, Clone)]
pub struct Ledger {
    dir: PathBuf,
}

/// The ledger could not be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A file could not be read, written or removed.
    #[error("{action} {path}; check the disk and its permissions", path = path.display())]
    File {
        /// What was tried, a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A record is damaged.
    #[error("understand {path}; restore it or remove it, its elements are destroyed then", path = path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| LedgerError::File { action, path, source }
}

impl Ledger {
    /// Opens the directory, making it if missing.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, LedgerError> {
        let dir = dir.into();
        make_private_dir(&dir).map_err(failed("make", &dir))?;
        Ok(Self { dir })
    }

    /// All records.
    ///
    /// # Errors
    /// If a file cannot be read or is damaged.
    pub fn load(&self) -> Result<Vec<Record>, LedgerError> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(failed("read", &self.dir))? {
            let path = entry.map_err(failed("read", &self.dir))?.path();
            if path.extension().is_some_and(|e| e == "json") {
                let text = fs::read(&path).map_err(failed("read", &path))?;
                let record = serde_json::from_slice(&text)
                    .map_err(|source| LedgerError::Parse { path, source })?;
                records.push(record);
            }
        }
        records.sort_by(|a: &Record, b| a.wanted.id.cmp(&b.wanted.id));
        Ok(records)
    }

    /// Keeps a record; it is on disk when this returns.
    ///
    /// # Errors
    /// If it cannot be written; the former record stays.
    pub fn save(&self, record: &Record) -> Result<(), LedgerError> {
        let path = self.path(&record.wanted.id);
        let text = serde_json::to_vec(record)
            .map_err(|source| LedgerError::Parse { path: path.clone(), source })?;
        replace_file(&path, &mut text.as_slice()).map_err(failed("write", &path))
    }

    /// Forgets a record; an unknown one is fine.
    ///
    /// # Errors
    /// If its file cannot be removed.
    pub fn remove(&self, id: &TopologyId) -> Result<(), LedgerError> {
        let path = self.path(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    fn path(&self, id: &TopologyId) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }
}

/// Makes a directory that only root may enter, whatever it was before.
pub(crate) fn make_private_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
}

/// Puts a file that only root may read in the place of `path`: whole or not at all, and on disk when this returns.
pub(crate) fn replace_file(path: &Path, content: &mut impl Read) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut replace = || {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        // One left by an earlier process may have another mode.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        io::copy(content, &mut file)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(path.parent().expect("files of ours are in a directory"))?.sync_all()
    };
    replace().inspect_err(|_| {
        fs::remove_file(&new).ok();
    })
}

/// Puts a file that only root may read in the place of `path`: whole or not at all, but lost when the machine stops.
pub(crate) fn replace_sign(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?
        .write_all(content)?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests;
