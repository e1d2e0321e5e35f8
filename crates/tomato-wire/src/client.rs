//! The controller's side of the control protocol, blocking, with a deadline per call.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::TopologyConfig;
use crate::control::message::{self, MessageError};
use crate::control::{Answer, Refusal, Reply, Request, VERSION, Welcome};
use crate::status::{BridgeView, TopologyStatus, WorkerStatus};

/// A connection to a wire. After an error other than [`ClientError::Refused`] connect again.
#[derive(Debug)]
pub struct WireClient {
    stream: UnixStream,
    welcome: Welcome,
}

/// A call to the wire failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error("cannot connect to the wire at {path}; check that its process runs")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The conversation broke off or took too long.
    #[error("cannot talk to the wire")]
    Exchange(#[source] MessageError),
    /// The wire closed the connection before it answered.
    #[error("the wire closed the connection before it answered")]
    Closed,
    /// The wire said no.
    #[error("the wire refused")]
    Refused(#[source] Refusal),
    /// The answer does not belong to the question.
    #[error("the wire answered something else than was asked; connect again")]
    Mismatch,
}

impl WireClient {
    /// Connects and says hello. No later call takes longer than `timeout` for sending or waiting.
    ///
    /// # Errors
    /// If nobody listens, or another version does.
    pub fn connect(path: &Path, timeout: Duration) -> Result<Self, ClientError> {
        let connect = || {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(timeout))?;
            stream.set_write_timeout(Some(timeout))?;
            Ok(stream)
        };
        let stream =
            connect().map_err(|source| ClientError::Connect { path: path.to_owned(), source })?;
        let mut client = Self { stream, welcome: Welcome { version: 0, pid: 0, instance: 0 } };
        client.hello()?;
        Ok(client)
    }

    /// Who answered the last hello.
    #[must_use]
    pub fn welcome(&self) -> Welcome {
        self.welcome
    }

    /// Asks again who is there.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn hello(&mut self) -> Result<Welcome, ClientError> {
        match self.call(&Request::Hello { version: VERSION }, None)? {
            Answer::Welcome(welcome) => {
                self.welcome = welcome;
                Ok(welcome)
            }
            _ => Err(ClientError::Mismatch),
        }
    }

    /// Makes a topology as described, touching only what differs; returns the ports without descriptor.
    ///
    /// # Errors
    /// See [`ClientError`]; refused with `invalid_config` naming the field, nothing is changed then.
    pub fn apply(
        &mut self,
        topology: &str,
        config: TopologyConfig,
    ) -> Result<Vec<String>, ClientError> {
        let request = Request::Apply { topology: topology.to_owned(), config };
        match self.call(&request, None)? {
            Answer::Applied { unattached } => Ok(unattached),
            _ => Err(ClientError::Mismatch),
        }
    }

    /// Gives a port a duplicate of a descriptor, in place of the one it had.
    ///
    /// # Errors
    /// See [`ClientError`]; refused with `not_found` or `bad_descriptor`.
    pub fn attach(
        &mut self,
        topology: &str,
        port: &str,
        descriptor: impl AsFd,
    ) -> Result<(), ClientError> {
        let request = Request::Attach { topology: topology.to_owned(), port: port.to_owned() };
        match self.call(&request, Some(descriptor.as_fd()))? {
            Answer::Attached => Ok(()),
            _ => Err(ClientError::Mismatch),
        }
    }

    /// Has what passes a link handed to a packet socket, see [`crate::capture::live`].
    ///
    /// # Errors
    /// See [`ClientError`]; refused with `not_found` or `bad_descriptor`.
    pub fn tap(
        &mut self,
        topology: &str,
        link: &str,
        socket: impl AsFd,
    ) -> Result<(), ClientError> {
        let request = Request::Tap { topology: topology.to_owned(), link: link.to_owned() };
        match self.call(&request, Some(socket.as_fd()))? {
            Answer::Tapped => Ok(()),
            _ => Err(ClientError::Mismatch),
        }
    }

    /// Has the past of a link written to a file and returns its bytes.
    ///
    /// # Errors
    /// See [`ClientError`]; refused with `not_found` if there is no such link or its past is not kept, or `bad_descriptor`.
    pub fn past(
        &mut self,
        topology: &str,
        link: &str,
        file: impl AsFd,
    ) -> Result<u64, ClientError> {
        let request = Request::Past { topology: topology.to_owned(), link: link.to_owned() };
        match self.call(&request, Some(file.as_fd()))? {
            Answer::Saved { bytes } => Ok(bytes),
            _ => Err(ClientError::Mismatch),
        }
    }

    /// Ends a topology; an unknown one is fine.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn remove(&mut self, topology: &str) -> Result<(), ClientError> {
        match self.call(&Request::Remove { topology: topology.to_owned() }, None)? {
            Answer::Removed => Ok(()),
            _ => Err(ClientError::Mismatch),
        }
    }

    /// The keys of all topologies.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn list(&mut self) -> Result<Vec<String>, ClientError> {
        match self.call(&Request::List, None)? {
            Answer::Topologies(topologies) => Ok(topologies),
            _ => Err(ClientError::Mismatch),
        }
    }

    /// Counters and faults of one topology or of all.
    ///
    /// # Errors
    /// See [`ClientError`]; refused with `not_found` for an unknown topology.
    pub fn status(
        &mut self,
        topology: Option<&str>,
    ) -> Result<BTreeMap<String, TopologyStatus>, ClientError> {
        let request = Request::Status { topology: topology.map(str::to_owned) };
        match self.call(&request, None)? {
            Answer::Status(status) => Ok(status),
            _ => Err(ClientError::Mismatch),
        }
    }

    /// Tells of frames that the kernel lost in front of a port.
    ///
    /// # Errors
    /// See [`ClientError`]; refused with `not_found` for an unknown port.
    pub fn lost(&mut self, topology: &str, port: &str, frames: u64) -> Result<(), ClientError> {
        let (topology, port) = (topology.to_owned(), port.to_owned());
        match self.call(&Request::Lost { topology, port, frames }, None)? {
            Answer::Noted => Ok(()),
            _ => Err(ClientError::Mismatch),
        }
    }

    /// All of a switch or hub.
    ///
    /// # Errors
    /// See [`ClientError`]; refused with `not_found` if it is unknown.
    pub fn bridge(&mut self, topology: &str, bridge: &str) -> Result<BridgeView, ClientError> {
        let (topology, bridge) = (topology.to_owned(), bridge.to_owned());
        match self.call(&Request::Bridge { topology, bridge }, None)? {
            Answer::Bridge(view) => Ok(view),
            _ => Err(ClientError::Mismatch),
        }
    }

    /// How the data threads share the work, one entry for each.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn workers(&mut self) -> Result<Vec<WorkerStatus>, ClientError> {
        match self.call(&Request::Workers, None)? {
            Answer::Workers(workers) => Ok(workers),
            _ => Err(ClientError::Mismatch),
        }
    }

    /// Checks that the data path answers.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn ping(&mut self) -> Result<(), ClientError> {
        match self.call(&Request::Ping, None)? {
            Answer::Pong => Ok(()),
            _ => Err(ClientError::Mismatch),
        }
    }

    fn call(
        &mut self,
        request: &Request,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<Answer, ClientError> {
        if let Err(error) = message::send(&self.stream, request, descriptor) {
            // who is not let in is told why before the door shuts
            if let MessageError::Stream { .. } = error
                && let Ok(Some((Reply::Refused(refusal), _))) = message::receive(&self.stream)
            {
                return Err(ClientError::Refused(refusal));
            }
            return Err(ClientError::Exchange(error));
        }
        match message::receive::<Reply>(&self.stream).map_err(ClientError::Exchange)? {
            Some((Reply::Done(answer), _)) => Ok(answer),
            Some((Reply::Refused(refusal), _)) => Err(ClientError::Refused(refusal)),
            None => Err(ClientError::Closed),
        }
    }
}
