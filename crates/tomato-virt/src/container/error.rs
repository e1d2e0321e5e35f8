//! What can go wrong with a container.

use std::path::PathBuf;
use std::time::Duration;

use tomato_model::id::ElementId;

use super::cgroup::CgroupError;
use super::ids::IdRangeError;
use super::netlink::NetlinkError;
use crate::keeper::KeeperError;

/// An operation on a container failed.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// The element is not on this host.
    #[error("element {0} is not prepared on this host: prepare it first")]
    NotPrepared(ElementId),
    /// The container does not run.
    #[error("element {0} is not started: start it first")]
    NotStarted(ElementId),
    /// Its template's root file system is not there.
    #[error("template directory {path} is not a directory: build or import the template again")]
    FindTemplate {
        /// The directory asked for.
        path: PathBuf,
    },
    /// No id range.
    #[error("give element {id} a range of user ids")]
    ClaimIds {
        /// The element.
        id: ElementId,
        /// Why.
        #[source]
        source: IdRangeError,
    },
    /// A file of ours could not be read, written or removed.
    #[error("{action} {path}")]
    File {
        /// What was tried, a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The recorded state is not readable.
    #[error("state of the element in {path} is damaged: destroy the element and prepare it again")]
    ParseState {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Another operation on the element did not end.
    #[error("another operation on element {id} did not end within {waited:?}")]
    Lock {
        /// The element.
        id: ElementId,
        /// How long.
        waited: Duration,
    },
    /// A path is too long for a unix socket.
    #[error("path {path} is too long for a socket: use a shorter run directory")]
    SocketPath {
        /// The path.
        path: PathBuf,
    },
    /// The helper process could not be run.
    #[error("run the helper process {program}")]
    RunHelper {
        /// Its program file.
        program: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The helper process failed.
    #[error("{action} failed: {message}")]
    Helper {
        /// What it was to do.
        action: &'static str,
        /// What it said.
        message: String,
    },
    /// The helper process did not find what it was to work with.
    #[error("{action} failed: {message}")]
    Missing {
        /// What it was to do.
        action: &'static str,
        /// What it said.
        message: String,
    },
    /// The helper process refuses what it was asked for.
    #[error("{action} was refused: {message}")]
    Refused {
        /// What it was to do.
        action: &'static str,
        /// Why, and what helps.
        message: String,
    },
    /// An archive took too long.
    #[error("{action} did not end within {} s and was ended: use a smaller directory or archive", waited.as_secs())]
    ArchiveTime {
        /// What was done.
        action: &'static str,
        /// How long it may take.
        waited: Duration,
    },
    /// An archive is too long.
    #[error("the directory is longer than {limit_bytes} bytes when packed: use a smaller one")]
    ArchiveSize {
        /// Its limit.
        limit_bytes: u64,
    },
    /// Nobody waits for the result any more.
    #[error("{action} was ended because its caller went away")]
    Cancelled {
        /// What was done.
        action: &'static str,
    },
    /// The container's process 1 did not answer.
    #[error("ask the keeper of element {id}")]
    AskKeeper {
        /// The element.
        id: ElementId,
        /// Why.
        #[source]
        source: KeeperError,
    },
    /// A command could not be started.
    #[error("start {program:?} in element {id}")]
    StartCommand {
        /// The element.
        id: ElementId,
        /// The program.
        program: String,
        /// Why: no such program, no such working directory, ...
        #[source]
        source: std::io::Error,
    },
    /// A request names something impossible.
    #[error("{0}")]
    Invalid(String),
    /// Killed processes did not go away.
    #[error("processes of element {id} are still there {waited:?} after they were killed")]
    Kill {
        /// The element.
        id: ElementId,
        /// How long.
        waited: Duration,
    },
    /// Entering the container's network namespace failed.
    #[error("enter the network namespace of element {id}")]
    EnterNetwork {
        /// The element.
        id: ElementId,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An interface could not be made.
    #[error("make interface {name} of element {id}")]
    MakeTap {
        /// The element.
        id: ElementId,
        /// The interface.
        name: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The kernel refused a network setting.
    #[error("configure the network of element {id}")]
    Network {
        /// The element.
        id: ElementId,
        /// What.
        #[source]
        source: NetlinkError,
    },
    /// An interface is not plugged.
    #[error("element {id} has no interface {name}: plug it first")]
    NoInterface {
        /// The element.
        id: ElementId,
        /// The interface.
        name: String,
    },
    /// No DHCP client.
    #[error(
        "interface {name} of element {id} shall use DHCP but its template has neither dhclient nor udhcpc: \
         use another template or a static address"
    )]
    NoDhcpClient {
        /// The element.
        id: ElementId,
        /// The interface.
        name: String,
    },
    /// Limits could not be read or removed.
    #[error("use the cgroup of element {id}")]
    Cgroup {
        /// The element.
        id: ElementId,
        /// Why.
        #[source]
        source: CgroupError,
    },
    /// Data could not be read from or written to the caller.
    #[error("copy the data of an archive")]
    CopyArchive(#[source] std::io::Error),
    /// The thread of an operation could not be made or died.
    #[error("run an operation on its own thread")]
    RunThread(#[source] std::io::Error),
}

impl ContainerError {
    /// For `map_err` on file operations.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
