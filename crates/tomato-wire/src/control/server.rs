//! One control connection: requests in, answers out.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use crate::config::check_topology_key;
use crate::control::message::{self, MessageError};
use crate::control::{Answer, ErrorCode, Refusal, Reply, Request, VERSION, Welcome};

/// Does what is asked; the data thread's side of the protocol.
pub trait Service {
    /// Who answers.
    fn welcome(&self) -> Welcome;

    /// Does one request; never [`Request::Hello`], and no configuration that its check refuses.
    ///
    /// # Errors
    /// Why it was not done.
    fn handle(&mut self, request: Request, descriptor: Option<OwnedFd>) -> Result<Answer, Refusal>;
}

/// Serves a connection until its end. The stream's read timeout bounds a message, not the silence between two.
///
/// # Errors
/// If the stream fails.
pub fn serve(stream: &UnixStream, service: &mut impl Service) -> Result<(), MessageError> {
    let mut is_welcome = false;
    loop {
        let result = match message::receive::<Request>(stream) {
            Ok(None) => return Ok(()),
            Ok(Some((request, descriptor))) => {
                answer(service, &mut is_welcome, request, descriptor)
            }
            Err(error) if error.is_idle() => continue,
            Err(MessageError::Parse(error)) => {
                Err(Refusal::new(ErrorCode::BadRequest, format!("request not understood: {error}")))
            }
            Err(MessageError::TooLong { bytes }) => {
                let error = MessageError::TooLong { bytes };
                let refusal = Refusal::new(ErrorCode::Limit, error.to_string());
                message::send(stream, &Reply::Refused(refusal), None)?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        let reply = result.map_or_else(Reply::Refused, Reply::Done);
        match message::send(stream, &reply, None) {
            Err(MessageError::TooLong { bytes }) => {
                let message = format!("the answer has {bytes} bytes; ask for one topology");
                let refusal = Refusal::new(ErrorCode::Limit, message);
                message::send(stream, &Reply::Refused(refusal), None)?;
            }
            other => other?,
        }
    }
}

fn answer(
    service: &mut impl Service,
    is_welcome: &mut bool,
    request: Request,
    descriptor: Option<OwnedFd>,
) -> Result<Answer, Refusal> {
    if let Request::Hello { version } = request {
        *is_welcome = version == VERSION;
        if *is_welcome {
            return Ok(Answer::Welcome(service.welcome()));
        }
        let message = format!(
            "this wire speaks version {VERSION} of the control protocol, not {version}; \
             run both sides from the same release"
        );
        return Err(Refusal::new(ErrorCode::Version, message));
    }
    if !*is_welcome {
        return Err(Refusal::new(ErrorCode::Version, "say hello with a version first"));
    }
    if let Some(topology) = request.topology() {
        check_topology_key(topology)
            .map_err(|error| Refusal::new(ErrorCode::InvalidConfig, error.to_string()))?;
    }
    if let Request::Apply { config, .. } = &request {
        config
            .check()
            .map_err(|error| Refusal::new(ErrorCode::InvalidConfig, error.to_string()))?;
    }
    service.handle(request, descriptor)
}
