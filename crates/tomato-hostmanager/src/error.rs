//! How failures of the parts become errors of the protocol.

use tomato_api::error::{ApiError, ErrorCode};
pub(crate) use tomato_virt::chain;
use tomato_virt::container::ContainerError;

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
