//! What this host must not forget: one JSON file per topology, and one per element of which anything may be on the host, in a directory
//! named like its topology.
//!
//! Invariants: a file is replaced by rename after its content is on disk, so it is whole at any time; a change is in the ledger
//! before it is acted upon; a file that cannot be read stops the start, because what it names would look like an orphan.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tomato_api::error::ApiError;
use tomato_api::host::{WantedElement, WantedTopology};
use tomato_model::id::{ElementId, TopologyId};
use tomato_virt::container::MainProcess;

/// All that is known of one topology on this host. Clones share what is large.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What the backend asked for last.
    pub wanted: Arc<WantedTopology>,
    /// Everything of it shall go.
    pub is_removing: bool,
    /// Every element of which anything may be on this host.
    pub elements: BTreeMap<ElementId, Arc<ElementRecord>>,
}

/// A topology's file.
#[derive(Debug, Serialize)]
struct Written<'a> {
    wanted: &'a WantedTopology,
    is_removing: bool,
}

/// The same as it is read.
#[derive(Debug, Deserialize)]
struct Stored {
    wanted: WantedTopology,
    is_removing: bool,
    /// Earlier versions kept the elements' records here.
    #[serde(default)]
    elements: BTreeMap<ElementId, ElementRecord>,
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

    /// All records. Those of earlier versions are brought into today's form.
    ///
    /// # Errors
    /// If a file cannot be read, is damaged, or cannot be brought into today's form.
    pub fn load(&self) -> Result<Vec<Record>, LedgerError> {
        let mut records = Vec::new();
        for path in json_files(&self.dir)? {
            let stored: Stored = read(&path)?;
            let mut record = Record {
                wanted: Arc::new(stored.wanted),
                is_removing: stored.is_removing,
                elements: elements_beside(&path)?,
            };
            if !stored.elements.is_empty() {
                self.split(&mut record, stored.elements)?;
            }
            records.push(record);
        }
        records.sort_by(|a, b| a.wanted.id.cmp(&b.wanted.id));
        Ok(records)
    }

    /// Gives each element of an earlier version's record a file of its own. Broken off, it is done again: until the topology's file has
    /// changed at last, nothing else has.
    fn split(
        &self,
        record: &mut Record,
        elements: BTreeMap<ElementId, ElementRecord>,
    ) -> Result<(), LedgerError> {
        let id = record.wanted.id.clone();
        for (element, old) in elements {
            self.save_element(&id, &element, &old)?;
            record.elements.insert(element, Arc::new(old));
        }
        self.save(&record.wanted, record.is_removing)
    }

    /// Keeps what is wanted of a topology; it is on disk when this returns.
    ///
    /// # Errors
    /// If it cannot be written; what was kept before stays.
    pub fn save(&self, wanted: &WantedTopology, is_removing: bool) -> Result<(), LedgerError> {
        write(&self.path(&wanted.id), &Written { wanted, is_removing })
    }

    /// Keeps what is known of an element of a topology that is kept; it is on disk when this returns. Two calls for one element must not
    /// run at the same time.
    ///
    /// # Errors
    /// If it cannot be written; what was kept before stays.
    pub fn save_element(
        &self,
        topology: &TopologyId,
        id: &ElementId,
        record: &ElementRecord,
    ) -> Result<(), LedgerError> {
        let dir = self.elements(topology);
        if !dir.is_dir() {
            make_private_dir(&dir).map_err(failed("make", &dir))?;
            File::open(&self.dir).and_then(|d| d.sync_all()).map_err(failed("write", &self.dir))?;
        }
        write(&element_path(&dir, id), record)
    }

    /// Forgets an element; an unknown one is fine.
    ///
    /// # Errors
    /// If its file cannot be removed.
    pub fn remove_element(&self, topology: &TopologyId, id: &ElementId) -> Result<(), LedgerError> {
        let path = element_path(&self.elements(topology), id);
        fs::remove_file(&path).or_else(or_missing).map_err(failed("remove", &path))
    }

    /// Forgets a topology of which no element is kept; an unknown one is fine.
    ///
    /// # Errors
    /// If its files cannot be removed.
    pub fn remove(&self, id: &TopologyId) -> Result<(), LedgerError> {
        // The directory first: without it the file says the same.
        let dir = self.elements(id);
        fs::remove_dir_all(&dir).or_else(or_missing).map_err(failed("remove", &dir))?;
        let path = self.path(id);
        fs::remove_file(&path).or_else(or_missing).map_err(failed("remove", &path))
    }

    fn path(&self, id: &TopologyId) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }

    /// The directory of a topology's elements.
    fn elements(&self, id: &TopologyId) -> PathBuf {
        self.dir.join(id.as_str())
    }
}

/// The records of the elements of the topology whose file `topology` is.
fn elements_beside(
    topology: &Path,
) -> Result<BTreeMap<ElementId, Arc<ElementRecord>>, LedgerError> {
    let dir = topology.with_extension("");
    let mut elements = BTreeMap::new();
    let files = if dir.is_dir() { json_files(&dir)? } else { Vec::new() };
    for path in files {
        // Files of ours are named by ids; others are somebody else's.
        if let Some(id) = path.file_stem().and_then(|name| name.to_str()?.parse().ok()) {
            elements.insert(id, Arc::new(read(&path)?));
        }
    }
    Ok(elements)
}

fn element_path(dir: &Path, id: &ElementId) -> PathBuf {
    dir.join(format!("{id}.json"))
}

/// What is not there need not be removed.
pub(crate) fn or_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn json_files(dir: &Path) -> Result<Vec<PathBuf>, LedgerError> {
    let entries = fs::read_dir(dir).map_err(failed("read", dir))?;
    let paths = entries.map(|entry| Ok(entry.map_err(failed("read", dir))?.path()));
    let is_ours = |path: &Result<PathBuf, LedgerError>| {
        path.as_ref().map_or(true, |path| path.extension().is_some_and(|e| e == "json"))
    };
    paths.filter(is_ours).collect()
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, LedgerError> {
    let text = fs::read(path).map_err(failed("read", path))?;
    serde_json::from_slice(&text)
        .map_err(|source| LedgerError::Parse { path: path.to_owned(), source })
}

fn write(path: &Path, value: &impl Serialize) -> Result<(), LedgerError> {
    let text = serde_json::to_vec(value)
        .map_err(|source| LedgerError::Parse { path: path.to_owned(), source })?;
    replace_file(path, &mut text.as_slice()).map_err(failed("write", path))
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
