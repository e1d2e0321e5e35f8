//! The helper process: what must happen in a process of its own with one thread (joining user namespaces, making private mounts,
//! forking into a container).
//!
//! It is a hidden subcommand of the product's own binary: `OPERATION PARAMETERS` with the parameters as JSON. Data of archives goes through
//! stdin and stdout, the reason of a failure as one line to stderr. Whatever it mounts is in its own mount namespace and so goes with it.

mod archive;
mod create;
mod enter;
mod mounts;

use std::io;

use serde::{Deserialize, Serialize};

use crate::chain;

pub(crate) use archive::{PackRequest, ReadRequest, TailsRequest};
pub(crate) use create::{CreateRequest, RuntimeChoice};
pub(crate) use enter::Place;
pub use mounts::IdMapping;

/// Exit code of a helper that refuses what it was asked for.
pub(crate) const REFUSED: u8 = 3;
/// Exit code of a helper that did not find a file or directory.
pub(crate) const MISSING: u8 = 4;

/// A step of the helper that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelperError {
    /// The caller gave something that makes no sense.
    #[error("read the parameters")]
    Parameters(#[source] serde_json::Error),
    /// A kernel call failed.
    #[error("{action}")]
    Step {
        /// What was tried.
        action: String,
        #[source]
        source: io::Error,
    },
    /// The own layer cannot be mounted.
    #[error(
        "lay a container's own layer on its template ({action}): the data directory must be on a file system that overlayfs can write \
         to, such as ext4, xfs or btrfs"
    )]
    Overlay {
        /// What was tried.
        action: String,
        #[source]
        source: io::Error,
    },
    /// libcontainer failed.
    #[error("{action} the container")]
    Runtime {
        /// Create or start.
        action: &'static str,
        #[source]
        source: Box<libcontainer::error::LibcontainerError>,
    },
    /// The container started while an archive waited for its disk, or ended.
    #[error("the element was started or stopped meanwhile: try again")]
    Changed,
    /// An archive asks for something that is not done.
    #[error("{0}")]
    Refused(String),
}

/// Says what was tried when a step fails.
pub(crate) trait At<T> {
    /// The error names `action`.
    fn at(self, action: impl Into<String>) -> Result<T, HelperError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, action: impl Into<String>) -> Result<T, HelperError> {
        self.map_err(|source| HelperError::Step { action: action.into(), source: source.into() })
    }
}

/// One operation with its parameters.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// Create and start a container.
    Create(Box<CreateRequest>),
    /// Write a directory to stdout as tar.gz.
    Pack(PackRequest),
    /// Write the ends of some files of a directory to stdout as tar.
    Tails(TailsRequest),
    /// Unpack stdin into a directory.
    Unpack(PackRequest),
    /// Remove what is in a directory.
    Empty(PackRequest),
    /// Write a file or directory under its own name to stdout as tar, after what it will be.
    Read(ReadRequest),
    /// Unpack stdin into a directory, or as the one thing of that name.
    Write(PackRequest),
}

/// Runs the helper with its arguments (without the program's name and the subcommand) and gives its exit code.
#[allow(clippy::print_stderr, reason = "the caller reads the reason of a failure from there")]
pub fn helper_main(arguments: &[String]) -> u8 {
    let result = arguments
        .first()
        .map_or("", String::as_str)
        .parse::<serde_json::Value>()
        .and_then(serde_json::from_value::<Request>)
        .map_err(HelperError::Parameters)
        .and_then(|request| match request {
            Request::Create(request) => create::create(&request),
            Request::Pack(request) => archive::pack(&request),
            Request::Tails(request) => archive::tails(&request),
            Request::Unpack(request) => archive::unpack(&request),
            Request::Empty(request) => archive::empty(&request),
            Request::Read(request) => archive::read(&request),
            Request::Write(request) => archive::write(&request),
        });
    match result {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{}", chain(&error));
            match error {
                HelperError::Refused(_) => REFUSED,
                HelperError::Step { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                    MISSING
                }
                _ => 1,
            }
        }
    }
}
