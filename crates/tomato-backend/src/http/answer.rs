//! Answers of the REST interface.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tomato_api::error::{ApiError, ErrorCode};

use tomato_api::usage::Line;

use crate::app::event::Followed;
use crate::app::{Answer, internal};
use crate::hostlink::ByteStream;
use crate::http::status;

/// The JSON of an answer, beside it for the audit log.
#[derive(Debug, Clone)]
pub(crate) struct Shown(Bytes);

impl Shown {
    /// Id or name of what the answer is about.
    pub(crate) fn about(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Named {
            id: Option<String>,
            name: Option<String>,
        }
        let named: Named = serde_json::from_slice(&self.0).ok()?;
        named.id.or(named.name)
    }
}

/// A value as JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> Response {
    let bytes = match serde_json::to_vec(value) {
        Ok(bytes) => Bytes::from(bytes),
        Err(error) => return problem(&internal("writing an answer", &error)),
    };
    let headers = [(CONTENT_TYPE, "application/json")];
    let mut response = (headers, bytes.clone()).into_response();
    response.extensions_mut().insert(Shown(bytes));
    response
}

/// The answer to a change: status 202 says that the change is kept but not yet done on the host.
pub(crate) fn applied(mut answer: Response, is_pending: bool) -> Response {
    if is_pending {
        *answer.status_mut() = StatusCode::ACCEPTED;
    }
    answer
}

/// An error as a problem document.
pub(crate) fn problem(error: &ApiError) -> Response {
    let status = status(error.code);
    let code = json!(error.code);
    let title = code.as_str().unwrap_or_default().replace('_', " ");
    let document = json!({
        "type": "about:blank",
        "title": title,
        "status": status.as_u16(),
        "detail": error.message,
        "code": code,
        "data": error.data,
    });
    let mut response = (status, document.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(wait_s) = error.data.get("retry_after_s").and_then(serde_json::Value::as_u64) {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait_s));
    }
    if error.code == ErrorCode::NotLoggedIn {
        headers.insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"ToMaTo\", charset=\"UTF-8\""),
        );
    }
    response
}

/// Text of a type.
pub(crate) fn text(body: String, content_type: &'static str) -> Response {
    ([(CONTENT_TYPE, content_type)], body).into_response()
}

/// Bytes of any length, to be saved under a name.
pub(crate) fn stream(body: ByteStream, content_type: &'static str, file_name: &str) -> Response {
    let mut response = Body::from_stream(body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{file_name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}

/// Server-sent events of what passes a topology.
pub(crate) fn traffic(lines: impl Stream<Item = Answer<Line>> + Send + 'static) -> Response {
    let frames = lines.map(|line| {
        let (event, data) = match line {
            Ok(Line::Traffic(traffic)) => ("traffic", json!(traffic)),
            Ok(Line::Usage(elements)) => ("usage", json!({"elements": elements})),
            Err(error) => ("error", json!(error)),
        };
        Ok::<_, Infallible>(SseEvent::default().event(event).data(data.to_string()))
    });
    Sse::new(frames).keep_alive(KeepAlive::default()).into_response()
}

/// Server-sent events; the stream ends at the first error.
pub(crate) fn events(events: impl Stream<Item = Answer<Followed>> + Send + 'static) -> Response {
    let frames = events.map(|event| {
        let frame = match event {
            Ok(Followed::Event(event)) => {
                SseEvent::default().id(event.seq.to_string()).data(json!(event).to_string())
            }
            Ok(Followed::Reload(seq)) => SseEvent::default()
                .id(seq.to_string())
                .event("reload")
                .data(json!({"seq": seq}).to_string()),
            Ok(Followed::Presence(told)) => {
                SseEvent::default().event("presence").data(json!(told).to_string())
            }
            Err(error) => SseEvent::default().event("error").data(json!(error).to_string()),
        };
        Ok::<_, Infallible>(frame)
    });
    Sse::new(frames).keep_alive(KeepAlive::default()).into_response()
}
