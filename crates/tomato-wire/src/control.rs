//! The control protocol: requests and answers over a unix stream socket.
//!
//! A message is its length (32 bits, big-endian) and that many bytes of JSON; descriptors ride as `SCM_RIGHTS`
//! on the first byte of the message. The first request of a connection is [`Request::Hello`]. Requests are
//! answered in order; [`Request::Apply`], [`Request::Attach`] and [`Request::Remove`] may be repeated.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::TopologyConfig;
use crate::status::{BridgeView, TopologyStatus, WorkerStatus};

pub mod message;
pub mod server;

/// The version of this protocol.
pub const VERSION: u32 = 3;

/// What may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Opens the conversation.
    Hello {
        /// The version the client speaks.
        version: u32,
    },
    /// Makes a topology as described, touching only what differs.
    Apply {
        /// Key of the topology.
        topology: String,
        /// All of it.
        config: TopologyConfig,
    },
    /// Gives a port its descriptor, which comes with this message; replaces the one it had.
    Attach {
        /// Key of the topology.
        topology: String,
        /// Key of the port.
        port: String,
    },
    /// Hands what passes a link to the packet socket that comes with this message, see [`crate::capture::live`]; replaces the one it had.
    /// Ends when the other side is closed.
    Tap {
        /// Key of the topology.
        topology: String,
        /// Key of the link.
        link: String,
    },
    /// Writes the past of a link, as far as it is kept, to the file that comes with this message.
    Past {
        /// Key of the topology.
        topology: String,
        /// Key of the link.
        link: String,
    },
    /// Ends a topology; its descriptors are closed. Unknown ones are fine.
    Remove {
        /// Key of the topology.
        topology: String,
    },
    /// Lists the topologies.
    List,
    /// Reports counters and faults.
    Status {
        /// Only of this topology.
        topology: Option<String>,
    },
    /// Tells of frames that the kernel lost in front of a port, which the wire cannot see by itself.
    Lost {
        /// Key of the topology.
        topology: String,
        /// Key of the port.
        port: String,
        /// How many.
        frames: u64,
    },
    /// Reports all of a switch or hub.
    Bridge {
        /// Key of the topology.
        topology: String,
        /// Key of the bridge.
        bridge: String,
    },
    /// Asks whether the data path is alive.
    Ping,
    /// Reports how the data threads share the work.
    Workers,
}

impl Request {
    /// The key of the topology that it is about, if it names one.
    #[must_use]
    pub fn topology(&self) -> Option<&str> {
        match self {
            Request::Apply { topology, .. }
            | Request::Attach { topology, .. }
            | Request::Tap { topology, .. }
            | Request::Past { topology, .. }
            | Request::Bridge { topology, .. }
            | Request::Lost { topology, .. }
            | Request::Remove { topology } => Some(topology),
            Request::Status { topology } => topology.as_deref(),
            Request::Hello { .. } | Request::List | Request::Ping | Request::Workers => None,
        }
    }
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reply {
    /// It was not done.
    Refused(Refusal),
    /// It was done.
    Done(Answer),
}

/// Answers by request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Hello`].
    Welcome(Welcome),
    /// To [`Request::Apply`].
    Applied {
        /// Ports that have no descriptor yet.
        unattached: Vec<String>,
    },
    /// To [`Request::Attach`].
    Attached,
    /// To [`Request::Tap`].
    Tapped,
    /// To [`Request::Past`].
    Saved {
        /// Bytes that were written.
        bytes: u64,
    },
    /// To [`Request::Remove`].
    Removed,
    /// To [`Request::List`].
    Topologies(Vec<String>),
    /// To [`Request::Status`], by topology.
    Status(BTreeMap<String, TopologyStatus>),
    /// To [`Request::Lost`].
    Noted,
    /// To [`Request::Bridge`].
    Bridge(BridgeView),
    /// To [`Request::Ping`].
    Pong,
    /// To [`Request::Workers`], one for each.
    Workers(Vec<WorkerStatus>),
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version it speaks.
    pub version: u32,
    /// Its process id.
    pub pid: u32,
    /// Another number after each start: all topologies of an earlier one are gone.
    pub instance: u64,
}

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// For programs.
    pub error: ErrorCode,
    /// For people.
    pub message: String,
}

/// The kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The versions do not fit, or hello was not said.
    Version,
    /// No such request, or malformed.
    BadRequest,
    /// The configuration breaks a bound.
    InvalidConfig,
    /// No such topology or port.
    NotFound,
    /// The descriptor is missing or of the wrong kind.
    BadDescriptor,
    /// A bound of the process is reached, or the answer is too long.
    Limit,
    /// The caller is neither root nor the wire's own user.
    Denied,
    /// The data path did not answer.
    Internal,
}

impl Refusal {
    /// A refusal of this kind.
    #[must_use]
    pub fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Self { error, message: message.into() }
    }
}

#[cfg(test)]
mod tests;
