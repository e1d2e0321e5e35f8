//! The error codes of the public API and of the host protocol, those of the original where it had one.

use serde::{Deserialize, Serialize};

/// Why a call was refused.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Unknown or invisible object.
    EntityDoesNotExist,
    /// The object cannot do that.
    UnsupportedAction,
    /// The object has no such attribute.
    UnsupportedAttribute,
    /// Not in this state.
    InvalidState,
    /// Another action runs on the object.
    EntityBusy,
    /// These two cannot be joined.
    UnableToConnect,
    /// The interface has a connection already.
    AlreadyConnected,
    /// No such kind.
    UnsupportedType,
    /// Values are fine alone but not together.
    InvalidConfiguration,
    /// A value is out of range or unreadable.
    InvalidValue,
    /// Nothing there to return.
    NoDataAvailable,
    /// A command ended with an error.
    CommandFailed,
    /// The role is missing.
    Denied,
    /// No or wrong credentials.
    NotLoggedIn,
    /// It still holds others.
    NotEmpty,
    /// The deadline passed.
    TimedOut,
    /// The name fits several.
    Ambiguous,
    /// The name is taken.
    AlreadyExists,
    /// The object changed since the revision named.
    Conflict,
    /// No host can take it, or a limit is reached.
    NoResources,
    /// Asked too often; the data has `retry_after_s`.
    RateLimited,
    /// A host failed or is away.
    HostError,
    /// A fault of ours.
    Internal,
}

impl ErrorCode {
    /// The HTTP status that goes with the code.
    pub fn http_status(self) -> u16 {
        match self {
            Self::EntityDoesNotExist => 404,
            Self::UnsupportedAction => 405,
            Self::UnsupportedAttribute
            | Self::UnsupportedType
            | Self::InvalidConfiguration
            | Self::InvalidValue
            | Self::Ambiguous => 400,
            Self::InvalidState
            | Self::EntityBusy
            | Self::UnableToConnect
            | Self::AlreadyConnected
            | Self::NoDataAvailable
            | Self::NotEmpty
            | Self::AlreadyExists
            | Self::Conflict => 409,
            Self::Denied => 403,
            Self::NotLoggedIn => 401,
            Self::RateLimited => 429,
            Self::NoResources => 503,
            Self::TimedOut => 504,
            Self::HostError => 502,
            Self::CommandFailed | Self::Internal => 500,
        }
    }
}

/// An error as every interface answers it.
#[derive(
    Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema, thiserror::Error,
)]
#[error("{message}")]
pub struct ApiError {
    /// What kind of error.
    pub code: ErrorCode,
    /// In words, naming the field and the remedy.
    pub message: String,
    /// Context: `attribute`, `value`, `entity`, `id`, `current` and the like.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
}

impl ApiError {
    /// An error without context data.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: serde_json::Value::Null }
    }

    /// The same with context data.
    #[must_use]
    pub fn with(mut self, data: serde_json::Value) -> Self {
        self.data = data;
        self
    }
}
