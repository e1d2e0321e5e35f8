//! Errors as the original's client library reads them: fault 999 with a JSON text.
//!
//! The client gives the JSON's members to a constructor as keywords, so there may be no others than those here.

use serde_json::{Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};

use super::codec::CallFault;

/// Fault code of an unknown method.
pub(crate) const UNKNOWN_METHOD: i32 = 26;
/// Fault code of an error of the application.
pub(crate) const APPLICATION_ERROR: i32 = 999;
/// Fault code of anything unexpected.
pub(crate) const UNEXPECTED: i32 = -1;

/// The fault for a method that does not exist.
pub(crate) fn unknown_method() -> CallFault {
    CallFault { code: UNKNOWN_METHOD, text: "No such method!".to_owned() }
}

/// The original's name of a code; two of ours it did not have.
fn code_name(error: &ApiError) -> Json {
    if is_transport(error) {
        return json!("network.connect");
    }
    match error.code {
        ErrorCode::Conflict => json!("entity_busy"),
        ErrorCode::Internal => json!("assertion"),
        other => serde_json::to_value(other).unwrap_or(Json::Null),
    }
}

/// Whether something could not be reached.
fn is_transport(error: &ApiError) -> bool {
    error.code == ErrorCode::HostError && error.data["transport"].is_string()
}

/// The original's class of an error.
fn class(error: &ApiError) -> &'static str {
    match error.code {
        _ if is_transport(error) => "transport",
        ErrorCode::Internal | ErrorCode::HostError => "internal",
        _ => "user",
    }
}

/// The fault that answers `error`.
pub(crate) fn of_error(error: &ApiError) -> CallFault {
    let data = if error.data.is_object() { error.data.clone() } else { json!({}) };
    let text = json!({
        "type": class(error),
        "code": code_name(error),
        "message": error.message,
        "data": data,
        "todump": false,
        "module": "backend",
        "httpcode": status(error.code),
    });
    CallFault { code: APPLICATION_ERROR, text: text.to_string() }
}

/// The original's HTTP status of a code where it differs from ours.
fn status(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::Denied => 401,
        ErrorCode::TimedOut | ErrorCode::HostError => 500,
        other => other.http_status(),
    }
}
