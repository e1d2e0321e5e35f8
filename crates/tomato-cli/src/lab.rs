//! A lab's directory on this machine: its identity, where its parts are, its first password.
//!
//! Invariant: `lab.json` is written once by the first `tomato up` and then only when options change, always through a
//! new file and a rename; the lab's id and the accounts of its roles never change.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tomato_model::id::LabId;
use tomato_virt::container::{HostPaths, Runtime};

use crate::limits;

/// What is in the directory of a lab besides `lab.json`.
const OWN_NAMES: [&str; 9] = [
    "admin-password",
    "admin-password.new",
    "backend",
    "host",
    "lab.new",
    "log",
    "tls",
    "supervisor.lock",
    "templates",
];

/// Where a lab answers that was never told otherwise.
pub(crate) const FIRST_ADDRESS: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8000));

/// What `lab.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lab {
    /// Its id.
    pub(crate) id: LabId,
    /// Where it answers.
    pub(crate) listen: SocketAddr,
    /// Directory of templates.
    pub(crate) template_dir: PathBuf,
    /// Whether that was given by hand, and so outlives the lab.
    pub(crate) template_dir_given: bool,
    /// Program that makes the containers in place of the built-in runtime.
    #[serde(default)]
    pub(crate) runc: Option<PathBuf>,
    /// Whether connections are encrypted.
    #[serde(default)]
    pub(crate) tls: bool,
    /// Unprivileged account of the backend.
    pub(crate) backend_uid: u32,
    /// Unprivileged account of the wire.
    pub(crate) wire_uid: u32,
    /// Directory of the lab.
    #[serde(skip)]
    pub(crate) dir: PathBuf,
}

impl Lab {
    /// The lab of a directory, if there is one.
    pub(crate) fn load(dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = dir.join("lab.json");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let mut lab: Self = serde_json::from_slice(&bytes)
            .with_context(|| format!("cannot understand {}", path.display()))?;
        lab.dir =
            fs::canonicalize(dir).with_context(|| format!("cannot open {}", dir.display()))?;
        Ok(Some(lab))
    }

    /// The lab of a directory, made if there is none, with the options of this start; kept by [`Lab::save`] only.
    pub(crate) fn open(dir: &Path, template_dir: Option<&Path>) -> anyhow::Result<Self> {
        make_free(dir)?;
        let dir =
            fs::canonicalize(dir).with_context(|| format!("cannot open {}", dir.display()))?;
        let mut lab = match Self::load(&dir)? {
            Some(lab) => lab,
            None => Self::fresh(dir)?,
        };
        if let Some(given) = template_dir {
            make_new(given, 0o755)?;
            lab.template_dir = fs::canonicalize(given)
                .with_context(|| format!("cannot open {}", given.display()))?;
            lab.template_dir_given = true;
        }
        lab.make_directories()?;
        Ok(lab)
    }

    fn fresh(dir: PathBuf) -> anyhow::Result<Self> {
        let random = random()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let pair = u32::try_from(random % u64::from(limits::ROLE_UID_PAIRS))
            .expect("smaller than a 32-bit bound");
        let backend_uid = limits::ROLE_UID_FIRST + 2 * pair;
        Ok(Self {
            id: LabId::new(u32::try_from(now).unwrap_or(u32::MAX), random),
            listen: FIRST_ADDRESS,
            template_dir: dir.join("templates"),
            template_dir_given: false,
            tls: false,
            runc: None,
            backend_uid,
            wire_uid: backend_uid + 1,
            dir,
        })
    }

    fn make_directories(&self) -> anyhow::Result<()> {
        for ancestor in self.dir.ancestors() {
            let mode = fs::metadata(ancestor)
                .with_context(|| format!("cannot look at {}", ancestor.display()))?
                .permissions()
                .mode();
            if mode & 0o001 == 0 {
                bail!(
                    "the backend runs without privileges and cannot reach the data directory through {}; run `chmod o+x {}` or \
                     choose another --data-dir",
                    ancestor.display(),
                    ancestor.display()
                );
            }
        }
        make_dir(&self.backend_dir(), self.backend_uid, 0o700)?;
        make_dir(&self.host_dir(), 0, 0o711)?;
        make_dir(&self.log_dir(), 0, 0o700)?;
        make_new(&self.template_dir, 0o755)?;
        make_dir(Path::new("/run/tomato"), 0, 0o755)?;
        make_dir(&self.run_dir(), 0, 0o711)?;
        make_dir(&self.run_dir().join("backend"), self.backend_uid, 0o711)?;
        make_dir(&self.run_dir().join("wire"), self.wire_uid, 0o711)
    }

    /// Writes `lab.json`; the caller holds the lab's lock.
    pub(crate) fn save(&self) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(self).context("cannot write lab.json")?;
        write_file(&self.dir.join("lab.json"), &text, 0o644)
    }

    /// Where it answers, as clients write it.
    pub(crate) fn url(&self) -> String {
        let mut address = self.listen;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("{}://{address}", if self.tls { "https" } else { "http" })
    }

    /// Directory of the backend's store.
    pub(crate) fn backend_dir(&self) -> PathBuf {
        self.dir.join("backend")
    }

    /// The backend's state.
    pub(crate) fn store(&self) -> PathBuf {
        self.backend_dir().join("store.db")
    }

    /// Directory of the elements and the host's ledger.
    pub(crate) fn host_dir(&self) -> PathBuf {
        self.dir.join("host")
    }

    /// Certificate of the lab and its key.
    pub(crate) fn tls_files(&self) -> (PathBuf, PathBuf) {
        let dir = self.dir.join("tls");
        (dir.join("cert.pem"), dir.join("key.pem"))
    }

    /// Directory of the logs.
    pub(crate) fn log_dir(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// Directory of sockets and process files, gone after a restart of the machine.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.paths().run_dir
    }

    /// Who makes the lab's containers.
    pub(crate) fn runtime(&self) -> Runtime {
        self.runc.clone().map_or(Runtime::Libcontainer, |program| Runtime::Runc { program })
    }

    /// Where the lab's containers are.
    pub(crate) fn paths(&self) -> HostPaths {
        HostPaths::new(self.host_dir(), self.id.clone())
    }

    /// Socket between backend and hostmanager.
    pub(crate) fn host_socket(&self) -> PathBuf {
        self.run_dir().join("backend").join("host.sock")
    }

    /// Socket between hostmanager and wire.
    pub(crate) fn wire_socket(&self) -> PathBuf {
        self.run_dir().join("wire").join("wire.sock")
    }
}

/// The password of the account `admin` as the first start left it, if this user may read it.
pub(crate) fn admin_password(dir: &Path) -> anyhow::Result<Option<String>> {
    let path = dir.join("admin-password");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The password for the backend's first start: `TOMATO_ADMIN_PASSWORD`, else a random one, kept in the lab's directory.
pub(crate) fn first_password(dir: &Path) -> anyhow::Result<String> {
    if let Some(password) = admin_password(dir)? {
        return Ok(password);
    }
    let password = match std::env::var("TOMATO_ADMIN_PASSWORD") {
        Ok(given) if !given.is_empty() => given,
        _ => format!("{:016x}{:016x}", random()?, random()?),
    };
    write_file(&dir.join("admin-password"), format!("{password}\n").as_bytes(), 0o600)?;
    Ok(password)
}

fn random() -> anyhow::Result<u64> {
    getrandom::u64().map_err(|error| anyhow::anyhow!("cannot draw a random number: {error}"))
}

/// Makes the directory of a lab, or takes one that holds nothing else. Owner and mode of one that was there stay as they are.
fn make_free(dir: &Path) -> anyhow::Result<()> {
    // The roles must be able to go through, not to list.
    make_new(dir, 0o711)?;
    let failed = || format!("cannot open {}", dir.display());
    let meta = fs::metadata(dir).with_context(failed)?;
    if meta.uid() != 0 || meta.mode() & 0o022 != 0 {
        bail!(
            "others than root can change {}, and with it the lab: name a new directory with --data-dir",
            dir.display()
        );
    }
    if dir.join("lab.json").exists() {
        return Ok(());
    }
    for entry in fs::read_dir(dir).with_context(failed)? {
        let name = entry.with_context(failed)?.file_name();
        // What a first start leaves that was ended early.
        if !OWN_NAMES.iter().any(|own| name == *own) {
            bail!(
                "{} holds other things ({}) and no lab: name a new or empty directory with --data-dir",
                dir.display(),
                name.display()
            );
        }
    }
    Ok(())
}

/// Makes a directory with this mode unless it is there.
fn make_new(path: &Path, mode: u32) -> anyhow::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let failed = || format!("cannot make {}", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(failed)?;
    }
    fs::create_dir(path).with_context(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).with_context(failed)
}

/// Makes a directory of the lab with this owner and mode, whatever was there before.
pub(crate) fn make_dir(path: &Path, owner: u32, mode: u32) -> anyhow::Result<()> {
    fs::create_dir_all(path)
        .and_then(|()| chown(path, Some(owner), Some(owner)))
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .with_context(|| format!("cannot make {}", path.display()))
}

/// Writes a file through a new one and a rename, so that it is never half there.
pub(crate) fn write_file(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let write = || {
        // A file left by a crash may have another mode.
        fs::remove_file(&new).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> anyhow::Result<String> {
    let file = fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut text = String::new();
    file.take(limit + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {}", path.display()))?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > limit {
        bail!("{} is larger than {limit} bytes", path.display());
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
