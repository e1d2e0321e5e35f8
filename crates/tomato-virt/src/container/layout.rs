//! Where the files of a lab's containers are.

use std::path::{Path, PathBuf};

use tomato_model::id::{ElementId, LabId};

/// Claimed id ranges of all labs of a host. Kept over a restart of the machine, because disks keep their owners.
const ID_CLAIMS: &str = "/var/lib/tomato-uids";

/// Directories of one lab on one host.
#[derive(Debug, Clone)]
pub struct HostPaths {
    /// What must survive a restart of the machine: the containers' own layers and states.
    pub state_dir: PathBuf,
    /// What need not: sockets and runtime state. Must be short (a socket path has at most 107 bytes).
    pub run_dir: PathBuf,
    /// Claimed id ranges, shared by all labs of the host.
    pub ids_dir: PathBuf,
    /// The lab.
    pub lab: LabId,
}

impl HostPaths {
    /// The usual places: `state_dir`, `/run/tomato/<lab>` and the claims shared by all labs.
    pub fn new(state_dir: impl Into<PathBuf>, lab: LabId) -> Self {
        Self {
            state_dir: state_dir.into(),
            run_dir: Path::new("/run/tomato").join(lab.as_str()),
            ids_dir: PathBuf::from(ID_CLAIMS),
            lab,
        }
    }

    pub(crate) fn elements(&self) -> PathBuf {
        self.state_dir.join("elements")
    }

    pub(crate) fn element(&self, id: &ElementId) -> ElementPaths {
        ElementPaths {
            state: self.elements().join(id.as_str()),
            run: self.run_dir.join(id.as_str()),
        }
    }

    /// Path of the element's cgroup below each hierarchy's root.
    pub(crate) fn cgroup(&self, id: &ElementId) -> PathBuf {
        self.lab_cgroup().join(id.as_str())
    }

    pub(crate) fn lab_cgroup(&self) -> PathBuf {
        Path::new("tomato").join(self.lab.as_str())
    }
}

/// Files of one element.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct ElementPaths {
    /// What survives a restart of the machine.
    pub(crate) state: PathBuf,
    /// What does not.
    pub(crate) run: PathBuf,
}

impl ElementPaths {
    pub(crate) fn state_file(&self) -> PathBuf {
        self.state.join("state.json")
    }
    /// What `configure` has set.
    pub(crate) fn network_file(&self) -> PathBuf {
        self.run.join("network.json")
    }
    /// How many processes were killed for memory while the container was last seen running.
    pub(crate) fn oom_file(&self) -> PathBuf {
        self.run.join("oom")
    }
    /// Held by every operation that changes the element's state.
    pub(crate) fn operation_lock(&self) -> PathBuf {
        self.state.join("operation.lock")
    }
    /// Held by the helper process while it has the own layer mounted or hands it over to the container.
    pub(crate) fn disk_lock(&self) -> PathBuf {
        self.state.join("disk.lock")
    }
    /// The container's own layer.
    pub(crate) fn upper(&self) -> PathBuf {
        self.state.join("upper")
    }
    pub(crate) fn work(&self) -> PathBuf {
        self.state.join("work")
    }
    /// The template with shifted owners, where the kernel cannot map them.
    pub(crate) fn template_copy(&self) -> PathBuf {
        self.state.join("template")
    }
    pub(crate) fn hosts(&self) -> PathBuf {
        self.state.join("hosts")
    }
    pub(crate) fn hostname(&self) -> PathBuf {
        self.state.join("hostname")
    }
    pub(crate) fn keeper_socket(&self) -> PathBuf {
        self.run.join("keeper")
    }
    /// Where the helper assembles the file system, in its own mount namespace.
    pub(crate) fn stage(&self) -> PathBuf {
        self.run.join("stage")
    }
    pub(crate) fn bundle(&self) -> PathBuf {
        self.run.join("bundle")
    }
    /// Where the runtime says why it failed.
    pub(crate) fn runtime_log(&self) -> PathBuf {
        self.run.join("log")
    }

    /// The runtime's own state.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.run.join("oci")
    }
    pub(crate) fn pid_file(&self) -> PathBuf {
        self.run.join("pid")
    }
}
