//! How failures of the parts become errors of the protocol.

use tomato_api::error::{ApiError, ErrorCode};
use tomato_virt::container::ContainerError;

/// An error with all its sources in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// What failed on this host, for the user.
pub(crate) fn of_container(error: &ContainerError) -> ApiError {
    let code = match error {
        ContainerError::NotPrepared(_) | ContainerError::NotStarted(_) => ErrorCode::InvalidState,
        ContainerError::StartCommand { .. } => ErrorCode::CommandFailed,
        ContainerError::NoDhcpClient { .. } => ErrorCode::InvalidConfiguration,
        ContainerError::Invalid(_)
        | ContainerError::Refused { .. }
        | ContainerError::ArchiveSize { .. } => ErrorCode::InvalidValue,
        ContainerError::Lock { .. } => ErrorCode::EntityBusy,
        _ => ErrorCode::HostError,
    };
    ApiError::new(code, chain(error))
}

/// A failure of the host itself.
pub(crate) fn of_host(doing: &str, error: &dyn std::error::Error) -> ApiError {
    ApiError::new(ErrorCode::HostError, format!("{doing}: {}", chain(error)))
}
